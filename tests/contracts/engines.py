"""The engines that have to agree: a new one joins by a row in `ENGINES`."""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import tensorflow_federated as tff
from tensorflow_federated.execution import pool, pool_executors, settings
from tensorflow_federated.execution.chunk_runs import ChunkRunner, StepCall
from tensorflow_federated.execution.settings import Settings


class WorstOrder:
    """Runs all chunks in an order that no other runner has: from the last one on, every second."""

    sends_steps = False

    def run(self, call: StepCall) -> None:
        shared = call.worker.share(call.broadcast, call.zeros)
        backwards = list(range(call.chunk_count))[::-1]
        for index in (*backwards[1::2], *backwards[0::2]):
            if call.is_needed(index):
                call.done(index, call.worker.run(shared, call.chunk(index)))


@dataclasses.dataclass(frozen=True)
class Engine:
    """A way to run the work of clients.

    Attributes:
      make_runner: makes what runs chunks, once for all tests, and closes it at their end; None for
        the threads of this process.
      settings: how it works.
    """

    make_runner: Callable[[], contextlib.AbstractContextManager[ChunkRunner]] | None = None
    settings: Settings = settings.DEFAULT


def pooled(make_executor: Callable[[], Any]) -> Callable[[], Any]:
    """A maker of runners that hand chunks to the workers of an executor."""

    @contextlib.contextmanager
    def make() -> Iterator[ChunkRunner]:
        with contextlib.closing(pool_executors.Pool(make_executor())) as workers:
            yield pool.PoolRunner(workers)

    return make


@contextlib.contextmanager
def dask_runner() -> Iterator[ChunkRunner]:
    """A runner on the workers of a Dask cluster."""
    import distributed

    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=":0"
        ) as cluster,
        distributed.Client(cluster) as client,
        pooled(client.get_executor)() as runner,
    ):
        yield runner


@contextlib.contextmanager
def ray_runner() -> Iterator[ChunkRunner]:
    """A runner on the workers of a Ray cluster."""
    import ray

    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    try:
        with pooled(tff.backends.native.RayExecutor)() as runner:
            yield runner
    finally:
        ray.shutdown()


ENGINES = {
    "2 threads": Engine(settings=Settings(threads=2)),
    "8 threads": Engine(settings=Settings(threads=8)),
    "in the worst order": Engine(lambda: contextlib.nullcontext(WorstOrder())),
    "separately, 2 threads": Engine(settings=Settings(threads=2, client_form="separate")),
    "separately, in the worst order": Engine(
        lambda: contextlib.nullcontext(WorstOrder()), Settings(client_form="separate")
    ),
    "thread pool": Engine(pooled(lambda: concurrent.futures.ThreadPoolExecutor(2))),
    "2 processes": Engine(pooled(lambda: 2)),
    "Dask": Engine(dask_runner),
    "Ray": Engine(ray_runner),
}
# The others are slow tests.
FAST_ENGINES = {"2 threads", "in the worst order"}


def rows() -> list[Any]:
    """The names of the engines; those are slow tests that are not among the fast ones."""
    return [
        pytest.param(name, marks=() if name in FAST_ENGINES else pytest.mark.slow)
        for name in ENGINES
    ]
