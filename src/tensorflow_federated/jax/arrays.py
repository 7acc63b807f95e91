"""The leaves of JAX's structures: arrays and tracers, numbers, and random keys."""

from __future__ import annotations

from typing import Any, Protocol

import jax
import jax.export
import jax.numpy as jnp
import numpy as np

from tensorflow_federated.core import dtypes
from tensorflow_federated.core.types import TensorType
from tensorflow_federated.jax import precision


class NumberDType(Protocol):
    """Which dtype a number of Python has where no type is declared."""

    def __call__(self, value: Any, /) -> dtypes.DType:
        """The dtype of the number."""
        ...


def jax_number_dtype(value: Any) -> dtypes.DType:
    """The dtype that JAX gives a number of Python: 64 bits only where JAX keeps them.

    Examples:
      >>> jax_number_dtype(1), jax_number_dtype(1j)
      (dtype('int32'), dtype('complex64'))
    """
    wide = np.bool_ if isinstance(value, bool) else np.result_type(type(value))
    return dtypes.as_dtype(np.dtype(jax.dtypes.canonicalize_dtype(wide)))


def is_python_number(value: Any) -> bool:
    """Whether this is a number of Python itself; an `np.float64` is a `float`, but has a dtype."""
    return isinstance(value, (bool, int, float, complex)) and not isinstance(value, np.generic)


def plain(value: Any) -> Any:
    """The leaf without what only JAX knows: a random key becomes its data, unsigned integers."""
    if isinstance(value, jax.Array) and jnp.issubdtype(value.dtype, jax.dtypes.prng_key):
        return jax.random.key_data(value)
    return value


def describe(value: Any, number_dtype: NumberDType) -> TensorType | None:
    """The type of a plain leaf; None if it is no array and no number.

    Args:
      value: an array, a tracer, a number, or the size of a dimension that is not known.
      number_dtype: the dtype of a number.
    """
    if jax.export.is_symbolic_dim(value):
        return TensorType(number_dtype(0))
    if is_python_number(value):
        return TensorType(number_dtype(value))
    if not isinstance(value, (np.ndarray, np.generic, jax.Array)):
        return None
    # What is left of the dtypes of JAX alone, and the strings and objects of NumPy.
    if not isinstance(value.dtype, np.dtype) or value.dtype.kind in "OSU":
        return None
    is_numpy = isinstance(value, (np.ndarray, np.generic))
    dtype = jax.dtypes.canonicalize_dtype(value.dtype) if is_numpy else value.dtype
    found = dtypes.find_dtype(dtype)
    if found is None:
        return None
    return TensorType(found, [size if isinstance(size, int) else None for size in value.shape])


def loss_in(value: Any, dtype: dtypes.DType) -> str | None:
    """Says what a number, or a NumPy array, would lose as one of a dtype of its kind, or None.

    JAX shortens NumPy's 64 bits to 32 without a word. That is fine where nothing but digits is
    lost, as of `np.float64(0.1)`; a number that turns into another one is not.

    Examples:
      >>> loss_in(np.int64(2**40), np.dtype(np.int32))
      '1099511627776 is out of the range of int32'
      >>> loss_in(np.int64(7), np.dtype(np.int32)) is None
      True
    """
    if is_python_number(value):
        return dtypes.mismatch_with(value, dtype)
    if not isinstance(value, (np.ndarray, np.generic)) or np.dtype(value.dtype) == dtype:
        return None
    given = np.asarray(value)
    with np.errstate(all="ignore"):
        narrow = given.astype(dtype)
        kept = narrow == given if dtypes.is_integer(dtype) else _is_as_finite(narrow, given)
    if np.all(kept):
        return None
    return f"{given[~kept].reshape(-1)[0]} is out of the range of {dtypes.dtype_name(dtype)}"


def _is_as_finite(narrow: np.ndarray, given: np.ndarray) -> np.ndarray:
    if given.dtype.kind not in "fc":
        return np.ones(given.shape, np.bool_)
    return np.isfinite(narrow) == np.isfinite(given)


def to_array(value: Any, dtype: dtypes.DType) -> Any:
    """The JAX array of a dtype; one that has the dtype is kept, also where JAX cuts to 32 bits."""
    if jax.export.is_symbolic_dim(value):
        # With 64 bits a size becomes int64 and is then converted. Where it would become int32 at
        # once, JAX takes it for int64 all the same when it lowers a program with 64 bits.
        with precision.with_64_bits(True):
            return jnp.asarray(value, dtype)
    if isinstance(value, jax.Array) and value.dtype == dtype:
        return value
    return jnp.asarray(value, dtype)
