"""Adds canonical values, leaf by leaf."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

import numpy as np

from tensorflow_federated.core import errors, shapes
from tensorflow_federated.core.types import StructType, TensorType, Type
from tensorflow_federated.execution import leaves


def has_zeros(type_signature: Type) -> bool:
    """Whether the type says enough to make zeros of it: the shapes of all its tensors are known."""
    return all(
        isinstance(leaf, TensorType) and shapes.is_shape_fully_defined(leaf.shape)
        for leaf in leaves.leaf_types(type_signature)
    )


def zeros(type_signature: Type) -> Any:
    """The canonical value of a type whose tensors are all zero.

    Args:
      type_signature: a tensor type, or a structure of tensor types.

    Returns:
      The value.

    Raises:
      TypeMismatchError: if a shape is not known.

    Examples:
      >>> from tensorflow_federated.core import types
      >>> zeros(types.to_type([np.int32, (np.float32, [2])]))
      (np.int32(0), array([0., 0.], dtype=float32))
    """
    if isinstance(type_signature, StructType):
        return tuple([zeros(element) for element in type_signature.children()])
    shape = type_signature.shape if isinstance(type_signature, TensorType) else None
    sizes = [size for size in shape or () if size is not None]
    if not isinstance(type_signature, TensorType) or shape is None or len(sizes) < len(shape):
        raise errors.TypeMismatchError(
            "a sum of no values needs a type whose shapes are known.",
            problems=[f"type: got {type_signature}"],
            fix="give at least one value, or a type without unknown sizes.",
        )
    return np.zeros(sizes, type_signature.dtype)[()]


def total(values: Iterable[Any], type_signature: Type) -> Any:
    """The sum of canonical values of one type, in their order; zeros if there are none.

    Raises:
      TypeMismatchError: if there are none and a shape is not known, or shapes differ.

    Examples:
      >>> from tensorflow_federated.core import types
      >>> total([np.int32(1), np.int32(2)], types.to_type(np.int32))
      np.int32(3)
    """
    remaining = iter(values)
    result = zeros(type_signature) if has_zeros(type_signature) else next(remaining, None)
    if result is None:
        return zeros(type_signature)
    for value in remaining:
        result = add(result, value)
    return result


def add(x: Any, y: Any) -> Any:
    """The sum of two canonical values of one type; integers wrap around.

    Raises:
      TypeMismatchError: if two tensors, whose type leaves a size open, are of different shapes.
    """
    with np.errstate(all="ignore"):
        return _add(x, y)


def _add(x: Any, y: Any) -> Any:
    if isinstance(x, tuple):
        return tuple(map(_add, cast("tuple[Any, ...]", x), y))
    if x.shape != y.shape:
        raise errors.TypeMismatchError(
            "values of different shapes cannot be added.",
            problems=[f"shapes: got {x.shape} and {y.shape}"],
            fix="bring the values to one shape first.",
        )
    return x + y
