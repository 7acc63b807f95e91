"""Sequences, the data of clients: as columns, as elements, or as a dataset of a framework."""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from tensorflow_federated.core import errors, shapes, type_trees
from tensorflow_federated.core.types import TensorType, Type
from tensorflow_federated.execution import leaves as tensor_leaves

if TYPE_CHECKING:
    from tensorflow_federated.execution.chunk_elements import Elements


@dataclasses.dataclass(frozen=True)
class Columns:
    """All elements of a sequence, end to end: one array for each leaf of the element type.

    Attributes:
      leaves: the flattened tensors of the element type, in order. Sequences that are parts of one
        store hold the same arrays.
      offsets: int64[n+1]: element i is the rows `offsets[i]:offsets[i+1]` ("batched": the first
        dimension of every leaf is unknown). None: element i is row i ("stacked": the shapes of all
        leaves are known).
      rows: int64[m]: row j of the sequence is the row `rows[j]` of every leaf; so rows can be left
        out, repeated and in any order without a copy. None: row j is row j.
    """

    leaves: tuple[np.ndarray, ...]
    offsets: np.ndarray | None
    rows: np.ndarray | None = None

    def __len__(self) -> int:
        """The number of elements."""
        return self.row_count if self.offsets is None else len(self.offsets) - 1

    @property
    def row_count(self) -> int:
        """The number of rows that the sequence has."""
        if self.rows is not None:
            return len(self.rows)
        return len(self.leaves[0]) if self.offsets is None else int(self.offsets[-1])

    def gathered(self) -> Columns:
        """The same columns without `rows`: their own arrays, row after row."""
        if self.rows is None:
            return self
        return Columns(tuple(leaf[self.rows] for leaf in self.leaves), self.offsets)


class Sequence:
    """A canonical value of a sequence type; immutable.

    It is held in the form it was given in, and takes another when it is asked for it.
    """

    def __init__(
        self,
        element_type: Type,
        *,
        elements: tuple[Any, ...] | None = None,
        columns: Columns | None = None,
        dataset: Any = None,
        load: Callable[[], Sequence | None] | None = None,
        source: SequenceSource | None = None,
        row_count: int | Callable[[], int | None] | None = None,
        client_id: str | None = None,
    ) -> None:
        """Use `from_elements`, `from_columns`, `from_loader`, `from_source` or `from_dataset`."""
        self._client_id = client_id
        self._source = source
        self._row_count = row_count
        self._element_type = element_type
        self._elements = elements
        self._columns = columns
        self._columns_known = columns is not None
        self._dataset = dataset
        self._load = load
        self._is_endless = False

    @classmethod
    def from_elements(cls, elements: Iterable[Any], element_type: Type) -> Sequence:
        """A sequence of canonical values of the element type."""
        return cls(element_type, elements=tuple(elements))

    @classmethod
    def from_columns(
        cls,
        leaves: tuple[np.ndarray, ...],
        offsets: np.ndarray | None,
        element_type: Type,
        rows: np.ndarray | None = None,
        client_id: str | None = None,
    ) -> Sequence:
        """A sequence from the arrays that `Columns` tells of."""
        return cls(element_type, columns=Columns(tuple(leaves), offsets, rows), client_id=client_id)

    @classmethod
    def from_dataset(
        cls,
        dataset: Any,
        element_type: Type,
        load: Callable[[], Sequence | None],
        client_id: str | None = None,
        row_count: int | Callable[[], int | None] | None = None,
    ) -> Sequence:
        """A sequence that stays a framework's dataset until its elements are asked for.

        Args:
          dataset: the dataset, which computations of its framework take as it is.
          element_type: the type of its elements.
          load: reads the dataset into a sequence of elements or columns, None if it has no end;
            called at most once.
          client_id: the name of the client whose data it is, where it has one; for messages.
          row_count: how many rows it has, where that is known before it is read; or what says so.

        Returns:
          The sequence.
        """
        return cls(
            element_type, dataset=dataset, load=load, client_id=client_id, row_count=row_count
        )

    @classmethod
    def from_loader(
        cls,
        load: Callable[[], Sequence],
        element_type: Type,
        row_count: int | None = None,
        client_id: str | None = None,
    ) -> Sequence:
        """A sequence that is read, or laid out, when its elements are asked for.

        Args:
          load: gives the sequence, of elements or columns; called at most once by a thread.
          element_type: the type of its elements.
          row_count: how many rows it has, if that is known before.
          client_id: the name of the client whose data it is.

        Returns:
          The sequence.
        """
        return cls(element_type, load=load, row_count=row_count, client_id=client_id)

    @classmethod
    def from_source(cls, source: SequenceSource, client_id: str) -> Sequence:
        """The sequence of a client, which the source reads when its elements are asked for."""
        return cls(source.element_type, source=source, client_id=client_id)

    @property
    def element_type(self) -> Type:
        """The type of every element."""
        return self._element_type

    @property
    def client_id(self) -> str | None:
        """The name of the client whose data it is, or None."""
        return self._client_id

    @property
    def source(self) -> SequenceSource | None:
        """What other sequences come from as well, and may be read from together; or None."""
        return self._source

    @property
    def dataset(self) -> Any:
        """The framework's dataset that this sequence was made from, or None."""
        return self._dataset

    @property
    def known_row_count(self) -> int | None:
        """The number of rows, or of elements that have none; None if it has yet to be read."""
        if self._columns is not None:
            return self._columns.row_count
        if self._elements is not None:
            if not is_batched(self._element_type):
                return len(self._elements)
            return sum(len(_first_leaf(element)) for element in self._elements)
        if self._source is not None:
            return self._source.row_count(str(self._client_id))
        return self._row_count() if callable(self._row_count) else self._row_count

    def elements(self) -> Iterator[Any]:
        """The elements, canonical, in order."""
        self._load_all()
        if self._elements is not None:
            return iter(self._elements)
        assert self._columns is not None
        return _rows(self._columns, self._element_type)

    def __len__(self) -> int:
        """The number of elements."""
        self._load_all()
        if self._elements is not None:
            return len(self._elements)
        assert self._columns is not None
        return len(self._columns)

    def columns(self) -> Columns | None:
        """All elements end to end; None where their type, they themselves, or no end forbid it."""
        self._ensure_loaded()
        if self._is_endless:
            return None
        if not self._columns_known:
            assert self._elements is not None
            self._columns = _to_columns(self._elements, self._element_type)
            self._columns_known = True
        return self._columns

    def _load_all(self) -> None:
        self._ensure_loaded()
        if self._is_endless:
            raise errors.DatasetError(
                "a dataset that has no end cannot be read to its end.",
                problems=[f"dataset: {self._element_type}*"],
                fix="say how much of it to take: `dataset.repeat(5)`, or `dataset.take(100)`.",
            )

    def _ensure_loaded(self) -> None:
        if self._elements is not None or self._columns is not None or self._is_endless:
            return
        if self._source is not None:
            loaded = self._source.sequence(str(self._client_id))
        else:
            assert self._load is not None
            loaded = self._load()
        if loaded is None:
            self._is_endless = True
            return
        columns = loaded.columns()
        if columns is not None:
            self._columns = columns
        else:
            self._elements = tuple(loaded.elements())
        self._columns_known = True

    def __repr__(self) -> str:
        return f"Sequence({self._element_type}*)"


class SequenceSource(abc.ABC):
    """What the sequences of several clients come from, all of one type.

    Where they are rows of the same arrays it tells which, for all clients of a chunk at a time.
    """

    __slots__ = ()

    @property
    @abc.abstractmethod
    def element_type(self) -> Type:
        """The type of every element."""

    @abc.abstractmethod
    def sequence(self, client_id: str) -> Sequence:
        """Reads the sequence of one client, of elements or columns."""

    @abc.abstractmethod
    def row_count(self, client_id: str) -> int | None:
        """How many rows a client has; None if that has yet to be read."""

    @abc.abstractmethod
    def elements(self, client_ids: list[str]) -> Elements | None:
        """Where the elements of some clients lie; None if they are not rows of the same arrays."""


class SequenceHolder(abc.ABC):
    """A user's value that is the data of a client, and gives the sequence when it is used."""

    __slots__ = ()

    @property
    @abc.abstractmethod
    def element_type(self) -> Type:
        """The type of every element."""

    @abc.abstractmethod
    def sequence(self, element_type: Type, order: tuple[int, ...] | None) -> Sequence:
        """A new sequence of the data.

        Args:
          element_type: the type that the elements are to have, which theirs is assignable to.
          order: for each leaf of that type, which leaf of the holder's it is; None if they are in
            this order.

        Returns:
          The sequence, which holds nothing before it is read.
        """


def _first_leaf(element: Any) -> Any:
    """The first tensor of an element."""
    while isinstance(element, tuple):
        element = cast("tuple[Any, ...]", element)[0]
    return element


def is_batched(element_type: Type) -> bool:
    """Whether elements are batches: the first dimension of every leaf, and no other, is unknown."""
    leaf_types = tensor_leaves.leaf_types(element_type)
    return bool(leaf_types) and all(_is_batch(leaf) for leaf in leaf_types)


def is_stacked(element_type: Type) -> bool:
    """Whether the shapes of all leaves are known."""
    leaf_types = tensor_leaves.leaf_types(element_type)
    return bool(leaf_types) and all(_is_static(leaf) for leaf in leaf_types)


def are_batches_of(batch_type: Type, element_type: Type) -> bool:
    """Whether a type is that of batches, of whatever size, of elements whose shapes are known.

    Examples:
      >>> are_batches_of(TensorType(np.float32, [None, 2]), TensorType(np.float32, [2]))
      True
    """

    def with_rows(leaf: Type) -> Type:
        assert isinstance(leaf, TensorType)
        return TensorType(leaf.dtype, (None, *(leaf.shape or ())))

    return is_stacked(element_type) and batch_type.is_assignable_from(
        type_trees.map_leaves(element_type, with_rows)
    )


def _is_batch(leaf: Type) -> bool:
    if not isinstance(leaf, TensorType) or not leaf.shape:
        return False
    return leaf.shape[0] is None and None not in leaf.shape[1:]


def _is_static(leaf: Type) -> bool:
    return isinstance(leaf, TensorType) and shapes.is_shape_fully_defined(leaf.shape)


def _known_sizes(leaf: TensorType) -> tuple[int, ...]:
    return tuple(size for size in leaf.shape or () if size is not None)


def _to_columns(elements: tuple[Any, ...], element_type: Type) -> Columns | None:
    leaf_types = tensor_leaves.leaf_types(element_type)
    rows = [tensor_leaves.flatten(element, element_type) for element in elements]
    if is_stacked(element_type):
        return Columns(
            tuple(_stacked([row[i] for row in rows], leaf) for i, leaf in enumerate(leaf_types)),
            None,
        )
    if is_batched(element_type):
        sizes = [len(row[0]) for row in rows]
        if any(len(leaf) != size for row, size in zip(rows, sizes, strict=True) for leaf in row):
            return None
        offsets = np.zeros(len(rows) + 1, np.int64)
        np.cumsum(sizes, out=offsets[1:])
        return Columns(
            tuple(_joined([row[i] for row in rows], leaf) for i, leaf in enumerate(leaf_types)),
            offsets,
        )
    return None


def _stacked(values: list[Any], leaf: Type) -> np.ndarray:
    assert isinstance(leaf, TensorType)
    column = np.empty((len(values), *_known_sizes(leaf)), tensor_leaves.array_dtype(leaf))
    for i, value in enumerate(values):
        column[i] = value
    return column


def _joined(values: list[Any], leaf: Type) -> np.ndarray:
    assert isinstance(leaf, TensorType)
    if values:
        return np.concatenate(values)
    return np.empty((0, *_known_sizes(leaf)), tensor_leaves.array_dtype(leaf))


def _rows(columns: Columns, element_type: Type) -> Iterator[Any]:
    columns = columns.gathered()
    offsets = columns.offsets
    for i in range(len(columns)):
        part: Any = i if offsets is None else slice(offsets[i], offsets[i + 1])
        yield tensor_leaves.unflatten([leaf[part] for leaf in columns.leaves], element_type)


IsDataset = Callable[[Any], bool]
Convert = Callable[[Any, Type], Sequence]

_converters: list[tuple[IsDataset, Convert]] = []


def register_dataset_converter(is_dataset: IsDataset, convert: Convert) -> None:
    """Makes the datasets of a framework known.

    Args:
      is_dataset: whether a Python value is such a dataset; must not import the framework.
      convert: `convert(dataset, element_type)` makes a `Sequence` of it, or raises a
        `FederatedError` if its elements are not of that type.
    """
    _converters.append((is_dataset, convert))


def is_dataset(value: Any) -> bool:
    """Whether a value is a dataset of a framework that is known."""
    return any(is_one(value) for is_one, _ in _converters)


def from_dataset(value: Any, element_type: Type) -> Sequence | None:
    """The sequence of a framework's dataset; None if the value is no dataset that is known."""
    for is_dataset, convert in _converters:
        if is_dataset(value):
            return convert(value, element_type)
    return None
