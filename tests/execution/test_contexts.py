"""Execution contexts: what is compiled, how often, and how long it is kept."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import numpy as np
import pytest

from tensorflow_federated.core import contexts, intrinsics, ir
from tensorflow_federated.core.placements import CLIENTS
from tensorflow_federated.core.tracing import federated_computation
from tensorflow_federated.core.types import FederatedType, FunctionType
from tensorflow_federated.execution import contexts as execution_contexts
from tensorflow_federated.execution import local
from tensorflow_federated.jax import portable_computation

UNARY = FunctionType(np.int32, np.int32)
INT_CLIENTS = FederatedType(np.int32, CLIENTS)


class CountingEngine:
    """The local engine, with what it was given to compile."""

    def __init__(self) -> None:
        self.programs: weakref.WeakSet[Any] = weakref.WeakSet()
        self.compiled = 0

    def compile(self, node: ir.Lambda | ir.Local) -> local.LocalProgram:
        self.compiled += 1
        program = local.LocalEngine().compile(node)
        self.programs.add(program)
        return program


@pytest.fixture
def counting():
    engine = CountingEngine()
    with contexts.install(execution_contexts.ExecutionContext(engine, seed=0)):
        yield engine


def make_double():
    return portable_computation(lambda x: x * 2, np.int32)


def make_twice():
    return federated_computation(lambda f, x: f(f(x)), UNARY, np.int32)


def test_a_computation_is_compiled_at_its_first_call_only(counting):
    total = federated_computation(intrinsics.federated_sum, INT_CLIENTS)
    assert [total([1, 2]), total([3]), total(list(range(100)))] == [3, 3, 4950]
    assert counting.compiled == 1


def test_with_a_function_as_argument_it_is_compiled_once_for_each_function(counting):
    twice, double = make_twice(), make_double()
    increment = portable_computation(lambda x: x + 1, np.int32)
    assert [twice(double, 1), twice(double, 5), twice(increment, 1), twice(double, 2)] == [
        *(4, 20),
        *(3, 8),
    ]
    assert counting.compiled == 2


def test_several_functions_are_told_apart_by_their_places(counting):
    both = federated_computation(lambda f, g, x: f(g(x)), UNARY, UNARY, np.int32)
    double, increment = make_double(), portable_computation(lambda x: x + 1, np.int32)
    assert [both(double, increment, 1), both(increment, double, 1)] == [4, 3]
    assert [both(double, increment, 2), both(double, double, 2)] == [6, 8]
    assert counting.compiled == 3


def test_a_polymorphic_function_is_given_in_its_form_for_the_type(counting):
    twice = make_twice()
    square = portable_computation(lambda x: x * x)
    assert [twice(square, 2), twice(square, 3)] == [16, 81]
    assert counting.compiled == 1


@pytest.mark.parametrize("lost", ["the computation", "the function"])
def test_what_was_compiled_lives_no_longer_than_what_it_was_made_of(counting, lost):
    made = {"the computation": make_twice(), "the function": make_double()}
    assert made["the computation"](made["the function"], 1) == 4
    assert len(counting.programs) == 1
    del made[lost]
    gc.collect()
    assert len(counting.programs) == 0


def test_a_polymorphic_computation_is_traced_once_for_each_type():
    traced: list[str] = []

    @federated_computation
    def identity(x):
        traced.append(str(x.type_signature))
        return x

    for argument in (1, 2, 2.5, 3, 4.5):
        identity(argument)
    assert traced == ["int32", "float32"]
