"""The canonical reduction tree: in which order the values of a cohort are brought together.

The cohort is cut into chunks of consecutive clients, whose size depends on the number of clients
alone. Inside a chunk values are accumulated in order; the chunks' results are merged in a binary
tree over the index of the chunk. So the result depends on the cohort only, never on the number of
workers, nor on which chunk is done first.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

_T = TypeVar("_T")

_MOST_CHUNKS_OF_SMALL_COHORT = 8
_SMALLEST_CHUNK = 4
_LARGEST_CHUNK = 64


def chunk_size(cohort_size: int) -> int:
    """The number of clients in each chunk but the last one, which may be smaller.

    About 8 chunks balance the work of a few workers; 4 clients hide the cost of starting a chunk;
    64 bound the memory that one needs.

    Examples:
      >>> [chunk_size(n) for n in (1, 10, 100, 10_000)]
      [4, 4, 13, 64]
    """
    even = -(-cohort_size // _MOST_CHUNKS_OF_SMALL_COHORT)
    return min(max(even, _SMALLEST_CHUNK), _LARGEST_CHUNK)


def chunks(cohort_size: int) -> list[range]:
    """The positions of the clients in each chunk, in order; no chunk is empty.

    Examples:
      >>> chunks(10)
      [range(0, 4), range(4, 8), range(8, 10)]
    """
    size = chunk_size(cohort_size)
    return [range(i, min(i + size, cohort_size)) for i in range(0, cohort_size, size)]


class Tree(Generic[_T]):
    """Merges the results of chunks in a binary tree, in whatever order they come.

    Two neighbours are merged as soon as both are there, so few results are held at a time. With a
    number of chunks that is no power of two, the last result of a level that has no neighbour
    goes up as it is.
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
                if (level, sibling) not in self._waiting:
                    break
                other = self._waiting.pop((level, sibling))
                first, second = (result, other) if index < sibling else (other, result)
                result = self._merge(first, second)
            level, index = level + 1, index // 2
        self._waiting[level, index] = result

    def __len__(self) -> int:
        """The number of results that are held."""
        return len(self._waiting)

    @property
    def result(self) -> _T:
        """What all chunks together gave, once all were added."""
        return self._waiting[len(self._sizes) - 1, 0]
