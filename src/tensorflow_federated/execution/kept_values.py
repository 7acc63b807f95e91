"""Values that are kept while what they were made of lives, up to a number of bytes."""

from __future__ import annotations

import collections
import sys
import threading
import weakref
from collections.abc import Callable, Hashable, Sequence
from typing import Any, NamedTuple

import numpy as np


class _Entry(NamedTuple):
    owners: list[weakref.ref[Any]]
    value: Any
    size: int


class KeptValues:
    """Values by what they are and by the very objects that they were made of, their owners.

    A value goes with the first of its owners; if there are too many bytes, those values go first
    that were not asked for or given for the longest time. Several threads may use it at once.

    Examples:
      >>> kept, owner = KeptValues(most_bytes=100), np.zeros(3)
      >>> kept.put("sum", 0.0, 8, [owner])
      True
      >>> kept.get("sum", [owner]), kept.get("sum", [np.zeros(3)]), kept.taken
      (0.0, None, 8)
      >>> del owner
      >>> kept.taken
      0
    """

    def __init__(self, most_bytes: int) -> None:
        """Keeps nothing yet.

        Args:
          most_bytes: how many bytes are kept at most.
        """
        self._most_bytes = most_bytes
        self._taken = 0
        self._entries: collections.OrderedDict[Hashable, _Entry] = collections.OrderedDict()
        self._gone: collections.deque[Hashable] = collections.deque()
        # An owner may go, and what was made of it, while this very thread has the lock.
        self._lock = threading.RLock()

    @property
    def most_bytes(self) -> int:
        """How many bytes are kept at most."""
        return self._most_bytes

    @property
    def taken(self) -> int:
        """How many bytes are kept."""
        with self._lock:
            self._forget_gone()
            return self._taken

    def get(self, what: Hashable, owners: Sequence[Any] = ()) -> Any:
        """A value that is kept, or None.

        Args:
          what: what it is of its owners.
          owners: what it was made of, in order.
        """
        # The same key is faster found so for one owner or none.
        if len(owners) == 1:
            key = what, id(owners[0])
        else:
            key = (what, *map(id, owners)) if owners else (what,)
        with self._lock:
            if self._gone:
                self._forget_gone()
            entry = self._entries.get(key)
            if entry is None:
                return None
            self._entries.move_to_end(key)
            return entry.value

    def put(self, what: Hashable, value: Any, size: int, owners: Sequence[Any] = ()) -> bool:
        """Keeps a value if it fits; of several that are the same the first.

        Args:
          what: what it is of its owners.
          value: the value; not None.
          size: how many bytes it takes.
          owners: what it was made of; it is forgotten with the first that goes.

        Returns:
          Whether it is kept that was not before.
        """
        key = (what, *map(id, owners))
        with self._lock:
            self._forget_gone()
            if key in self._entries:
                self._entries.move_to_end(key)
                return False
            if size > self._most_bytes:
                return False
            distinct = {id(owner): owner for owner in owners}.values()
            forget = self._forgetting(key)
            entry = _Entry([weakref.ref(owner, forget) for owner in distinct], value, size)
            self._entries[key] = entry
            self._taken += size
            while self._taken > self._most_bytes:
                _, oldest = self._entries.popitem(last=False)
                self._taken -= oldest.size
            return True

    def get_or_make(
        self, what: Hashable, make: Callable[[], Any], size: int, owners: Sequence[Any] = ()
    ) -> Any:
        """A value that is kept, or is made; once if several threads ask for it.

        Args:
          what: what it is of its owners.
          make: makes it, which is not None.
          size: how many bytes it takes.
          owners: what it is made of.
        """
        value = self.get(what, owners)
        if value is None:
            with self._lock:
                value = self.get(what, owners)
                if value is None:
                    value = make()
                    self.put(what, value, size, owners)
        return value

    def _forgetting(self, key: Hashable) -> Callable[[Any], None]:
        """What is to be called when an owner goes; it does not keep the other values alive."""
        reference = weakref.ref(self)

        def forget(_: Any) -> None:
            kept = reference()
            if kept is not None:
                kept._note_gone(key)

        return forget

    def _note_gone(self, key: Hashable) -> None:
        self._gone.append(key)
        # An object may go at any time, also while a thread has a lock for which another waits that
        # is in here: then what was made of it goes a little later.
        if self._lock.acquire(blocking=False):
            try:
                self._forget_gone()
            finally:
                self._lock.release()

    def _forget_gone(self) -> None:
        while self._gone:
            entry = self._entries.pop(self._gone.popleft(), None)
            if entry is not None:
                self._taken -= entry.size


def num_bytes(column: np.ndarray) -> int:
    """How many bytes an array takes, with the texts that it refers to.

    Examples:
      >>> num_bytes(np.zeros([2, 3], np.float32))
      24
    """
    texts = sum(sys.getsizeof(text) for text in column.flat) if column.dtype == object else 0
    return column.nbytes + texts
