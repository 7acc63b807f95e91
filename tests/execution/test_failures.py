"""Clients whose work fails: which error comes, and what is left when they are left out."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from tensorflow_federated.core import contexts, errors, intrinsics, ir, local_intrinsics
from tensorflow_federated.core.computations import ConcreteComputation
from tensorflow_federated.core.local_computations import LocalComputation
from tensorflow_federated.core.placements import CLIENTS, SERVER
from tensorflow_federated.core.tracing import federated_computation
from tensorflow_federated.core.types import FederatedType, FunctionType, SequenceType
from tensorflow_federated.execution import contexts as execution_contexts
from tensorflow_federated.execution import local, reduction, sequences
from tensorflow_federated.execution.settings import Settings
from tensorflow_federated.jax import computation as jax_computation
from tensorflow_federated.jax import portable_computation

FLOAT_CLIENTS = FederatedType(np.float32, CLIENTS)
FORMS = ["compiled", "separate"]


def toy(function, parameter=np.float32, result=np.float32) -> ConcreteComputation:
    function_type = FunctionType(parameter, result)
    return ConcreteComputation(ir.Local(LocalComputation("toy", function, function_type, "toy")))


def checked(x):
    """What the clients do: it fails for numbers that are not positive."""
    if not x > 0:
        raise ArithmeticError(f"{x} is not positive")
    return x


def sum_of(function, member=np.float32) -> ConcreteComputation:
    return federated_computation(
        lambda x: intrinsics.federated_sum(intrinsics.federated_map(function, x)),
        FederatedType(member, CLIENTS),
    )


TOTAL = sum_of(toy(checked))


def values(count: int, *failing: int) -> list[np.float32]:
    rng = np.random.default_rng(count)
    numbers = rng.uniform(1, 1e6, count).astype(np.float32)
    numbers[list(failing)] = -1
    return list(numbers)


def sum_of_those_left(numbers: list[np.float32]) -> np.float32 | None:
    """What the documentation promises: the sums of the same chunks without those that failed."""

    def merge(first, second):
        return second if first is None else first if second is None else first + second

    chunks = reduction.chunks(len(numbers))
    tree = reduction.Tree[np.float32 | None](len(chunks), merge)
    for index, chunk in enumerate(chunks):
        total = None
        for client in chunk:
            if numbers[client] > 0:
                total = (total or np.float32(0)) + numbers[client]
        tree.add(index, total)
    return tree.result


class Backwards:
    """Runs the chunks of a call from the last one on, and more of them than are needed."""

    sends_steps = False

    def run(self, call):
        shared = call.worker.share(call.broadcast, call.zeros)
        for index in reversed(range(call.chunk_count)):
            call.done(index, call.worker.run(shared, call.chunk(index)))


def create_context(runner=None, **settings) -> execution_contexts.ExecutionContext:
    chosen = Settings(**settings)
    return execution_contexts.ExecutionContext(local.LocalEngine(chosen, runner), seed=0)


@pytest.fixture
def backend(use_toy_backend):
    return use_toy_backend()


@pytest.mark.parametrize("form", FORMS)
def test_a_failure_names_the_client_the_step_and_the_round(backend, golden, form):
    with contexts.install(create_context(client_form=form)):
        TOTAL(values(10))
        TOTAL(values(10))
        with pytest.raises(errors.ClientError) as raised:
            TOTAL(values(10, 7, 9))
    error = raised.value
    assert (error.client_index, error.stage, error.round_number) == (7, "client step 1", 3)
    assert isinstance(error.__cause__, ArithmeticError)
    golden.check("a client fails", str(error))


@pytest.mark.parametrize("form", FORMS)
def test_the_error_is_that_of_the_first_client_in_whatever_order_chunks_are_done(backend, form):
    context = create_context(Backwards(), client_form=form)
    with contexts.install(context), pytest.raises(errors.ClientError) as raised:
        TOTAL(values(100, 11, 13, 60, 99))
    assert raised.value.client_index == 11


def test_no_chunk_is_begun_after_one_that_failed(backend):
    with contexts.install(create_context(threads=1)), pytest.raises(errors.ClientError):
        TOTAL(values(16, 3))
    # The third one a second time: client by client.
    assert backend.chunks == [1, 1, 1, 1, 1]


def test_rounds_are_counted_for_each_program(backend):
    other = sum_of(toy(checked))
    with contexts.install(create_context()):
        TOTAL(values(2))
        with pytest.raises(errors.ClientError) as raised:
            other(values(2, 0))
    assert raised.value.round_number == 1


def test_the_call_after_a_failure_works(backend):
    with contexts.install(create_context()):
        with pytest.raises(errors.ClientError):
            TOTAL(values(40, 20))
        assert TOTAL(values(40)) == sum_of_those_left(values(40))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("threads", [1, 2, 8])
def test_those_that_are_left_give_what_their_chunks_give_without_the_others(backend, form, threads):
    numbers = values(100, 0, 5, 6, 50, *range(70, 77), 99)
    assert any(all(numbers[i] < 0 for i in chunk) for chunk in reduction.chunks(100))
    settings = {"client_form": form, "threads": threads, "on_client_failure": "drop"}
    with contexts.install(create_context(**settings)):
        assert TOTAL(numbers) == sum_of_those_left(numbers)


@pytest.mark.parametrize("form", FORMS)
def test_the_context_tells_who_was_left_out_of_the_last_call(backend, form):
    context = create_context(client_form=form, on_client_failure="drop")
    with contexts.install(context):
        TOTAL(values(3))
        assert context.last_failures == ()
        TOTAL(values(50, 30, 2))
        found = context.last_failures
        TOTAL(values(3))
    assert [each.client_index for each in found] == [2, 30]
    assert {(each.stage, each.round_number) for each in found} == {("client step 1", 2)}
    assert all(isinstance(each.error, ArithmeticError) for each in found)
    assert all(each.error.__traceback__ is None for each in found)
    assert context.last_failures == ()


def test_one_warning_a_call_names_those_that_were_left_out(backend, caplog):
    context = create_context(on_client_failure="drop")
    with contexts.install(context), caplog.at_level(logging.WARNING):
        TOTAL(values(100, *range(10, 20)))
    [record] = caplog.records
    assert record.getMessage() == (
        "Round 1: left out 10 of the clients, for their work failed: 10, 11, 12, 13, 14, 15, 16, "
        "17, ...; the first in client step 1, with ArithmeticError: -1.0 is not positive"
    )


@pytest.mark.parametrize("form", FORMS)
def test_a_call_fails_if_nobody_is_left(backend, golden, form):
    context = create_context(client_form=form, on_client_failure="drop")
    with contexts.install(context), pytest.raises(errors.ClientError) as raised:
        TOTAL(values(3, 0, 1, 2))
    golden.check("nobody is left", str(raised.value))


def test_a_call_without_clients_does_not_fail(backend):
    with contexts.install(create_context(on_client_failure="drop")):
        assert TOTAL([]) == 0


def test_who_is_left_out_of_one_step_is_left_out_of_the_next(backend):
    negated = portable_computation(lambda x: -x, np.float32)
    add = portable_computation(lambda x, y: x + y, np.float32, np.float32)
    below = toy(lambda pair: checked(np.float32(40) - pair[0]), (np.float32, np.float32))

    @federated_computation(FLOAT_CLIENTS, FLOAT_CLIENTS)
    def program(x, y):
        kept = intrinsics.federated_map(negated, intrinsics.federated_map(toy(checked), x))
        total = intrinsics.federated_sum(kept)
        sent = intrinsics.federated_broadcast(total)
        small = intrinsics.federated_map(below, (x, sent))
        return x, y, intrinsics.federated_map(add, (kept, y)), intrinsics.federated_sum(small)

    context = create_context(on_client_failure="drop")
    with contexts.install(context):
        x, y, moved, total = program([1.0, -1.0, 50.0, 3.0], [10.0, 20.0, 30.0, 40.0])
    assert (x, y, moved) == ([1.0, 3.0], [10.0, 40.0], [9.0, 37.0])
    assert total == 39 + 37
    assert [(each.client_index, each.stage) for each in context.last_failures] == [
        (1, "client step 1"),
        (2, "client step 2"),
    ]


def test_those_that_are_left_draw_the_keys_of_their_own_positions():
    @federated_computation(FLOAT_CLIENTS)
    def program(x):
        positive = intrinsics.federated_map(jax_computation(lambda x: 1 / x, np.float32), x)
        sent = intrinsics.federated_broadcast(intrinsics.federated_sum(positive))
        draw = federated_computation(lambda _: local_intrinsics.random_key(), np.float32)
        return intrinsics.federated_map(draw, sent)

    def keys(*numbers):
        settings = {"on_client_failure": "drop", "non_finite": "fail"}
        with contexts.install(create_context(**settings)):
            return [list(key) for key in program(list(numbers))]

    everybody = keys(1.0, 2.0, 4.0)
    assert keys(1.0, 0.0, 4.0) == [everybody[0], everybody[2]]


def test_sums_whose_shapes_are_not_known_can_lose_clients(backend):
    vectors = FederatedType((np.float32, [None]), CLIENTS)
    first_is_positive = toy(lambda x: checked(x[0]) * x, (np.float32, [None]), (np.float32, [None]))
    total = federated_computation(
        lambda x: intrinsics.federated_sum(intrinsics.federated_map(first_is_positive, x)), vectors
    )
    with contexts.install(create_context(on_client_failure="drop")):
        assert list(total([[-1.0, 1.0], [1.0, 2.0], [2.0, 3.0]])) == [5.0, 8.0]


def test_folds_lose_the_clients_too(backend):
    smallest = federated_computation(
        lambda x: (intrinsics.federated_min(x), intrinsics.federated_collect(x)), FLOAT_CLIENTS
    )
    both = federated_computation(
        lambda x: smallest(intrinsics.federated_map(toy(checked), x)), FLOAT_CLIENTS
    )
    with contexts.install(create_context(on_client_failure="drop")):
        assert both([3.0, -1.0, 2.0, -2.0, 5.0]) == (2.0, [3.0, 2.0, 5.0])


@pytest.mark.parametrize("form", FORMS)
def test_numbers_that_are_not_finite_are_a_failure_if_that_is_asked_for(backend, golden, form):
    same = sum_of(toy(lambda x: x))
    numbers = [1.0, np.nan, 2.0, np.inf, -np.inf]
    with contexts.install(create_context(client_form=form)):
        assert np.isnan(same(numbers))
    with contexts.install(create_context(client_form=form, non_finite="fail")):
        with pytest.raises(errors.ClientError) as raised:
            same(numbers)
        golden.check("a result is not finite", str(raised.value))
    context = create_context(client_form=form, non_finite="fail", on_client_failure="drop")
    with contexts.install(context):
        assert same(numbers) == 3
    assert [each.client_index for each in context.last_failures] == [1, 3, 4]


@pytest.mark.parametrize("form", FORMS)
def test_a_sum_that_overflows_is_no_failure_of_a_client(backend, form):
    largest = float(np.finfo(np.float32).max)
    with contexts.install(create_context(client_form=form, non_finite="fail")):
        assert sum_of(toy(lambda x: x))([largest] * 40) == np.inf


def test_values_that_stay_at_a_client_have_to_be_finite_too(backend):
    mapped = federated_computation(
        lambda x: intrinsics.federated_map(toy(lambda x: x), x), FLOAT_CLIENTS
    )
    with contexts.install(create_context(non_finite="fail", on_client_failure="drop")):
        assert mapped([1.0, np.inf, 3.0]) == [1.0, 3.0]


def test_an_infinite_zero_of_a_fold_is_no_failure(backend):
    smallest = federated_computation(
        lambda x: intrinsics.federated_min(intrinsics.federated_map(toy(lambda x: x), x)),
        FLOAT_CLIENTS,
    )
    with contexts.install(create_context(non_finite="fail")):
        assert smallest([3.0, 2.0]) == 2


class Dataset:
    """A dataset of a framework, which is read when its elements are asked for."""

    def __init__(self, numbers, client_id=None) -> None:
        self.numbers = numbers
        self.client_id = client_id


@pytest.fixture
def datasets(monkeypatch):
    def convert(dataset, element_type):
        def load():
            if dataset.numbers is None:
                raise OSError("the file is cut off")
            array = np.asarray(dataset.numbers, np.float32)
            return sequences.Sequence.from_columns((array,), None, element_type)

        return sequences.Sequence.from_dataset(dataset, element_type, load, dataset.client_id)

    is_dataset = (lambda value: isinstance(value, Dataset), convert)
    monkeypatch.setattr(sequences, "_converters", [is_dataset])


NUMBERS = SequenceType(np.float32)
TOTAL_OF_DATA = sum_of(
    federated_computation(lambda data: toy(checked)(local_intrinsics.sequence_sum(data)), NUMBERS),
    NUMBERS,
)


@pytest.mark.parametrize("form", FORMS)
def test_data_that_cannot_be_read_names_the_client(backend, datasets, golden, form):
    cohort = [Dataset([1.0, 2.0], f"f{i:04}") for i in range(40)]
    cohort[17].numbers = None
    context = create_context(client_form=form)
    with contexts.install(context), pytest.raises(errors.ClientError) as raised:
        TOTAL_OF_DATA(cohort)
    golden.check("data cannot be read", str(raised.value))


@pytest.mark.parametrize("form", FORMS)
def test_clients_whose_data_cannot_be_read_are_left_out(backend, datasets, form):
    cohort = [Dataset([1.0, 2.0], f"f{i:04}") for i in range(40)]
    cohort[17].numbers, cohort[21].numbers = None, [-1.0]
    context = create_context(client_form=form, on_client_failure="drop")
    with contexts.install(context):
        assert TOTAL_OF_DATA(cohort) == 38 * 3
    assert [(each.client_id, each.stage) for each in context.last_failures] == [
        ("f0017", "reading data"),
        ("f0021", "client step 1"),
    ]


def test_a_client_whose_iterator_fails_is_left_out(backend):
    def numbers():
        yield 1.0
        raise OSError("the file is cut off")

    context = create_context(on_client_failure="drop")
    with contexts.install(context):
        assert TOTAL_OF_DATA([[1.0, 2.0], numbers(), iter([4.0])]) == 7
    assert [(each.client_index, each.stage) for each in context.last_failures] == [
        (1, "reading data")
    ]


def test_what_fails_for_a_chunk_only_is_done_client_by_client_and_told(backend, caplog):
    numbers = values(32)
    compile_step = backend.compile_client_step

    def compile_for_one(step, settings):
        compiled = compile_step(step, settings)
        run = compiled.run

        def run_one(broadcast, zeros, prepared, keys):
            if len(keys) > 1:
                raise MemoryError("too much at a time")
            return run(broadcast, zeros, prepared, keys)

        compiled.run = run_one
        return compiled

    backend.compile_client_step = compile_for_one
    with contexts.install(create_context()), caplog.at_level(logging.WARNING):
        assert TOTAL(numbers) == sum_of_those_left(numbers)
    assert len(caplog.records) == len(reduction.chunks(32))
    assert "too much at a time" in caplog.text


def test_a_failure_of_the_compiled_form_alone_is_not_hidden(backend):
    compile_step = backend.compile_client_step

    def compile_broken(step, settings):
        def broken(broadcast, zeros, prepared, keys):
            raise ArithmeticError("broken")

        compiled = compile_step(step, settings)
        compiled.run = broken
        return compiled

    backend.compile_client_step = compile_broken
    context = create_context()
    with contexts.install(context), pytest.raises(errors.ClientError, match="broken") as raised:
        TOTAL([1.0, 2.0])
    assert raised.value.client_index == 0


def test_a_server_value_that_fails_is_no_failure_of_a_client(backend):
    total = federated_computation(
        lambda x: intrinsics.federated_map(toy(checked), x), FederatedType(np.float32, SERVER)
    )
    context = create_context(on_client_failure="drop")
    with contexts.install(context), pytest.raises(ArithmeticError, match="not positive"):
        total(-1.0)
