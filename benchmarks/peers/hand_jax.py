"""What somebody writes by hand in JAX who knows its traps: one compiled loop for each core.

The clients' batches lie one after the other in a schedule; at the end of a client its weights are
added to the sum, and the next one starts from those of the server. Gradients of convolutions are
written out in the one layout that XLA is fast at inside of loops on processors. JAX has to be
started with as many devices as there are cores, by its variable `XLA_FLAGS`.
"""

from __future__ import annotations

import functools
import threading
from typing import Any

import contestant
import jax
import jax.numpy as jnp
import numpy as np
import workload
from jax import lax

from peers import jax_models

BATCHES_PER_SCHEDULE = 64


@jax.custom_vjp
def convolve(images: jax.Array, kernel: jax.Array) -> jax.Array:
    return jax_models.convolve(images, kernel)


def _convolve_forward(images: jax.Array, kernel: jax.Array) -> Any:
    return jax_models.convolve(images, kernel), (images, kernel)


def _convolve_backward(saved: Any, change: jax.Array) -> Any:
    images, kernel = saved
    of_images = jax_models.convolve(change, kernel[::-1, ::-1].transpose(0, 1, 3, 2))
    half = kernel.shape[0] // 2
    of_kernel = lax.conv_general_dilated(
        images.transpose(3, 1, 2, 0),
        change.transpose(1, 2, 0, 3),
        (1, 1),
        ((half, half), (half, half)),
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )
    return of_images, of_kernel.transpose(1, 2, 0, 3)


convolve.defvjp(_convolve_forward, _convolve_backward)

FORWARD = {
    "softmax": jax_models.softmax,
    "cnn": functools.partial(jax_models.cnn, convolve=convolve),
}


def build(program: workload.Program, population: workload.Population) -> contestant.RunRound:
    train = _training(FORWARD[program.model])
    devices = jax.devices()
    stores = [jax.device_put((population.images, population.labels), device) for device in devices]
    weights = jax.tree.map(jnp.asarray, jax_models.initial_weights(program.model))

    def run_round(round_number: int) -> None:
        nonlocal weights
        clients = workload.cohort(program, round_number)
        parts = workload.shares(clients, len(devices))
        capacity = _capacity(max(workload.batch_counts(part).sum() for part in parts))
        sums: list[Any] = [None] * len(parts)

        def work(position: int) -> None:
            schedule = _schedule(population, parts[position], capacity)
            start, (rows, ends, count) = jax.device_put((weights, schedule), devices[position])
            trained = train(start, *stores[position], rows, ends, count)
            sums[position] = jax.device_get(trained)

        threads = [threading.Thread(target=work, args=(i,)) for i in range(len(parts))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        examples = np.float32(workload.client_sizes()[clients].sum())
        weights = jax.tree.map(lambda old, *each: old + sum(each) / examples, weights, *sums)
        jax.block_until_ready(weights)

    return run_round


def _training(forward: Any) -> Any:
    def loss(weights: Any, images: jax.Array, labels: jax.Array, is_there: jax.Array) -> jax.Array:
        losses = jax_models.losses(forward(weights, images), labels)
        return jnp.sum(losses * is_there) / jnp.maximum(jnp.sum(is_there), 1)

    @jax.jit
    def train(
        start: Any,
        images: jax.Array,
        labels: jax.Array,
        rows: jax.Array,
        ends: jax.Array,
        count: jax.Array,
    ) -> Any:
        def step(position: jax.Array, carried: Any) -> Any:
            weights, total = carried
            is_there = (rows[position] >= 0).astype(jnp.float32)
            chosen = jnp.maximum(rows[position], 0)
            gradient = jax.grad(loss)(weights, images[chosen], labels[chosen], is_there)
            weights = jax.tree.map(
                lambda old, change: old - workload.LEARNING_RATE * change, weights, gradient
            )

            def finish(carried: Any) -> Any:
                weights, total = carried
                return start, jax.tree.map(
                    lambda sum_, new, old: sum_ + ends[position] * (new - old),
                    total,
                    weights,
                    start,
                )

            return lax.cond(ends[position] > 0, finish, lambda carried: carried, (weights, total))

        zeros = jax.tree.map(jnp.zeros_like, start)
        return lax.fori_loop(0, count, step, (start, zeros))[1]

    return train


def _capacity(batches: int) -> int:
    """The length of a schedule; few lengths occur, as each one is compiled for."""
    return -(-int(batches * 1.25) // BATCHES_PER_SCHEDULE) * BATCHES_PER_SCHEDULE


def _schedule(
    population: workload.Population, clients: np.ndarray, capacity: int
) -> tuple[np.ndarray, np.ndarray, int]:
    """The rows of each batch, -1 where it is not full; and a client's examples at its end."""
    rows = np.full((capacity, workload.BATCH_SIZE), -1, np.int32)
    ends = np.zeros(capacity, np.float32)
    position = 0
    for client in clients.tolist():
        own = population.rows(client)
        size = own.stop - own.start
        count = -(-size // workload.BATCH_SIZE)
        rows[position : position + count].reshape(-1)[:size] = np.arange(own.start, own.stop)
        position += count
        ends[position - 1] = size
    return rows, ends, position


if __name__ == "__main__":
    contestant.serve(build)
