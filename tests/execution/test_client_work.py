"""Client steps in back ends: compiled in chunks where possible, and else client by client."""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np
import pytest

from tensorflow_federated.compiler import plan
from tensorflow_federated.core import contexts, errors, intrinsics, ir, local_intrinsics
from tensorflow_federated.core.computations import ConcreteComputation
from tensorflow_federated.core.local_computations import LocalComputation
from tensorflow_federated.core.placements import CLIENTS
from tensorflow_federated.core.tracing import federated_computation
from tensorflow_federated.core.types import FederatedType, FunctionType, SequenceType
from tensorflow_federated.execution import (
    backends,
    local_programs,
    numpy_domain,
    reduction,
    sequences,
)
from tensorflow_federated.execution import contexts as execution_contexts
from tensorflow_federated.execution.problems import describe_error
from tensorflow_federated.jax import portable_computation

INT_CLIENTS = FederatedType(np.int32, CLIENTS)


class ToyBackend:
    """A back end of Python functions on canonical values, that notes what it is asked for."""

    name = "toy"

    def __init__(self, *, compiles: bool, fits: bool = True) -> None:
        self.compiles = compiles
        self.fits = fits
        self.programs_run = 0
        self.steps_compiled = 0
        self.chunks: list[int] = []

    def evaluate(self, computation: LocalComputation, argument: Any) -> Any:
        return computation.function(argument)

    def evaluate_program(self, program: ir.Lambda, argument: Any, keys: np.ndarray | None) -> Any:
        self.programs_run += 1
        return local_programs.run(program, argument, numpy_domain.NumpyDomain(keys))

    def compile_client_step(self, step: plan.ClientStep) -> backends.CompiledChunk | None:
        self.steps_compiled += 1

        def run_chunk(broadcast, zeros, clients, keys):
            self.chunks.append(len(keys))
            if not self.fits:
                return None
            totals = list(zeros)
            for index, key in enumerate(keys):
                argument = (*broadcast, *(column[index] for column in clients))
                results = local_programs.run(step.body, argument, numpy_domain.NumpyDomain(key))
                totals = [total + result for total, result in zip(totals, results, strict=True)]
            return tuple(totals)

        return run_chunk if self.compiles else None


@pytest.fixture
def use_backend(monkeypatch):
    def use(backend: ToyBackend) -> ToyBackend:
        monkeypatch.setitem(backends._loaded, "toy", backend)
        return backend

    with contexts.install(execution_contexts.create_local_context(seed=0)):
        yield use


def toy(function, name: str = "toy") -> ConcreteComputation:
    function_type = FunctionType(np.int32, np.int32)
    return ConcreteComputation(ir.Local(LocalComputation("toy", function, function_type, name)))


def triple(x):
    return x * np.int32(3)


@portable_computation(np.int32)
def increment(x):
    return x + 1


def sum_of(*functions) -> ConcreteComputation:
    def program(x):
        for function in functions:
            x = intrinsics.federated_map(function, x)
        return intrinsics.federated_sum(x)

    return federated_computation(program, INT_CLIENTS)


def test_a_step_is_compiled_once_and_run_in_chunks(use_backend):
    backend = use_backend(ToyBackend(compiles=True))
    program = sum_of(toy(triple), increment)
    assert program(list(range(10))) == 145
    assert program(list(range(10))) == 145
    assert backend.steps_compiled == 1
    assert backend.chunks == [len(chunk) for chunk in reduction.chunks(10)] * 2
    assert backend.programs_run == 0


def test_what_cannot_be_compiled_is_run_client_by_client(use_backend):
    backend = use_backend(ToyBackend(compiles=False))
    assert sum_of(toy(triple), increment)(list(range(10))) == 145
    assert backend.programs_run == 10


def test_data_that_does_not_fit_is_run_client_by_client(use_backend):
    backend = use_backend(ToyBackend(compiles=True, fits=False))
    assert sum_of(toy(triple))(list(range(10))) == 135
    assert backend.programs_run == 10


def test_steps_that_keep_values_are_run_client_by_client(use_backend):
    backend = use_backend(ToyBackend(compiles=True))
    mapped = federated_computation(lambda x: intrinsics.federated_map(toy(triple), x), INT_CLIENTS)
    assert mapped([1, 2]) == [3, 6]
    assert backend.steps_compiled == 0
    assert backend.programs_run == 2


def test_portable_work_needs_no_back_end(use_backend):
    backend = use_backend(ToyBackend(compiles=True))
    assert sum_of(increment)([1, 2]) == 5
    assert backend.steps_compiled == 0


def test_work_of_two_back_ends_is_run_one_operation_at_a_time(use_backend, monkeypatch):
    backend = use_backend(ToyBackend(compiles=True))
    monkeypatch.setitem(backends._loaded, "other", ToyBackend(compiles=True))
    other = ir.Local(LocalComputation("other", triple, FunctionType(np.int32, np.int32), "other"))
    assert sum_of(toy(triple), ConcreteComputation(other))([1, 2]) == 27
    assert backend.steps_compiled == 0
    assert backend.programs_run == 0


def fail_on_seven(x):
    if x == 7:
        raise ArithmeticError("seven")
    return x


@pytest.mark.parametrize("compiles", [True, False])
def test_a_failure_names_the_client_and_the_step(use_backend, compiles):
    use_backend(ToyBackend(compiles=compiles))
    with pytest.raises(errors.ClientError, match="seven") as raised:
        sum_of(toy(fail_on_seven))(list(range(10)))
    assert raised.value.client_index == 7
    assert raised.value.stage == "client step 1"
    assert isinstance(raised.value.__cause__, ArithmeticError)


def test_a_failure_of_the_compiled_form_alone_is_not_hidden(use_backend):
    backend = use_backend(ToyBackend(compiles=True))

    def broken(broadcast, zeros, clients, keys):
        raise ArithmeticError("broken")

    backend.compile_client_step = lambda step: broken  # type: ignore[method-assign]
    with pytest.raises(errors.ClientError, match="broken") as raised:
        sum_of(toy(triple))([1, 2])
    assert raised.value.client_index is None


def test_a_program_of_an_unknown_back_end_says_which_there_are():
    unknown = ir.Local(LocalComputation("torch", triple, FunctionType(np.int32, np.int32), "f"))
    with (
        contexts.install(execution_contexts.create_local_context(seed=0)),
        pytest.raises(errors.BackendError, match=r"back ends: .*jax"),
    ):
        ConcreteComputation(unknown)(1)


def test_the_data_of_a_chunk_is_let_go_before_the_next_one_is_read(monkeypatch):
    client_count, arrays, alive = 40, [], []

    class Dataset:
        """A dataset of a framework, which is read when its elements are asked for."""

    def convert(dataset, element_type):
        def load():
            array = np.ones(3, np.int32)
            arrays.append(weakref.ref(array))
            alive.append(sum(each() is not None for each in arrays))
            return sequences.Sequence.from_columns((array,), None, element_type)

        return sequences.Sequence.from_dataset(dataset, element_type, load)

    is_dataset = (lambda value: isinstance(value, Dataset), convert)
    monkeypatch.setattr(sequences, "_converters", [is_dataset])
    numbers = SequenceType(np.int32)
    program = federated_computation(
        lambda x: intrinsics.federated_sum(
            intrinsics.federated_map(
                federated_computation(lambda data: local_intrinsics.sequence_sum(data), numbers), x
            )
        ),
        FederatedType(numbers, CLIENTS),
    )
    with contexts.install(execution_contexts.create_local_context(seed=0)):
        assert program([Dataset() for _ in range(client_count)]) == 3 * client_count
    assert len(alive) == client_count
    assert max(alive) <= reduction.chunk_size(client_count)


def test_a_failure_is_told_with_the_users_lines_of_the_stack_in_its_text():
    installed = np.__file__
    text = f'made at:\n  File "{installed}", line 3, in f\n\n  File "{__file__}", line 7\n\nno 99'
    assert describe_error(ValueError(text)) == (
        f'ValueError: made at:\n  File "{__file__}", line 7\nno 99'
    )


def test_a_failure_without_a_stack_in_its_text_is_told_whole():
    assert describe_error(ValueError("one\n\ntwo")) == "ValueError: one\n\ntwo"
