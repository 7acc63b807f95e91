"""Arrays as tensors without a copy, and tensors that are kept as long as their arrays live."""

from __future__ import annotations

import operator
from collections.abc import Callable, Hashable, Sequence

import numpy as np
import tensorflow as tf

from tensorflow_federated.execution import kept_values

_MOST_BYTES = 128 * 2**20
_MOST_USES = 1024

# Below this size a copy costs less than to hand the memory over.
_FEW_BYTES = 4096


def to_tensor(array: np.ndarray, dtype: tf.DType) -> tf.Tensor:
    """The tensor of an array of `aligned_arrays.empty` that nobody changes any more."""
    is_plain = array.dtype.kind in "biufc" and array.dtype == dtype.as_numpy_dtype
    if not is_plain or array.nbytes < _FEW_BYTES or tf.config.list_logical_devices("GPU"):
        return tf.constant(array, dtype)
    return tf.experimental.dlpack.from_dlpack(array.__dlpack__())


def reader_of(output: tf.Tensor) -> Callable[[tf.Tensor], np.ndarray]:
    """What makes arrays of the values that a symbolic tensor has; see `to_array`.

    Examples:
      >>> function = tf.function(lambda: tf.range(3)).get_concrete_function()
      >>> reader_of(function.outputs[0])(tf.range(3)).tolist()
      [0, 1, 2]
    """
    # Small arrays are many, and to ask each for its shape takes longer than to copy it.
    size = output.shape.num_elements() if output.shape.is_fully_defined() else None
    is_small = size is not None and size * output.dtype.size < _FEW_BYTES
    return operator.methodcaller("numpy") if is_small else to_array


def to_array(tensor: tf.Tensor) -> np.ndarray:
    """The array of a tensor; a large one shares its memory, and cannot be written to.

    Examples:
      >>> to_array(tf.range(3)).tolist()
      [0, 1, 2]
    """
    dtype = np.dtype(tensor.dtype.as_numpy_dtype)
    if dtype.kind not in "biufc" or tensor.shape.num_elements() * dtype.itemsize < _FEW_BYTES:
        return tensor.numpy()
    if tf.config.list_logical_devices("GPU"):
        return tensor.numpy()
    array = np.frombuffer(memoryview(tensor), dtype).reshape(tuple(tensor.shape))  # type: ignore[arg-type]
    array.flags.writeable = False
    return array


class Cache:
    """Tensors made of arrays, kept while all of the arrays live, from their second use on.

    So data that is used again is laid out once, and data that is new at each call is not kept.
    """

    def __init__(self, most_bytes: int = _MOST_BYTES) -> None:
        """Starts empty.

        Args:
          most_bytes: how much the kept tensors may take.
        """
        self._tensors = kept_values.KeptValues(most_bytes)
        # That arrays were used counts as one byte each time.
        self._uses = kept_values.KeptValues(_MOST_USES)

    @property
    def taken(self) -> int:
        """How many bytes the kept tensors take."""
        return self._tensors.taken

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
        tensors = self._tensors.get(kind, arrays)
        if tensors is None:
            tensors = make()
            is_first_use = self._uses.put(kind, True, 1, arrays)
            if not is_first_use and not any(tensor.dtype == tf.string for tensor in tensors):
                size = sum(tensor.shape.num_elements() * tensor.dtype.size for tensor in tensors)
                self._tensors.put(kind, tensors, size, arrays)
        return tensors


CACHE = Cache()
"""The tensors of the data of clients, for all client steps of this process."""
