"""Data sources that give the data of clients which is at hand: datasets, lists, `ClientData`."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from typing import Any, Protocol, cast, runtime_checkable

import numpy as np

from tensorflow_federated.core import errors, placements, type_inference, types
from tensorflow_federated.core.types import (
    FederatedType,
    SequenceType,
    StructType,
    TensorType,
    Type,
)
from tensorflow_federated.execution import sequences, serialization
from tensorflow_federated.program import sampling
from tensorflow_federated.program.data_sources import FederatedDataSource


@runtime_checkable
class Cohorts(Protocol):
    """Data of clients that is handed out by the round, as a `ClientData` does it."""

    @property
    def client_ids(self) -> list[str]:
        """The ids of all clients, in a fixed order."""
        ...

    def cohort(self, client_ids: Iterable[str], round_number: int | None = None) -> list[Any]:
        """The data of some clients, in a round."""
        ...


class DatasetDataSourceIterator(sampling.SampledIterator):
    """Draws the data of the clients of each round; each client at most once in a round.

    Examples:
      >>> import tensorflow_federated as tff
      >>> source = tff.program.DatasetDataSource([[1, 2], [3], [4, 5, 6]], seed=1)
      >>> iterator = source.iterator()
      >>> iterator.select(2)
      [[4, 5, 6], [1, 2]]

      A checkpoint holds the position; the data is at hand when it is read:

      >>> position = iterator.position_to_bytes()
      >>> iterator.select(2) == source.iterator().at_position(position).select(2)
      True

      `to_bytes` holds the data, too, and gives it back as lists of elements:

      >>> iterator = type(iterator).from_bytes(source.iterator().to_bytes())
      >>> [[int(element) for element in client] for client in iterator.select(2)]
      [[4, 5, 6], [1, 2]]

    Differs from TFF: what it draws depends on the seed and on the number of the round alone, and
    is saved with it, so that a program that is resumed sees the clients that it would have seen.
    """

    def __init__(
        self,
        datasets: Sequence[Any] | Cohorts,
        federated_type: FederatedType,
        seed: int | None = None,
    ) -> None:
        """Makes an iterator.

        Args:
          datasets: see `DatasetDataSource`.
          federated_type: the type of what `select` gives.
          seed: what the draws are derived from; drawn from the operating system if None.

        Raises:
          DatasetError: if there is no client, or if the data is not of one type.
        """
        super().__init__(sampling.Draws(sampling.seed_of(seed)))
        _element_type(datasets)
        self._use(datasets, federated_type)

    @classmethod
    @errors.boundary
    def from_bytes(cls, buffer: bytes) -> DatasetDataSourceIterator:
        value, found = serialization.deserialize_value(buffer)
        position, datasets = value if isinstance(value, tuple) and len(value) == 2 else (b"", None)
        federated_type = found[1] if isinstance(found, StructType) and len(found) == 2 else None
        is_data = isinstance(datasets, list) and isinstance(federated_type, FederatedType)
        if not is_data or not isinstance(position, (bytes, np.bytes_)):
            raise errors.WireError(
                "these bytes are not an iterator over datasets.",
                problems=[f"inside: got {found}"],
                fix="give what `to_bytes` of a `DatasetDataSourceIterator` returned.",
            )
        draws, _ = sampling.Draws.from_bytes(bytes(position))
        return cls._over_checked(cast("list[Any]", datasets), federated_type, draws)

    def to_bytes(self) -> bytes:
        """The position and the data of all clients; every dataset is read to its end."""
        datasets: Any = self._datasets
        if self._client_ids is not None:
            datasets = datasets.cohort(self._client_ids)
        value = (self.position_to_bytes(), list(datasets))
        type_signature = StructType([TensorType(np.str_), self._federated_type])
        return serialization.serialize_value(value, type_signature)[0]

    @property
    def federated_type(self) -> FederatedType:
        return self._federated_type

    @property
    def _population(self) -> int:
        return len(cast("Any", self._datasets if self._client_ids is None else self._client_ids))

    def _at(self, positions: list[int], number: int) -> list[Any]:
        datasets: Any = self._datasets
        if self._client_ids is not None:
            return datasets.cohort([self._client_ids[each] for each in positions], number)
        return [datasets[position] for position in positions]

    @classmethod
    def _over_checked(
        cls, datasets: Sequence[Any] | Cohorts, federated_type: Any, draws: sampling.Draws
    ) -> DatasetDataSourceIterator:
        """An iterator over data that was checked before."""
        iterator = cls.__new__(cls)
        super(cls, iterator).__init__(draws)
        iterator._use(datasets, federated_type)
        return iterator

    def _use(self, datasets: Sequence[Any] | Cohorts, federated_type: FederatedType) -> None:
        self._datasets = datasets
        self._federated_type = federated_type
        self._client_ids = datasets.client_ids if isinstance(datasets, Cohorts) else None

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, DatasetDataSourceIterator):
            return NotImplemented
        if (self._federated_type, self._draws) != (other._federated_type, other._draws):
            return False
        return self._datasets is other._datasets or self.to_bytes() == other.to_bytes()

    __hash__ = None  # pyright: ignore[reportAssignmentType]


class DatasetDataSource(FederatedDataSource):
    """Gives the data of clients that is at hand.

    Examples:
      >>> import tensorflow_federated as tff
      >>> source = DatasetDataSource([[1, 2], [3], [4, 5, 6]], seed=1)
      >>> print(source.federated_type)
      {int32*}@CLIENTS
      >>> source.iterator().select(2)
      [[4, 5, 6], [1, 2]]
      >>> train, _ = tff.simulation.datasets.digits.load_data()
      >>> print(DatasetDataSource(train).federated_type)
      {<label=int32,pixels=float32[8,8]>*}@CLIENTS

    Differs from TFF: besides `tf.data.Dataset`s the clients' data may be whatever a computation
    takes for a sequence, or a `ClientData`, of which nothing is read before it is used.
    """

    @errors.boundary
    def __init__(self, datasets: Sequence[Any] | Cohorts, seed: int | None = None) -> None:
        """Makes a source.

        Args:
          datasets: the data of each client: `tf.data.Dataset`s, the batches that `cohort` of a
            `ClientData` gives, or lists of elements; or a `ClientData`, whose random orders then
            depend on the number of the round. At least one client; all of one type.
          seed: what its iterators draw is derived from; all of them draw the same. Drawn from the
            operating system if None.

        Raises:
          ArgumentError: if it is no sequence and no `ClientData`.
          DatasetError: if there is no client, or if the data is not of one type.
        """
        element_type = _element_type(datasets)
        self._federated_type = FederatedType(SequenceType(element_type), placements.CLIENTS)
        self._iterator = DatasetDataSourceIterator._over_checked(
            datasets, self._federated_type, sampling.Draws(sampling.seed_of(seed))
        )

    @property
    def federated_type(self) -> FederatedType:
        return self._federated_type

    def iterator(self) -> DatasetDataSourceIterator:
        """A new iterator, at its beginning."""
        return copy.copy(self._iterator)


def _element_type(datasets: object) -> Type:
    """The type of the elements of all clients."""
    fix = "give a list with the data of each client, or a `ClientData`."
    if isinstance(datasets, Cohorts):
        client_ids = datasets.client_ids
        given = datasets.cohort(client_ids[:1])
    elif isinstance(datasets, Sequence) and not isinstance(datasets, (str, bytes)):
        given = list(cast("Sequence[Any]", datasets))
    else:
        raise errors.ArgumentError(
            "data comes in a sequence with one part for each client.",
            problems=[f"datasets: got {errors.describe_object(datasets)}"],
            fix=fix,
        )
    if not given:
        raise errors.DatasetError(
            "a data source needs clients.", problems=["datasets: got none"], fix=fix
        )
    found = {index: _type_of_client(each, index) for index, each in enumerate(given)}
    known = {index: each for index, each in found.items() if each is not None}
    if not known:
        raise errors.DatasetError(
            "the type of the data is not known, for no client has an element.",
            fix="give datasets that know their type, or a client with an element.",
        )
    first, (_, common) = next(iter(known)), next(iter(known.items()))
    for index, element_type in known.items():
        common = _common_type(common, element_type)
        if common is None:
            raise errors.DatasetError(
                "the data of all clients is of one type.",
                problems=[
                    f"datasets[{index}]: expected {known[first]}* as of datasets[{first}], got "
                    f"{element_type}*"
                ],
                fix="preprocess all of them alike.",
            )
    return common


def _type_of_client(dataset: Any, index: int) -> Type | None:
    """The type of the elements of one client; None if there is none that tells it."""
    if isinstance(dataset, sequences.SequenceHolder):
        return dataset.element_type
    element_spec = getattr(dataset, "element_spec", None)
    if element_spec is not None:
        return types.to_type(element_spec)
    if not isinstance(dataset, (list, tuple)):
        raise errors.ArgumentError(
            "the data of a client is a dataset, or a list of elements.",
            problems=[f"datasets[{index}]: got {errors.describe_object(dataset)}"],
            fix="write `[element, ...]`, or `tf.data.Dataset.from_tensor_slices(...)`.",
        )
    common: Type | None = None
    for element in cast("list[Any]", dataset):
        element_type = type_inference.infer_type(element)
        merged = element_type if common is None else _common_type(common, element_type)
        if merged is None:
            raise errors.DatasetError(
                "the elements of a client are of one type.",
                problems=[f"datasets[{index}]: got elements {common} and {element_type}"],
                fix="convert them to one dtype, and to as many dimensions.",
            )
        common = merged
    return common


def _common_type(first: Type, second: Type) -> Type | None:
    """The type of values of two types, which may differ in sizes of dimensions; None if more."""
    if first == second:
        return first
    if isinstance(first, TensorType) and isinstance(second, TensorType):
        if first.dtype != second.dtype or first.shape is None or second.shape is None:
            return None
        if len(first.shape) != len(second.shape):
            return None
        sizes = [a if a == b else None for a, b in zip(first.shape, second.shape, strict=True)]
        return TensorType(first.dtype, sizes)
    if not isinstance(first, StructType) or not isinstance(second, StructType):
        return None
    names = [name for name, _ in first.items()]
    if names != [name for name, _ in second.items()]:
        return None
    parts: list[tuple[str | None, Type]] = []
    for name, a, b in zip(names, first.children(), second.children(), strict=True):
        part = _common_type(a, b)
        if part is None:
            return None
        parts.append((name, part))
    return types.in_container(parts, first.python_container)
