"""Portable functions as lists of operations."""

from __future__ import annotations

import collections
import inspect

import numpy as np
import pytest

import tensorflow_federated as tff
from tensorflow_federated.core import (
    errors,
    portable,
    portable_encoding,
    portable_programs,
    portable_recording,
)
from tensorflow_federated.core.byte_format import DEFAULT_LIMITS, Reader, Writer
from tensorflow_federated.jax import portable_computation


def travelled(computation):
    """The function of a portable computation, after it was written and read."""
    local = computation.to_building_block().computation
    program = portable_recording.record(local.function, local.type_signature, local.name)
    writer = Writer()
    portable_encoding.write_portable(writer, program)
    reader = Reader(memoryview(writer.data), DEFAULT_LIMITS)
    loaded = portable_encoding.read_portable(reader, local.type_signature)
    reader.finish()
    return loaded


def test_every_operation_of_the_namespace_can_be_recorded():
    declared = {
        name
        for name, member in inspect.getmembers(portable.ArrayNamespace, inspect.isfunction)
        if not name.startswith("_")
    } - {"dtype_of", "shape_of"}
    assert declared == set(portable_programs.NAMESPACE_OPERATIONS)


@pytest.mark.parametrize("name", portable_programs.NAMESPACE_OPERATIONS)
def test_the_kinds_of_arguments_are_those_of_the_operation(name):
    parameters = inspect.signature(getattr(portable.NUMPY, name)).parameters
    assert len(parameters) == len(portable_programs.NAMESPACE_OPERATIONS[name])


X = np.array([[1.0, -2.0, 3.5], [0.5, 4.0, -0.25]], np.float32)

FUNCTIONS = {
    "arithmetic": lambda xp, x: (x + 1, 1 - x, x * x, x / 2, 2 / (x + 10), x**2, 2**x, -x, +x),
    "whole numbers": lambda xp, x: (xp.cast(x, np.int64) // 2, xp.cast(x, np.int32) % 3),
    "comparisons": lambda xp, x: (x < 1, x <= x, x < 1, x >= 0, x == x, x != 0.5),
    "logic": lambda xp, x: (
        (x > 0) & (x < 1) | ~(x > 2),
        (x > 0) ^ True,
        xp.logical_and(x > 0, xp.logical_not(x > 1)),
        xp.logical_or(x > 0, x < -1),
    ),
    "reductions": lambda xp, x: (
        xp.sum(x),
        xp.sum(x, axis=0),
        xp.max(x, axis=(0, 1)),
        xp.min(x, -1),
        xp.sum(x > 0),
        xp.all(x > 0, 0),
        xp.any(x > 0),
    ),
    "functions": lambda xp, x: (
        xp.abs(x),
        abs(x),
        xp.sign(x),
        xp.sqrt(xp.square(x)),
        xp.exp(x),
        xp.log(xp.abs(x)),
        xp.pow(xp.abs(x), x),
        xp.round(x),
        xp.floor(x),
        xp.isfinite(x),
        xp.clip(x, -1, 1),
        xp.maximum(x, 0),
        xp.minimum(x, xp.ones_like(x)),
        xp.where(x > 0, x, xp.zeros_like(x)),
    ),
    "slices": lambda xp, x: (xp.slice(x, 0, 1), xp.slice(x, 1, 2), xp.slice(x, 1, 5)),
    "transforms": lambda xp, x: (
        xp.fft(xp.cast(x, np.complex64)),
        xp.ifft(xp.cast(x, np.complex64)),
        xp.real(xp.cast(x, np.complex64)),
        xp.imag(xp.cast(x, np.complex128)),
    ),
    "shapes": lambda xp, x: (
        xp.reshape(x, [-1]),
        xp.reshape(x, (-1, 1)),
        xp.concat([x, x + 1], axis=1),
        xp.stack([x, x], axis=-1),
        xp.matmul(x, np.ones([3, 2], np.float32)),
        x @ np.ones([3], np.float32),
    ),
    "constants": lambda xp, x: (
        xp.zeros([2], np.float64),
        xp.full([2], 7, np.int32),
        np.float32(3) * x,
        np.ones([3], np.float32) + x,
        xp.asarray([1, 2]),
        True,
        5,
        xp.asarray(x, np.float64),
    ),
}


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("shape", [(2, 3), (None, 3)], ids=str)
def test_a_function_that_travelled_gives_the_same(name, shape):
    @portable_computation((np.float32, shape))
    def fn(x):
        return FUNCTIONS[name](portable.namespace_of(x), x)

    local = fn.to_building_block().computation
    with np.errstate(all="ignore"):
        expected, found = local.function(X), travelled(fn)(X)
    assert len(expected) == len(found)
    for left, right in zip(expected, found, strict=True):
        np.testing.assert_array_equal(np.asarray(left), np.asarray(right))


@pytest.mark.parametrize(
    ("shape", "sliced"), [((2, 3), (1, 3)), ((None, 3), (None, 3)), ((9, 3), (4, 3))], ids=str
)
def test_a_slice_has_its_shape_while_it_is_recorded(shape, sliced):
    seen = []

    @portable_computation((np.float32, shape))
    def fn(x):
        xp = portable.namespace_of(x)
        part = xp.slice(x, 1, 5)
        seen.append(tuple(xp.shape_of(part)))
        return part

    seen.clear()
    np.testing.assert_array_equal(travelled(fn)(X), X[1:5])
    assert seen == [sliced]


def test_it_runs_in_the_framework_of_its_arguments():
    import jax.numpy as jnp

    @portable_computation(np.float32)
    def double(x):
        return 2 * portable.namespace_of(x).abs(x)

    assert isinstance(travelled(double)(jnp.float32(-2)), jnp.ndarray)


def test_structures_come_back_in_their_containers():
    @portable_computation(collections.OrderedDict(b=np.float32, a=(np.int32, np.int32)))
    def fn(value):
        return {"sum": value["a"][0] + value["a"][1], "b": [value["b"]]}

    found = travelled(fn)(collections.OrderedDict(b=np.float32(1), a=(np.int32(2), np.int32(3))))
    assert found == {"sum": 5, "b": [1.0]}


def test_a_function_without_parameter_is_a_constant():
    zero = portable_computation(lambda: {"count": 0, "mean": np.zeros([2], np.float32)})
    found = travelled(zero)()
    assert found["count"] == 0
    np.testing.assert_array_equal(found["mean"], [0, 0])


def test_what_travelled_can_travel_again():
    @portable_computation(np.int32)
    def fn(x):
        return x + 1

    program = travelled(fn)
    assert portable_recording.record(program, program.type_signature, "fn") is program


def recorded(function):
    return portable_recording.record(function, tff.FunctionType(np.float32, np.float32), "fn")


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("asks for an element", lambda x: x if x > 0 else -x),
        ("makes a Python number", lambda x: x * float(x)),
        ("calls numpy", lambda x: np.sqrt(x)),
        ("asks for an element by position", lambda x: x[0]),
        ("uses a string", lambda x: x + "a"),
    ],
)
def test_what_no_portable_function_may_do_is_told(name, function, golden):
    with pytest.raises(errors.WireError) as caught:
        recorded(function)
    golden.check(name, str(caught.value).partition("\n  where:")[0])


def test_a_number_of_more_than_64_bits_cannot_travel():
    with pytest.raises(errors.WireError, match="more than 64 bits"):
        recorded(lambda x: x * 2**70)
