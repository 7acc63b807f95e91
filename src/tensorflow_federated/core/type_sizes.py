"""How many bytes the values of a type take."""

from __future__ import annotations

import math

import numpy as np

from tensorflow_federated.core.types import (
    FederatedType,
    PlacementType,
    StructType,
    TensorType,
    Type,
)


def size_in_bytes(type_signature: Type) -> int | None:
    """Returns the size of a value of a type; of a federated type, that of one member.

    Only the numbers are counted, not what a format adds to them.

    Args:
      type_signature: the type.

    Returns:
      The number of bytes; None if the type does not say it: for strings, for sequences, and where
      the size of a dimension is not known.

    Examples:
      >>> from tensorflow_federated.core.types import to_type
      >>> size_in_bytes(to_type([(np.float32, [784, 10]), np.int64]))
      31368
      >>> size_in_bytes(to_type((np.float32, [None]))) is None
      True
    """
    if isinstance(type_signature, TensorType):
        shape = type_signature.shape
        if shape is None or None in shape or type_signature.dtype == np.dtype(np.str_):
            return None
        return math.prod(size for size in shape if size is not None) * type_signature.dtype.itemsize
    if isinstance(type_signature, StructType):
        total = 0
        for _, element in type_signature.items():
            size = size_in_bytes(element)
            if size is None:
                return None
            total += size
        return total
    if isinstance(type_signature, FederatedType):
        return size_in_bytes(type_signature.member)
    return 0 if isinstance(type_signature, PlacementType) else None


def describe_size(size: int | None) -> str:
    """Returns a size in words.

    Examples:
      >>> describe_size(31368), describe_size(1), describe_size(None)
      ('31,368 bytes', '1 byte', 'bytes not known before the call')
    """
    if size is None:
        return "bytes not known before the call"
    return f"{size:,} byte{'' if size == 1 else 's'}"
