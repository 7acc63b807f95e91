"""The tensors that a type and a canonical value are made of, in order."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from tensorflow_federated.core.types import StructType, TensorType, Type

# How many types are remembered: more than a program uses by turns.
_MOST_TYPES = 1024


@functools.lru_cache(maxsize=_MOST_TYPES)
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
    return _flattener(type_signature)(value)


def unflatten(leaves: Iterable[Any], type_signature: Type) -> Any:
    """The canonical value of a type that has these leaves; the inverse of `flatten`."""
    return _taker(type_signature)(iter(leaves))


@functools.lru_cache(maxsize=_MOST_TYPES)
def _flattener(type_signature: Type) -> Callable[[Any], list[Any]]:
    """How to take a value of a type apart; found once for each type."""
    if not isinstance(type_signature, StructType):
        return lambda value: [value]
    elements = list(type_signature.children())
    if not any(isinstance(element, StructType) for element in elements):
        return list
    each = [_flattener(element) for element in elements]
    return lambda value: [
        leaf
        for flatten_element, element in zip(each, value, strict=True)
        for leaf in flatten_element(element)
    ]


@functools.lru_cache(maxsize=_MOST_TYPES)
def _taker(type_signature: Type) -> Callable[[Iterator[Any]], Any]:
    """How to put a value of a type together from its leaves; found once for each type."""
    if not isinstance(type_signature, StructType):
        return next
    each = [_taker(element) for element in type_signature.children()]
    return lambda leaves: tuple([take(leaves) for take in each])


def array_dtype(tensor_type: TensorType) -> np.dtype[Any]:
    """The dtype of the arrays that hold tensors of a type: `object` (of bytes) for strings."""
    dtype = np.dtype(tensor_type.dtype)
    return np.dtype(object) if dtype.kind in "US" else dtype
