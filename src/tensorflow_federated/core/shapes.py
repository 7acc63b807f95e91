"""The shapes of tensors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeAlias, cast

from tensorflow_federated.core import errors

# None as the whole shape: the rank is not known. None as one size: that size is not known.
ArrayShape: TypeAlias = tuple[int | None, ...] | None


def is_shape(obj: object) -> bool:
    """Returns whether an object can be the shape in a (dtype, shape) pair.

    Examples:
      >>> is_shape([None, 3]), is_shape(None), is_shape([int])
      (True, True, False)
    """
    if obj is None or _is_tensorflow_shape(obj):
        return True
    if not isinstance(obj, (list, tuple)):
        return False
    return all(size is None or _is_integer(size) for size in cast("Sequence[object]", obj))


def as_shape(obj: object) -> ArrayShape:
    """Returns a shape as a tuple, or None for an unknown rank.

    Args:
      obj: None, a list or tuple of sizes and Nones, or a `tf.TensorShape`.

    Returns:
      The shape.

    Raises:
      ToTypeError: If `obj` is no shape or has a negative size.

    Examples:
      >>> as_shape([None, 3])
      (None, 3)
    """
    if obj is None:
        return None
    if _is_tensorflow_shape(obj):
        shape = cast("Any", obj)
        return None if shape.rank is None else tuple(shape.as_list())
    if not is_shape(obj):
        raise errors.ToTypeError(
            f"{obj!r} is not a shape.",
            fix="give a list of sizes, None where a size is unknown, or None for any shape.",
        )
    sizes = tuple(None if size is None else int(size) for size in cast("Sequence[Any]", obj))
    if any(size is not None and size < 0 for size in sizes):
        raise errors.ToTypeError(
            f"A shape cannot have a negative size, got {list(sizes)}.",
            fix="write None where a size is unknown.",
        )
    return sizes


def is_shape_fully_defined(shape: ArrayShape) -> bool:
    """Returns whether the rank and all sizes of a shape are known.

    Examples:
      >>> is_shape_fully_defined((2, 3)), is_shape_fully_defined((None, 3))
      (True, False)
    """
    return shape is not None and None not in shape


def num_elements_in_shape(shape: ArrayShape) -> int | None:
    """Returns how many elements a tensor of a shape has, or None if that is not known.

    Examples:
      >>> num_elements_in_shape((2, 3)), num_elements_in_shape(())
      (6, 1)
      >>> num_elements_in_shape((2, None)) is None
      True
    """
    if shape is None:
        return None
    known = [size for size in shape if size is not None]
    return math.prod(known) if len(known) == len(shape) else None


def _is_integer(obj: object) -> bool:
    return hasattr(obj, "__index__") and not isinstance(obj, (bool, type))


def _is_tensorflow_shape(obj: object) -> bool:
    cls = type(obj)
    return cls.__name__ == "TensorShape" and cls.__module__.partition(".")[0] == "tensorflow"
