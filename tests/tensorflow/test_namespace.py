"""The operations of portable functions give on tensors what they give on numpy arrays."""

# The stubs of TensorFlow that pyright brings know less than what TensorFlow takes.

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tensorflow_federated.core import portable

X = np.array([[1.5, -2.5, 0.5], [np.inf, 2.5, -0.0]], np.float32)
Y = np.array([[2.0, 2.0, 2.0], [1.0, -1.0, 0.5]], np.float32)
N = np.array([3, -1, 0], np.int32)
FLAGS = np.array([True, False, True])

OPERATIONS = {
    "asarray a list": lambda xp, x, y, n, flags: xp.asarray([1, 2]),
    "asarray with dtype": lambda xp, x, y, n, flags: xp.asarray(n, np.float64),
    "zeros": lambda xp, x, y, n, flags: xp.zeros((2, 3), np.int64),
    "ones": lambda xp, x, y, n, flags: xp.ones([2], np.bool_),
    "full": lambda xp, x, y, n, flags: xp.full((2,), 0.5, np.float64),
    "zeros_like": lambda xp, x, y, n, flags: xp.zeros_like(n),
    "ones_like": lambda xp, x, y, n, flags: xp.ones_like(x),
    "cast": lambda xp, x, y, n, flags: xp.cast(y, np.int32),
    "sum": lambda xp, x, y, n, flags: xp.sum(y),
    "sum along an axis": lambda xp, x, y, n, flags: xp.sum(y, axis=1),
    "sum of booleans": lambda xp, x, y, n, flags: xp.sum(flags),
    "sum of integers": lambda xp, x, y, n, flags: xp.sum(n),
    "max": lambda xp, x, y, n, flags: xp.max(x, axis=0),
    "min": lambda xp, x, y, n, flags: xp.min(n),
    "all": lambda xp, x, y, n, flags: xp.all(flags),
    "any": lambda xp, x, y, n, flags: xp.any(flags),
    "abs": lambda xp, x, y, n, flags: xp.abs(n),
    "sign": lambda xp, x, y, n, flags: xp.sign(x),
    "sqrt": lambda xp, x, y, n, flags: xp.sqrt(xp.abs(x)),
    "square": lambda xp, x, y, n, flags: xp.square(x),
    "exp": lambda xp, x, y, n, flags: xp.exp(y),
    "log": lambda xp, x, y, n, flags: xp.log(xp.abs(y)),
    "cos": lambda xp, x, y, n, flags: xp.cos(y),
    "pow": lambda xp, x, y, n, flags: xp.pow(xp.abs(y), y),
    "pow of a number": lambda xp, x, y, n, flags: xp.pow(2.0, y),
    "maximum": lambda xp, x, y, n, flags: xp.maximum(x, y),
    "maximum with a number": lambda xp, x, y, n, flags: xp.maximum(n, 0),
    "minimum of a number": lambda xp, x, y, n, flags: xp.minimum(0.0, x),
    "clip": lambda xp, x, y, n, flags: xp.clip(x, -1.0, 1.0),
    "round": lambda xp, x, y, n, flags: xp.round(x),
    "floor": lambda xp, x, y, n, flags: xp.floor(x),
    "where": lambda xp, x, y, n, flags: xp.where(flags, x, y),
    "where with a number": lambda xp, x, y, n, flags: xp.where(flags, n, 0),
    "isfinite": lambda xp, x, y, n, flags: xp.isfinite(x),
    "isfinite of integers": lambda xp, x, y, n, flags: xp.isfinite(n),
    "logical_and": lambda xp, x, y, n, flags: xp.logical_and(flags, flags),
    "logical_or": lambda xp, x, y, n, flags: xp.logical_or(flags, flags),
    "logical_not": lambda xp, x, y, n, flags: xp.logical_not(flags),
    "reshape": lambda xp, x, y, n, flags: xp.reshape(x, (3, -1)),
    "concat": lambda xp, x, y, n, flags: xp.concat([x, y], axis=1),
    "stack": lambda xp, x, y, n, flags: xp.stack([x, y], axis=1),
    "matmul": lambda xp, x, y, n, flags: xp.matmul(y, xp.reshape(y, (3, 2))),
    "matmul of vectors": lambda xp, x, y, n, flags: xp.matmul(y[0], y[1]),
    "matmul with a vector": lambda xp, x, y, n, flags: xp.matmul(y, y[0]),
    "dtype_of": lambda xp, x, y, n, flags: np.dtype(xp.dtype_of(x)).itemsize * n,
    "shape_of": lambda xp, x, y, n, flags: xp.shape_of(x)[1] * n,
}


@pytest.mark.parametrize("in_graph", [False, True], ids=["eager", "graph"])
@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_agrees_with_numpy(name, in_graph):
    operation = OPERATIONS[name]

    def on_tensors(*arrays: Any) -> Any:
        xp = portable.namespace_of(*arrays)
        assert xp.name == "tensorflow"
        return operation(xp, *arrays)

    run = tf.function(on_tensors) if in_graph else on_tensors
    result = np.asarray(run(*(tf.constant(array) for array in (X, Y, N, FLAGS))))
    expected = np.asarray(operation(portable.NUMPY, X, Y, N, FLAGS))
    assert result.dtype == expected.dtype
    np.testing.assert_allclose(result, expected, rtol=1e-6)


def test_variables_are_arrays():
    assert portable.namespace_of({"v": tf.Variable(1.0)}).name == "tensorflow"
