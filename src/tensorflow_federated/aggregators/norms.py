"""Norms of values that are structures of floating arrays, and what is made of them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tensorflow_federated.core import dtypes, errors, portable, trees
from tensorflow_federated.core.types import StructType, TensorType
from tensorflow_federated.execution import leaves


def check_floats(value_type: TensorType | StructType) -> TensorType | StructType:
    """Checks that a type has floating leaves only, so that it has a norm.

    Args:
      value_type: the type of one client's value.

    Returns:
      The type.

    Raises:
      TypeMismatchError: if a leaf is no floating tensor.
    """
    problems = [
        f"value_type: expected floating tensors, found {leaf}"
        for leaf in leaves.leaf_types(value_type)
        if not (isinstance(leaf, TensorType) and dtypes.is_floating(leaf.dtype))
    ]
    if problems:
        raise errors.TypeMismatchError(
            "values of this type have no norm.",
            problems=problems,
            signature=value_type,
            fix="cast the values to a floating dtype at the clients first.",
        )
    return value_type


def global_norm(value: Any, order: float) -> portable.Array:
    """The norm of all elements of a structure together, as float32; infinite if one is not finite.

    Args:
      value: a structure of floating arrays; those of fewer than 32 bits are widened first.
      order: 1.0, 2.0 or infinity.

    Examples:
      >>> import numpy as np
      >>> float(global_norm({"a": np.float32(3), "b": np.float32([0, -4])}, 2.0))
      5.0
      >>> float(global_norm(np.float32([1, np.nan]), 2.0))
      inf
    """
    xp = portable.namespace_of(value)
    parts = [_wide(leaf) for leaf in trees.leaves(value)]
    parts = [part for part in parts if 0 not in xp.shape_of(part)]
    norm = xp.asarray(0.0, np.float32)
    for part in parts:
        if math.isinf(order):
            norm = xp.maximum(norm, xp.cast(xp.max(xp.abs(part)), np.float32))
        elif order == 1.0:
            norm = norm + xp.cast(xp.sum(xp.abs(part)), np.float32)
        else:
            norm = norm + xp.cast(xp.sum(xp.square(part)), np.float32)
    norm = xp.sqrt(norm) if order == 2.0 else norm
    is_finite = xp.isfinite(norm)
    for part in parts:
        is_finite = xp.logical_and(is_finite, xp.all(xp.isfinite(part)))
    return xp.where(is_finite, norm, xp.full((), np.inf, np.float32))


def scaled_to(value: Any, norm: portable.Array, limit: portable.Array) -> Any:
    """Scales a value whose norm is too large down to a limit.

    Args:
      value: a structure of floating arrays.
      norm: its norm, float32.
      limit: the largest norm, float32.

    Returns:
      The value itself where ``norm <= limit``, ``value / (norm / limit)`` where it is larger, and
      zeros where the norm is infinite.
    """
    xp = portable.namespace_of(value, norm, limit)
    is_finite = xp.isfinite(norm)
    is_large = norm > limit
    one = xp.ones_like(norm)
    divisor = xp.where(xp.logical_and(is_large, is_finite), norm / limit, one)

    def of_leaf(leaf: Any) -> Any:
        scaled = xp.where(is_large, leaf / xp.cast(divisor, xp.dtype_of(leaf)), leaf)
        return xp.where(is_finite, scaled, xp.zeros_like(leaf))

    return trees.map_structure(of_leaf, value)


def _wide(leaf: Any) -> Any:
    xp = portable.namespace_of(leaf)
    return xp.cast(leaf, np.float32) if xp.dtype_of(leaf).itemsize < 4 else leaf
