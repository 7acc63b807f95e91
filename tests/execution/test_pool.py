"""Client steps on an executor: what is sent, in what order results come, and what dies."""

from __future__ import annotations

import concurrent.futures
import multiprocessing
import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from tensorflow_federated.backends.executor_contexts import create_executor_context
from tensorflow_federated.core import contexts, errors, intrinsics, ir, local_intrinsics
from tensorflow_federated.core.computations import ConcreteComputation
from tensorflow_federated.core.local_computations import LocalComputation
from tensorflow_federated.core.placements import CLIENTS, SERVER
from tensorflow_federated.core.tracing import federated_computation
from tensorflow_federated.core.types import FederatedType, FunctionType, SequenceType
from tensorflow_federated.execution import reduction, tasks, workers
from tensorflow_federated.execution.contexts import create_local_context
from tensorflow_federated.execution.sequences import Sequence
from tensorflow_federated.execution.settings import Settings
from tensorflow_federated.jax import computation as jax_computation

FLOATS = FederatedType(np.float32, CLIENTS)
SEED = 3


class Inline(Executor):
    """Runs a task when it is submitted, and notes how long it was."""

    def __init__(self, worker_count: int = 2) -> None:
        self.worker_count = worker_count
        self.sizes: list[int] = []

    def submit(self, fn, /, *args, **kwargs):
        (task,) = args
        self.sizes.append(len(task))
        future: Future[Any] = Future()
        try:
            future.set_result(self.run(fn, bytes(task)))
        except Exception as error:
            future.set_exception(error)
        return future

    def run(self, fn: Callable[[bytes], Any], task: bytes) -> Any:
        return fn(task)


class Dying(Inline):
    """Loses the tasks of some numbers, counted from 0."""

    def __init__(self, *lost: int, error: Exception | None = None) -> None:
        super().__init__()
        self._lost = lost
        self._error = error or OSError("the worker is gone")

    def run(self, fn, task):
        if len(self.sizes) - 1 in self._lost:
            raise self._error
        return fn(task)


class Forgetful(Inline):
    """Runs each task in a worker that has run none before."""

    def run(self, fn, task):
        forget()
        return fn(task)


class LastFirst(Executor):
    """Runs the tasks that came last first, in another thread."""

    worker_count = 4

    def __init__(self) -> None:
        self._tasks: queue.LifoQueue[Any] = queue.LifoQueue()
        self._count = 0
        self.most = 0
        threading.Thread(target=self._run, daemon=True).start()

    def submit(self, fn, /, *args, **kwargs):
        future: Future[Any] = Future()
        self._count += 1
        # So that a later task is not behind an earlier one, nor two compared.
        self._tasks.put((self._count, future, fn, args))
        self.most = max(self.most, self._tasks.qsize())
        return future

    def shutdown(self, wait=True, *, cancel_futures=False):
        self._tasks.put(None)

    def _run(self) -> None:
        while (item := self._tasks.get()) is not None:
            _, future, fn, args = item
            future.set_result(fn(*args))


def forget() -> None:
    """Makes the workers of this process new ones."""
    workers._workers._values.clear()
    workers._runs._values.clear()


@pytest.fixture(autouse=True)
def new_workers() -> Iterator[None]:
    forget()
    yield
    forget()


def run_on(executor: Any, comp: ConcreteComputation, *args: Any, **options: Any) -> Any:
    with create_executor_context(executor, seed=SEED, **options):
        return comp(*args)


def run_here(comp: ConcreteComputation, *args: Any, **options: Any) -> Any:
    with contexts.install(create_local_context(SEED, settings=Settings(threads=1, **options))):
        return comp(*args)


def assert_same_bits(found: Any, expected: Any) -> None:
    assert type(found) is type(expected)
    if isinstance(found, (list, tuple)):
        assert len(found) == len(expected)
        for pair in zip(found, expected, strict=True):
            assert_same_bits(*pair)
    else:
        assert np.asarray(found).tobytes() == np.asarray(expected).tobytes()


@jax_computation(np.float32)
def sine(x):
    return jnp.sin(x) * 1e3


@federated_computation(FLOATS)
def mean_of_sines(values):
    return intrinsics.federated_mean(intrinsics.federated_map(sine, values))


@federated_computation(FederatedType((np.float32, [10_000]), SERVER), FLOATS)
def scaled(weights, values):
    pairs = intrinsics.federated_zip((intrinsics.federated_broadcast(weights), values))
    scale = jax_computation(lambda w, x: w[0] * x, (np.float32, [10_000]), np.float32)
    return intrinsics.federated_sum(intrinsics.federated_map(scale, pairs))


@jax_computation((np.int64, [2]))
def uniform(key):
    return jnp.sin(jnp.sum(key).astype(np.float32))


@federated_computation(FLOATS)
def noisy(values):
    draw = federated_computation(
        lambda x: jax_computation(lambda a, b: a + b, np.float32, np.float32)(
            x, uniform(local_intrinsics.random_key())
        ),
        np.float32,
    )
    noised = intrinsics.federated_map(draw, values)
    return noised, intrinsics.federated_mean(noised)


@federated_computation(FLOATS)
def smallest_and_secure(values):
    integer = jax_computation(lambda x: (x * 100).astype(np.int32), np.float32)
    return (
        intrinsics.federated_min(values),
        intrinsics.federated_secure_sum_bitwidth(intrinsics.federated_map(integer, values), 30),
        intrinsics.federated_collect(values),
    )


@federated_computation(FederatedType(SequenceType(np.float32), CLIENTS))
def sums_of_sequences(values):
    add = jax_computation(lambda state, x: state + jnp.exp(x), np.float32, np.float32)
    zero = jax_computation(lambda: np.float32(0))
    total = federated_computation(
        lambda xs: local_intrinsics.sequence_reduce(xs, zero(), add), SequenceType(np.float32)
    )
    return intrinsics.federated_mean(intrinsics.federated_map(total, values))


def numbers(count: int) -> list[np.float32]:
    return list(np.random.default_rng(count).uniform(-10, 10, count).astype(np.float32))


PROGRAMS: dict[str, tuple[ConcreteComputation, list[Any]]] = {
    "mean": (mean_of_sines, [numbers(37)]),
    "one client": (mean_of_sines, [numbers(1)]),
    "no client": (mean_of_sines, [[]]),
    "many clients": (mean_of_sines, [numbers(700)]),
    "a broadcast": (scaled, [np.full(10_000, 0.1, np.float32), numbers(50)]),
    "random keys, values that stay": (noisy, [numbers(30)]),
    "a fold, a secure sum, a collection": (smallest_and_secure, [numbers(30)]),
    "sequences": (sums_of_sequences, [[numbers(n) for n in range(1, 20)]]),
}


EXECUTORS = {"Inline": Inline, "LastFirst": LastFirst, "threads": lambda: ThreadPoolExecutor(3)}


@pytest.mark.parametrize(
    ("make", "name"),
    [
        # From program to program the executors take turns in the quick tests.
        pytest.param(
            make,
            name,
            marks=() if turn % len(EXECUTORS) == which else pytest.mark.slow,
            id=f"{executor}-{name}",
        )
        for turn, name in enumerate(PROGRAMS)
        for which, (executor, make) in enumerate(EXECUTORS.items())
    ],
)
def test_the_bits_are_those_of_one_process(name, make):
    comp, arguments = PROGRAMS[name]
    executor = make()
    found = run_on(executor, comp, *arguments)
    executor.shutdown()
    assert_same_bits(found, run_here(comp, *arguments))


def test_what_all_clients_are_sent_goes_to_each_worker_once():
    executor = Inline(worker_count=2)
    run_on(executor, scaled, np.ones(10_000, np.float32), numbers(500))
    with_weights = [size for size in executor.sizes if size > 40_000]
    assert len(executor.sizes) == len(reduction.chunks(500))
    assert len(with_weights) == 2


def test_the_step_goes_to_each_worker_once_for_all_rounds():
    executor = Inline(worker_count=1)
    with create_executor_context(executor):
        mean_of_sines(numbers(4))
        mean_of_sines(numbers(4))
    assert executor.sizes[1] < executor.sizes[0] / 2


def test_a_worker_that_misses_something_is_sent_it_with_the_same_chunk():
    executor = Forgetful(worker_count=2)
    run_on(executor, mean_of_sines, numbers(100))
    # The first two chunks bring all that a worker needs.
    assert len(executor.sizes) == 2 * len(reduction.chunks(100)) - 2


def test_only_a_window_of_chunks_is_under_way():
    executor = LastFirst()
    run_on(executor, mean_of_sines, numbers(5000))
    executor.shutdown()
    assert executor.most <= 2 * LastFirst.worker_count


@pytest.mark.parametrize("lost", [(0,), (3,), (0, 1, 2, 3), (5, 7, 9), (7, 8)])
def test_the_work_of_a_worker_that_died_is_done_again(lost):
    found = run_on(Dying(*lost), mean_of_sines, numbers(100))
    assert_same_bits(found, run_here(mean_of_sines, numbers(100)))


def test_a_task_that_was_cancelled_is_done_again():
    class Cancelling(Inline):
        def submit(self, fn, /, *args, **kwargs):
            future = super().submit(fn, *args)
            if len(self.sizes) == 2:
                future = Future()
                future.cancel()
                future.set_running_or_notify_cancel()
            return future

    found = run_on(Cancelling(), mean_of_sines, numbers(100))
    assert_same_bits(found, run_here(mean_of_sines, numbers(100)))


def test_after_too_many_deaths_the_clients_are_told(golden):
    with pytest.raises(errors.WorkerError) as caught:
        run_on(Dying(*range(100)), mean_of_sines, numbers(1), retries=1)
    assert isinstance(caught.value, RuntimeError)
    assert caught.value.client_indices == (0,)
    assert caught.value.attempts == 2
    assert (caught.value.stage, caught.value.round_number) == ("client step 1", 1)
    golden.check("workers died", str(caught.value))


def test_the_names_of_lost_clients_are_told():
    clients = [
        Sequence.from_columns((np.ones(3, np.float32),), None, FLOATS.member, None, f"c{i}")
        for i in range(3)
    ]
    with pytest.raises(errors.WorkerError) as caught:
        run_on(Dying(0), sums_of_sequences, clients, retries=0)
    assert caught.value.client_ids == tuple(f"c{i}" for i in caught.value.client_indices)
    assert caught.value.client_ids


def test_a_task_that_takes_too_long_is_done_again():
    class Hanging(Inline):
        def submit(self, fn, /, *args, **kwargs):
            future = super().submit(fn, *args)
            return Future() if len(self.sizes) == 2 else future

    found = run_on(Hanging(), mean_of_sines, numbers(100), timeout_seconds=0.01)
    assert_same_bits(found, run_here(mean_of_sines, numbers(100)))


def test_tasks_that_always_take_too_long_end_the_call(golden):
    class Hanging(Inline):
        def submit(self, fn, /, *args, **kwargs):
            return Future()

    with pytest.raises(errors.WorkerError) as caught:
        run_on(Hanging(), mean_of_sines, numbers(1), timeout_seconds=0.01, retries=1)
    golden.check("too late", str(caught.value))


def test_an_executor_that_breaks_is_made_anew():
    made: list[Inline] = []

    def make() -> Inline:
        broken = concurrent.futures.BrokenExecutor("a process died")
        made.append(Dying(1, error=broken) if not made else Inline())
        return made[-1]

    found = run_on(make, mean_of_sines, numbers(100))
    assert_same_bits(found, run_here(mean_of_sines, numbers(100)))
    assert len(made) == 2


def test_of_an_executor_that_breaks_again_and_again_the_guilty_chunk_is_told():
    class Guilty(Inline):
        """Breaks when it is given the second chunk."""

        def run(self, fn, task):
            reply = bytearray(fn(task))
            if chunk_of(task) == 1:
                raise concurrent.futures.BrokenExecutor("a process died")
            return reply

    def chunk_of(task: bytes) -> int:
        read = tasks.Task(task)
        worker = workers._workers.get(read.step_key, None)
        assert worker is not None
        _, chunks = read.read_rest(worker.step)
        return chunks[0][0]

    with pytest.raises(errors.WorkerError) as caught:
        run_on(Guilty, mean_of_sines, numbers(100))
    assert caught.value.client_indices == tuple(reduction.chunks(100)[1])


def test_an_executor_that_was_shut_down_is_told(golden):
    executor = ThreadPoolExecutor(1)
    executor.shutdown()
    with pytest.raises(errors.WorkerError) as caught:
        run_on(executor, mean_of_sines, numbers(3))
    golden.check("shut down", str(caught.value))


def test_a_context_that_was_closed_takes_no_calls():
    context = create_executor_context(Inline())
    context.close()
    with contexts.install(context), pytest.raises(errors.WorkerError, match="was closed"):
        mean_of_sines(numbers(3))


def test_what_is_no_reply_of_a_worker_is_refused():
    class Wrong(Inline):
        def run(self, fn, task):
            return b"hello"

    with pytest.raises(errors.WireError):
        run_on(Wrong(), mean_of_sines, numbers(3))


# Clients whose work fails.


@pytest.fixture
def checked(use_toy_backend):
    """A computation of the toy back end that fails for numbers that are not positive."""
    backend = use_toy_backend()
    functions = {b"checked": _checked}
    backend.encode = lambda computation: b"checked"
    backend.decode = lambda data, *_: functions[data]
    backend.process_options = dict
    function_type = FunctionType(np.float32, np.float32)
    local = LocalComputation("toy", _checked, function_type, "checked")
    comp = ConcreteComputation(ir.Local(local))
    return federated_computation(
        lambda x: intrinsics.federated_sum(intrinsics.federated_map(comp, x)), FLOATS
    )


def _checked(x):
    if not x > 0:
        raise ArithmeticError(f"{x} is not positive")
    return x


def positive(count: int, *failing: int) -> list[np.float32]:
    values = np.random.default_rng(count).uniform(1, 1e6, count).astype(np.float32)
    values[list(failing)] = -1
    return list(values)


def test_a_client_that_fails_is_told_as_in_one_process(checked):
    with pytest.raises(errors.ClientError) as here:
        run_here(checked, positive(50, 41, 17))
    with pytest.raises(errors.ClientError) as there:
        run_on(LastFirst(), checked, positive(50, 41, 17))
    assert there.value.client_index == here.value.client_index == 17
    assert there.value.problems == here.value.problems
    assert (there.value.summary, there.value.fix) == (here.value.summary, here.value.fix)


@pytest.mark.parametrize("failing", [(0,), (17, 41), (0, 1, 2, 3, 4, 5, 6)])
def test_a_client_that_fails_can_be_left_out_as_in_one_process(checked, failing):
    values = positive(50, *failing)
    with create_executor_context(Inline(), on_client_failure="drop") as context:
        found = checked(values)
    assert_same_bits(found, run_here(checked, values, on_client_failure="drop"))
    assert tuple(each.client_index for each in context.last_failures) == failing


def test_data_that_cannot_be_read_fails_its_client():
    def load():
        raise OSError("the disk is gone")

    clients = [Sequence.from_elements([np.float32(1)], FLOATS.member) for _ in range(6)]
    clients[4] = Sequence.from_dataset(None, FLOATS.member, load)
    with pytest.raises(errors.ClientError, match="OSError: the disk is gone") as caught:
        run_on(Inline(), sums_of_sequences, clients)
    assert (caught.value.client_index, caught.value.stage) == (4, "reading data")


# What is refused.


def test_a_computation_that_cannot_travel_is_told(use_toy_backend, golden):
    def refuse(computation):
        raise errors.WireError(
            "the computation `toy` cannot be turned into bytes.",
            problems=["captured from outside: a table"],
            fix="make in the computation what it uses.",
        )

    use_toy_backend().encode = refuse
    local = LocalComputation("toy", _checked, FunctionType(np.float32, np.float32), "toy")
    comp = ConcreteComputation(ir.Local(local))
    total = federated_computation(
        lambda x: intrinsics.federated_sum(intrinsics.federated_map(comp, x)), FLOATS
    )
    with pytest.raises(errors.WireError) as caught:
        run_on(Inline(), total, positive(3))
    golden.check("cannot travel", str(caught.value))


def test_a_worker_that_lacks_something_is_told(checked, use_toy_backend, golden):
    class Elsewhere(Inline):
        def run(self, fn, task):
            def decode(*_):
                raise errors.missing_extra("tensorflow", what="a TensorFlow computation")

            use_toy_backend().decode = decode
            return fn(task)

    with pytest.raises(errors.WorkerError) as caught:
        run_on(Elsewhere(), checked, positive(3))
    golden.check("cannot run", str(caught.value))


def test_processes_that_are_forked_are_refused(golden):
    executor = ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("fork"))
    with pytest.raises(errors.ArgumentError) as caught:
        create_executor_context(executor)
    executor.shutdown()
    golden.check("fork", str(caught.value))


@pytest.mark.parametrize("given", ["two", 0, -1, True, None, [1]])
def test_what_is_no_executor_is_refused(given):
    with pytest.raises(errors.ArgumentError, match="executor: got"):
        create_executor_context(given)


def test_the_text_of_what_is_no_executor(golden):
    with pytest.raises(errors.ArgumentError) as caught:
        create_executor_context("two")
    golden.check("no executor", str(caught.value))


@pytest.mark.parametrize(
    "options",
    [
        {"retries": -1},
        {"retries": 1.5},
        {"workers": 0},
        {"timeout_seconds": 0},
        {"default_num_clients": -1},
        {"on_client_failure": "ignore"},
    ],
)
def test_an_option_out_of_range_is_refused(options):
    with pytest.raises(errors.ArgumentError, match=next(iter(options))):
        create_executor_context(Inline(), **options)
