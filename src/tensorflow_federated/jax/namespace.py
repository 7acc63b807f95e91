"""The operations of portable functions on JAX arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from tensorflow_federated.core import portable
from tensorflow_federated.core.portable import Array, Axis, DType


class JaxNamespace:
    """The operations on JAX arrays and tracers, where JAX keeps 64 bits."""

    name = "jax"

    def asarray(self, x: Any, dtype: DType | None = None) -> Array:
        return jnp.asarray(x, portable.default_dtype(x) if dtype is None else dtype)

    def zeros(self, shape: Sequence[int], dtype: DType) -> Array:
        return jnp.zeros(tuple(shape), dtype)

    def ones(self, shape: Sequence[int], dtype: DType) -> Array:
        return jnp.ones(tuple(shape), dtype)

    def full(self, shape: Sequence[int], value: Any, dtype: DType) -> Array:
        return jnp.full(tuple(shape), value, dtype)

    def zeros_like(self, x: Array) -> Array:
        return jnp.zeros_like(x)

    def ones_like(self, x: Array) -> Array:
        return jnp.ones_like(x)

    def cast(self, x: Array, dtype: DType) -> Array:
        return jnp.asarray(x).astype(dtype)

    def sum(self, x: Array, axis: Axis = None) -> Array:
        return jnp.sum(x, axis=axis, dtype=portable.sum_dtype(self.dtype_of(x)))

    def max(self, x: Array, axis: Axis = None) -> Array:
        return jnp.max(x, axis=axis)

    def min(self, x: Array, axis: Axis = None) -> Array:
        return jnp.min(x, axis=axis)

    def all(self, x: Array, axis: Axis = None) -> Array:
        return jnp.all(x, axis=axis)

    def any(self, x: Array, axis: Axis = None) -> Array:
        return jnp.any(x, axis=axis)

    def abs(self, x: Array) -> Array:
        return jnp.abs(x)

    def sign(self, x: Array) -> Array:
        return jnp.sign(x)

    def sqrt(self, x: Array) -> Array:
        return jnp.sqrt(x)

    def square(self, x: Array) -> Array:
        return jnp.square(x)

    def exp(self, x: Array) -> Array:
        return jnp.exp(x)

    def log(self, x: Array) -> Array:
        return jnp.log(x)

    def cos(self, x: Array) -> Array:
        return jnp.cos(x)

    def real(self, x: Array) -> Array:
        return jnp.real(x)

    def imag(self, x: Array) -> Array:
        return jnp.imag(x)

    def fft(self, x: Array) -> Array:
        return jnp.fft.fft(x)

    def ifft(self, x: Array) -> Array:
        return jnp.fft.ifft(x)

    def pow(self, x: Array, y: Array) -> Array:
        return jnp.power(x, y)

    def maximum(self, x: Array, y: Array) -> Array:
        return jnp.maximum(x, y)

    def minimum(self, x: Array, y: Array) -> Array:
        return jnp.minimum(x, y)

    def clip(self, x: Array, low: Array, high: Array) -> Array:
        return jnp.clip(x, low, high)

    def round(self, x: Array) -> Array:
        return jnp.round(x)

    def floor(self, x: Array) -> Array:
        # A whole number is its own floor; JAX would make a floating-point number of it.
        return x if self.dtype_of(x).kind in "iu" else jnp.floor(x)

    def where(self, condition: Array, x: Array, y: Array) -> Array:
        return jnp.where(condition, x, y)

    def isfinite(self, x: Array) -> Array:
        return jnp.isfinite(x)

    def logical_and(self, x: Array, y: Array) -> Array:
        return jnp.logical_and(x, y)

    def logical_or(self, x: Array, y: Array) -> Array:
        return jnp.logical_or(x, y)

    def logical_not(self, x: Array) -> Array:
        return jnp.logical_not(x)

    def reshape(self, x: Array, shape: Sequence[int]) -> Array:
        return jnp.reshape(x, tuple(shape))

    def concat(self, arrays: Sequence[Array], axis: int = 0) -> Array:
        return jnp.concatenate([jnp.asarray(array) for array in arrays], axis=axis)

    def slice(self, x: Array, start: int, stop: int) -> Array:
        return x[start:stop]

    def stack(self, arrays: Sequence[Array], axis: int = 0) -> Array:
        return jnp.stack([jnp.asarray(array) for array in arrays], axis=axis)

    def matmul(self, x: Array, y: Array) -> Array:
        return jnp.matmul(x, y)

    def dtype_of(self, x: Array) -> np.dtype[Any]:
        return np.dtype(x.dtype if hasattr(x, "dtype") else portable.default_dtype(x))

    def shape_of(self, x: Array) -> tuple[int | None, ...]:
        return tuple(size if isinstance(size, int) else None for size in jnp.shape(x))
