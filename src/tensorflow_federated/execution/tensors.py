"""Turns Python numbers, lists and arrays into canonical tensors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import numpy as np

from tensorflow_federated.core import dtypes, fields
from tensorflow_federated.core.types import TensorType
from tensorflow_federated.execution import leaves
from tensorflow_federated.execution.problems import Problems


def to_canonical(value: Any, tensor_type: TensorType, path: str, problems: Problems) -> Any:
    """Turns a value into a numpy scalar or array of a type, or notes why it cannot be one.

    Args:
      value: a number, string, nested list of these, or array of any framework.
      tensor_type: the type.
      path: how messages call the value.
      problems: where to note what is wrong.

    Returns:
      The scalar or array; None if there is a problem.
    """
    if isinstance(value, (list, tuple)) and not fields.is_named_tuple(value):
        return _from_list(cast("list[Any]", value), tensor_type, path, problems)
    array = as_numpy(value)
    reason = "" if array is None else dtypes.mismatch_with(array, tensor_type.dtype)
    if reason == "":
        problems.add(path, tensor_type, value)
    elif reason is not None:
        problems.add_text(path, reason)
    else:
        return _shaped(array, tensor_type, path, problems)
    return None


def as_numpy(value: Any) -> Any:
    """The numpy form of an array of any framework, or a Python scalar; None for other values."""
    if isinstance(value, (np.ndarray, np.generic, bool, int, float, complex, str, bytes)):
        return cast("Any", value)
    if isinstance(value, type):
        return None
    to_numpy = getattr(value, "numpy", None)
    if callable(to_numpy):
        return as_numpy(to_numpy())
    if hasattr(value, "dtype") and hasattr(value, "__array__"):
        return np.asarray(value)
    return None


def _from_list(value: list[Any], tensor_type: TensorType, path: str, problems: Problems) -> Any:
    if tensor_type.shape == ():
        problems.add(path, tensor_type, value)
        return None
    for index, leaf in enumerate(_flat(value)):
        array = as_numpy(leaf)
        if array is None:
            problems.add(f"{path}[{index}]", tensor_type, leaf)
            return None
        reason = dtypes.mismatch_with(array, tensor_type.dtype)
        if reason is not None:
            problems.add_text(f"{path}[{index}]", reason)
            return None
    try:
        array = np.array(_as_lists(value), leaves.array_dtype(tensor_type))
    except ValueError:
        problems.add_text(path, f"expected {tensor_type}, got lists of different lengths")
        return None
    return _shaped(array, tensor_type, path, problems)


def _flat(value: Any) -> Iterator[Any]:
    if isinstance(value, (list, tuple)):
        for element in cast("list[Any]", value):
            yield from _flat(element)
    else:
        yield value


def _as_lists(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_as_lists(element) for element in cast("list[Any]", value)]
    return as_numpy(value)


def _shaped(array: Any, tensor_type: TensorType, path: str, problems: Problems) -> Any:
    result = as_dtype(array, tensor_type)
    given = type_of(result, tensor_type)
    if not tensor_type.is_assignable_from(given):
        problems.add_text(path, f"expected {tensor_type}, got {given}")
        return None
    return result


def type_of(tensor: Any, like: TensorType) -> TensorType:
    """The type of a canonical tensor that has the dtype of another type."""
    return TensorType(like.dtype, () if isinstance(tensor, bytes) else np.shape(tensor))


def as_dtype(array: Any, tensor_type: TensorType) -> Any:
    """The canonical tensor of a number or array, cast to the dtype of the type."""
    if not dtypes.is_string(tensor_type.dtype):
        converted = np.asarray(array, tensor_type.dtype)
        return converted[()] if converted.ndim == 0 else converted
    if isinstance(array, str):
        return array.encode()
    if isinstance(array, bytes):
        return bytes(array)
    objects = np.asarray(array, object)
    encoded = np.empty(objects.shape, object)
    for position, text in np.ndenumerate(objects):
        encoded[position] = text.encode() if isinstance(text, str) else bytes(text)
    return encoded[()]
