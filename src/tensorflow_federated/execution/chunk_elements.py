"""The elements of the sequences of a chunk of clients, all at once: numbers of rows, in arrays.

What a chunk needs is found by few operations on arrays, however many clients and batches it has.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from tensorflow_federated.execution import sequences
from tensorflow_federated.execution.sequences import Columns


@dataclasses.dataclass(frozen=True)
class Elements:
    """The elements of several sequences, one sequence after the other.

    Attributes:
      leaves: the arrays that all have their rows in, one for each leaf of the element type; None if
        each sequence has arrays of its own: these are meant laid end to end.
      bounds: int64[n+1]: sequence i has the elements `bounds[i]:bounds[i+1]`.
      firsts: int64[e]: the position of the first row of each element; any position for an element
        that has no row.
      sizes: int64[e]: how many rows each element has, one after the other from the first on; None
        if elements are single rows.
      rows: int64[m]: position p is the row `rows[p]` of every leaf. None: it is row p.
    """

    leaves: tuple[np.ndarray, ...] | None
    bounds: np.ndarray
    firsts: np.ndarray
    sizes: np.ndarray | None
    rows: np.ndarray | None = None


def in_runs(
    leaves: tuple[np.ndarray, ...],
    firsts: np.ndarray,
    row_counts: np.ndarray,
    batch_size: int | None,
    rows: np.ndarray | None = None,
) -> Elements:
    """The elements of sequences whose rows are one after the other.

    Args:
      leaves: see `Elements`.
      firsts: int64[n], the position of the first row of each sequence.
      row_counts: int64[n], how many rows each has.
      batch_size: how many rows an element has, except the last one of a sequence, which may have
        fewer; None if elements are single rows.
      rows: see `Elements`.

    Returns:
      The elements.

    Examples:
      >>> found = in_runs((np.zeros(9),), np.array([4, 0]), np.array([5, 2]), batch_size=2)
      >>> found.bounds.tolist(), found.firsts.tolist(), found.sizes.tolist()
      ([0, 3, 4], [4, 6, 8, 0], [2, 2, 1, 2])
    """
    step = batch_size or 1
    counts = -(-row_counts // step)
    bounds = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts, out=bounds[1:])
    begins = np.repeat(firsts - step * bounds[:-1], counts)
    begins += step * np.arange(len(begins))
    sizes = None
    if batch_size is not None:
        sizes = np.minimum(np.repeat(firsts + row_counts, counts) - begins, batch_size)
    return Elements(leaves, bounds, begins, sizes, rows)


def of_source(values: Sequence[sequences.Sequence]) -> Elements | None:
    """The elements of sequences of one source, which none of them is read for; None for others."""
    source = values[0].source if values else None
    if source is None or any([each.source is not source for each in values]):
        return None
    return source.elements([str(each.client_id) for each in values])


def of_columns(columns: Sequence[Columns]) -> Elements:
    """The elements of sequences that were read.

    Examples:
      >>> store = (np.arange(5),)
      >>> first = Columns(store, np.array([0, 1, 2]), rows=np.array([4, 3]))
      >>> found = of_columns([first, Columns(store, np.array([0, 2]), rows=np.array([0, 1]))])
      >>> found.firsts.tolist(), found.sizes.tolist(), found.rows.tolist()
      ([0, 1, 2], [1, 1, 2], [4, 3, 0, 1])
    """
    first_rows = np.cumsum([0, *[each.row_count for each in columns]])
    bounds = np.cumsum([0, *[len(each) for each in columns]])
    offsets = [each.offsets for each in columns if each.offsets is not None]
    if offsets:
        ends = np.concatenate(offsets)
        # Where one sequence ends and the next begins there is no element.
        is_element = np.ones(len(ends), np.bool_)
        is_element[np.cumsum([len(each) for each in offsets]) - 1] = False
        [chosen] = np.nonzero(is_element)
        sizes = ends[chosen + 1] - ends[chosen]
        firsts = ends[chosen] + np.repeat(first_rows[:-1], np.diff(bounds))
        firsts = np.minimum(firsts, max(int(first_rows[-1]) - 1, 0))
    else:
        firsts, sizes = np.arange(int(first_rows[-1])), None
    leaves = _shared_leaves(columns)
    rows = None if leaves is None else np.concatenate([_rows(each) for each in columns])
    return Elements(leaves, bounds, firsts, sizes, rows)


def _shared_leaves(columns: Sequence[Columns]) -> tuple[np.ndarray, ...] | None:
    """The arrays that all who have rows have them in."""
    present = [each for each in columns if each.row_count]
    if not present or (len(present) == 1 and present[0].rows is None):
        return None
    leaves = present[0].leaves
    for each in present:
        if any(a is not b for a, b in zip(each.leaves, leaves, strict=True)):
            return None
    return leaves


def _rows(columns: Columns) -> np.ndarray:
    return np.arange(columns.row_count) if columns.rows is None else columns.rows
