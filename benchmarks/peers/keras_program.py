"""Keras models in `tensorflow_federated`: in this package, and in TFF 0.87, all the same."""

from __future__ import annotations

import collections
from typing import Any

import contestant
import workload


def build(program: workload.Program, population: workload.Population) -> contestant.RunRound:
    import tensorflow as tf

    import tensorflow_federated as tff

    if program.processes:
        _use_processes(program.processes)
    is_tutorial = program.preprocessing == "tutorial"
    features, labels = [workload.NUM_PIXELS], [1]
    if not is_tutorial:
        features, labels = [*workload.IMAGE], []
    x, y = tf.TensorSpec([None, *features]), tf.TensorSpec([None, *labels], tf.int32)

    def model_fn() -> Any:
        return tff.learning.models.from_keras_model(
            keras_model(program, x),
            input_spec=collections.OrderedDict(x=x, y=y) if is_tutorial else (x, y),
            loss=tf.keras.losses.SparseCategoricalCrossentropy(from_logits=not is_tutorial),
            metrics=[tf.keras.metrics.SparseCategoricalAccuracy()],
        )

    process = tff.learning.algorithms.build_weighted_fed_avg(
        model_fn,
        client_optimizer_fn=tff.learning.optimizers.build_sgdm(workload.LEARNING_RATE),
        server_optimizer_fn=tff.learning.optimizers.build_sgdm(1.0),
    )
    state = process.initialize()
    # TensorFlow settles how many threads a kernel has when it makes the first data set; those who
    # build the process before let this package choose.
    datasets = (_tutorial_datasets if is_tutorial else _batches)(population, program)

    def run_round(round_number: int) -> None:
        nonlocal state
        state = process.next(state, datasets(round_number)).state

    return run_round


def keras_model(program: workload.Program, features: Any) -> Any:
    """The model, for features of a `tf.TensorSpec`."""
    import tensorflow as tf

    layers = tf.keras.layers
    entry = layers.InputLayer(features.shape[1:])
    if program.preprocessing == "tutorial":
        output = layers.Dense(workload.NUM_LABELS, kernel_initializer="zeros")
        return tf.keras.Sequential([entry, output, layers.Softmax()])
    if program.model == "softmax":
        output = layers.Dense(workload.NUM_LABELS, kernel_initializer="zeros")
        return tf.keras.Sequential([entry, layers.Flatten(), output])
    return tf.keras.Sequential(
        [
            entry,
            layers.Reshape((*workload.IMAGE, 1)),
            layers.Conv2D(32, 5, padding="same", activation="relu"),
            layers.MaxPool2D(),
            layers.Conv2D(64, 5, padding="same", activation="relu"),
            layers.MaxPool2D(),
            layers.Flatten(),
            layers.Dense(512, activation="relu"),
            layers.Dense(workload.NUM_LABELS),
        ]
    )


def _batches(population: workload.Population, program: workload.Program) -> Any:
    """A function from a round to the data sets of its clients: one epoch, in batches."""
    import tensorflow as tf

    made: dict[int, Any] = {}

    def dataset(client: int) -> Any:
        rows = population.rows(client)
        examples = population.images[rows], population.labels[rows]
        return tf.data.Dataset.from_tensor_slices(examples).batch(workload.BATCH_SIZE)

    def of_round(round_number: int) -> list[Any]:
        clients = workload.cohort(program, round_number).tolist()
        if program.data == "fresh":
            return [dataset(client) for client in clients]
        return [
            made[client] if client in made else made.setdefault(client, dataset(client))
            for client in clients
        ]

    return of_round


def _tutorial_datasets(population: workload.Population, program: workload.Program) -> Any:
    """The same for the tutorial, whose clients are the same ones in each round."""
    import tensorflow as tf

    import tensorflow_federated as tff

    del program
    clients = tff.simulation.datasets.TestClientData(
        {
            f"client_{client:02}": collections.OrderedDict(
                label=population.labels[population.rows(client)],
                pixels=population.images[population.rows(client)],
            )
            for client in range(workload.TUTORIAL_CLIENTS)
        }
    )

    def preprocess(dataset: Any) -> Any:
        def batch_format_fn(element: Any) -> Any:
            return collections.OrderedDict(
                x=tf.reshape(element["pixels"], [-1, workload.NUM_PIXELS]),
                y=tf.reshape(element["label"], [-1, 1]),
            )

        return (
            dataset.repeat(workload.TUTORIAL_EPOCHS)
            .shuffle(workload.TUTORIAL_SHUFFLE_BUFFER, seed=1)
            .batch(workload.BATCH_SIZE)
            .map(batch_format_fn)
            .prefetch(workload.TUTORIAL_PREFETCH)
        )

    datasets = [
        preprocess(clients.create_tf_dataset_for_client(each)) for each in clients.client_ids
    ]
    return lambda round_number: datasets


def _use_processes(number: int) -> None:
    import concurrent.futures
    import multiprocessing

    import tensorflow_federated as tff

    context = multiprocessing.get_context("spawn")
    executor = concurrent.futures.ProcessPoolExecutor(number, mp_context=context)
    tff.backends.native.set_executor_context(executor)


if __name__ == "__main__":
    contestant.serve(build, framework="tensorflow")
