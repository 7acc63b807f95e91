"""Trains a federated model on several processes, and shows that no bit depends on that.

python examples/processes.py --workers 2
"""

from __future__ import annotations

import argparse
import time

import jax
import jax.numpy as jnp
import numpy as np

import tensorflow_federated as tff

SPEC = (tff.TensorType(np.float32, [None, 20]), tff.TensorType(np.int32, [None]))


@jax.jit
def predict(weights, x, training):
    """The scores of three classes."""
    del training
    (kernel, bias), _ = weights
    return x @ kernel + bias


def loss(output, label, sample_weight=None):
    """The mean cross-entropy of a batch."""
    del sample_weight
    return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(output), label[:, None], axis=1))


def build_process() -> tff.learning.templates.LearningProcess:
    """Federated averaging of a softmax regression."""
    zeros = [np.zeros([20, 3], np.float32), np.zeros([3], np.float32)]
    model = tff.learning.models.FunctionalModel(
        initial_weights=(zeros, []),
        predict_on_batch_fn=predict,
        loss_fn=loss,
        input_spec=SPEC,
    )
    return tff.learning.algorithms.build_weighted_fed_avg(
        model, client_optimizer_fn=tff.learning.optimizers.build_sgdm(0.1)
    )


def client_batches(client_count: int) -> list[list[tuple[np.ndarray, np.ndarray]]]:
    """For each client some batches of its own, of points around three centres."""
    random = np.random.default_rng(0)
    centres = random.normal(size=[3, 20])
    clients: list[list[tuple[np.ndarray, np.ndarray]]] = []
    for batch_count in random.integers(1, 10, client_count):
        labels = random.integers(0, 3, [batch_count, 10]).astype(np.int32)
        points = (centres[labels] + random.normal(size=[batch_count, 10, 20])).astype(np.float32)
        clients.append(list(zip(points, labels, strict=True)))
    return clients


def train(clients: list[list[tuple[np.ndarray, np.ndarray]]], rounds: int) -> bytes:
    """Trains in the context that is set; gives the weights as bytes."""
    process = build_process()
    state = process.initialize()
    for number in range(1, rounds + 1):
        start = time.perf_counter()
        state = process.next(state, clients).state
        print(f"round {number:2}  {time.perf_counter() - start:6.2f} s")
    weights = process.get_model_weights(state).trainable
    return b"".join(np.asarray(each).tobytes() for each in weights)


def main() -> None:
    """Trains in processes, and then here."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, default=2, help="the number of processes")
    parser.add_argument("--clients", type=int, default=100, help="the number of clients")
    parser.add_argument("--rounds", type=int, default=3, help="the number of rounds")
    options = parser.parse_args()
    clients = client_batches(options.clients)

    print(f"in {options.workers} processes")
    with tff.backends.native.create_executor_context(options.workers):
        there = train(clients, options.rounds)
    print("in this process")
    here = train(clients, options.rounds)
    print("the weights are", "the same" if here == there else "different")


if __name__ == "__main__":
    main()
