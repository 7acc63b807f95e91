"""Server steps: compiled as one function where they make several calls, and else call by call."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tensorflow_federated.compiler import plan
from tensorflow_federated.core import contexts, intrinsics, ir, local_intrinsics
from tensorflow_federated.core.computations import ConcreteComputation
from tensorflow_federated.core.local_computations import LocalComputation
from tensorflow_federated.core.placements import SERVER
from tensorflow_federated.core.tracing import federated_computation
from tensorflow_federated.core.types import FederatedType, FunctionType, SequenceType
from tensorflow_federated.execution import backends, local_programs, numpy_domain
from tensorflow_federated.execution import contexts as execution_contexts
from tensorflow_federated.execution.settings import Settings
from tensorflow_federated.jax import computation as jax_computation
from tensorflow_federated.jax import portable_computation

INT_SERVER = FederatedType(np.int32, SERVER)


class ToyBackend:
    """A back end of Python functions, that notes what it is asked for."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.calls = 0
        self.programs: list[ir.Lambda] = []

    def evaluate(self, computation: LocalComputation, argument: Any) -> Any:
        self.calls += 1
        return computation.function(argument)

    def evaluate_program(self, program: ir.Lambda, argument: Any, keys: np.ndarray | None) -> Any:
        assert keys is None
        self.programs.append(program)
        return local_programs.run(program, argument, numpy_domain.NumpyDomain())

    def compile_client_step(
        self, step: plan.ClientStep, settings: Settings
    ) -> backends.CompiledStep | backends.NotCompiled:
        raise AssertionError("there are no clients")


@pytest.fixture
def toy(monkeypatch):
    backend = ToyBackend("toy")
    monkeypatch.setitem(backends._loaded, "toy", backend)
    with contexts.install(execution_contexts.create_local_context(seed=0)):
        yield backend


def computation_of(backend: str, function, result=np.int32) -> ConcreteComputation:
    function_type = FunctionType(np.int32, result)
    return ConcreteComputation(ir.Local(LocalComputation(backend, function, function_type, "toy")))


def mapped(*functions):
    def program(x):
        for function in functions:
            x = intrinsics.federated_map(function, x)
        return x

    return federated_computation(program, INT_SERVER)


DOUBLE = computation_of("toy", lambda x: x * 2)
INCREMENT = portable_computation(lambda x: x + 1, np.int32)


def test_several_calls_are_one_program(toy):
    assert mapped(DOUBLE, INCREMENT, DOUBLE)(3) == 14
    assert len(toy.programs) == 1


def test_every_call_runs_the_same_program(toy):
    # Back ends keep what they have compiled by the identity of the program.
    quadruple = mapped(DOUBLE, DOUBLE)
    assert [quadruple(1), quadruple(2), quadruple(3)] == [4, 8, 12]
    assert len(set(map(id, toy.programs))) == 1


def test_one_call_is_made_as_it_is(toy):
    assert mapped(INCREMENT, DOUBLE, INCREMENT)(3) == 9
    assert (toy.calls, toy.programs) == (1, [])


def test_portable_computations_alone_need_no_back_end(toy):
    assert mapped(INCREMENT, INCREMENT, INCREMENT)(3) == 6
    assert (toy.calls, toy.programs) == (0, [])


@pytest.mark.parametrize(("size", "programs"), [(2**17, 0), (2**17 + 1, 1)])
def test_portable_computations_over_many_numbers_are_one_program_of_jax(
    monkeypatch, size, programs
):
    vector = (np.float32, [size])
    halve = portable_computation(lambda x: x / 2, vector)
    program = federated_computation(
        lambda x: intrinsics.federated_map(halve, intrinsics.federated_map(halve, x)),
        FederatedType(vector, SERVER),
    )
    backend = ToyBackend("jax")
    monkeypatch.setitem(backends._loaded, "jax", backend)
    with contexts.install(execution_contexts.create_local_context(seed=0)):
        np.testing.assert_array_equal(program(np.ones(size, np.float32)), np.full(size, 0.25))
    assert len(backend.programs) == programs


def test_a_selection_of_many_numbers_is_no_work_for_a_back_end(toy, monkeypatch):
    monkeypatch.setitem(backends._loaded, "jax", toy)
    pair = FederatedType([(np.float32, [2**18]), np.int32], SERVER)
    program = federated_computation(lambda x: intrinsics.federated_zip([x[1], x[0]]), pair)
    assert program([np.zeros(2**18, np.float32), 3])[0] == 3
    assert toy.programs == []


def test_many_numbers_give_the_same_on_every_engine(engine):
    vector = (np.float32, [2**18])
    step = portable_computation(lambda x, y: x * y, vector, vector)

    @federated_computation(FederatedType(vector, SERVER), FederatedType(vector, SERVER))
    def program(x, y):
        return intrinsics.federated_map(step, (x, y))

    numbers = np.arange(2**18, dtype=np.float32)
    np.testing.assert_array_equal(program(numbers, numbers), numbers * numbers)


def test_computations_of_two_back_ends_are_called_one_after_the_other(toy, monkeypatch):
    other = ToyBackend("other")
    monkeypatch.setitem(backends._loaded, "other", other)
    triple = computation_of("other", lambda x: x * 3)
    assert mapped(DOUBLE, triple, DOUBLE)(1) == 12
    assert (toy.calls, toy.programs, other.calls, other.programs) == (2, [], 1, [])


def test_a_call_for_each_element_of_a_sequence_is_several(toy):
    @federated_computation(FederatedType(SequenceType(np.int32), SERVER))
    def total(numbers):
        doubled = intrinsics.federated_map(
            federated_computation(
                lambda x: local_intrinsics.sequence_map(DOUBLE, x), SequenceType(np.int32)
            ),
            numbers,
        )
        return intrinsics.federated_map(
            federated_computation(local_intrinsics.sequence_sum, SequenceType(np.int32)), doubled
        )

    assert total([1, 2, 3]) == 12
    assert len(toy.programs) == 1


def test_a_program_of_a_framework_gives_the_same_on_every_engine(engine):
    half = jax_computation(lambda x: x / 2, np.float32)
    square = jax_computation(lambda x: x * x, np.float32)
    increment = portable_computation(lambda x: x + 1, np.float32)

    @federated_computation(FederatedType(np.float32, SERVER))
    def program(x):
        squared = intrinsics.federated_map(square, intrinsics.federated_map(half, x))
        return squared, intrinsics.federated_map(increment, squared)

    assert program(3.0) == (np.float32(2.25), np.float32(3.25))
