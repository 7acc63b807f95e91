"""The data of a chunk of clients as arrays of a program: columns, and which rows make a batch.

Columns that all clients of a chunk share are used as they are, and stay on the device; others are
laid end to end. All arrays are padded to sizes that only grow, with room to spare, so that a
program is not compiled again for the next cohort. How many rows a padded batch has depends on its
chunk alone, so that what came before never changes a result.
"""

from __future__ import annotations

import dataclasses
import itertools
import threading
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from tensorflow_federated.core.types import TensorType, Type
from tensorflow_federated.execution import aligned_arrays, chunk_elements, sequences
from tensorflow_federated.execution import leaves as tensor_leaves
from tensorflow_federated.execution.chunk_elements import Elements
from tensorflow_federated.execution.kept_values import KeptValues
from tensorflow_federated.execution.sequences import Columns
from tensorflow_federated.jax import devices, domain

# A program is compiled for the size of a store: of more stores the rows are copied.
_MOST_STORE_SIZES = 4
_MOST_ROWS = 2**31 - 1

_LEAST_BYTES = 2**20
_LEAST_ELEMENTS = 64

# So many batches are not of one size by chance.
_MANY_BATCHES = 4

# The least size of batches that are no larger than others by choice.
_LEAST_WIDTH = 32


class Run(NamedTuple):
    """Batches of a client that follow each other and are of one size.

    Attributes:
      size: the number of their rows.
      first: the position of the first of them.
      last: one more than the position of the last.
    """

    size: int
    first: int
    last: int


Runs = list[list[Run]]
"""For each client its batches, in order."""


class Data(NamedTuple):
    """The sequences of the clients of a chunk.

    Attributes:
      columns: one array for each leaf of the element type.
      rows: see `domain.ColumnSequence`, as are the next two.
      starts: the first row of each batch.
      counts: how many rows of each batch count.
      bounds: int32[clients+1]: client i has the batches `bounds[i]:bounds[i+1]`.
    """

    columns: tuple[Any, ...]
    rows: Any
    starts: Any
    counts: Any
    bounds: Any

    @property
    def shape(self) -> tuple[Any, ...]:
        """What a program of this data is compiled for."""
        fields = (self.rows, self.starts, self.counts, self.bounds)
        return (*map(len, self.columns), *(None if each is None else each.shape for each in fields))

    def of_client(self, client: Any, element_type: Type) -> domain.ColumnSequence:
        """The sequence of one client, in a trace."""
        return domain.ColumnSequence(
            columns=self.columns,
            rows=self.rows,
            starts=self.starts,
            counts=self.counts,
            first=self.bounds[client],
            last=self.bounds[client + 1],
            element_type=element_type,
        )


class Capacity:
    """A size of arrays that grows when it has to, and then to more than what is needed."""

    def __init__(self, headroom: int = 2, least: int = 0) -> None:
        """Makes a size that has yet to grow.

        Args:
          headroom: how many times of what is needed it grows to.
          least: what it grows to at least.
        """
        self._headroom, self._least = headroom, least
        self._lock = threading.Lock()
        self._size = 0

    def fit(self, needed: int) -> int:
        """A size that is at least what is needed.

        Examples:
          >>> capacity = Capacity()
          >>> capacity.fit(10), capacity.fit(19), capacity.fit(5), capacity.fit(21)
          (20, 20, 20, 44)
        """
        with self._lock:
            if needed > self._size:
                self._size = rounded_up(max(self._headroom * needed, self._least))
            return self._size


def rounded_up(size: int) -> int:
    """The next of a row of sizes, eight of which double a size.

    Examples:
      >>> [rounded_up(size) for size in (0, 7, 15, 17, 100, 1000)]
      [0, 7, 15, 18, 104, 1024]
    """
    step = 1 << max(size.bit_length() - 4, 0)
    return -(-size // step) * step


class SequenceLayout:
    """How one sequence of the clients is laid out, chunk after chunk."""

    def __init__(
        self, element_type: Type, takes_masks: bool, stores: KeptValues, chunks: KeptValues
    ) -> None:
        """Makes a layout.

        Args:
          element_type: the type of the elements.
          takes_masks: whether batches may be padded.
          stores: keeps columns that many clients share.
          chunks: keeps columns that were laid end to end.
        """
        self._element_type = element_type
        self._is_batched = sequences.is_batched(element_type)
        self._takes_masks = takes_masks and self._is_batched
        self._stores, self._chunks = stores, chunks
        # What is not written costs no memory on a processor; numbers of elements cost little.
        row_bytes = sum(leaf.itemsize * leaf.size for leaf in self._empty_columns(1))
        self._row_capacity = Capacity(headroom=3, least=_LEAST_BYTES // max(row_bytes, 1))
        self._element_capacity = Capacity(headroom=4, least=_LEAST_ELEMENTS)
        self._store_sizes: set[int] = set()
        self._latest_width = 1
        self._exact_width = Capacity(headroom=1)

    def lay_out(
        self, values: Sequence[sequences.Sequence], client_capacity: int
    ) -> tuple[Data, Runs | None] | None:
        """Lays out a chunk; to be called where JAX keeps 64 bits.

        Args:
          values: the sequence of each client.
          client_capacity: the number of clients to pad to.

        Returns:
          The data, its columns on the device, and the runs of each client, if batches are of
          several sizes and may not be padded; None if the sequences are no columns.
        """
        found = self._rows_in_store(values) or self._rows_end_to_end(values)
        if found is None:
            return None
        elements, columns = found
        bounds, sizes, runs = elements.bounds, elements.sizes, None
        rows, starts = elements.firsts, None
        if sizes is not None:
            if not self._takes_masks and sizes.size and sizes.min() < sizes.max():
                runs = [_runs(sizes, *pair) for pair in itertools.pairwise(bounds.tolist())]
            width = self._width(sizes, bounds)
            rows = rows[:, None] + np.minimum(np.arange(width), np.maximum(sizes, 1)[:, None] - 1)
        if elements.rows is not None:
            rows = elements.rows[rows]
        capacity = self._element_capacity.fit(max(len(rows), 1))
        if sizes is not None:
            starts = _starts(
                rows,
                sizes,
                are_in_order=elements.rows is None,
                most_start=len(columns[0]) - rows.shape[1] if self._takes_masks else None,
            )
        all_bounds = np.full(client_capacity + 1, bounds[-1], np.int32)
        all_bounds[: len(bounds)] = bounds
        # A program takes small arrays faster than they are brought to the device one by one.
        data = Data(
            columns=columns,
            rows=_padded(rows, capacity),
            starts=None if starts is None else _padded(starts, capacity),
            counts=_padded(sizes, capacity) if self._takes_masks else None,
            bounds=all_bounds,
        )
        return data, runs

    def _rows_in_store(
        self, values: Sequence[sequences.Sequence]
    ) -> tuple[Elements, tuple[Any, ...]] | None:
        """The rows of clients of one source in its columns, on the device, which they share."""
        elements = chunk_elements.of_source(values)
        if elements is None or elements.leaves is None:
            return None
        columns = self._on_device(elements.leaves)
        return None if columns is None else (elements, columns)

    def _rows_end_to_end(
        self, values: Sequence[sequences.Sequence]
    ) -> tuple[Elements, tuple[Any, ...]] | None:
        """The rows of clients that are read one by one, in columns that are laid end to end."""
        read = [each.columns() for each in values]
        columns = [each for each in read if each is not None]
        if len(columns) < len(read):
            return None
        elements = chunk_elements.of_columns(columns)
        if elements.leaves is not None:
            store = self._on_device(elements.leaves)
            if store is not None:
                return elements, store
        return dataclasses.replace(elements, rows=None), self._laid_end_to_end(columns)

    def _on_device(self, leaves: tuple[np.ndarray, ...]) -> tuple[Any, ...] | None:
        """The columns that several clients share, on the device; None if they are to be copied."""
        size, row_count = sum([leaf.nbytes for leaf in leaves]), min(map(len, leaves))
        if row_count > _MOST_ROWS or size > self._stores.most_bytes:
            return None
        if row_count not in self._store_sizes:
            if len(self._store_sizes) == _MOST_STORE_SIZES:
                return None
            self._store_sizes.add(row_count)
        if all(map(devices.is_used_in_place, leaves)):
            return tuple(jax.device_put(leaves))
        return self._stores.get_or_make(
            "columns", lambda: tuple(jax.device_put(leaves)), size, leaves
        )

    def _laid_end_to_end(self, columns: Sequence[Columns]) -> tuple[Any, ...]:
        row_count = sum(each.row_count for each in columns)
        capacity = self._row_capacity.fit(max(row_count, 1))
        sources = [
            array
            for each in columns
            for array in (*each.leaves, each.offsets, each.rows)
            if array is not None
        ]
        size = sum(row_count * leaf.itemsize * leaf.size for leaf in self._empty_columns(1))
        return self._chunks.get_or_make(
            capacity, lambda: self._copied(columns, capacity), size, [self, *sources]
        )

    def _copied(self, columns: Sequence[Columns], capacity: int) -> tuple[Any, ...]:
        joined = self._empty_columns(capacity)
        for index, target in enumerate(joined):
            position = 0
            for each in columns:
                end = position + each.row_count
                source = each.leaves[index]
                if each.rows is None:
                    target[position:end] = source[: end - position]
                else:
                    np.take(source, each.rows, axis=0, out=target[position:end], mode="clip")
                position = end
            # A batch that is not full is read with the rows after it.
            target[position:] = 0
        return tuple(jax.device_put(joined))

    def _empty_columns(self, row_count: int) -> list[np.ndarray]:
        """Columns without values, of so many rows."""
        joined: list[np.ndarray] = []
        for leaf in tensor_leaves.leaf_types(self._element_type):
            assert isinstance(leaf, TensorType)
            shape = (leaf.shape or ())[1 if self._is_batched else 0 :]
            sizes = [row_count, *(size or 0 for size in shape)]
            joined.append(aligned_arrays.empty(sizes, np.dtype(leaf.dtype)))
        return joined

    def _width(self, sizes: np.ndarray, bounds: np.ndarray) -> int:
        """How many rows all batches of a chunk are laid out with."""
        if not len(sizes):
            return self._latest_width
        largest = int(sizes.max())
        if not self._takes_masks:
            # Rows that are not in a batch are not read, so this may depend on what came before.
            is_even = bool((sizes == largest).all())
            width = largest if is_even else self._exact_width.fit(largest)
        elif _is_regular(sizes, bounds):
            width = max(largest, 1)
        else:
            # Few sizes, as each is a program; these batches are most often small ones.
            width = max(_LEAST_WIDTH, 1 << (largest - 1).bit_length())
        self._latest_width = width
        return width


def _is_regular(sizes: np.ndarray, bounds: np.ndarray) -> bool:
    """Whether the largest batches look as if their size were chosen, not just what there was.

    A batch that is not the only one of its client is full. Where every client has one batch, a few
    may be equal by chance, and each size would be a program.
    """
    largest = sizes == sizes.max()
    clients = np.searchsorted(bounds, np.flatnonzero(largest), "right") - 1
    has_others = bool((bounds[clients + 1] - bounds[clients] > 1).any())
    return has_others or (len(sizes) >= _MANY_BATCHES and bool(largest.all()))


def _runs(sizes: np.ndarray, first: int, last: int) -> list[Run]:
    """The runs of the batches from one position to another."""
    ends = first + 1 + np.flatnonzero(np.diff(sizes[first:last]))
    cuts = [first, *ends.tolist(), last]
    return [Run(int(sizes[i]), i, j) for i, j in itertools.pairwise(cuts) if i < j]


def _starts(
    rows: np.ndarray, sizes: np.ndarray, *, are_in_order: bool, most_start: int | None
) -> np.ndarray:
    """Where a batch begins whose rows, those that count, are one after the other.

    Args:
      rows: the rows of each batch.
      sizes: how many of them count.
      are_in_order: whether they are known to be one after the other.
      most_start: the last row with enough rows after it for a batch, where those after the ones
        that count may be any; None if all have to count.
    """
    width = rows.shape[1]
    if not width:
        return np.zeros(len(rows), np.int32)
    if most_start is None:
        is_one_piece = sizes == width
    else:
        # The first row is read in any case.
        is_one_piece = (sizes > 0) & (rows[:, 0] <= most_start)
    if not are_in_order:
        follows = rows[:, 1:] - rows[:, :-1] == 1
        is_one_piece &= (follows | (np.arange(1, width) >= sizes[:, None])).all(axis=1)
    return np.where(is_one_piece, rows[:, 0], domain.ANYWHERE)


def _padded(array: Any, capacity: int) -> np.ndarray:
    padded = np.zeros([capacity, *array.shape[1:]], np.int32)
    padded[: len(array)] = array
    return padded
