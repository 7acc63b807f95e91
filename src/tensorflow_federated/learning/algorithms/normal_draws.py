"""Normal numbers that depend on two seeds alone, the same ones that TensorFlow draws."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

_Words = npt.NDArray[np.uint64]

_MASK = (1 << 32) - 1
_ROUNDS = 10
_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_KEY_STEPS = (0x9E3779B9, 0xBB67AE85)
_SCRAMBLING_KEY = (0x3EC8F720, 0x02461E29)
_SMALLEST = np.float32(1e-7)


def stateless_normal(shape: tuple[int, ...], seed: tuple[int, int]) -> npt.NDArray[np.float32]:
    """Draws standard normal numbers, as `tf.random.stateless_normal` does on a processor.

    Args:
      shape: the shape of the array.
      seed: two integers, each of 64 bits.

    Returns:
      A float32 array. It differs from that of TensorFlow by the rounding of sines and logarithms.

    Examples:
      >>> stateless_normal((2,), (0, 0)).round(4).tolist()
      [-1.6970000267028809, -0.4814000129699707]

    Source: Salmon et al. (2011), "Parallel Random Numbers: As Easy as 1, 2, 3", the generator
    Philox4x32-10, with the transformation of Box and Muller (1958) and the keys of TensorFlow 2.
    """
    count = math.prod(shape)
    words = [part for each in seed for part in (each & _MASK, (each >> 32) & _MASK)]
    mixed = _philox(np.array(words, np.uint64).reshape(4, 1), _SCRAMBLING_KEY)[:, 0]
    blocks = np.arange(-(-count // 4), dtype=np.uint64)
    counters = np.stack(
        [
            blocks & np.uint64(_MASK),
            blocks >> np.uint64(32),
            np.full_like(blocks, mixed[2]),
            np.full_like(blocks, mixed[3]),
        ]
    )
    bits = _philox(counters, (int(mixed[0]), int(mixed[1])))
    uniform = (bits & 0x7FFFFF).astype(np.float32) * np.float32(2.0**-23)
    pairs = [_box_muller(uniform[0], uniform[1]), _box_muller(uniform[2], uniform[3])]
    return np.concatenate(pairs).T.reshape(-1)[:count].reshape(shape)


def _philox(counters: _Words, key: tuple[int, int]) -> _Words:
    """The bijection of Philox4x32-10: counters of the shape [4, n] to words of the same shape."""
    first, second, third, fourth = counters
    keys = list(key)
    for _ in range(_ROUNDS):
        left, right = first * np.uint64(_MULTIPLIERS[0]), third * np.uint64(_MULTIPLIERS[1])
        first, second, third, fourth = (
            (right >> np.uint64(32)) ^ second ^ np.uint64(keys[0]),
            right & np.uint64(_MASK),
            (left >> np.uint64(32)) ^ fourth ^ np.uint64(keys[1]),
            left & np.uint64(_MASK),
        )
        keys = [(each + step) & _MASK for each, step in zip(keys, _KEY_STEPS, strict=True)]
    return np.stack([first, second, third, fourth])


def _box_muller(first: Any, second: Any) -> npt.NDArray[np.float32]:
    """Two normal numbers of two uniform ones in [0, 1), stacked."""
    positive = np.maximum(first, _SMALLEST).astype(np.float64)
    radius = np.sqrt(np.float32(-2.0) * np.log(positive).astype(np.float32))
    angle = (2.0 * math.pi * second.astype(np.float64)).astype(np.float32).astype(np.float64)
    return np.stack([np.sin(angle), np.cos(angle)]).astype(np.float32) * radius
