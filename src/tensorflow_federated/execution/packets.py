"""Bytes that carry values between processes: fields, and the elements of arrays beside them.

A packet::

    8 bytes   the length of the fields, little-endian
    ...       the fields, as `core.byte_format` writes them
    ...       the elements of each array, little-endian, at a multiple of 16 bytes

The elements are written once, where they stay, and read without a copy. There is no digest: a
packet lives for one task, on the connection of two processes.
"""

from __future__ import annotations

import math
import struct
from typing import Any

import numpy as np

from tensorflow_federated.core import dtypes, errors
from tensorflow_federated.core.byte_format import DEFAULT_LIMITS, Bytes, Limits, Reader, Writer

_LENGTH = struct.Struct("<Q")
_ALIGNMENT = 16
_PADDING = bytes(_ALIGNMENT)
_MOST_DIMENSIONS = 32


class PacketWriter:
    """Collects fields and arrays.

    Examples:
      >>> packet = PacketWriter()
      >>> packet.fields.text("weights")
      >>> packet.array(np.float32([1, 2]))
      >>> reader = PacketReader(packet.to_bytes())
      >>> reader.fields.text(), reader.array()
      ('weights', array([1., 2.], dtype=float32))
    """

    def __init__(self) -> None:
        """Starts empty."""
        self.fields = Writer()
        self._arrays: list[np.ndarray[Any, np.dtype[Any]]] = []

    def array(self, value: Any) -> None:
        """Adds a numpy array or scalar, not of objects; it is read when the packet is made."""
        array = np.asarray(value)
        dtype = array.dtype.newbyteorder("=")
        self.fields.text(dtypes.dtype_name(dtype))
        self.fields.shape(array.shape)
        contiguous = np.ascontiguousarray(array, dtype.newbyteorder("<"))
        self._arrays.append(contiguous.reshape(-1).view(np.uint8))

    @property
    def num_bytes(self) -> int:
        """About how long the packet is by now."""
        return len(self.fields.data) + sum(each.nbytes for each in self._arrays)

    def to_bytes(self) -> bytearray:
        """The packet."""
        parts: list[Any] = [_LENGTH.pack(len(self.fields.data)), self.fields.data]
        position = _LENGTH.size + len(self.fields.data)
        for array in self._arrays:
            padding = -position % _ALIGNMENT
            parts += (_PADDING[:padding], array.data)
            position += padding + array.nbytes
        return bytearray().join(parts)


class PacketReader:
    """Reads what a `PacketWriter` collected, in the same order, and trusts none of it.

    Attributes:
      fields: reads the fields.
    """

    def __init__(self, data: Bytes, limits: Limits = DEFAULT_LIMITS) -> None:
        """Starts at the first field.

        Args:
          data: the packet; arrays can be written to if it can.
          limits: what is read at most.

        Raises:
          WireError: if this is no packet.
        """
        self._data = memoryview(data).cast("B")
        length = _LENGTH.unpack_from(self._data)[0] if self._data.nbytes >= _LENGTH.size else -1
        end = _LENGTH.size + length
        if length < 0 or end > self._data.nbytes:
            raise errors.WireError(
                "these bytes are no packet.",
                problems=[f"length: got {self._data.nbytes} bytes, and fields to byte {end}"],
            )
        self.fields = Reader(self._data[_LENGTH.size : end], limits)
        self._position = end

    def array(self) -> Any:
        """The next array; a scalar of numpy if it has no dimensions."""
        fields = self.fields
        name = fields.text()
        dtype = dtypes.dtype_from_name(name)
        if dtype is None or dtypes.is_string(dtype):
            fields.fail(f"there is no array of {name!r:.80}")
        shape = fields.known_shape()
        if len(shape) > _MOST_DIMENSIONS:
            fields.fail(f"an array has {len(shape)} dimensions")
        count = math.prod(shape)
        start = self._position + -self._position % _ALIGNMENT
        end = start + count * dtype.itemsize
        if end > self._data.nbytes:
            fields.fail(f"an array of {count} elements of {name} is longer than the packet")
        self._position = end
        part = self._data[start:end]
        array = np.frombuffer(part, dtype.newbyteorder("<"), count).astype(dtype, copy=False)
        if dtype == np.dtype(np.bool_) and count and array.view(np.uint8).max() > 1:
            fields.fail("a truth value is neither 0 nor 1")
        return array.reshape(shape)[()]

    def finish(self) -> None:
        """Checks that nothing is left."""
        self.fields.finish()
        if self._position != self._data.nbytes:
            self.fields.fail(f"expected the end, got {self._data.nbytes - self._position} bytes")
