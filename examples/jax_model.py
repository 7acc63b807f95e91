"""Trains a small convolutional network, written in JAX, on handwritten digits of 30 people.

Nothing here needs TensorFlow: the model is a few functions on arrays, the digits come with the
package, and what is done with a client's examples is declared, not programmed.

    python examples/jax_model.py --rounds 20
"""

from __future__ import annotations

import argparse
import collections
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import tensorflow_federated as tff

BATCH_SIZE = 20
CLIENTS_PER_ROUND = 10
EPOCHS = 5
LEARNING_RATE = 0.1
NUM_FILTERS = 8
NUM_LABELS = 10
SIDE = 8

datasets = tff.simulation.datasets

Weights = tuple[dict[str, jax.Array], tuple[()]]


def initial_weights(seed: int) -> Weights:
    """The trainable weights by name, drawn at random, and no others."""
    kernel_key, dense_key = jax.random.split(jax.random.key(seed))
    flat = (SIDE // 2) ** 2 * NUM_FILTERS
    trainable = {
        "kernel": 0.3 * jax.random.normal(kernel_key, (3, 3, 1, NUM_FILTERS)),
        "dense": 0.1 * jax.random.normal(dense_key, (flat, NUM_LABELS)),
        "bias": jnp.zeros(NUM_LABELS),
    }
    return trainable, ()


@jax.jit
def predict(model_weights: Weights, pixels: jax.Array, training: bool) -> jax.Array:
    """One score a digit: a convolution, the largest of every 2x2 pixels, and a dense layer."""
    del training
    weights, _ = model_weights
    images = pixels[..., None]
    convolved = jax.lax.conv_general_dilated(
        images, weights["kernel"], (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
    rows = jax.nn.relu(convolved).reshape(-1, SIDE // 2, 2, SIDE // 2, 2, NUM_FILTERS)
    pooled = rows.max(axis=(2, 4))
    return pooled.reshape(len(pooled), -1) @ weights["dense"] + weights["bias"]


def cross_entropy(
    scores: jax.Array, labels: jax.Array, sample_weight: jax.Array | None = None
) -> jax.Array:
    """The mean over the examples of a batch of minus the logarithm of the label's probability."""
    del sample_weight
    log_probabilities = jax.nn.log_softmax(scores)
    return -jnp.mean(jnp.take_along_axis(log_probabilities, labels[:, None], axis=1))


def is_right(labels: jax.Array, output: tff.learning.models.BatchOutput) -> jax.Array:
    """For each example whether its digit has the largest score."""
    return jnp.argmax(output.predictions, axis=1) == labels


def create_model(seed: int) -> tff.learning.models.FunctionalModel:
    """Puts the model together: weights, predictions, loss, metrics, and the form of a batch."""
    return tff.learning.models.FunctionalModel(
        initial_weights=initial_weights(seed),
        predict_on_batch_fn=predict,
        loss_fn=cross_entropy,
        metrics_fns=tff.learning.metrics.create_mean_metric_fns(
            {"loss": lambda labels, output: output.loss, "accuracy": is_right}
        ),
        input_spec=collections.OrderedDict(
            x=tff.TensorType(np.float32, [None, SIDE, SIDE]),
            y=tff.TensorType(np.int32, [None]),
        ),
    )


def to_features_and_labels(examples: Any) -> collections.OrderedDict[str, Any]:
    """The examples of a client in the form that the model declares, but for the batches."""
    return collections.OrderedDict(x=examples["pixels"], y=examples["label"])


def train(num_rounds: int, seed: int) -> tff.learning.models.ModelWeights:
    """Trains by federated averaging, prints what each round gives, and returns the weights."""
    clients, _ = datasets.digits.load_data()
    clients = clients.preprocess(
        datasets.Preprocessing(
            epochs=EPOCHS,
            shuffle=True,
            seed=seed,
            batch_size=BATCH_SIZE,
            map=to_features_and_labels,
        )
    )
    process = tff.learning.algorithms.build_weighted_fed_avg(
        create_model(seed), client_optimizer_fn=tff.learning.optimizers.build_sgdm(LEARNING_RATE)
    )
    sample = tff.simulation.build_uniform_sampling_fn(clients.client_ids, random_seed=seed)
    state = process.initialize()
    for round_number in range(num_rounds):
        cohort = clients.cohort(sample(round_number, CLIENTS_PER_ROUND), round_number)
        state, metrics = process.next(state, cohort)
        print(f"round {round_number + 1:3}: {described(metrics['client_work']['train'])}")
    return process.get_model_weights(state)


def evaluate(weights: tff.learning.models.ModelWeights, seed: int) -> dict[str, Any]:
    """Returns the metrics of a model on what all clients hold out."""
    _, clients = datasets.digits.load_data()
    clients = clients.preprocess(
        datasets.Preprocessing(batch_size=BATCH_SIZE, map=to_features_and_labels)
    )
    process = tff.learning.algorithms.build_fed_eval(create_model(seed))
    state = process.set_model_weights(process.initialize(), weights)
    _, metrics = process.next(state, clients.cohort(clients.client_ids))
    return metrics["client_work"]["eval"]["current_round_metrics"]


def described(metrics: dict[str, Any]) -> str:
    """Metrics in one line."""
    return ", ".join(f"{name} {value:.3f}" for name, value in metrics.items())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20, help="default: 20")
    parser.add_argument("--seed", type=int, default=0, help="default: 0")
    arguments = parser.parse_args()
    trained = train(arguments.rounds, arguments.seed)
    print(f"held out : {described(evaluate(trained, arguments.seed))}")
