"""The data of a chunk of clients as arrays of a program: columns, and which rows make a batch.

Columns that all clients of a chunk share are used as they are, and stay on the device; others are
laid end to end. All arrays are padded to sizes that only grow, with room to spare, so that a
program is not compiled again for the next cohort. How many rows a padded batch has depends on its
chunk alone, so that what came before never changes a result.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from tensorflow_federated.core.types import TensorType, Type
from tensorflow_federated.execution import leaves as tensor_leaves
from tensorflow_federated.execution import sequences
from tensorflow_federated.execution.sequences import Columns
from tensorflow_federated.jax import domain
from tensorflow_federated.jax.kept_arrays import KeptArrays, aligned_empty, is_used_in_place

# A program is compiled for the size of a store: of more stores the rows are copied.
_MOST_STORE_SIZES = 4
_MOST_ROWS = 2**31 - 1

_LEAST_BYTES = 2**20
_LEAST_ELEMENTS = 64

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
        self, element_type: Type, takes_masks: bool, stores: KeptArrays, chunks: KeptArrays
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

    def lay_out(self, columns: Sequence[Columns], client_capacity: int) -> tuple[Data, Runs | None]:
        """Lays out a chunk; to be called where JAX keeps 64 bits.

        Args:
          columns: the data of each client.
          client_capacity: the number of clients to pad to.

        Returns:
          The data, its columns on the device; and the runs of each client, if batches are of
          several sizes and may not be padded.
        """
        store = self._shared_store(columns)
        first_rows = np.cumsum([0, *[each.row_count for each in columns]])
        bounds = np.cumsum([0, *[len(each) for each in columns]])
        is_exact, runs = False, None
        if self._is_batched:
            begins, sizes = _batches(columns, first_rows)
            is_exact = not self._takes_masks and len(set(sizes.tolist())) > 1
            if is_exact:
                runs = [_runs(sizes, *pair) for pair in itertools.pairwise(bounds.tolist())]
            width = self._width(sizes, bounds)
            rows = begins[:, None] + np.minimum(np.arange(width), np.maximum(sizes - 1, 0)[:, None])
            rows = np.clip(rows, 0, max(int(first_rows[-1]) - 1, 0))
        else:
            rows, sizes = np.arange(first_rows[-1]), None
        if store is not None:
            rows = np.concatenate([_rows_in_store(each) for each in columns])[rows]
        capacity = self._element_capacity.fit(max(len(rows), 1))
        starts = None if sizes is None else _starts(rows, sizes)
        all_bounds = np.full(client_capacity + 1, bounds[-1], np.int32)
        all_bounds[: len(bounds)] = bounds
        # A program takes small arrays faster than they are brought to the device one by one.
        data = Data(
            columns=self._laid_end_to_end(columns) if store is None else store,
            rows=_padded(rows, capacity),
            starts=None if starts is None else _padded(starts, capacity),
            counts=_padded(sizes, capacity) if self._takes_masks else None,
            bounds=all_bounds,
        )
        return data, runs

    def _shared_store(self, columns: Sequence[Columns]) -> tuple[Any, ...] | None:
        """The columns of all clients, on the device, if they have them in common."""
        present = [each for each in columns if each.row_count]
        if not present or (len(present) == 1 and present[0].rows is None):
            return None
        leaves = present[0].leaves
        if any(a is not b for each in present for a, b in zip(each.leaves, leaves, strict=True)):
            return None
        size, row_count = sum(leaf.nbytes for leaf in leaves), min(map(len, leaves))
        if row_count > _MOST_ROWS or size > self._stores.most_bytes:
            return None
        if row_count not in self._store_sizes:
            if len(self._store_sizes) == _MOST_STORE_SIZES:
                return None
            self._store_sizes.add(row_count)
        if all(map(is_used_in_place, leaves)):
            return tuple(jax.device_put(leaves))
        return self._stores.get(leaves, lambda: tuple(jax.device_put(leaves)), size)

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
        return self._chunks.get(
            [self, *sources], lambda: self._copied(columns, capacity), size, variant=capacity
        )

    def _copied(self, columns: Sequence[Columns], capacity: int) -> tuple[Any, ...]:
        joined = self._empty_columns(capacity)
        for index, target in enumerate(joined):
            # The only row that is read without having been written.
            target[0] = 0
            position = 0
            for each in columns:
                end = position + each.row_count
                source = each.leaves[index]
                if each.rows is None:
                    target[position:end] = source[: end - position]
                else:
                    np.take(source, each.rows, axis=0, out=target[position:end], mode="clip")
                position = end
        return tuple(jax.device_put(joined))

    def _empty_columns(self, row_count: int) -> list[np.ndarray]:
        """Columns without values, of so many rows."""
        joined: list[np.ndarray] = []
        for leaf in tensor_leaves.leaf_types(self._element_type):
            assert isinstance(leaf, TensorType)
            shape = (leaf.shape or ())[1 if self._is_batched else 0 :]
            sizes = [row_count, *(size or 0 for size in shape)]
            joined.append(aligned_empty(sizes, np.dtype(leaf.dtype)))
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


def _batches(columns: Sequence[Columns], first_rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The first row and the size of each batch, in the rows of all clients end to end."""
    offsets = [each.offsets for each in columns if each.offsets is not None]
    begins = [first + each[:-1] for first, each in zip(first_rows[:-1], offsets, strict=True)]
    sizes = [np.diff(each) for each in offsets]
    return np.concatenate([[], *begins]).astype(int), np.concatenate([[], *sizes]).astype(int)


def _is_regular(sizes: np.ndarray, bounds: np.ndarray) -> bool:
    """Whether the largest batches look as if their size were chosen, not just what there was."""
    largest = int(sizes.argmax())
    client = int(np.searchsorted(bounds, largest, "right")) - 1
    has_others = int(bounds[client + 1] - bounds[client]) > 1
    return has_others or int(np.count_nonzero(sizes == sizes[largest])) > 1


def _runs(sizes: np.ndarray, first: int, last: int) -> list[Run]:
    """The runs of the batches from one position to another."""
    ends = first + 1 + np.flatnonzero(np.diff(sizes[first:last]))
    cuts = [first, *ends.tolist(), last]
    return [Run(int(sizes[i]), i, j) for i, j in itertools.pairwise(cuts) if i < j]


def _starts(rows: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Where a batch begins that is full and whose rows are one after the other."""
    width = rows.shape[1]
    if not width:
        return np.zeros(len(rows), np.int32)
    # A batch that is not full has its last row several times, never one of another client.
    is_one_piece = (sizes == width) & (np.diff(rows, axis=1) == 1).all(axis=1)
    return np.where(is_one_piece, rows[:, 0], domain.ANYWHERE)


def _rows_in_store(columns: Columns) -> np.ndarray:
    return np.arange(columns.row_count) if columns.rows is None else columns.rows


def _padded(array: Any, capacity: int) -> np.ndarray:
    padded = np.zeros([capacity, *array.shape[1:]], np.int32)
    padded[: len(array)] = array
    return padded
