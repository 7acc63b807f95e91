"""The data of one client, ready to be given to computations without TensorFlow."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from tensorflow_federated.core import errors, type_trees
from tensorflow_federated.core.types import TensorType, Type
from tensorflow_federated.execution import chunk_elements, sequences, values
from tensorflow_federated.execution import leaves as tensor_leaves
from tensorflow_federated.simulation.datasets import columns, row_numbers
from tensorflow_federated.simulation.datasets.preprocessing import Preprocessing


class Cohort:
    """What the clients of one cohort have in common.

    Attributes:
      source: where their examples are, after `map`.
      preprocessing: what is done with them.
      element_type: the type of a batch, or of an example.
      draw: what their random orders are drawn from.
    """

    def __init__(
        self,
        source: columns.Source,
        preprocessing: Preprocessing,
        element_type: Type,
        draw: bytes,
    ) -> None:
        """Makes a cohort."""
        self.source = source
        self.preprocessing = preprocessing
        self.element_type = element_type
        self.draw = draw
        self._latest: _Sequences | None = None

    def sequences_of(self, element_type: Type, order: tuple[int, ...] | None) -> _Sequences:
        """The clients' data as sequences; the same source of them for all clients of a call.

        Args:
          element_type: the type of their elements, which `element_type` can be assigned to.
          order: see `sequences.SequenceHolder.sequence`.
        """
        latest = self._latest
        if latest is None or latest.element_type is not element_type or latest.order != order:
            latest = self._latest = _Sequences(self, element_type, order)
        return latest


def batch_type(example_type: Type, preprocessing: Preprocessing) -> Type:
    """The type of what preprocessing makes of examples: of a batch, or of an example.

    Examples:
      >>> print(batch_type(TensorType(np.float32, [2]), Preprocessing(batch_size=20)))
      float32[?,2]
    """
    if preprocessing.batch_size is None:
        return example_type
    size = int(preprocessing.batch_size) if preprocessing.drop_remainder else None

    def batch_of(leaf: Type) -> Type:
        assert isinstance(leaf, TensorType)
        return TensorType(leaf.dtype, (size, *(leaf.shape or ())))

    return type_trees.map_leaves(example_type, batch_of)


class ClientBatches(sequences.SequenceHolder):
    """The batches of one client, or its examples where there are no batches; immutable.

    It is a value of the type `T*` of its `element_type`: a list of these is a value at the clients.
    It holds no examples, only what they are made of: row numbers of arrays that all clients share,
    or a file, which is read when the client is worked on. Iterating gives the batches as NumPy
    arrays, the same each time.

    Examples:
      >>> import tensorflow_federated as tff
      >>> train = tff.simulation.datasets.TestClientData({"a": [1, 2, 3], "b": [4, 5]})
      >>> [batches] = train.preprocess(Preprocessing(batch_size=2)).cohort(["a"])
      >>> batches
      <ClientBatches of 'a': 2 of int32[?]>
      >>> len(batches), list(batches)
      (2, [array([1, 2], dtype=int32), array([3], dtype=int32)])
    """

    __slots__ = ("_client_id", "_cohort")

    def __init__(self, cohort: Cohort, client_id: str) -> None:
        """Made by `ClientData.cohort`."""
        self._cohort = cohort
        self._client_id = client_id

    @property
    def client_id(self) -> str:
        """The client."""
        return self._client_id

    @property
    def element_type(self) -> Type:
        """The type of a batch: `<x=float32[?,784],y=int32[?]>`; or of an example."""
        return self._cohort.element_type

    def __len__(self) -> int:
        """The number of batches, or of examples where there are no batches."""
        cohort = self._cohort
        count = cohort.source.count(self._client_id)
        if count is None:
            count = cohort.source.client(self._client_id).count
        return row_numbers.num_elements(cohort.preprocessing, count)

    def __iter__(self) -> Iterator[Any]:
        element_type = self.element_type
        for element in self.sequence(element_type, None).elements():
            yield values.to_python(element, element_type)

    def sequence(self, element_type: Type, order: tuple[int, ...] | None) -> sequences.Sequence:
        source = self._cohort.sequences_of(element_type, order)
        return sequences.Sequence.from_source(source, self._client_id)

    def rows(self) -> list[np.ndarray]:
        """All examples of all batches, end to end: one array for each leaf."""
        leaves, rows, _ = _rows(self._cohort, self._client_id)
        return [_gathered(leaf, rows) for leaf in leaves]

    def __reduce__(self) -> Any:
        raise errors.DatasetError(
            "the batches of a client are not pickled: what they are rows of would be copied with "
            "them.",
            problems=[f"client: {self._client_id!r}"],
            fix="send the ids, and ask for the `cohort` there; or send `list(batches)`.",
        )

    def __repr__(self) -> str:
        cohort = self._cohort
        count = cohort.source.count(self._client_id)
        number = (
            "" if count is None else f"{row_numbers.num_elements(cohort.preprocessing, count)} of "
        )
        return f"<ClientBatches of {self._client_id!r}: {number}{self.element_type}>"


class _Sequences(sequences.SequenceSource):
    """The sequences of the clients of a cohort, of one type."""

    __slots__ = ("_cohort", "_element_type", "_order")

    def __init__(self, cohort: Cohort, element_type: Type, order: tuple[int, ...] | None) -> None:
        self._cohort = cohort
        self._element_type = element_type
        self._order = order

    @property
    def element_type(self) -> Type:
        return self._element_type

    @property
    def order(self) -> tuple[int, ...] | None:
        """For each leaf of the type, which leaf of the cohort's it is; None: in this order."""
        return self._order

    def row_count(self, client_id: str) -> int | None:
        count = self._cohort.source.count(client_id)
        return None if count is None else row_numbers.num_rows(self._cohort.preprocessing, count)

    def sequence(self, client_id: str) -> sequences.Sequence:
        preprocessing, element_type = self._cohort.preprocessing, self._element_type
        leaves, rows, count = _rows(self._cohort, client_id)
        leaves = self._ordered(leaves)
        offsets = row_numbers.offsets(preprocessing, count)
        if offsets is None and not sequences.is_stacked(element_type):
            # Examples of one size, for a type that leaves it open.
            examples = zip(*[_gathered(leaf, rows) for leaf in leaves], strict=True)
            return sequences.Sequence.from_elements(
                [tensor_leaves.unflatten(each, element_type) for each in examples], element_type
            )
        if offsets is not None and sequences.is_stacked(element_type):
            # Batches of one size, for a type that says which: elements of known shapes.
            leaf_types = tensor_leaves.leaf_types(element_type)
            leaves = tuple(
                _gathered(leaf, rows).reshape(-1, *leaf_type.shape)
                for leaf, leaf_type in zip(leaves, leaf_types, strict=True)
                if isinstance(leaf_type, TensorType) and leaf_type.shape is not None
            )
            offsets = rows = None
        return sequences.Sequence.from_columns(leaves, offsets, element_type, rows, client_id)

    def elements(self, client_ids: list[str]) -> chunk_elements.Elements | None:
        cohort, preprocessing = self._cohort, self._cohort.preprocessing
        batch_size = None if preprocessing.batch_size is None else int(preprocessing.batch_size)
        if (batch_size is not None) != sequences.is_batched(self._element_type):
            # The type says of which size batches are, or does not say of which size examples are.
            return None
        shared = cohort.source.shared(client_ids)
        if shared is None:
            return None
        row_counts = [row_numbers.num_rows(preprocessing, count) for count in shared.counts]
        starts, rows = shared.starts, shared.order
        if not row_numbers.are_in_order(preprocessing):
            starts = np.cumsum([0, *row_counts[:-1]])
            each_rows = [_rows(cohort, client_id)[1] for client_id in client_ids]
            rows = np.concatenate([each for each in each_rows if each is not None])
        return chunk_elements.in_runs(
            self._ordered(shared.leaves),
            starts,
            np.array(row_counts, np.int64),
            batch_size,
            rows,
        )

    def _ordered(self, leaves: tuple[np.ndarray, ...]) -> tuple[np.ndarray, ...]:
        return leaves if self._order is None else tuple([leaves[i] for i in self._order])


def _rows(cohort: Cohort, client_id: str) -> tuple[tuple[np.ndarray, ...], np.ndarray | None, int]:
    """The arrays a client is rows of, the rows, and how many examples the client has."""
    client = cohort.source.client(client_id)
    positions = row_numbers.positions(cohort.preprocessing, client.count, client_id, cohort.draw)
    return client.leaves, client.rows(positions), client.count


def _gathered(leaf: np.ndarray, rows: np.ndarray | None) -> np.ndarray:
    return leaf if rows is None else leaf[rows]
