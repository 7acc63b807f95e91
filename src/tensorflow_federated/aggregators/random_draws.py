"""Signs and uniform numbers from a key, the same in every framework.

The bits are those of Philox4x32-10, as in `aggregators.gaussian_noise`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tensorflow_federated.aggregators import gaussian_noise
from tensorflow_federated.core import portable

_BITS = 32


def signs(key: portable.Array, size: int, stream: int = 0) -> portable.Array:
    """Draws a vector of 1 and -1, equally likely.

    Args:
      key: int64[2].
      size: how many.
      stream: which of the draws of one key it is.

    Returns:
      float32[size].

    Examples:
      >>> drawn = signs(np.int64([1, 2]), 1000)
      >>> sorted(set(drawn.tolist())), bool(abs(drawn.mean()) < 0.1)
      ([-1.0, 1.0], True)
    """
    xp = portable.namespace_of(key)
    words = _words(key, -(-size // _BITS), stream)
    places = 2 ** np.arange(_BITS, dtype=np.int64)
    bits = (xp.reshape(words, [-1, 1]) // places) & 1
    drawn = xp.slice(xp.reshape(bits, [-1]), 0, size)
    return 1.0 - 2.0 * xp.cast(drawn, np.float32)


def uniform(
    key: portable.Array, shape: tuple[int, ...] | list[int], stream: int = 0
) -> portable.Array:
    """Draws numbers between 0 and 1, of 32 bits each, neither of which is met.

    Args:
      key: int64[2].
      shape: the shape.
      stream: which of the draws of one key it is.

    Returns:
      float64 of the shape.

    Examples:
      >>> drawn = uniform(np.int64([1, 2]), [1000])
      >>> bool(0.0 < drawn.min() and drawn.max() < 1.0), bool(abs(drawn.mean() - 0.5) < 0.05)
      (True, True)
    """
    xp = portable.namespace_of(key)
    words = _words(key, math.prod(shape), stream)
    return xp.reshape((xp.cast(words, np.float64) + 0.5) * 2.0**-_BITS, list(shape))


def _words(key: Any, count: int, stream: int) -> Any:
    """As many words of 32 bits, int64[count]."""
    xp = portable.namespace_of(key)
    low, high, third, fourth = gaussian_noise.words_of(key)
    blocks = max(1, -(-count // 4))
    counter = (
        np.arange(blocks, dtype=np.int64),
        np.full((), stream, np.int64),
        xp.reshape(third, [1]),
        xp.reshape(fourth, [1]),
    )
    return xp.slice(xp.concat(list(gaussian_noise.philox(counter, (low, high)))), 0, count)
