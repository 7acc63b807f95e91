"""What was read of datasets, kept while these live and there is room.

What was not used for longest makes place. There is room for 512 MiB, or for as many bytes as the
environment variable `TFF_DATA_CACHE_BYTES` says; 0 keeps nothing.
"""

from __future__ import annotations

import collections
import os
import sys
import threading
import weakref
from collections.abc import Hashable
from typing import Any

import numpy as np

from tensorflow_federated.core import errors
from tensorflow_federated.execution import sequences
from tensorflow_federated.tensorflow.recognition import Pipeline

_ROOM = 512 * 2**20
_VARIABLE = "TFF_DATA_CACHE_BYTES"


class KeptColumns:
    """Columns by what they were read from, a number of bytes at most."""

    def __init__(self, room: int) -> None:
        """Keeps nothing yet.

        Args:
          room: how many bytes may be kept.
        """
        self._room = room
        self._taken = 0
        self._entries: collections.OrderedDict[tuple[int, Hashable], tuple[Any, int]]
        self._entries = collections.OrderedDict()
        self._keys: dict[int, tuple[weakref.ref[Any], list[tuple[int, Hashable]]]] = {}
        # Python may let an owner go, which calls `_forget`, while the lock is held.
        self._lock = threading.RLock()

    @property
    def taken(self) -> int:
        """How many bytes are kept."""
        with self._lock:
            return self._taken

    @property
    def room(self) -> int:
        """How many bytes may be kept."""
        return self._room

    @room.setter
    def room(self, room: int) -> None:
        with self._lock:
            self._room = room
            self._make_place()

    def get(self, owner: Any, what: Hashable) -> Any:
        """What was kept, or None."""
        key = id(owner), what
        with self._lock:
            found = self._entries.get(key)
            if found is None:
                return None
            self._entries.move_to_end(key)
            return found[0]

    def put(self, owner: Any, what: Hashable, value: sequences.Sequence | Pipeline) -> None:
        """Keeps what was read, if it has columns and fits.

        Args:
          owner: what it was read from; it is forgotten when that goes.
          what: the kind of thing it is.
          value: what was read.
        """
        leaves = _arrays(value)
        size = sum(_size(leaf) for leaf in leaves)
        key = id(owner), what
        with self._lock:
            if not 0 < size <= self._room or key in self._entries:
                return
            for leaf in leaves:
                # Users get views of the columns, and must not write into them.
                leaf.flags.writeable = False
            if key[0] not in self._keys:
                reference = weakref.ref(owner, lambda _, number=key[0]: self._forget(number))
                self._keys[key[0]] = reference, []
            self._keys[key[0]][1].append(key)
            self._entries[key] = value, size
            self._taken += size
            self._make_place()

    def _make_place(self) -> None:
        while self._taken > self._room:
            key, (_, size) = self._entries.popitem(last=False)
            self._taken -= size
            _, keys = self._keys[key[0]]
            keys.remove(key)
            if not keys:
                del self._keys[key[0]]

    def _forget(self, number: int) -> None:
        with self._lock:
            _, keys = self._keys.pop(number, (None, []))
            for key in keys:
                _, size = self._entries.pop(key)
                self._taken -= size


def _arrays(value: sequences.Sequence | Pipeline) -> list[np.ndarray]:
    if isinstance(value, Pipeline):
        return list(value.leaves)
    columns = value.columns()
    if columns is None:
        return []
    parts = (*columns.leaves, columns.offsets, columns.rows)
    return [part for part in parts if part is not None]


def _size(column: np.ndarray) -> int:
    texts = sum(sys.getsizeof(text) for text in column.flat) if column.dtype == object else 0
    return column.nbytes + texts


def room_of_environment() -> int:
    """How many bytes may be kept.

    Raises:
      DatasetError: if the environment variable is no number of bytes.
    """
    text = os.environ.get(_VARIABLE, str(_ROOM))
    if not text.isdecimal():
        raise errors.DatasetError(
            f"the environment variable `{_VARIABLE}` says how many bytes of data are kept.",
            problems=[f"expected a number of bytes, got {text!r}"],
            fix=f"set it to {_ROOM}, for example, or to 0 to keep nothing.",
        )
    return int(text)


default = KeptColumns(room_of_environment())
