"""Whether JAX keeps 64 bits: our own traces do, the user's code runs as JAX is configured."""

from __future__ import annotations

import contextlib

import jax
import numpy as np


def with_64_bits(enabled: bool) -> contextlib.AbstractContextManager[object]:
    """A context in which JAX keeps 64-bit dtypes, or shortens them to 32 bits."""
    return jax.enable_x64(enabled)


def is_configured_for_64_bits() -> bool:
    """Whether the user has turned 64 bits on for their JAX code."""
    return jax.dtypes.canonicalize_dtype(np.int64) == np.dtype(np.int64)
