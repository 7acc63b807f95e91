"""The canonical reduction tree: in which order the values of a cohort are brought together.

The cohort is cut into chunks of consecutive clients, whose size depends on the number of clients
alone, and on how many of them the caller asks to have trained side by side. Inside a chunk values
are accumulated in order; the chunks' results are merged in a binary tree over the index of the
chunk. So the result depends on the cohort only, never on the number of workers, nor on which chunk
is done first.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

_T = TypeVar("_T")

_CHUNKS_OF_COHORT = 16
_LARGEST_CHUNK = 64


def chunk_size(cohort_size: int, lanes: int | None = None) -> int:
    """The number of clients in each chunk but the last one, which may be smaller.

    About 16 chunks keep several workers busy to the end, also where clients differ in size; to
    start that many costs little beside the work of a cohort. 64 clients bound the memory that a
    chunk needs.

    Args:
      cohort_size: the number of clients.
      lanes: how many clients are to be trained side by side: no lane stays empty but in the last
        chunk. None if the caller asks for no number.

    Returns:
      The size, at least 1.

    Examples:
      >>> [chunk_size(n) for n in (1, 10, 100, 10_000)]
      [1, 1, 7, 64]
      >>> [chunk_size(100, lanes) for lanes in (1, 4, 50, 128)]
      [7, 8, 50, 128]
    """
    even = -(-cohort_size // _CHUNKS_OF_COHORT)
    size = min(max(even, 1), _LARGEST_CHUNK)
    return size if lanes is None else -(-size // lanes) * lanes


def chunks(cohort_size: int, lanes: int | None = None) -> list[range]:
    """The positions of the clients in each chunk, in order; no chunk is empty.

    Examples:
      >>> chunks(40)[:2], len(chunks(40))
      ([range(0, 3), range(3, 6)], 14)
    """
    size = chunk_size(cohort_size, lanes)
    return [range(i, min(i + size, cohort_size)) for i in range(0, cohort_size, size)]


class Tree(Generic[_T]):
    """Merges the results of chunks in a binary tree, in whatever order and by whatever thread.

    Two neighbours are merged as soon as both are there, by the thread that brings the second one,
    so few results are held at a time. With a number of chunks that is no power of two, the last
    result of a level that has no neighbour goes up as it is.
    """

    def __init__(self, chunk_count: int, merge: Callable[[_T, _T], _T]) -> None:
        """Starts a tree.

        Args:
          chunk_count: the number of results that will be added.
          merge: brings two results together, the one of the earlier clients first.
        """
        self._sizes = [chunk_count]
        while self._sizes[-1] > 1:
            self._sizes.append((self._sizes[-1] + 1) // 2)
        self._merge = merge
        self._waiting: dict[tuple[int, int], _T] = {}
        self._lock = threading.Lock()

    def add(self, chunk_index: int, result: _T) -> None:
        """Adds the result of one chunk.

        Args:
          chunk_index: the position of the chunk.
          result: what it gave.
        """
        level, index = 0, chunk_index
        while level < len(self._sizes) - 1:
            sibling = index ^ 1
            if sibling < self._sizes[level]:
                with self._lock:
                    if (level, sibling) not in self._waiting:
                        self._waiting[level, index] = result
                        return
                    other = self._waiting.pop((level, sibling))
                # Without the lock: other threads merge other neighbours at the same time.
                first, second = (result, other) if index < sibling else (other, result)
                result = self._merge(first, second)
            level, index = level + 1, index // 2
        with self._lock:
            self._waiting[level, index] = result

    def __len__(self) -> int:
        """The number of results that are held."""
        return len(self._waiting)

    @property
    def result(self) -> _T:
        """What all chunks together gave, once all were added."""
        return self._waiting[len(self._sizes) - 1, 0]
