"""Whether JAX keeps 64 bits: our own traces do, the user's code where a type asks for them."""

from __future__ import annotations

import contextlib

import jax
import numpy as np

from tensorflow_federated.core.types import TensorType, Type, preorder

_WIDE = frozenset(map(np.dtype, (np.int64, np.uint64, np.float64, np.complex128)))


def with_64_bits(enabled: bool) -> contextlib.AbstractContextManager[object]:
    """A context in which JAX keeps 64-bit dtypes, or shortens them to 32 bits."""
    return jax.enable_x64(enabled)


def has_64_bits() -> bool:
    """Whether JAX keeps 64-bit dtypes here."""
    return jax.dtypes.canonicalize_dtype(np.int64) == np.dtype(np.int64)


def asks_for_64_bits(type_signature: Type | None) -> bool:
    """Whether a type holds a dtype that JAX, as it is configured by default, would shorten.

    Examples:
      >>> asks_for_64_bits(TensorType(np.int64)), asks_for_64_bits(TensorType(np.int32))
      (True, False)
    """
    return type_signature is not None and any(
        isinstance(part, TensorType) and part.dtype in _WIDE for part in preorder(type_signature)
    )
