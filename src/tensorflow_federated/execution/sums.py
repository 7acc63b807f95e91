"""Adds canonical values, leaf by leaf."""

from __future__ import annotations

from typing import Any

import numpy as np

from tensorflow_federated.core import errors
from tensorflow_federated.core.types import StructType, TensorType, Type
from tensorflow_federated.execution import leaves


def has_zeros(type_signature: Type) -> bool:
    """Whether the type says enough to make zeros of it: the shapes of all its tensors are known."""
    return all(
        isinstance(leaf, TensorType) and leaf.shape is not None and None not in leaf.shape
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
        return tuple(zeros(element) for _, element in type_signature.items())
    if not isinstance(type_signature, TensorType) or not has_zeros(type_signature):
        raise errors.TypeMismatchError(
            "a sum of no values needs a type whose shapes are known.",
            problems=[f"type: got {type_signature}"],
            fix="give at least one value, or a type without unknown sizes.",
        )
    sizes = [size for size in type_signature.shape or () if size is not None]
    return np.zeros(sizes, type_signature.dtype)[()]


def add(x: Any, y: Any) -> Any:
    """The sum of two canonical values of one type; integers wrap around.

    Raises:
      TypeMismatchError: if two tensors, whose type leaves a size open, are of different shapes.
    """
    if isinstance(x, tuple):
        return tuple(add(left, right) for left, right in zip(x, y, strict=True))  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    if np.shape(x) != np.shape(y):
        raise errors.TypeMismatchError(
            "values of different shapes cannot be added.",
            problems=[f"shapes: got {np.shape(x)} and {np.shape(y)}"],
            fix="bring the values to one shape first.",
        )
    with np.errstate(all="ignore"):
        return x + y
