"""Constant tensors as bytes: dtype, shape, and the elements as they are, little-endian."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, cast

import numpy as np

from tensorflow_federated.core import dtypes
from tensorflow_federated.core.byte_format import Reader, Writer


def write_tensor(writer: Writer, value: Any, dtype: dtypes.DType) -> None:
    r"""Writes a tensor.

    Args:
      writer: where to write.
      value: a numpy array or scalar, a number, bytes, or an array of bytes or texts.
      dtype: its dtype.

    Examples:
      >>> writer = Writer()
      >>> write_tensor(writer, np.int8([1, -1]), np.dtype(np.int8))
      >>> bytes(writer.data)
      b'\x04int8\x01\x03\x02\x01\xff'
    """
    writer.text(dtypes.dtype_name(dtype))
    if dtypes.is_string(dtype):
        # Not through `S` arrays, which would drop zero bytes at the end of a string.
        strings = np.array(value, object)
        writer.shape(strings.shape)
        for each in cast("Sequence[object]", strings.reshape(-1).tolist()):
            writer.blob(each.encode() if isinstance(each, str) else bytes(cast("bytes", each)))
        return
    array = np.ascontiguousarray(value, dtype.newbyteorder("<"))
    writer.shape(np.shape(value))
    writer.blob(array.tobytes())


def read_tensor(reader: Reader) -> tuple[Any, dtypes.DType]:
    """Reads a tensor.

    Args:
      reader: where a tensor was written.

    Returns:
      The value, a numpy scalar or `bytes` if it has no dimensions and an array otherwise (of
      `bytes` objects for strings), and the dtype.

    Raises:
      WireError: if there is no tensor.
    """
    name = reader.text()
    dtype = dtypes.dtype_from_name(name)
    if dtype is None:
        reader.fail(f"there is no dtype {name!r:.80}")
    shape = reader.known_shape()
    if len(shape) > 32:
        reader.fail(f"a tensor has {len(shape)} dimensions")
    count = math.prod(shape)
    if dtypes.is_string(dtype):
        if count > reader.num_left:
            reader.fail(f"a tensor of {count} strings is longer than the bytes that are left")
        if not shape:
            return bytes(reader.blob()), dtype
        strings = np.empty(count, object)
        for position in range(count):
            strings[position] = bytes(reader.blob())
        return strings.reshape(shape), dtype
    data = reader.blob()
    if data.nbytes != count * dtype.itemsize:
        reader.fail(f"a tensor of {count} elements of {name} has {data.nbytes} bytes")
    with reader.refusing("a tensor"):
        array = np.frombuffer(data, dtype.newbyteorder("<")).reshape(shape).astype(dtype)
    if dtype == np.dtype(np.bool_) and np.any(array.view(np.uint8) > 1):
        reader.fail("a truth value is neither 0 nor 1")
    return (array[()] if not shape else array), dtype
