"""The data of one client, ready to be given to computations without TensorFlow."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np

from tensorflow_federated.core import errors, type_trees
from tensorflow_federated.core.types import TensorType, Type
from tensorflow_federated.execution import leaves as tensor_leaves
from tensorflow_federated.execution import sequences, values
from tensorflow_federated.simulation.datasets import columns, row_numbers
from tensorflow_federated.simulation.datasets.preprocessing import Preprocessing


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class Cohort:
    """What the clients of one cohort have in common.

    Attributes:
      source: where their examples are, after `map`.
      preprocessing: what is done with them.
      element_type: the type of a batch, or of an example.
      draw: what their random orders are drawn from.
    """

    source: columns.Source
    preprocessing: Preprocessing
    element_type: Type
    draw: bytes


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
        cohort, client_id = self._cohort, self._client_id

        def load() -> sequences.Sequence:
            return _laid_out(cohort, client_id, element_type, order)

        count = cohort.source.count(client_id)
        row_count = None if count is None else row_numbers.num_rows(cohort.preprocessing, count)
        return sequences.Sequence.from_loader(load, element_type, row_count, client_id)

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


def _laid_out(
    cohort: Cohort, client_id: str, element_type: Type, order: tuple[int, ...] | None
) -> sequences.Sequence:
    leaves, rows, count = _rows(cohort, client_id)
    if order is not None:
        leaves = tuple(leaves[i] for i in order)
    offsets = row_numbers.offsets(cohort.preprocessing, count)
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


def _rows(cohort: Cohort, client_id: str) -> tuple[tuple[np.ndarray, ...], np.ndarray | None, int]:
    """The arrays a client is rows of, the rows, and how many examples the client has."""
    client = cohort.source.client(client_id)
    positions = row_numbers.positions(cohort.preprocessing, client.count, client_id, cohort.draw)
    return client.leaves, client.rows(positions), client.count


def _gathered(leaf: np.ndarray, rows: np.ndarray | None) -> np.ndarray:
    return leaf if rows is None else leaf[rows]
