"""The constants of programs: numpy scalars and arrays, and bytes for strings."""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from tensorflow_federated.core import dtypes, errors
from tensorflow_federated.core.types import TensorType


def to_constant(value: Any, tensor_type: TensorType) -> Any:
    """Turns a Python or numpy value into a constant of a type.

    Args:
      value: a scalar, a string, or a numpy array, of a dtype that fits the type.
      tensor_type: the type.

    Returns:
      A numpy scalar or array of the dtype, bytes, or an array of them.

    Raises:
      LiteralError: if the value is not of the type.

    Examples:
      >>> to_constant(1, TensorType(np.int32))
      np.int32(1)
      >>> to_constant("a", TensorType(np.str_))
      b'a'
    """
    reason = dtypes.mismatch_with(value, tensor_type.dtype)
    if reason is None and not _has_shape(np.shape(value), tensor_type.shape):
        reason = f"expected {tensor_type}, got the shape {list(np.shape(value))}"
    if reason is not None:
        raise errors.LiteralError(
            "this value is no constant of the type.",
            problems=[f"value: {reason}"],
            signature=tensor_type,
        )
    if not dtypes.is_string(tensor_type.dtype):
        array = np.asarray(value, tensor_type.dtype)
        return array[()] if array.ndim == 0 else array
    if isinstance(value, np.ndarray):
        texts = cast("np.ndarray[Any, Any]", value).astype(object)
        return np.frompyfunc(_encoded, 1, 1)(texts)
    return _encoded(value)


def _encoded(text: str | bytes) -> bytes:
    return text.encode() if isinstance(text, str) else bytes(text)


def _has_shape(given: tuple[int, ...], expected: tuple[int | None, ...] | None) -> bool:
    if expected is None:
        return True
    return len(given) == len(expected) and all(
        size is None or size == actual for size, actual in zip(expected, given, strict=True)
    )
