"""The tensors that a type and a canonical value are made of, in order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from tensorflow_federated.core.types import StructType, TensorType, Type


def leaf_types(type_signature: Type) -> tuple[Type, ...]:
    """The types below all structures: tensors, sequences and functions, in order.

    Examples:
      >>> from tensorflow_federated.core import types
      >>> [str(leaf) for leaf in leaf_types(types.to_type([np.int32, (np.bool_, np.str_)]))]
      ['int32', 'bool', 'str']
    """
    if isinstance(type_signature, StructType):
        return tuple(leaf for _, element in type_signature.items() for leaf in leaf_types(element))
    return (type_signature,)


def flatten(value: Any, type_signature: Type) -> list[Any]:
    """The leaves of a canonical value, in the order of `leaf_types`."""
    if isinstance(type_signature, StructType):
        return [
            leaf
            for element, (_, element_type) in zip(value, type_signature.items(), strict=True)
            for leaf in flatten(element, element_type)
        ]
    return [value]


def unflatten(leaves: Sequence[Any], type_signature: Type) -> Any:
    """The canonical value of a type that has these leaves; the inverse of `flatten`."""
    return _take(iter(leaves), type_signature)


def _take(leaves: Iterator[Any], type_signature: Type) -> Any:
    if isinstance(type_signature, StructType):
        return tuple(_take(leaves, element) for _, element in type_signature.items())
    return next(leaves)


def array_dtype(tensor_type: TensorType) -> np.dtype[Any]:
    """The dtype of the arrays that hold tensors of a type: `object` (of bytes) for strings."""
    dtype = np.dtype(tensor_type.dtype)
    return np.dtype(object) if dtype.kind in "US" else dtype
