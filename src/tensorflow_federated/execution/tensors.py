"""Turns Python numbers, lists and arrays into canonical tensors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, cast

import numpy as np

from tensorflow_federated.core import containers, dtypes, errors, fields, foreign_arrays
from tensorflow_federated.core.types import TensorType
from tensorflow_federated.execution import leaves
from tensorflow_federated.execution.problems import Problems

Converter = Callable[[Any, str, Problems], Any]
"""Turns a value into a canonical tensor: `(value, path, problems)`; None if there is a problem."""


def converter(tensor_type: TensorType) -> Converter:
    """What `to_canonical` does, for one type; what is of the type as it is, it knows at once."""
    dtype, shape = tensor_type.dtype, tensor_type.shape
    if dtypes.is_string(dtype):
        return lambda value, path, problems: to_canonical(value, tensor_type, path, problems)
    scalar_class = dtype.type
    python_class, low, high = _python_numbers(dtype) if shape == () else (None, 0, 0)

    def convert(value: Any, path: str, problems: Problems) -> Any:
        given = cast("type[Any]", type(value))
        if given is np.ndarray:
            if value.ndim and value.dtype == dtype and has_shape(value, tensor_type):
                return value
        elif shape == ():
            if given is scalar_class:
                return value
            if given is python_class and low <= value <= high:
                return scalar_class(value)
        return to_canonical(value, tensor_type, path, problems)

    return convert


def _python_numbers(dtype: dtypes.DType) -> tuple[type[Any] | None, Any, Any]:
    """The Python class whose numbers become scalars of a dtype, the least and the largest one."""
    if dtype.kind == "b":
        return bool, False, True
    if dtypes.is_integer(dtype):
        return int, *dtypes.integer_range(dtype)
    if dtypes.is_floating(dtype):
        largest = float(dtypes.outermost(dtype, largest=True, finite=True))
        return float, -largest, largest
    return None, 0, 0


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
        problems.add_text(path, reason, _cast(array, tensor_type))
    else:
        return _shaped(array, tensor_type, path, problems)
    return None


def as_numpy(value: Any) -> Any:
    """The numpy form of an array of any framework, or a Python scalar; None for other values."""
    if isinstance(value, (np.ndarray, np.generic, bool, int, float, complex, str, bytes)):
        return cast("Any", value)
    if isinstance(value, type):
        return None
    if containers.composite_names(cast("type[Any]", type(value))) is not None:
        return None
    to_numpy = getattr(value, "numpy", None)
    if callable(to_numpy):
        return as_numpy(to_numpy())
    if hasattr(value, "dtype") and hasattr(value, "__array__"):
        try:
            return np.asarray(foreign_arrays.to_plain(value))
        except (NotImplementedError, TypeError) as error:
            raise errors.TracedValueError(
                "a computation runs on arrays, and cannot be called while another function is "
                "traced.",
                problems=[f"argument: got a {value.dtype} `{type(value).__name__}` without data"],
                fix="call it outside of `tf.function`, `jax.jit`, `jax.grad` and the like; in a "
                "`@tff.tensorflow.computation` or `@tff.jax.computation`, another of the same "
                "framework may be called.",
            ) from error
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


def _cast(value: Any, tensor_type: TensorType) -> str | None:
    """How to make a number or an array of numbers one of the dtype of a type."""
    is_number = isinstance(value, (bool, int, float, complex)) or (
        isinstance(value, (np.generic, np.ndarray)) and cast("Any", value).dtype.kind in "biufc"
    )
    is_complex = isinstance(value, complex) or np.iscomplexobj(cast("Any", value))
    if not is_number or is_complex or dtypes.is_string(tensor_type.dtype):
        return None
    if isinstance(value, int) and dtypes.is_integer(tensor_type.dtype):
        return "give a number in this range, or declare a wider dtype."
    name = dtypes.dtype_name(tensor_type.dtype)
    return f"cast it, if that is meant: `np.asarray(value, np.{name})`."


def _shaped(array: Any, tensor_type: TensorType, path: str, problems: Problems) -> Any:
    result = as_dtype(array, tensor_type)
    if not has_shape(result, tensor_type):
        problems.add_text(path, f"expected {tensor_type}, got {type_of(result, tensor_type)}")
        return None
    return result


def has_shape(tensor: Any, tensor_type: TensorType) -> bool:
    """Whether a canonical tensor has a shape that the type allows."""
    expected = tensor_type.shape
    if expected is None:
        return True
    shape = () if isinstance(tensor, bytes) else np.shape(tensor)
    if shape == expected:
        return True
    return len(shape) == len(expected) and all(
        size is None or size == given for size, given in zip(expected, shape, strict=True)
    )


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
