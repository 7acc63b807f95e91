"""Chunks on threads: the same bits with any number of them, and nothing left behind."""

from __future__ import annotations

import gc
import itertools
import random
import threading
import weakref
from concurrent import futures

import numpy as np
import pytest

from tensorflow_federated.core import contexts, errors, intrinsics, ir, local_intrinsics
from tensorflow_federated.core.computations import ConcreteComputation
from tensorflow_federated.core.local_computations import LocalComputation
from tensorflow_federated.core.placements import CLIENTS
from tensorflow_federated.core.tracing import federated_computation
from tensorflow_federated.core.types import FederatedType, FunctionType, SequenceType
from tensorflow_federated.execution import client_threads, local, reduction, sequences
from tensorflow_federated.execution import contexts as execution_contexts
from tensorflow_federated.execution.settings import Settings

# To wait for what comes at once, unless the code is wrong.
SECONDS = 60
FLOAT_CLIENTS = FederatedType(np.float32, CLIENTS)
NUMBERS = SequenceType(np.float32)


def toy(function) -> ConcreteComputation:
    function_type = FunctionType(np.float32, np.float32)
    return ConcreteComputation(ir.Local(LocalComputation("toy", function, function_type, "toy")))


def sum_of(function, member=np.float32) -> ConcreteComputation:
    return federated_computation(
        lambda x: intrinsics.federated_sum(intrinsics.federated_map(function, x)),
        FederatedType(member, CLIENTS),
    )


def create_context(runner=None, **settings) -> execution_contexts.ExecutionContext:
    return execution_contexts.ExecutionContext(
        local.LocalEngine(Settings(**settings), runner), seed=0
    )


@pytest.fixture(autouse=True)
def backend(use_toy_backend):
    return use_toy_backend()


class Shuffled:
    """Runs the chunks of a call in an order of its own."""

    sends_steps = False

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def run(self, call):
        shared = call.worker.share(call.broadcast, call.zeros)
        order = list(range(call.chunk_count))
        self._random.shuffle(order)
        for index in order:
            call.done(index, call.worker.run(shared, call.chunk(index)))


@pytest.mark.parametrize("client_count", [1, 2, 15, 100, 333])
@pytest.mark.parametrize("form", ["compiled", "separate"])
def test_neither_threads_nor_the_order_of_chunks_change_a_bit(client_count, form):
    rng = np.random.default_rng(0)
    numbers = list(rng.uniform(-1e6, 1e6, client_count).astype(np.float32))
    total = sum_of(toy(lambda x: x * np.float32(1.1)))
    found = set()
    settings = [{"threads": threads} for threads in (1, 2, 8)]
    runners = [{"runner": Shuffled(seed)} for seed in range(5)]
    for options in (*settings, *runners):
        with contexts.install(create_context(client_form=form, **options)):
            found.update(float(total(numbers)) for _ in range(3))
    assert len(found) == 1


def test_as_many_chunks_are_worked_on_at_a_time_as_there_are_threads():
    together = threading.Barrier(3)

    def meet(x):
        together.wait(SECONDS)
        return x

    with contexts.install(create_context(threads=3)):
        assert sum_of(toy(meet))([1.0] * 3) == 3


def test_one_thread_is_that_of_the_caller():
    threads = set()
    note = toy(lambda x: threads.add(threading.current_thread()) or x)
    with contexts.install(create_context(threads=1)):
        sum_of(note)([1.0] * 40)
    assert threads == {threading.current_thread()}


def test_one_chunk_is_run_by_the_caller():
    threads = set()
    note = toy(lambda x: threads.add(threading.current_thread()) or x)
    with contexts.install(create_context(threads=4)):
        sum_of(note)([1.0])
    assert threads == {threading.current_thread()}


def own_threads() -> set[threading.Thread]:
    return {each for each in threading.enumerate() if each.name.startswith("tff-clients")}


def test_calls_start_no_more_threads_and_leave_none_when_their_context_is_gone():
    before = own_threads()
    context = create_context(threads=3)
    total = sum_of(toy(lambda x: x))
    with contexts.install(context):
        for _ in range(100):
            total([1.0] * 20)
    started = own_threads() - before
    assert len(started) <= 3
    del context
    gc.collect()
    for each in started:
        each.join(SECONDS)
    assert not any(each.is_alive() for each in started)


def test_the_work_of_a_client_can_call_a_computation():
    inner = sum_of(toy(lambda x: x + np.float32(1)))
    together = threading.Barrier(2)

    def outer(x):
        # Both threads work for the outer call when they make an inner one.
        together.wait(SECONDS)
        return inner([x] * 10)

    with contexts.install(create_context(threads=2)):
        assert sum_of(toy(outer))([1.0, 2.0]) == 20 + 30


def test_several_threads_can_make_calls_at_the_same_time():
    context = create_context(threads=2)
    total = sum_of(toy(lambda x: x))

    def call(count):
        with contexts.install(context):
            return total([1.0] * count)

    with futures.ThreadPoolExecutor(6) as pool:
        assert list(pool.map(call, range(60))) == list(range(60))


def test_the_context_of_the_caller_is_current_in_all_threads():
    found = set()
    together = threading.Barrier(2)

    def note(x):
        together.wait(SECONDS)
        found.add(contexts.current())
        return x

    context = create_context(threads=2)
    with contexts.install(context):
        sum_of(toy(note))([1.0, 2.0])
    assert found == {context}


def test_an_interrupt_ends_the_call_when_the_chunks_that_run_are_done():
    caller, helper_runs = threading.current_thread(), threading.Event()
    interrupted = threading.Event()
    begun, ended = [], []

    def work(x):
        begun.append(x)
        if threading.current_thread() is caller:
            assert helper_runs.wait(SECONDS)
            interrupted.set()
            raise KeyboardInterrupt
        helper_runs.set()
        assert interrupted.wait(SECONDS)
        ended.append(x)
        return x

    with contexts.install(create_context(threads=2)):
        with pytest.raises(KeyboardInterrupt):
            sum_of(toy(work))([1.0] * 16)
        assert len(begun) < 16
        assert len(ended) == len(begun) - 1
        assert sum_of(toy(lambda x: x))([1.0] * 16) == 16


def test_an_error_of_the_engine_in_another_thread_reaches_the_caller(backend):
    caller = threading.current_thread()
    failed = threading.Event()

    def add(x, y):
        raise errors.TypeMismatchError("these cannot be added.")

    class Broken(client_threads.ThreadRunner):
        def run(self, call):
            done = call.done

            def fail_elsewhere(index, result):
                if threading.current_thread() is caller:
                    assert failed.wait(SECONDS)
                    done(index, result)
                else:
                    failed.set()
                    add(1, 2)

            call.done = fail_elsewhere
            super().run(call)

    with (
        contexts.install(create_context(Broken(2))),
        pytest.raises(errors.TypeMismatchError, match="cannot be added") as raised,
    ):
        sum_of(toy(lambda x: x))([1.0] * 16)
    assert "test_client_threads.py" in str(raised.value.where)


class Dataset:
    """A dataset of a framework, which is read when its elements are asked for."""

    def __init__(self, read) -> None:
        self.read = read


@pytest.fixture
def datasets(monkeypatch):
    def convert(dataset, element_type):
        def load():
            return sequences.Sequence.from_columns((dataset.read(),), None, element_type)

        return sequences.Sequence.from_dataset(dataset, element_type, load)

    is_dataset = (lambda value: isinstance(value, Dataset), convert)
    monkeypatch.setattr(sequences, "_converters", [is_dataset])


def total_of_data(function=lambda x: x) -> ConcreteComputation:
    return sum_of(
        federated_computation(
            lambda data: toy(function)(local_intrinsics.sequence_sum(data)), NUMBERS
        ),
        NUMBERS,
    )


def test_data_that_takes_long_is_read_while_clients_are_worked_on(datasets, monkeypatch):
    monkeypatch.setattr(client_threads, "_SECONDS_WORTH_A_READER", 0.0)
    read = []
    second = threading.Event()

    def reader(index):
        def read_one():
            read.append(index)
            if index == 1:
                second.set()
            return np.ones(2, np.float32)

        return read_one

    def work(x):
        assert second.wait(SECONDS)
        return x

    with contexts.install(create_context(threads=1)):
        cohort = [Dataset(reader(index)) for index in range(10)]
        assert total_of_data(work)(cohort) == 20
    assert read == list(range(10))


@pytest.mark.parametrize("threads", [1, 2, 4])
@pytest.mark.parametrize("seconds_worth_a_reader", [0.0, np.inf])
def test_as_much_data_is_in_memory_as_a_chunk_for_each_thread_has_and_one_more(
    datasets, monkeypatch, threads, seconds_worth_a_reader
):
    monkeypatch.setattr(client_threads, "_SECONDS_WORTH_A_READER", seconds_worth_a_reader)
    lock, numbers, arrays = threading.Lock(), itertools.count(), weakref.WeakValueDictionary()
    most, client_count = 0, 5000

    def read():
        nonlocal most
        array = np.ones(3, np.float32)
        with lock:
            arrays[next(numbers)] = array
            most = max(most, len(arrays))
        return array

    with contexts.install(create_context(threads=threads)):
        assert total_of_data()([Dataset(read) for _ in range(client_count)]) == 3 * client_count
    assert most <= (threads + 1) * reduction.chunk_size(client_count)


def test_few_chunks_are_begun_from_the_largest_on():
    order = []
    note = federated_computation(
        lambda data: toy(lambda x: order.append(int(x)) or x)(local_intrinsics.sequence_sum(data)),
        NUMBERS,
    )
    sizes = [3, 1, 7, 5]
    with contexts.install(create_context(threads=1)):
        sum_of(note, NUMBERS)([[1.0] * size for size in sizes])
    assert order == [7, 5, 3, 1]
