"""Arrays in memory that frameworks use as it is, without a copy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

ALIGNMENT = 64
"""What XLA and TensorFlow ask of the address of such memory."""


def empty(shape: Sequence[int], dtype: np.dtype[Any]) -> np.ndarray:
    """An array whose elements have yet to be set.

    Args:
      shape: its shape.
      dtype: its dtype; objects are no memory that frameworks use, and have any place.

    Returns:
      The array.

    Examples:
      >>> empty([3, 2], np.dtype(np.float32)).ctypes.data % ALIGNMENT
      0
    """
    if dtype.hasobject:
        return np.empty(shape, dtype)
    size = math.prod(shape) * dtype.itemsize
    memory = np.empty(size + ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % ALIGNMENT
    return memory[start : start + size].view(dtype).reshape(shape)
