"""The orders in which `tf.data.Dataset.shuffle` gives its elements, on positions alone.

A shuffle keeps a window of at most `buffer` elements, takes one at random, puts the first of the
window in its place, and lets the next element in. Its random numbers are those of TensorFlow:
Philox 4x32 with 10 rounds, four numbers a block.

Source: J. K. Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3", SC 2011; the behaviour
of TensorFlow's `ShuffleDatasetV3`.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

_MULTIPLIERS = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
_KEY_STEPS = (0x9E3779B9, 0xBB67AE85)
_ROUNDS = 10
_LOW = 0xFFFFFFFF
_HALF = np.uint64(32)


def random_numbers(seed: int, seed2: int, count: int) -> np.ndarray:
    """The first numbers of TensorFlow's generator.

    Args:
      seed: an int64, the key.
      seed2: an int64, the upper half of the counter.
      count: how many numbers.

    Returns:
      uint64[count], each of them less than 2^32.

    Examples:
      >>> random_numbers(0, 0, 2)
      array([1713891541, 3781805453], dtype=uint64)
    """
    blocks = np.arange(-(-count // 4), dtype=np.uint64)
    low = np.uint64(_LOW)
    counter = [
        blocks & low,
        blocks >> _HALF,
        np.full_like(blocks, seed2 & _LOW),
        np.full_like(blocks, (seed2 >> 32) & _LOW),
    ]
    key = [seed & _LOW, (seed >> 32) & _LOW]
    for _ in range(_ROUNDS):
        first, second = _MULTIPLIERS[0] * counter[0], _MULTIPLIERS[1] * counter[2]
        counter = [
            (second >> _HALF) ^ counter[1] ^ np.uint64(key[0]),
            second & low,
            (first >> _HALF) ^ counter[3] ^ np.uint64(key[1]),
            first & low,
        ]
        key = [(part + step) & _LOW for part, step in zip(key, _KEY_STEPS, strict=True)]
    return np.stack(counter, axis=1).reshape(-1)[:count]


def iteration_seeds(seed: int, seed2: int) -> Iterator[tuple[int, int]]:
    """The seeds of a shuffle that reshuffles, for one iteration over its input after the other."""
    for iteration in itertools.count():
        numbers = random_numbers(seed, seed2, 2 * iteration + 2)
        first, second = numbers[-2:].tolist()
        yield first, second


def order(count: int, buffer: int, numbers: np.ndarray) -> np.ndarray:
    """The order in which a shuffle gives `count` elements.

    Args:
      count: how many elements come in.
      buffer: the size of the buffer.
      numbers: a random number of at least 32 bits for each element.

    Returns:
      int64[count]: the positions of the elements, as they come out.

    Examples:
      >>> order(4, 2, np.array([1, 0, 1, 0], np.uint64))
      array([1, 0, 3, 2])
    """
    starts = np.arange(count)
    sizes = np.minimum(starts + buffer, count) - starts
    chosen = (starts + (numbers % sizes.astype(np.uint64)).astype(np.int64)).tolist()
    # One step needs the one before it: plain lists are faster here than arrays.
    waiting = list(range(count))
    result = [0] * count
    for start, position in enumerate(chosen):
        result[start] = waiting[position]
        waiting[position] = waiting[start]
    return np.array(result, np.int64)
