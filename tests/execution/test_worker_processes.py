"""The processes that a context starts by itself: they run tasks, die, and leave nothing behind."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import textwrap
import weakref
from collections.abc import Iterator
from concurrent import futures

import jax.numpy as jnp
import numpy as np
import psutil
import pytest

from tensorflow_federated.backends.executor_contexts import create_executor_context
from tensorflow_federated.core import contexts, intrinsics
from tensorflow_federated.core.placements import CLIENTS
from tensorflow_federated.core.tracing import federated_computation
from tensorflow_federated.core.types import FederatedType
from tensorflow_federated.execution import workers
from tensorflow_federated.execution.contexts import create_local_context
from tensorflow_federated.execution.worker_processes import ProcessDied, WorkerProcesses
from tensorflow_federated.jax import computation as jax_computation


@federated_computation(FederatedType(np.float32, CLIENTS))
def mean_of_sines(values):
    sine = jax_computation(lambda x: jnp.sin(x) * 1e3, np.float32)
    return intrinsics.federated_mean(intrinsics.federated_map(sine, values))


VALUES = list(np.random.default_rng(0).uniform(-10, 10, 60).astype(np.float32))


def mean_here() -> bytes:
    with contexts.install(create_local_context()):
        return mean_of_sines(VALUES).tobytes()


# What was there before, as tests of other files may have left it to the end of all.
OTHERS: set[int] = set()


def children() -> list[psutil.Process]:
    """The processes that the test has started."""
    found = psutil.Process().children(recursive=True)
    return [process for process in found if process.pid not in OTHERS]


@pytest.fixture
def no_process_is_left() -> Iterator[None]:
    OTHERS.clear()
    OTHERS.update(process.pid for process in children())
    yield
    gc.collect()
    assert not children()


pytestmark = pytest.mark.usefixtures("no_process_is_left")


@pytest.mark.slow
def test_the_bits_are_those_of_this_process():
    with create_executor_context(2):
        assert mean_of_sines(VALUES).tobytes() == mean_here()


@pytest.mark.slow
def test_a_process_that_is_killed_is_started_again():
    with create_executor_context(1):
        mean_of_sines(VALUES)
        [process] = children()
        process.kill()
        process.wait()
        assert mean_of_sines(VALUES).tobytes() == mean_here()
        [other] = children()
        assert other.pid != process.pid


def test_a_task_of_a_process_that_dies_is_told():
    executor = WorkerProcesses(1)
    [process] = children()
    process.suspend()
    future = executor.submit(workers.run_task, b"no task")
    while not future.running():
        pass
    os.kill(process.pid, signal.SIGKILL)
    with pytest.raises(ProcessDied, match="ended by SIGKILL"):
        future.result()
    executor.shutdown()


def test_a_task_can_be_ended():
    executor = WorkerProcesses(1)
    [process] = children()
    process.suspend()
    future = executor.submit(workers.run_task, b"no task")
    while not future.running():
        pass
    executor.kill(future)
    with pytest.raises(ProcessDied):
        future.result()
    executor.shutdown()


def test_a_task_that_waits_can_be_cancelled():
    executor = WorkerProcesses(1)
    first, second = (executor.submit(workers.run_task, b"no task") for _ in range(2))
    assert second.cancel()
    assert first.result()
    executor.shutdown()


def test_tasks_that_wait_at_the_end_fail():
    executor = WorkerProcesses(1)
    [process] = children()
    process.suspend()
    waiting = [executor.submit(workers.run_task, b"no task") for _ in range(3)]
    while not waiting[0].running():
        pass
    executor.shutdown()
    for future in waiting:
        with pytest.raises((ProcessDied, futures.CancelledError)):
            future.result()


def test_after_its_end_an_executor_takes_nothing():
    executor = WorkerProcesses(1)
    executor.shutdown()
    executor.shutdown()
    with pytest.raises(RuntimeError, match="have ended"):
        executor.submit(workers.run_task, b"no task")


def test_processes_end_with_what_refers_to_them():
    executor = WorkerProcesses(1)
    executor.submit(workers.run_task, b"no task").result()
    gone = weakref.ref(executor)
    del executor
    gc.collect()
    assert gone() is None


@pytest.mark.slow
def test_processes_end_with_their_context():
    before = len(children())
    context = create_executor_context(1)
    with contexts.install(context):
        mean_of_sines(VALUES)
    assert len(children()) == before + 1
    del context
    gc.collect()
    assert len(children()) == before


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["", "raise SystemExit(3)", "os.kill(os.getpid(), 9)"])
def test_processes_end_with_the_program_that_started_them(ending):
    program = f"""
        import os, psutil
        import tensorflow_federated as tff
        tff.backends.native.set_executor_context(1)
        print(*(child.pid for child in psutil.Process().children()), flush=True)
        {ending}
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        check=False,
    )
    (pid,) = map(int, done.stdout.split())
    # It may take a moment to see that nobody is there any more.
    left = [process for process in psutil.process_iter() if process.pid == pid]
    assert psutil.wait_procs(left, timeout=60)[1] == []


@pytest.mark.slow
def test_a_program_needs_no_guard_and_what_it_prints_is_printed_once(run_python):
    printed = run_python("""
        import tensorflow_federated as tff
        print("begun")
        tff.backends.native.set_executor_context(2)

        @tff.federated_computation
        def count_clients():
            return tff.federated_sum(tff.federated_value(1, tff.CLIENTS))

        tff.backends.native.set_executor_context(2, default_num_clients=5)
        print(count_clients())
    """)
    assert printed.split() == ["begun", "5"]
