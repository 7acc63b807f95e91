"""Portable computations: their types come from JAX, their values from any back end."""

from __future__ import annotations

import collections

import numpy as np
import pytest

import tensorflow_federated as tff
from tensorflow_federated.core import portable, trees
from tensorflow_federated.execution import backends
from tensorflow_federated.jax import portable_computation

WEIGHTS = tff.to_type(collections.OrderedDict(a=np.float32, b=tff.TensorType(np.float32, [3])))


def scaled(value, factor):
    xp = portable.namespace_of(value, factor)
    return trees.map_structure(lambda leaf: leaf * xp.cast(factor, xp.dtype_of(leaf)), value)


@pytest.mark.parametrize(
    ("fn", "parameters", "expected"),
    [
        (lambda x: x + 1, [np.int64], "(int64 -> int64)"),
        (lambda x: x / 3, [np.float64], "(float64 -> float64)"),
        (lambda: 10, [], "( -> int32)"),
        (lambda: (1.0, np.float64(1.0), True), [], "( -> <float32,float64,bool>)"),
        (
            scaled,
            [WEIGHTS, np.int64],
            "(<value=<a=float32,b=float32[3]>,factor=int64> -> <a=float32,b=float32[3]>)",
        ),
    ],
)
def test_64_bits_are_kept(fn, parameters, expected):
    assert str(portable_computation(fn, *parameters).type_signature) == expected


def test_dimensions_may_be_unknown():
    total = portable_computation(
        lambda x: (x, portable.namespace_of(x).sum(x)), tff.TensorType(np.int8, [None])
    )
    assert str(total.type_signature) == "(int8[?] -> <int8[?],int8>)"


@pytest.mark.parametrize("backend", ["jax", "tensorflow"])
def test_back_ends_agree_with_numpy(backend):
    computation = portable_computation(scaled, WEIGHTS, np.int64)
    program = tff.federated_computation(lambda *args: computation(*args), WEIGHTS, np.int64)
    argument = ((np.float32(2.0), np.array([1.0, 2.0, 3.0], np.float32)), np.int64(3))
    first, second = backends.get(backend).evaluate_program(program.node, argument, None)
    assert first == 6.0
    assert first.dtype == np.float32
    assert second.dtype == np.float32
    np.testing.assert_array_equal(second, [3.0, 6.0, 9.0])


def test_it_runs_when_it_is_called(engine):
    computation = portable_computation(scaled, WEIGHTS, np.int64)
    result = computation({"a": 2.0, "b": [1.0, 2.0, 3.0]}, 3)
    assert list(result) == ["a", "b"]
    np.testing.assert_array_equal(result["b"], [3.0, 6.0, 9.0])


@pytest.mark.parametrize("parameter", [np.str_, tff.SequenceType(np.int32)])
def test_what_is_no_number_is_refused(parameter):
    with pytest.raises(TypeError, match="cannot be a portable computation"):
        portable_computation(lambda x: x, parameter)


def test_it_can_be_part_of_a_jax_computation(engine):
    double = portable_computation(lambda x: 2 * x, np.float32)
    assert tff.jax.computation(lambda x: double(x) + 1, np.float32)(3.0) == 7.0


def test_a_dict_keeps_its_order(engine):
    named = portable_computation(lambda x: {"z": x, "a": 2 * x}, np.int32)
    assert str(named.type_signature) == "(int32 -> <z=int32,a=int32>)"
    assert list(named(1).items()) == [("z", 1), ("a", 2)]
