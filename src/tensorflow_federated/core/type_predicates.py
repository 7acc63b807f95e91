"""Questions about types: what they contain, and what can be computed with values of them."""

from __future__ import annotations

from collections.abc import Callable

from tensorflow_federated.core import dtypes, placements
from tensorflow_federated.core.types import (
    FederatedType,
    SequenceType,
    StructType,
    TensorType,
    Type,
    preorder,
)


def contains(type_signature: Type, predicate: Callable[[Type], bool]) -> bool:
    """Whether a type, or any type within it, satisfies the predicate.

    Examples:
      >>> import numpy as np
      >>> contains(StructType([np.int32]), lambda t: isinstance(t, TensorType))
      True
    """
    return any(predicate(part) for part in preorder(type_signature))


def contains_only(type_signature: Type, predicate: Callable[[Type], bool]) -> bool:
    """Whether a type and all types within it satisfy the predicate.

    Examples:
      >>> import numpy as np
      >>> contains_only(StructType([np.int32]), lambda t: isinstance(t, TensorType))
      False
    """
    return all(predicate(part) for part in preorder(type_signature))


def count(type_signature: Type, predicate: Callable[[Type], bool]) -> int:
    """How many of a type and the types within it satisfy the predicate.

    Examples:
      >>> import numpy as np
      >>> count(StructType([np.int32, np.float32]), lambda t: isinstance(t, TensorType))
      2
    """
    return sum(predicate(part) for part in preorder(type_signature))


def is_each_own(type_signature: Type) -> bool:
    """Whether each client has a value of its own, not all of them the same.

    Examples:
      >>> import numpy as np
      >>> is_each_own(FederatedType(np.int32, placements.CLIENTS))
      True
      >>> is_each_own(FederatedType(np.int32, placements.CLIENTS, all_equal=True))
      False
    """
    return (
        isinstance(type_signature, FederatedType)
        and type_signature.placement == placements.CLIENTS
        and not type_signature.all_equal
    )


def _all_tensors(type_signature: Type, predicate: Callable[[TensorType], bool]) -> bool:
    """Whether a type is a tensor, or a (federated) structure of tensors, that all satisfy it."""
    if isinstance(type_signature, TensorType):
        return predicate(type_signature)
    if isinstance(type_signature, FederatedType):
        return _all_tensors(type_signature.member, predicate)
    if isinstance(type_signature, StructType):
        return all(_all_tensors(element, predicate) for element in type_signature.children())
    return False


def is_structure_of_tensors(type_spec: Type) -> bool:
    """Whether a type is a tensor or a structure of tensors, nested or not; no federated type.

    Examples:
      >>> import numpy as np
      >>> is_structure_of_tensors(StructType([np.int32, ("a", StructType([np.str_]))]))
      True
    """
    return contains_only(type_spec, lambda part: isinstance(part, (TensorType, StructType)))


def is_tensorflow_compatible_type(type_spec: Type | None) -> bool:
    """Whether a type is made of tensors, structures and sequences only; None is, too.

    Examples:
      >>> import numpy as np
      >>> is_tensorflow_compatible_type(SequenceType(np.int32))
      True
    """
    return type_spec is None or contains_only(
        type_spec, lambda part: isinstance(part, (TensorType, StructType, SequenceType))
    )


def is_structure_of_floats(type_spec: Type) -> bool:
    """Whether a type is a structure of tensors of floating dtypes, federated or not.

    Examples:
      >>> import numpy as np
      >>> is_structure_of_floats(StructType([np.float32, np.int32]))
      False
    """
    return _all_tensors(type_spec, lambda tensor: dtypes.is_floating(tensor.dtype))


def is_structure_of_integers(type_spec: Type) -> bool:
    """Whether a type is a structure of tensors of integer dtypes, federated or not.

    Examples:
      >>> import numpy as np
      >>> is_structure_of_integers(StructType([np.int32, np.int64]))
      True
    """
    return _all_tensors(type_spec, lambda tensor: dtypes.is_integer(tensor.dtype))


def is_sum_compatible(type_signature: Type) -> bool:
    """Whether values of a type can be added: numeric tensors of known rank, in structures."""
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
