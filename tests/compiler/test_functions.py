"""Functions among the arguments of a program."""

from __future__ import annotations

import numpy as np
import pytest

from tensorflow_federated.compiler import compilation, functions
from tensorflow_federated.core import errors
from tensorflow_federated.core.tracing import federated_computation
from tensorflow_federated.core.types import FunctionType
from tensorflow_federated.jax import portable_computation

UNARY = FunctionType(np.int32, np.int32)


@portable_computation(np.int32)
def triple(x):
    return x * 3


twice = federated_computation(lambda g, x: g(g(x)), UNARY, np.int32)


def test_functions_are_found_in_the_type():
    assert functions.function_paths(twice.type_signature.parameter) == ((0,),)


def test_a_function_that_is_given_is_inlined():
    program = functions.apply_to_functions(twice.node, {(0,): triple.node})
    assert str(program.type_signature) == "(<g=<>,x=int32> -> int32)"
    _, normalized = compilation.trace_passes(program, check=True)[0]
    assert str(normalized) == "(arg -> (let v=comp#triple(arg.x),v_1=comp#triple(v) in v_1))"


def test_a_program_with_functional_parameters_cannot_be_compiled():
    with pytest.raises(errors.TypeMismatchError, match="a function must be given"):
        compilation.compile_computation(twice.node)


def test_a_program_that_returns_a_function_cannot_be_compiled():
    returns_function = federated_computation(lambda x: (x, triple), np.int32)
    with pytest.raises(errors.TypeMismatchError, match="cannot return a function"):
        compilation.compile_computation(returns_function.node)
