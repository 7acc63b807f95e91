"""How much faster are gradients of max pooling as the engine computes them than as XLA does?

Both are compiled by themselves, for the two layers of the CNN of the other benchmarks, and give the
same bits. Ends with status 1 if ours are not faster.

    python benchmarks/pooling.py
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
import jax.numpy as jnp
import workload
from jax import lax
from jax.extend import core

from tensorflow_federated.jax import pooling_gradients

SHAPES = {"first layer": (28, 28, 32), "second layer": (14, 14, 64)}
WINDOW = (1, 2, 2, 1)
CALLS = 20


def loss(x: Any) -> Any:
    """The squares of the maxima of all windows."""
    return jnp.sum(lax.reduce_window(x, -jnp.inf, lax.max, WINDOW, WINDOW, "VALID") ** 2)


def seconds(fn: Callable[[Any], Any], x: Any) -> float:
    """How long a call takes."""
    start = time.perf_counter()
    jax.block_until_ready([fn(x) for _ in range(CALLS)])
    return (time.perf_counter() - start) / CALLS


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="one repeat; writes no results")
    arguments = parser.parse_args()
    repeats = 1 if arguments.quick else 15
    results: dict[str, dict[str, Any]] = {}
    for name, shape in SHAPES.items():
        x = jax.nn.relu(jax.random.normal(jax.random.key(0), (workload.BATCH_SIZE, *shape)))
        gradient = jax.make_jaxpr(jax.grad(loss))(x)
        of_xla = jax.jit(core.jaxpr_as_fun(gradient))
        ours = jax.jit(core.jaxpr_as_fun(pooling_gradients.in_parts(gradient)))
        assert (of_xla(x)[0] == ours(x)[0]).all()
        times = [(seconds(of_xla, x), seconds(ours, x)) for _ in range(repeats)]
        ratio = statistics.median(theirs / own for theirs, own in times)
        results[name] = {"seconds_of_xla_and_here": times, "ratio": ratio}
        print(f"{name}: {ratio:.1f} times as fast as XLA's")
    if not arguments.quick:
        print(f"Written to {common.write_results('pooling', results)}")
    return int(any(each["ratio"] <= 1 for each in results.values()) and not arguments.quick)


if __name__ == "__main__":
    sys.exit(main())
