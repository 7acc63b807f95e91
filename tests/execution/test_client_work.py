"""Client steps in back ends: compiled in chunks where possible, and else client by client."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tensorflow_federated.compiler import plan
from tensorflow_federated.core import contexts, errors, intrinsics, ir
from tensorflow_federated.core.computations import ConcreteComputation
from tensorflow_federated.core.local_computations import LocalComputation
from tensorflow_federated.core.placements import CLIENTS
from tensorflow_federated.core.tracing import federated_computation
from tensorflow_federated.core.types import FederatedType, FunctionType
from tensorflow_federated.execution import backends, local_programs, numpy_domain, reduction
from tensorflow_federated.execution import contexts as execution_contexts
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

    def evaluate_program(self, program: ir.Lambda, argument: Any, key: np.ndarray | None) -> Any:
        self.programs_run += 1
        return local_programs.run(program, argument, numpy_domain.NumpyDomain(key))

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
