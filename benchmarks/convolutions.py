"""Are convolutions as fast inside the loop over a client's batches as outside of it?

XLA runs the gradients of convolutions inside of loops 25 times slower on processors than outside,
in the layouts that gradients come in. The engine rewrites them. This compares a step of the CNN in
a compiled call of its own with one in the engine's loop: the time of a round whose client has many
batches, less that of one with fewer, by the number of batches between. Ends with status 1 if a step
in the loop takes more than twice as long.

    python benchmarks/convolutions.py
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import common
import jax
import numpy as np
import workload
from peers import jax_models, jax_program

import tensorflow_federated as tff

MOST_TIMES = 2.0
FEWER_BATCHES = 4


def seconds(work: Callable[[], object]) -> float:
    """How long something takes, once."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def batch() -> tuple[np.ndarray, np.ndarray]:
    """A batch of images and labels."""
    generator = np.random.default_rng(0)
    images = generator.random((workload.BATCH_SIZE, *workload.IMAGE), dtype=np.float32)
    labels = generator.integers(0, workload.NUM_LABELS, workload.BATCH_SIZE).astype(np.int32)
    return images, labels


def step_alone() -> Callable[[], object]:
    """A step of gradient descent as a compiled call of its own."""
    weights = jax.tree.map(jax.numpy.asarray, jax_models.initial_weights("cnn"))
    images, labels = jax.tree.map(jax.numpy.asarray, batch())

    def loss(weights: Any) -> Any:
        return jax_models.losses(jax_models.cnn(weights, images), labels).mean()

    @jax.jit
    def step(weights: Any) -> Any:
        gradient = jax.grad(loss)(weights)
        return jax.tree.map(
            lambda old, change: old - workload.LEARNING_RATE * change, weights, gradient
        )

    return lambda: jax.block_until_ready(step(weights))


def round_of(batches: int) -> Callable[[], object]:
    """A round of one client with so many batches."""
    process = jax_program.build_process("cnn")
    state = process.initialize()
    data = [[batch()] * batches]
    return lambda: process.next(state, data)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="one repeat; writes no results")
    arguments = parser.parse_args()
    repeats, more_batches = (1, 8) if arguments.quick else (9, 24)
    tff.backends.native.set_sync_local_cpp_execution_context(threads=1)
    alone, shorter, longer = step_alone(), round_of(FEWER_BATCHES), round_of(more_batches)
    for work in (alone, shorter, longer) * 2:
        work()
    ratios: list[float] = []
    times: list[tuple[float, float]] = []
    for _ in range(repeats):
        outside = statistics.median(seconds(alone) for _ in range(5))
        inside = (seconds(longer) - seconds(shorter)) / (more_batches - FEWER_BATCHES)
        times.append((outside, inside))
        ratios.append(inside / outside)
    ratio = statistics.median(ratios)
    print(f"a step in the loop takes {ratio:.2f} times as long as one alone (at most {MOST_TIMES})")
    if not arguments.quick:
        path = common.write_results(
            "convolutions",
            {
                "seconds_alone_and_in_loop": times,
                "ratios": ratios,
                "ratio": ratio,
                "goal": MOST_TIMES,
                "is_reached": ratio < MOST_TIMES,
            },
        )
        print(f"Written to {path}")
    return int(ratio >= MOST_TIMES and not arguments.quick)


if __name__ == "__main__":
    sys.exit(main())
