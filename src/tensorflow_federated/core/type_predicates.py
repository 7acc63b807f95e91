"""Questions about types: what they contain, and what can be computed with values of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tensorflow_federated.core import dtypes, structure
from tensorflow_federated.core.types import FederatedType, StructType, TensorType, Type


def _parts(type_signature: Type) -> Iterator[Type]:
    yield type_signature
    for child in type_signature.children():
        yield from _parts(child)


def contains(type_signature: Type, predicate: Callable[[Type], bool]) -> bool:
    """Whether a type, or any type within it, satisfies the predicate.

    Examples:
      >>> import numpy as np
      >>> contains(StructType([np.int32]), lambda t: isinstance(t, TensorType))
      True
    """
    return any(predicate(part) for part in _parts(type_signature))


def contains_only(type_signature: Type, predicate: Callable[[Type], bool]) -> bool:
    """Whether a type and all types within it satisfy the predicate."""
    return all(predicate(part) for part in _parts(type_signature))


def count(type_signature: Type, predicate: Callable[[Type], bool]) -> int:
    """How many of a type and the types within it satisfy the predicate."""
    return sum(predicate(part) for part in _parts(type_signature))


def _all_tensors(type_signature: Type, predicate: Callable[[TensorType], bool]) -> bool:
    """Whether a type is a tensor, or a (federated) structure of tensors, that all satisfy it."""
    if isinstance(type_signature, TensorType):
        return predicate(type_signature)
    if isinstance(type_signature, FederatedType):
        return _all_tensors(type_signature.member, predicate)
    if isinstance(type_signature, StructType):
        return all(
            _all_tensors(element, predicate)
            for _, element in structure.iter_elements(type_signature)
        )
    return False


def is_structure_of_tensors(type_signature: Type) -> bool:
    """Whether a type is a tensor or a structure of tensors, nested or not."""
    return not isinstance(type_signature, FederatedType) and _all_tensors(
        type_signature, lambda _: True
    )


def is_structure_of_floats(type_signature: Type) -> bool:
    """Whether a type is a structure of tensors of floating dtypes."""
    return is_structure_of_tensors(type_signature) and _all_tensors(
        type_signature, lambda tensor: dtypes.is_floating(tensor.dtype)
    )


def is_structure_of_integers(type_signature: Type) -> bool:
    """Whether a type is a structure of tensors of integer dtypes."""
    return is_structure_of_tensors(type_signature) and _all_tensors(
        type_signature, lambda tensor: dtypes.is_integer(tensor.dtype)
    )


def is_sum_compatible(type_signature: Type) -> bool:
    """Whether values of a type can be added: numeric tensors of known shapes, in structures."""
    return _all_tensors(
        type_signature,
        lambda tensor: dtypes.is_number(tensor.dtype) and tensor.shape is not None,
    )


def is_average_compatible(type_signature: Type) -> bool:
    """Whether values of a type can be averaged: float or complex tensors, in structures."""
    return _all_tensors(
        type_signature,
        lambda tensor: dtypes.is_floating(tensor.dtype) or dtypes.is_complex(tensor.dtype),
    )
