"""Learns to read handwritten digits that never leave the people who wrote them.

The program of the tutorial "Federated Learning for Image Classification". Many clients hold a few
digits each. Every round some of them train a copy of the model on their own digits and send back
only what they changed; the server averages the changes, weighted by how many examples stand behind
each.

    python examples/image_classification.py --dataset digits --rounds 30
"""

from __future__ import annotations

import argparse
import collections
import dataclasses
import math
import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np
import reporting
import tensorflow as tf

import tensorflow_federated as tff

NUM_EPOCHS = 5
BATCH_SIZE = 20
SHUFFLE_BUFFER = 100
PREFETCH_BUFFER = 10

# EMNIST has twelve times as many pixels, most of them 1 (paper): the same step goes further.
CLIENT_LEARNING_RATES = {"digits": 0.5, "emnist": 0.02}
SERVER_LEARNING_RATE = 1.0


@dataclasses.dataclass(frozen=True)
class Task:
    """The clients' data and how a model meets it.

    Attributes:
      train: What each client trains on.
      held_out: What each client keeps aside for evaluation.
      client_learning_rate: The step size of a client's gradient descent.
    """

    train: tff.simulation.datasets.ClientData
    held_out: tff.simulation.datasets.ClientData
    client_learning_rate: float

    @property
    def num_pixels(self) -> int:
        """The number of pixels of one image."""
        return math.prod(self.train.element_type_structure["pixels"].shape)

    @property
    def input_spec(self) -> Any:
        """What one batch of examples looks like, once preprocessed."""
        any_client = self.train.client_ids[0]
        return self.preprocess(self.train.create_tf_dataset_for_client(any_client)).element_spec

    def preprocess(self, dataset: tf.data.Dataset, num_epochs: int = NUM_EPOCHS) -> tf.data.Dataset:
        """Makes batches of flat images and labels, every example `num_epochs` times, shuffled."""

        def flatten(element):
            return collections.OrderedDict(
                x=tf.reshape(element["pixels"], [-1, self.num_pixels]),
                y=tf.reshape(element["label"], [-1, 1]),
            )

        return (
            dataset.repeat(num_epochs)
            .shuffle(SHUFFLE_BUFFER, seed=1)
            .batch(BATCH_SIZE)
            .map(flatten)
            .prefetch(PREFETCH_BUFFER)
        )

    def training_data(self, client_ids: list[str]) -> list[tf.data.Dataset]:
        """Returns what these clients train on in one round: one dataset a client."""
        return [self.preprocess(self.train.create_tf_dataset_for_client(i)) for i in client_ids]

    def held_out_data(self) -> list[tf.data.Dataset]:
        """Returns what every client holds out, each example once."""
        clients = self.held_out
        return [
            self.preprocess(clients.create_tf_dataset_for_client(i), num_epochs=1)
            for i in clients.client_ids
        ]


def load_task(dataset: str) -> Task:
    """Loads `digits`, which comes with the package, or `emnist`, which is downloaded once."""
    load_data = {
        "digits": tff.simulation.datasets.digits.load_data,
        "emnist": tff.simulation.datasets.emnist.load_data,
    }[dataset]
    try:
        train, held_out = load_data()
    except (OSError, ValueError) as error:
        # No network, or a damaged file: the message says what to do.
        raise SystemExit(f"--dataset {dataset}: {error}") from error
    return Task(train, held_out, CLIENT_LEARNING_RATES[dataset])


def create_keras_model(num_pixels: int) -> tf.keras.Model:
    """A softmax regression: one score a digit, linear in the pixels."""
    return tf.keras.models.Sequential(
        [
            tf.keras.layers.InputLayer(shape=(num_pixels,)),
            tf.keras.layers.Dense(10, kernel_initializer="zeros"),
            tf.keras.layers.Softmax(),
        ]
    )


def create_model(task: Task) -> tff.learning.models.VariableModel:
    """Wraps a new Keras model for federated learning."""
    return tff.learning.models.from_keras_model(
        create_keras_model(task.num_pixels),
        input_spec=task.input_spec,
        loss=tf.keras.losses.SparseCategoricalCrossentropy(),
        metrics=[tf.keras.metrics.SparseCategoricalAccuracy()],
    )


def train(
    task: Task,
    model_fn: Callable[[], tff.learning.models.VariableModel],
    report: reporting.Report,
    *,
    num_rounds: int,
    clients_per_round: int,
    seed: int,
) -> tff.learning.models.ModelWeights:
    """Trains by federated averaging and returns the weights of the global model."""
    training_process = tff.learning.algorithms.build_weighted_fed_avg(
        model_fn,
        client_optimizer_fn=tff.learning.optimizers.build_sgdm(task.client_learning_rate),
        server_optimizer_fn=tff.learning.optimizers.build_sgdm(SERVER_LEARNING_RATE),
    )
    print("What the server keeps between rounds:")
    print(training_process.initialize.type_signature.formatted_representation())

    generator = np.random.default_rng(seed)
    state = training_process.initialize()
    with report.rounds(num_rounds) as rounds:
        for _ in range(num_rounds):
            cohort = generator.choice(task.train.client_ids, clients_per_round, replace=False)
            result = training_process.next(state, task.training_data(cohort.tolist()))
            state = result.state
            rounds.record(result.metrics["client_work"]["train"], num_clients=len(cohort))
    return training_process.get_model_weights(state)


def evaluate(
    task: Task,
    model_fn: Callable[[], tff.learning.models.VariableModel],
    model_weights: tff.learning.models.ModelWeights,
) -> collections.OrderedDict[str, float]:
    """Returns the metrics of the global model on what the clients held out."""
    evaluation_process = tff.learning.algorithms.build_fed_eval(model_fn)
    state = evaluation_process.set_model_weights(evaluation_process.initialize(), model_weights)
    output = evaluation_process.next(state, task.held_out_data())
    return output.metrics["client_work"]["eval"]["current_round_metrics"]


def save_keras_model(
    task: Task, model_weights: tff.learning.models.ModelWeights, path: pathlib.Path
) -> None:
    """Saves the global model as Keras saves any model, and reads digits with what was saved."""
    keras_model = create_keras_model(task.num_pixels)
    model_weights.assign_weights_to(keras_model)
    keras_model.save(path)

    batch = next(iter(task.held_out_data()[0]))
    scores = tf.keras.models.load_model(path).predict(batch["x"], verbose=0)
    print("The saved model reads", *np.argmax(scores, axis=-1))
    print("     and it should be", *batch["y"].numpy().flatten())


def run(
    create_model: Callable[[Task], tff.learning.models.VariableModel],
    arguments: argparse.Namespace,
) -> None:
    """Looks at the data, trains, evaluates, and leaves everything in the output folder."""
    task = load_task(arguments.dataset)
    num_clients = len(task.train.client_ids)
    if arguments.clients_per_round > num_clients:
        raise SystemExit(
            f"--clients-per-round {arguments.clients_per_round}: there are {num_clients} clients."
        )
    try:
        report = reporting.Report(arguments.output)
    except OSError as error:
        raise SystemExit(f"--output {arguments.output}: {error.strerror}") from error
    report.clients(task.train)

    def model_fn() -> tff.learning.models.VariableModel:
        return create_model(task)

    model_weights = train(
        task,
        model_fn,
        report,
        num_rounds=arguments.rounds,
        clients_per_round=arguments.clients_per_round,
        seed=arguments.seed,
    )
    report.evaluation(evaluate(task, model_fn, model_weights))
    report.curves()
    save_keras_model(task, model_weights, report.path("model.keras", "Trained Keras model"))
    report.summary()


def positive_integer(text: str) -> int:
    """Reads a number of things of which there must be one at least."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number of at least 1")
    return int(text)


def seed(text: str) -> int:
    """Reads the seed of a random generator."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text} is not a whole number of at least 0")
    return int(text)


def parse_arguments(description: str | None, output: str) -> argparse.Namespace:
    """Reads the command line; `output` is the folder written to when none is named."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--dataset",
        choices=["digits", "emnist"],
        default="digits",
        help="the digits that come with the package, or EMNIST, which is downloaded once",
    )
    parser.add_argument(
        "--rounds", type=positive_integer, default=30, metavar="N", help="default: 30"
    )
    parser.add_argument(
        "--clients-per-round", type=positive_integer, default=10, metavar="N", help="default: 10"
    )
    parser.add_argument(
        "--output",
        type=pathlib.Path,
        default=pathlib.Path(output),
        metavar="DIR",
        help="where to write, made if it is not there; default: %(default)s",
    )
    parser.add_argument(
        "--seed", type=seed, default=0, help="decides who takes part in which round; default: 0"
    )
    return parser.parse_args()


if __name__ == "__main__":
    run(create_model, parse_arguments(__doc__, "output/image_classification"))
