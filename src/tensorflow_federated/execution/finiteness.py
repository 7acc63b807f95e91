"""Finds NaN and infinities in canonical values."""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from tensorflow_federated.core import dtypes


def turned_non_finite(before: Any, after: Any) -> bool:
    """Whether a number is NaN or infinite that was finite, or was not there, before.

    Args:
      before: a canonical value; None, or a structure with fewer elements, where there was less.
      after: what became of it.

    Returns:
      Whether there is such a number; sequences are not looked into.

    Examples:
      >>> start = (np.float32(np.inf), np.zeros(2))
      >>> turned_non_finite(start, (np.float32(np.inf), np.ones(2)))
      False
      >>> turned_non_finite(start, (np.float32(3), np.array([1, np.nan])))
      True
    """
    if isinstance(after, tuple):
        elements = cast("tuple[Any, ...]", after)
        earlier = cast("tuple[Any, ...]", before) if isinstance(before, tuple) else ()
        return any(
            turned_non_finite(earlier[i] if i < len(earlier) else None, element)
            for i, element in enumerate(elements)
        )
    dtype = getattr(after, "dtype", None)
    if dtype is None or not _is_inexact(np.dtype(dtype)):
        return False
    is_finite = np.isfinite(np.asarray(after))
    if is_finite.all():
        return False
    return before is None or bool((~is_finite & np.isfinite(np.asarray(before))).any())


def _is_inexact(dtype: np.dtype[Any]) -> bool:
    return dtype.kind in "fc" or (dtype.kind == "V" and not dtypes.is_integer(dtype))
