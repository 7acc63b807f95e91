"""Where federated programs get the data of clients from: the interfaces."""

from __future__ import annotations

import abc
from typing import Any, Self

from tensorflow_federated.core.types import FederatedType


class FederatedDataSourceIterator(abc.ABC):
    """One pass over the data of a data source: it selects the clients of one round after the other.

    It is saved with the state of a program, so that a program that is resumed goes on with the
    clients that would have come next. What a checkpoint holds of it are the bytes of
    `position_to_bytes`; where the data itself is at hand when the program is resumed, as it mostly
    is, that need not be more than which round comes next.

    Examples:
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> class Everyone(tff.program.FederatedDataSourceIterator):
      ...     federated_type = tff.FederatedType(tff.SequenceType(np.int32), tff.CLIENTS)
      ...
      ...     def select(self, k=None):
      ...         return [[1, 2], [3]]
      ...
      ...     def to_bytes(self):
      ...         return b""
      ...
      ...     @classmethod
      ...     def from_bytes(cls, buffer):
      ...         return cls()
      >>> Everyone().select()
      [[1, 2], [3]]

    Differs from TFF: it also has `position_to_bytes`, `at_position` and `retry`, which do for every
    iterator what TFF does, unless a class has something better.
    """

    @classmethod
    @abc.abstractmethod
    def from_bytes(cls, buffer: bytes) -> Self:
        """Makes an iterator of what `to_bytes` gave.

        Args:
          buffer: the bytes.

        Returns:
          An iterator that selects what the one that was saved would have selected next.
        """

    @abc.abstractmethod
    def to_bytes(self) -> bytes:
        """The iterator as bytes, with all that it needs to go on elsewhere."""

    @property
    @abc.abstractmethod
    def federated_type(self) -> FederatedType:
        """The type of what `select` gives, ``{D}@CLIENTS``."""

    @abc.abstractmethod
    def select(self, k: int | None = None) -> Any:
        """Selects the data of the clients of one more round.

        Args:
          k: how many clients.

        Returns:
          The data, an argument of a computation that takes a `federated_type`.
        """

    def position_to_bytes(self) -> bytes:
        """What a checkpoint holds of the iterator; by default all of it."""
        return self.to_bytes()

    def at_position(self, buffer: bytes) -> Self:
        """An iterator over the same data, at a position that was saved.

        Args:
          buffer: what `position_to_bytes` gave, in this process or another.

        Returns:
          An iterator that selects what the one that was saved would have selected next.
        """
        return type(self).from_bytes(buffer)

    def retry(self, attempt: int) -> Self:
        """The iterator to try a round again with, after its result was discarded.

        Args:
          attempt: how often the round was discarded, at least once.

        Returns:
          An iterator whose next selection takes the place of the one that was discarded; by default
          this one as it is, which selects what its class selects at this position.
        """
        del attempt
        return self


class FederatedDataSource(abc.ABC):
    """A source of the data of clients; each of its iterators is a pass over it of its own.

    Examples:
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> class Numbers(tff.program.FederatedDataSource):
      ...     federated_type = tff.FederatedType(tff.SequenceType(np.int32), tff.CLIENTS)
      ...
      ...     def iterator(self):
      ...         return tff.program.DatasetDataSource([[1, 2], [3]], seed=0).iterator()
      >>> sorted(Numbers().iterator().select(2))
      [[1, 2], [3]]
    """

    @property
    @abc.abstractmethod
    def federated_type(self) -> FederatedType:
        """The type of what `select` of its iterators gives, ``{D}@CLIENTS``."""

    @abc.abstractmethod
    def iterator(self) -> FederatedDataSourceIterator:
        """A new iterator, at its beginning."""
