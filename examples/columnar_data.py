"""Federated averaging on arrays: JAX and NumPy, and no TensorFlow, installed or not.

    python examples/columnar_data.py

The clients' examples lie in two arrays, and a client is some rows of them. What is done with the
examples of a client before it trains is declared (`Preprocessing`), so that a round begins with row
numbers and copies nothing.
"""

from __future__ import annotations

import argparse
import collections
import sys
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import tensorflow_federated as tff

LEARNING_RATE = 0.1
BATCH = collections.OrderedDict(
    x=tff.TensorType(np.float32, [None, 64]), y=tff.TensorType(np.int32, [None])
)
WEIGHTS = collections.OrderedDict(
    kernel=tff.TensorType(np.float32, [64, 10]), bias=tff.TensorType(np.float32, [10])
)
STATE = collections.OrderedDict(weights=WEIGHTS, num_examples=np.float32)


def loss(weights: Any, batch: Any) -> Any:
    """The mean cross entropy of softmax regression on a batch."""
    scores = jax.nn.log_softmax(batch["x"] @ weights["kernel"] + weights["bias"])
    return -jnp.mean(jnp.take_along_axis(scores, batch["y"][:, None], axis=1))


@tff.jax.computation(WEIGHTS)
def start(weights: Any) -> Any:
    """What a client begins with."""
    return collections.OrderedDict(weights=weights, num_examples=jnp.float32(0))


@tff.jax.computation(STATE, BATCH)
def local_step(state: Any, batch: Any) -> Any:
    """One step of gradient descent."""
    gradient = jax.grad(loss)(state["weights"], batch)
    weights = jax.tree.map(lambda w, g: w - LEARNING_RATE * g, state["weights"], gradient)
    return collections.OrderedDict(
        weights=weights, num_examples=state["num_examples"] + len(batch["y"])
    )


@tff.federated_computation(tff.SequenceType(BATCH), WEIGHTS)
def train_client(data: Any, weights: Any) -> Any:
    """A client's steps, one for each of its batches."""
    return tff.sequence_reduce(data, start(weights), local_step)


@tff.federated_computation(
    tff.FederatedType(WEIGHTS, tff.SERVER),
    tff.FederatedType(tff.SequenceType(BATCH), tff.CLIENTS),
)
def train_round(weights: Any, data: Any) -> Any:
    """One round of federated averaging: the mean of the clients' weights, by their examples."""
    results = tff.federated_map(train_client, (data, tff.federated_broadcast(weights)))
    return tff.federated_mean(results.weights, results.num_examples)


def as_features(examples: Any) -> Any:
    """All of a client's images as rows of 64 numbers: called once for each client, not each round.

    The names are those that the computation knows.
    """
    return collections.OrderedDict(
        x=examples["pixels"].reshape(-1, 64), y=examples["label"].astype(np.int32)
    )


def accuracy(weights: Any, examples: Any) -> float:
    """The part of the examples that is classified rightly."""
    scores = examples["x"] @ weights["kernel"] + weights["bias"]
    return float(np.mean(np.argmax(scores, axis=1) == examples["y"]))


def main() -> None:
    """Trains on the digits that come with the package."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--clients", type=int, default=10, help="clients a round")
    arguments = parser.parse_args()

    digits = tff.simulation.datasets.digits.load_images()
    held_out = as_features({name: column[:300] for name, column in digits.items()})
    parts = tff.simulation.datasets.partition.dirichlet_partition(
        digits["label"][300:], num_clients=30, alpha=1.0
    )
    owners = np.empty(len(digits["label"]) - 300, np.int64)
    for number, rows in enumerate(parts):
        owners[rows] = number
    clients = tff.simulation.datasets.ClientArrays(
        {name: column[300:] for name, column in digits.items()}, owners=owners
    )
    train = clients.preprocess(
        tff.simulation.datasets.Preprocessing(
            map=as_features, shuffle=True, seed=1, epochs=2, batch_size=20
        )
    )
    print(train.cohort(train.client_ids[:1])[0])

    sample = tff.simulation.build_uniform_sampling_fn(train.client_ids, random_seed=1)
    weights: Any = collections.OrderedDict(
        kernel=np.zeros([64, 10], np.float32), bias=np.zeros([10], np.float32)
    )
    for number in range(arguments.rounds):
        began = time.perf_counter()
        cohort = train.cohort(sample(number, arguments.clients), round_number=number)
        weights = train_round(weights, cohort)
        seconds = time.perf_counter() - began
        print(
            f"round {number + 1:3d}   held out {accuracy(weights, held_out):.3f}   {seconds:.3f} s"
        )
    print("TensorFlow was loaded." if "tensorflow" in sys.modules else "TensorFlow was not loaded.")


if __name__ == "__main__":
    main()
