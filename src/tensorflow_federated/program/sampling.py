"""Selecting clients at random, so that who comes next is known from a seed and can be saved."""

from __future__ import annotations

import abc
import dataclasses
import operator
from typing import Any, Self, SupportsIndex, cast

import numpy as np

from tensorflow_federated.core import errors
from tensorflow_federated.execution import serialization
from tensorflow_federated.program.data_sources import FederatedDataSourceIterator

_LARGEST_SEED = 2**63


@dataclasses.dataclass(frozen=True)
class Draws:
    """A sequence of samples, each of which depends on nothing but the seed and its number.

    Attributes:
      seed: what the samples are derived from.
      number: the number of the next sample.
      attempt: how often that sample was discarded.
    """

    seed: int
    number: int = 0
    attempt: int = 0

    def sample(self, population: int, size: int) -> list[int]:
        """The next sample: positions in a population, each at most once, in random order.

        Examples:
          >>> draws = Draws(seed=1)
          >>> draws.sample(10, 3), draws.next().sample(10, 3)
          ([1, 0, 9], [9, 2, 8])
        """
        source = np.random.SeedSequence([self.seed, self.number, self.attempt])
        state = np.random.RandomState(np.random.MT19937(source))
        return state.permutation(population)[:size].tolist()

    def next(self) -> Draws:
        """The samples after the next one."""
        return Draws(self.seed, self.number + 1)

    def to_bytes(self, population: int) -> bytes:
        """What `from_bytes` reads again, with the size of the population."""
        fields = np.array([self.seed, self.number, self.attempt, population], np.int64)
        return serialization.serialize_value(fields)[0]

    @classmethod
    def from_bytes(cls, buffer: bytes) -> tuple[Draws, int]:
        """Reads what `to_bytes` wrote.

        Returns:
          The samples, and the size of the population.

        Raises:
          WireError: if these are other bytes.
        """
        value: Any = serialization.deserialize_value(buffer)[0]
        is_position = isinstance(value, np.ndarray) and value.dtype == np.int64
        if not is_position or value.shape != (4,) or (value < 0).any():
            raise errors.WireError(
                "these bytes are not the position of an iterator.",
                fix="give what `position_to_bytes` of an iterator of this class returned.",
            )
        seed, number, attempt, population = value.tolist()
        return cls(seed, number, attempt), population


def seed_of(seed: object) -> int:
    """The seed of a data source: the one that is given, or a fresh one.

    Args:
      seed: an integer of at least 0 and less than 2^63; None for a fresh one.

    Returns:
      The seed.

    Raises:
      ArgumentError: if it is no integer.
      DatasetError: if it is out of range.

    Examples:
      >>> seed_of(3)
      3
    """
    if seed is None:
        return int(np.random.SeedSequence().generate_state(1, np.uint64)[0] >> np.uint64(1))
    number = _integer("seed", seed)
    if not 0 <= number < _LARGEST_SEED:
        raise errors.DatasetError(
            f"a seed is at least 0 and less than 2^63, and is {number}.", fix="give another one."
        )
    return number


class SampledIterator(FederatedDataSourceIterator):
    """An iterator that draws the clients of each round: at random, each at most once in a round."""

    def __init__(self, draws: Draws) -> None:
        """Makes an iterator.

        Args:
          draws: the samples that it draws.
        """
        self._draws = draws

    @property
    @abc.abstractmethod
    def _population(self) -> int:
        """How many clients there are."""

    @abc.abstractmethod
    def _at(self, positions: list[int], number: int) -> object:
        """The data of the clients at these positions, in the round of a number."""

    def _with_draws(self, draws: Draws) -> Self:
        """An iterator over the same data that draws other samples."""
        copied = object.__new__(type(self))
        vars(copied).update(vars(self))
        copied._draws = draws
        return copied

    @errors.boundary
    def select(self, k: int | None = None) -> Any:
        """Draws the clients of one more round.

        Args:
          k: how many; at most as many as there are.

        Returns:
          Their data, in random order.

        Raises:
          ArgumentError: if `k` is no integer, a `TypeError`.
          DatasetError: if there are not so many clients, a `ValueError`.
        """
        count = -1 if k is None else _integer("k", k)
        if not 0 <= count <= self._population:
            raise errors.DatasetError(
                "so many clients cannot be selected.",
                problems=[f"k: expected 0 to {self._population}, got {k}"],
                fix="say how many of the clients take part in a round.",
            )
        draws, self._draws = self._draws, self._draws.next()
        return self._at(draws.sample(self._population, count), draws.number)

    def position_to_bytes(self) -> bytes:
        """The number of the next round and the seed; none of the data."""
        return self._draws.to_bytes(self._population)

    @errors.boundary
    def at_position(self, buffer: bytes) -> Self:
        """An iterator over the same data, at a position that was saved.

        Args:
          buffer: what `position_to_bytes` gave.

        Returns:
          The iterator.

        Raises:
          WireError: if it is something else.
          DatasetError: if it was saved over another number of clients.
        """
        draws, population = Draws.from_bytes(buffer)
        if population != self._population:
            raise errors.DatasetError(
                "the data has not as many clients as when the position in it was saved.",
                problems=[f"clients: expected {population}, got {self._population}"],
                fix="go on with the same data, or begin anew.",
            )
        return self._with_draws(draws)

    def retry(self, attempt: int) -> Self:
        """An iterator that draws other clients in the place of those that were discarded."""
        return self._with_draws(dataclasses.replace(self._draws, attempt=attempt))

    # What it selects from is shared by all copies: it is never changed.
    def __copy__(self) -> Self:
        return self._with_draws(self._draws)

    def __deepcopy__(self, memo: object) -> Self:
        return self._with_draws(self._draws)


def _integer(label: str, value: object) -> int:
    try:
        return operator.index(cast("SupportsIndex", value))
    except TypeError:
        raise errors.ArgumentError(
            f"`{label}` is an integer.",
            problems=[f"{label}: got {errors.describe_object(value)}"],
            fix=f"write `{label}=1`, for example.",
        ) from None
