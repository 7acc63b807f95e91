"""The operations of portable functions on TensorFlow tensors."""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import tensorflow as tf

from tensorflow_federated.core import portable
from tensorflow_federated.core.portable import Array, Axis, DType


def _as_dtype(dtype: DType) -> tf.DType:
    return tf.as_dtype(np.dtype(dtype))


def _pair(x: Array, y: Array) -> tuple[tf.Tensor, tf.Tensor]:
    """Two tensors of one dtype: a Python number takes that of the other."""
    if not tf.is_tensor(x) and isinstance(x, numbers.Number):
        y = tf.convert_to_tensor(y)
        return tf.convert_to_tensor(cast("Any", x), y.dtype), y
    x = tf.convert_to_tensor(x)
    return x, tf.convert_to_tensor(y, x.dtype)


class TensorFlowNamespace:
    """The operations on tensors, of a graph or eager; see `core.portable.ArrayNamespace`."""

    name = "tensorflow"

    def asarray(self, x: Any, dtype: DType | None = None) -> Array:
        if dtype is None:
            if tf.is_tensor(x):
                return tf.convert_to_tensor(x)
            return tf.convert_to_tensor(np.asarray(x, portable.default_dtype(x)))
        if tf.is_tensor(x):
            return tf.cast(x, _as_dtype(dtype))
        return tf.convert_to_tensor(np.asarray(x, dtype))

    def zeros(self, shape: Sequence[int], dtype: DType) -> Array:
        return tf.zeros(shape, _as_dtype(dtype))

    def ones(self, shape: Sequence[int], dtype: DType) -> Array:
        return tf.ones(shape, _as_dtype(dtype))

    def full(self, shape: Sequence[int], value: Any, dtype: DType) -> Array:
        return tf.fill(shape, self.asarray(value, dtype))

    def zeros_like(self, x: Array) -> Array:
        return tf.zeros_like(x)

    def ones_like(self, x: Array) -> Array:
        return tf.ones_like(x)

    def cast(self, x: Array, dtype: DType) -> Array:
        return tf.cast(x, _as_dtype(dtype))

    def sum(self, x: Array, axis: Axis = None) -> Array:
        x = tf.convert_to_tensor(x)
        wanted = tf.as_dtype(portable.sum_dtype(self.dtype_of(x)))
        return tf.reduce_sum(tf.cast(x, wanted), axis)

    def max(self, x: Array, axis: Axis = None) -> Array:
        return tf.reduce_max(x, axis)

    def min(self, x: Array, axis: Axis = None) -> Array:
        return tf.reduce_min(x, axis)

    def all(self, x: Array, axis: Axis = None) -> Array:
        return tf.reduce_all(x, axis)

    def any(self, x: Array, axis: Axis = None) -> Array:
        return tf.reduce_any(x, axis)

    def abs(self, x: Array) -> Array:
        return tf.abs(x)

    def sign(self, x: Array) -> Array:
        return tf.sign(x)

    def sqrt(self, x: Array) -> Array:
        return tf.sqrt(x)

    def square(self, x: Array) -> Array:
        return tf.square(x)

    def exp(self, x: Array) -> Array:
        return tf.exp(x)

    def log(self, x: Array) -> Array:
        return tf.math.log(x)

    def cos(self, x: Array) -> Array:
        return tf.cos(x)

    def real(self, x: Array) -> Array:
        return tf.math.real(x)

    def imag(self, x: Array) -> Array:
        return tf.math.imag(x)

    def fft(self, x: Array) -> Array:
        return tf.signal.fft(x)

    def ifft(self, x: Array) -> Array:
        return tf.signal.ifft(x)

    def pow(self, x: Array, y: Array) -> Array:
        return tf.pow(*_pair(x, y))

    def maximum(self, x: Array, y: Array) -> Array:
        return tf.maximum(*_pair(x, y))

    def minimum(self, x: Array, y: Array) -> Array:
        return tf.minimum(*_pair(x, y))

    def clip(self, x: Array, low: Array, high: Array) -> Array:
        return self.minimum(self.maximum(x, low), high)

    def round(self, x: Array) -> Array:
        return tf.round(x)

    def floor(self, x: Array) -> Array:
        x = tf.convert_to_tensor(x)
        return x if x.dtype.is_integer else tf.floor(x)

    def where(self, condition: Array, x: Array, y: Array) -> Array:
        return tf.where(condition, *_pair(x, y))

    def isfinite(self, x: Array) -> Array:
        x = tf.convert_to_tensor(x)
        if x.dtype.is_integer or x.dtype == tf.bool:
            return tf.ones_like(x, tf.bool)
        if x.dtype.is_complex:
            return tf.math.is_finite(tf.math.real(x)) & tf.math.is_finite(tf.math.imag(x))
        return tf.math.is_finite(x)

    def logical_and(self, x: Array, y: Array) -> Array:
        return tf.logical_and(x, y)

    def logical_or(self, x: Array, y: Array) -> Array:
        return tf.logical_or(x, y)

    def logical_not(self, x: Array) -> Array:
        return tf.logical_not(x)

    def reshape(self, x: Array, shape: Sequence[int]) -> Array:
        return tf.reshape(x, list(shape))

    def concat(self, arrays: Sequence[Array], axis: int = 0) -> Array:
        return tf.concat(list(arrays), axis)

    def slice(self, x: Array, start: int, stop: int) -> Array:
        return x[start:stop]

    def stack(self, arrays: Sequence[Array], axis: int = 0) -> Array:
        return tf.stack(list(arrays), axis)

    def matmul(self, x: Array, y: Array) -> Array:
        x, y = tf.convert_to_tensor(x), tf.convert_to_tensor(y)
        if (
            x.shape.rank is not None
            and y.shape.rank is not None
            and min(x.shape.rank, y.shape.rank) < 2
        ):
            return tf.tensordot(x, y, 1)
        return tf.matmul(x, y)

    def dtype_of(self, x: Array) -> np.dtype[Any]:
        return np.dtype(tf.convert_to_tensor(x).dtype.as_numpy_dtype)

    def shape_of(self, x: Array) -> tuple[int | None, ...]:
        return tuple(tf.convert_to_tensor(x).shape.as_list())
