"""Choosing the clients of a round."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

from tensorflow_federated.core import errors

_T = TypeVar("_T")

# The Lehmer generator `x -> 16807 x mod (2^31 - 1)` gives each round a seed of its own, so that
# round 1,000 can be drawn without drawing the 999 before it.
_MODULUS = 2**31 - 1
_MULTIPLIER = 16807


def build_uniform_sampling_fn(
    sample_range: Sequence[_T],
    replace: bool = False,
    random_seed: int | None = None,
) -> Callable[[int, int], list[_T]]:
    """Builds a function that draws, for a round, elements of `sample_range` uniformly at random.

    With a seed the function is pure: it returns the same sample whenever it is called with the same
    round number and size, in whatever order the rounds are asked for. The seed of round `r` is `s *
    16807^r mod (2^31 - 1)`, with `s` drawn once from `random_seed`.

    Args:
      sample_range: What to draw from, usually `client_data.client_ids`.
      replace: Whether an element may be drawn more than once in a round.
      random_seed: An integer in `[0, 2^32)`. If None, every call draws afresh.

    Returns:
      A function `(round_num: int, size: int) -> list` of `size` elements of `sample_range`.

    Raises:
      DatasetError: (when the returned function is called, a `ValueError`) if `size` is negative, or
        greater than `len(sample_range)` while `replace` is false.

    Examples:
      >>> sample = build_uniform_sampling_fn(range(20), random_seed=7)
      >>> sample(0, 5)
      [7, 5, 2, 14, 12]
      >>> sample(1, 5) == sample(1, 5)
      True

    Differs from TFF: elements of every type can be drawn (TFF fails on tuples and lists), they come
    back as they were given, and a NumPy integer is a round number too.
    """
    population = list(sample_range)
    if random_seed is None:
        start = None
    else:
        start = int(np.random.RandomState(random_seed).randint(1, _MODULUS - 1))

    def sample(round_num: int, size: int) -> list[_T]:
        """Returns `size` elements, drawn for the round `round_num`."""
        count = operator.index(size)
        if count < 0 or (not replace and count > len(population)):
            raise errors.DatasetError(
                f"A sample of {count} cannot be drawn from {len(population)} clients.",
                fix=f"ask for 0 to {len(population)} clients, or build with `replace=True`.",
            )
        if count == 0:
            return []
        if not population:
            raise errors.DatasetError(
                f"A sample of {count} cannot be drawn from 0 clients.",
                fix="give `sample_range` at least one element.",
            )
        if start is None:
            random_state = np.random.RandomState()
        else:
            round_seed = start * pow(_MULTIPLIER, operator.index(round_num), _MODULUS) % _MODULUS
            random_state = np.random.RandomState(round_seed)
        positions = random_state.choice(len(population), size=count, replace=replace)
        return [population[position] for position in positions]

    return sample
