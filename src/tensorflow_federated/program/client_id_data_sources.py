"""Data sources that give the ids of clients, for computations that read the data themselves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np

from tensorflow_federated.core import arguments, errors, placements
from tensorflow_federated.core.types import FederatedType, TensorType
from tensorflow_federated.execution import serialization
from tensorflow_federated.program import sampling
from tensorflow_federated.program.data_sources import FederatedDataSource

_TYPE = FederatedType(TensorType(np.str_), placements.CLIENTS)


class ClientIdDataSourceIterator(sampling.SampledIterator):
    """Draws the ids of the clients of each round; each client at most once in a round.

    Examples:
      >>> iterator = ClientIdDataSourceIterator(["a", "b", "c"], seed=1)
      >>> iterator.select(2)
      ['c', 'a']
      >>> saved = iterator.to_bytes()
      >>> iterator.select(3) == ClientIdDataSourceIterator.from_bytes(saved).select(3)
      True

    Differs from TFF: what it draws depends on the seed alone, and is saved with it.
    """

    @errors.boundary
    def __init__(self, client_ids: Sequence[str], seed: int | None = None) -> None:
        """Makes an iterator.

        Args:
          client_ids: the ids, at least one.
          seed: what the draws are derived from; drawn from the operating system if None.

        Raises:
          ArgumentError: if the ids are no sequence of strings.
          DatasetError: if there is none.
        """
        super().__init__(sampling.Draws(sampling.seed_of(seed)))
        self._client_ids = _checked(client_ids)

    @classmethod
    @errors.boundary
    def from_bytes(cls, buffer: bytes) -> ClientIdDataSourceIterator:
        (ids, position), _ = serialization.deserialize_value(
            buffer, [TensorType(np.str_, [None]), TensorType(np.str_)]
        )
        draws, _ = sampling.Draws.from_bytes(bytes(position))
        return cls([each.decode() for each in ids.tolist()])._with_draws(draws)

    def to_bytes(self) -> bytes:
        ids = np.array([each.encode() for each in self._client_ids], object)
        return serialization.serialize_value([ids, self.position_to_bytes()])[0]

    @property
    def federated_type(self) -> FederatedType:
        return _TYPE

    @property
    def _population(self) -> int:
        return len(self._client_ids)

    def _at(self, positions: list[int], number: int) -> list[str]:
        del number
        return [self._client_ids[position] for position in positions]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ClientIdDataSourceIterator):
            return NotImplemented
        return (self._client_ids, self._draws) == (other._client_ids, other._draws)

    __hash__ = None  # pyright: ignore[reportAssignmentType]


class ClientIdDataSource(FederatedDataSource):
    """Gives the ids of clients.

    Examples:
      >>> source = ClientIdDataSource(["a", "b", "c"], seed=1)
      >>> print(source.federated_type)
      {str}@CLIENTS
      >>> source.iterator().select(2)
      ['c', 'a']
    """

    @errors.boundary
    def __init__(self, client_ids: Sequence[str], seed: int | None = None) -> None:
        """Makes a source; see `ClientIdDataSourceIterator`.

        Args:
          client_ids: the ids, at least one.
          seed: of all its iterators, which draw the same.

        Raises:
          ArgumentError: if the ids are no sequence of strings.
          DatasetError: if there is none.
        """
        self._client_ids = _checked(client_ids)
        self._seed = sampling.seed_of(seed)

    @property
    def federated_type(self) -> FederatedType:
        return _TYPE

    def iterator(self) -> ClientIdDataSourceIterator:
        """A new iterator, at its beginning."""
        return ClientIdDataSourceIterator(self._client_ids, self._seed)


def _checked(client_ids: object) -> tuple[str, ...]:
    fix = "give a list of strings."
    arguments.check_instance("client_ids", client_ids, Sequence, "ids come in a sequence.", fix)
    given = tuple(cast("Sequence[object]", client_ids))
    arguments.check_instances(
        {f"client_ids[{index}]": each for index, each in enumerate(given)},
        str,
        "the ids of clients are strings.",
        fix,
    )
    if not given or isinstance(client_ids, str):
        raise errors.DatasetError(
            "a data source needs clients.",
            problems=[f"client_ids: got {errors.describe_object(client_ids)}"],
            fix=fix,
        )
    return cast("tuple[str, ...]", given)
