"""Arrays on the device, kept no longer than what they were made of, up to a number of bytes."""

from __future__ import annotations

import collections
import dataclasses
import threading
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

# What XLA asks of memory that it uses as it is, without a copy.
_ALIGNMENT = 64

_SMALL_ON_PROCESSOR = 64 * 2**20
_LARGE_ON_PROCESSOR = 2 * 2**30


@dataclasses.dataclass(frozen=True)
class _Entry:
    references: tuple[weakref.ref[Any], ...]
    value: Any
    size: int


class KeptArrays:
    """Values that are remembered by the objects they were made of, and forgotten with the first.

    If they hold too many bytes, those that were not asked for the longest time are forgotten.
    """

    def __init__(self, most_bytes: int) -> None:
        """Remembers nothing yet.

        Args:
          most_bytes: how many bytes are remembered at most.
        """
        self.most_bytes = most_bytes
        self._entries: collections.OrderedDict[tuple[int, ...], _Entry] = collections.OrderedDict()
        self._gone: collections.deque[tuple[int, ...]] = collections.deque()
        self._size = 0
        self._lock = threading.RLock()

    def get(
        self, sources: Sequence[Any], make: Callable[[], Any], size: int, variant: int = 0
    ) -> Any:
        """What was made of these objects.

        Args:
          sources: the objects.
          make: makes it, if it is not remembered.
          size: how many bytes it holds.
          variant: which of the values that were made of the same objects is meant.

        Returns:
          The value.

        Examples:
          >>> kept, source = KeptArrays(most_bytes=100), np.zeros(3)
          >>> kept.get([source], lambda: "made", size=12), kept.get([source], lambda: "again", 12)
          ('made', 'made')
        """
        key = (variant, *map(id, sources))
        with self._lock:
            self._forget_gone()
            entry = self._entries.get(key)
            if entry is not None:
                self._entries.move_to_end(key)
                return entry.value
            value = make()
            if size > self.most_bytes:
                return value
            owner = weakref.ref(self)

            def forget(_: weakref.ref[Any]) -> None:
                kept = owner()
                if kept is not None:
                    kept._note_gone(key)

            references = tuple(weakref.ref(source, forget) for source in sources)
            self._entries[key] = _Entry(references, value, size)
            self._size += size
            while self._size > self.most_bytes:
                self._size -= self._entries.popitem(last=False)[1].size
            return value

    def _note_gone(self, key: tuple[int, ...]) -> None:
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
                self._size -= entry.size


def limits() -> tuple[int, int]:
    """How many bytes of chunks, and of stores that many chunks share, are kept on the device."""
    device = default_device()
    if device.platform == "cpu":
        return _SMALL_ON_PROCESSOR, _LARGE_ON_PROCESSOR
    memory = device_memory(device)
    return memory // 8, memory // 2


def default_device() -> Any:
    """The device that JAX runs on where nothing else is said."""
    # JAX adds its options to this class while it is imported, where no type checker sees them.
    configured = getattr(jax.config, "jax_default_device")  # noqa: B009
    return configured if isinstance(configured, jax.Device) else jax.local_devices()[0]


def device_memory(device: Any) -> int:
    """How many bytes JAX may use on a device; a guess where the device does not say."""
    statistics = device.memory_stats() or {}
    return int(statistics.get("bytes_limit", 8 * 2**30))


def aligned_empty(shape: Sequence[int], dtype: np.dtype[Any]) -> np.ndarray:
    """An array without values, in memory that JAX uses on a processor without a copy.

    Examples:
      >>> aligned_empty([3, 2], np.dtype(np.float32)).shape
      (3, 2)
    """
    size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    raw = np.empty(size + _ALIGNMENT, np.uint8)
    start = -raw.ctypes.data % _ALIGNMENT
    return raw[start : start + size].view(dtype).reshape(shape)


def is_used_in_place(array: np.ndarray) -> bool:
    """Whether the default device takes an array without a copy."""
    is_aligned = array.flags.c_contiguous and array.ctypes.data % _ALIGNMENT == 0
    return is_aligned and default_device().platform == "cpu"
