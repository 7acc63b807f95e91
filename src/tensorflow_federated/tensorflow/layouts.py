"""Arrays as tensors without a copy, and tensors that are kept as long as their arrays live."""

from __future__ import annotations

import collections
import dataclasses
import math
import threading
import weakref
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

_MOST_BYTES = 128 * 2**20
_MOST_KEYS = 1024

# Where TensorFlow's kernels expect tensors to start.
_ALIGNMENT = 64

# Below this size a copy costs less than to hand the memory over.
_FEW_BYTES = 4096


def empty(shape: Sequence[int], dtype: np.dtype[Any]) -> np.ndarray:
    """An array that `to_tensor` makes a tensor of without a copy.

    Args:
      shape: its shape.
      dtype: its dtype.

    Returns:
      The array, whose elements have yet to be set.

    Examples:
      >>> import numpy as np
      >>> array = empty([2000], np.dtype(np.int64))
      >>> array[:] = 7
      >>> int(to_tensor(array, tf.int64)[-1])
      7
    """
    if dtype.hasobject:
        return np.empty(shape, dtype)
    size = math.prod(shape) * dtype.itemsize
    memory = np.empty(size + _ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % _ALIGNMENT
    return memory[start : start + size].view(dtype).reshape(shape)


def to_tensor(array: np.ndarray, dtype: tf.DType) -> tf.Tensor:
    """The tensor of an array of `empty` that nobody changes any more."""
    is_plain = array.dtype.kind in "biufc" and array.dtype == dtype.as_numpy_dtype
    if not is_plain or array.nbytes < _FEW_BYTES or tf.config.list_logical_devices("GPU"):
        return tf.constant(array, dtype)
    return tf.experimental.dlpack.from_dlpack(array.__dlpack__())


@dataclasses.dataclass
class _Entry:
    """What is known of some arrays: that they were there, and later the tensors made of them."""

    arrays: list[weakref.ref[np.ndarray]]
    tensors: list[tf.Tensor] | None = None
    size: int = 0


class Cache:
    """Tensors made of arrays, kept while all of the arrays live, from their second use on.

    So data that is used again is laid out once, and data that is new at each call is not kept.
    What was not used for longest goes first when there is too much.
    """

    def __init__(self, most_bytes: int = _MOST_BYTES) -> None:
        """Starts empty.

        Args:
          most_bytes: how much the kept tensors may take.
        """
        self._most_bytes = most_bytes
        self._bytes = 0
        self._entries: collections.OrderedDict[Hashable, _Entry] = collections.OrderedDict()
        # An array may die, and its entry go, at any moment that this very thread is in here.
        self._lock = threading.RLock()

    @property
    def sizes(self) -> tuple[int, int]:
        """How many lots of arrays it knows, and how many bytes the kept tensors take."""
        with self._lock:
            return len(self._entries), self._bytes

    def get(
        self,
        kind: Hashable,
        arrays: Sequence[np.ndarray],
        make: Callable[[], list[tf.Tensor]],
    ) -> list[tf.Tensor]:
        """The tensors of some arrays.

        Args:
          kind: what else the tensors depend on.
          arrays: the arrays, which nobody changes.
          make: makes the tensors.

        Returns:
          The tensors.
        """
        key = (kind, tuple(map(id, arrays)))
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                self._note(key, arrays)
            else:
                self._entries.move_to_end(key)
                if entry.tensors is not None:
                    return entry.tensors
        tensors = make()
        if entry is not None and not any(tensor.dtype == tf.string for tensor in tensors):
            self._keep(key, entry, tensors)
        return tensors

    def _note(self, key: Hashable, arrays: Sequence[np.ndarray]) -> None:
        def forget(_: Any) -> None:
            self._drop(key)

        distinct = {id(array): array for array in arrays}.values()
        self._entries[key] = _Entry([weakref.ref(array, forget) for array in distinct])
        while len(self._entries) > _MOST_KEYS:
            self._drop(next(iter(self._entries)))

    def _keep(self, key: Hashable, entry: _Entry, tensors: list[tf.Tensor]) -> None:
        size = sum(tensor.shape.num_elements() * tensor.dtype.size for tensor in tensors)
        with self._lock:
            if size > self._most_bytes or self._entries.get(key) is not entry or entry.tensors:
                return
            entry.tensors, entry.size = tensors, size
            self._bytes += size
            for oldest in list(self._entries):
                if self._bytes <= self._most_bytes:
                    break
                if oldest != key:
                    self._drop(oldest)

    def _drop(self, key: Hashable) -> None:
        with self._lock:
            entry = self._entries.pop(key, None)
            if entry is not None:
                self._bytes -= entry.size


CACHE = Cache()
"""The tensors of the data of clients, for all client steps of this process."""
