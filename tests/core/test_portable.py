"""Portable functions give the same in every framework: values, dtypes and shapes."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest

import tensorflow_federated  # noqa: F401  Importing it makes the frameworks known.
from tensorflow_federated.core import errors, portable, trees

FLOATS = np.array([[1.5, -2.5, 0.0], [4.0, 9.0, 0.25]], np.float32)
INTEGERS = np.array([[1, -2, 0], [4, 9, 3]], np.int32)


def _no_context():
    return contextlib.nullcontext()


def _jax_context():
    import jax

    return jax.enable_x64(True)


def _to_jax(array):
    import jax.numpy as jnp

    return jnp.asarray(array)


def _to_tensorflow(array):
    import tensorflow as tf

    return tf.convert_to_tensor(array)


FRAMEWORKS = {
    "numpy": (_no_context, np.asarray),
    "jax": (_jax_context, _to_jax),
    "tensorflow": (_no_context, _to_tensorflow),
}

OPERATIONS = {
    "asarray of numbers": lambda xp, f, i: xp.asarray([1.0, 2.0]),
    "asarray of an integer": lambda xp, f, i: xp.asarray(3),
    "asarray with a dtype": lambda xp, f, i: xp.asarray([1, 2], np.float64),
    "asarray of an array": lambda xp, f, i: xp.asarray(i),
    "zeros": lambda xp, f, i: xp.zeros([2, 3], np.int64),
    "ones": lambda xp, f, i: xp.ones([], np.float16),
    "full": lambda xp, f, i: xp.full([2], 7, np.float32),
    "zeros_like": lambda xp, f, i: xp.zeros_like(i),
    "ones_like": lambda xp, f, i: xp.ones_like(f),
    "cast to integers": lambda xp, f, i: xp.cast(f, np.int64),
    "cast to bool": lambda xp, f, i: xp.cast(i, np.bool_),
    "cast to float64": lambda xp, f, i: xp.cast(i, np.float64),
    "sum": lambda xp, f, i: xp.sum(f),
    "sum of integers": lambda xp, f, i: xp.sum(i, axis=0),
    "sum over two axes": lambda xp, f, i: xp.sum(f, axis=(0, 1)),
    "sum of booleans": lambda xp, f, i: xp.sum(i > 0, axis=1),
    "max": lambda xp, f, i: xp.max(f, axis=1),
    "min": lambda xp, f, i: xp.min(i),
    "all": lambda xp, f, i: xp.all(i > -3),
    "any": lambda xp, f, i: xp.any(i > 5, axis=0),
    "abs": lambda xp, f, i: xp.abs(f),
    "sign": lambda xp, f, i: xp.sign(f),
    "sqrt": lambda xp, f, i: xp.sqrt(xp.abs(f)),
    "square": lambda xp, f, i: xp.square(i),
    "exp": lambda xp, f, i: xp.exp(f),
    "log": lambda xp, f, i: xp.log(xp.abs(f)),
    "cos": lambda xp, f, i: xp.cos(f),
    "real": lambda xp, f, i: xp.real(xp.cast(f, np.complex64) * 2j),
    "imag": lambda xp, f, i: xp.imag(xp.cast(f, np.complex64) * 2j),
    "fft": lambda xp, f, i: xp.real(xp.fft(xp.cast(f, np.complex64))),
    "ifft": lambda xp, f, i: xp.imag(xp.ifft(xp.cast(f, np.complex64))),
    "pow": lambda xp, f, i: xp.pow(xp.abs(f), 0.5),
    "maximum with a number": lambda xp, f, i: xp.maximum(f, 0.0),
    "minimum": lambda xp, f, i: xp.minimum(f, xp.ones_like(f)),
    "clip": lambda xp, f, i: xp.clip(f, -1.0, 1.0),
    "round": lambda xp, f, i: xp.round(f),
    "floor": lambda xp, f, i: xp.floor(f),
    "floor of integers": lambda xp, f, i: xp.floor(i),
    "where": lambda xp, f, i: xp.where(f > 0, f, xp.zeros_like(f)),
    "where with a number": lambda xp, f, i: xp.where(i > 0, f, 0.0),
    "isfinite": lambda xp, f, i: xp.isfinite(1.0 / f),
    "isfinite of integers": lambda xp, f, i: xp.isfinite(i),
    "logical_and": lambda xp, f, i: xp.logical_and(f > 0, i > 2),
    "logical_or": lambda xp, f, i: xp.logical_or(f > 0, i > 2),
    "logical_not": lambda xp, f, i: xp.logical_not(f > 0),
    "reshape": lambda xp, f, i: xp.reshape(f, [3, -1]),
    "concat": lambda xp, f, i: xp.concat([f, f], axis=1),
    "slice": lambda xp, f, i: xp.slice(f, 1, 2),
    "stack": lambda xp, f, i: xp.stack([i, i]),
    "matmul": lambda xp, f, i: xp.matmul(f, xp.reshape(f, [3, 2])),
    "matmul of vectors": lambda xp, f, i: xp.matmul(f[0], f[1]),
    "operators": lambda xp, f, i: (f + 1.0) * f - f / 2.0,
    "powers": lambda xp, f, i: f**2,
    "division of integers": lambda xp, f, i: xp.cast(i, np.float64) / 2,
    "integers and numbers": lambda xp, f, i: 2 * i + 1,
    "comparison": lambda xp, f, i: f >= 0.0,
}


@pytest.fixture(params=FRAMEWORKS)
def framework(request: pytest.FixtureRequest):
    """Makes arrays of one framework, in the context that its traces run in."""
    context, to_array = FRAMEWORKS[request.param]
    with context():
        yield request.param, to_array


@pytest.mark.parametrize("operation", OPERATIONS)
def test_operations_are_those_of_numpy(framework, operation):
    name, to_array = framework
    compute = OPERATIONS[operation]
    with np.errstate(all="ignore"):
        expected = np.asarray(compute(portable.NUMPY, FLOATS, INTEGERS))
        floats, integers = to_array(FLOATS), to_array(INTEGERS)
        xp = portable.namespace_of(floats)
        result = np.asarray(compute(xp, floats, integers))
    assert xp.name == name
    assert result.dtype == expected.dtype
    np.testing.assert_allclose(result, expected, rtol=1e-6)


def test_sums_keep_the_dtype():
    for dtype in (np.int8, np.int32, np.float16, np.float32, np.int64):
        assert portable.NUMPY.sum(np.ones(3, dtype)).dtype == dtype


def test_dtypes_and_shapes_can_be_asked_for(framework):
    _, to_array = framework
    array = to_array(FLOATS)
    xp = portable.namespace_of(array)
    assert xp.dtype_of(array) == np.float32
    assert xp.shape_of(array) == (2, 3)


def test_the_namespace_is_found_in_a_structure(framework):
    name, to_array = framework
    assert portable.namespace_of({"a": np.float32(1), "b": [to_array(FLOATS)]}).name == name


def test_numbers_alone_belong_to_numpy():
    assert portable.namespace_of(1, [2.0, None]).name == "numpy"
    assert portable.namespace_of().name == "numpy"


def test_arrays_of_two_frameworks_are_refused():
    with pytest.raises(errors.TypeMismatchError, match="jax, tensorflow"):
        portable.namespace_of(_to_jax(FLOATS), _to_tensorflow(FLOATS))


def test_a_variable_of_tensorflow_is_one_of_its_arrays():
    import tensorflow as tf

    assert portable.namespace_of(tf.Variable(tf.constant(1.0))).name == "tensorflow"


@pytest.mark.parametrize(
    ("value", "dtype"),
    [(True, np.bool_), (1, np.int32), (2**40, np.int64), (1.0, np.float32), ([1, 2.5], np.float32)],
)
def test_python_numbers_have_the_dtypes_of_the_language(value, dtype):
    assert portable.NUMPY.asarray(value).dtype == dtype


def test_a_function_is_the_same_in_every_framework(framework):
    """The example of the module: clipping by the norm of a whole structure."""
    _, to_array = framework

    def clipped(value, norm):
        xp = portable.namespace_of(value, norm)
        squares = [xp.sum(xp.square(leaf)) for leaf in trees.leaves(value)]
        scale = xp.minimum(xp.ones_like(norm), norm / xp.sqrt(sum(squares)))
        return trees.map_structure(lambda leaf: leaf * scale, value)

    value = {"a": to_array(np.array([3.0, 0.0], np.float32)), "b": to_array(np.float32(4.0))}
    result = clipped(value, to_array(np.float32(1.0)))
    np.testing.assert_allclose(np.asarray(result["a"]), [0.6, 0.0], rtol=1e-6)
    np.testing.assert_allclose(np.asarray(result["b"]), 0.8, rtol=1e-6)
