"""Deduces the type of a Python value."""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from tensorflow_federated.core import containers, dtypes, errors, foreign_arrays, types
from tensorflow_federated.core.types import SequenceType, TensorType, Type

_SCALARS_AND_ARRAYS = (bool, int, float, complex, str, bytes, np.ndarray, np.generic)


def infer_type(value: Any) -> Type:
    """Deduces the type of a Python value, without importing any tensor framework.

    Args:
      value: a scalar, string, numpy, TensorFlow or JAX array, `tf.data.Dataset`, computation, or
        a structure of these.

    Returns:
      Its type; structures remember their Python container.

    Raises:
      TypeMismatchError: if the value has no type in the language.

    Examples:
      >>> str(infer_type({"a": 1.0, "b": [True, "x"]}))
      '<a=float32,b=<bool,str>>'
    """
    signature = getattr(value, "type_signature", None)
    if isinstance(signature, Type):
        return signature
    value = foreign_arrays.to_plain(value)
    if isinstance(value, _SCALARS_AND_ARRAYS):
        value = cast("Any", value)
        return TensorType(dtypes.infer_dtype(value), np.shape(value))
    element_spec = getattr(value, "element_spec", None)
    if element_spec is not None:
        return SequenceType(types.to_type(element_spec))
    elements = containers.unpack(value)
    if elements is not None:
        return containers.type_of(value, [(name, infer_type(each)) for name, each in elements])
    if hasattr(value, "dtype") and hasattr(value, "shape") and not isinstance(value, type):
        shape = tuple(None if d is None else int(d) for d in value.shape)
        return TensorType(dtypes.as_dtype(value.dtype), shape)
    raise errors.UntypedObjectError(
        "a value of this Python type has no type in this language.",
        problems=[f"value: got {errors.describe_object(value)}"],
        fix="give a number, a string, an array, a dataset, a computation, or a structure of these.",
    )
