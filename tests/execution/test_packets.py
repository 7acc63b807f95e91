"""Packets: fields and arrays, and what is refused."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

from tensorflow_federated.core import errors
from tensorflow_federated.execution.packets import PacketReader, PacketWriter

ARRAYS = [
    np.float32([[1, 2], [3, 4]]),
    np.arange(12, dtype=np.int64).reshape(3, 4)[:, ::2],
    np.zeros([0, 3], np.int8),
    np.array(7, np.uint16),
    np.array([True, False, True]),
    np.array([1.5, -2], ml_dtypes.bfloat16),
    np.array([1 + 2j], np.complex64),
    np.array([1, 256], ">i4"),
]


def packet_of(*arrays: np.ndarray) -> bytearray:
    packet = PacketWriter()
    for array in arrays:
        packet.array(array)
    return packet.to_bytes()


@pytest.mark.parametrize("array", ARRAYS, ids=lambda array: str(array.dtype))
def test_an_array_is_read_as_it_was_written(array):
    reader = PacketReader(packet_of(array))
    read = reader.array()
    reader.finish()
    assert read.dtype == array.dtype.newbyteorder("=")
    assert read.shape == array.shape
    np.testing.assert_array_equal(read, array)


def test_fields_and_arrays_keep_their_order():
    packet = PacketWriter()
    packet.fields.text("first")
    packet.array(np.int32([1, 2, 3]))
    packet.fields.unsigned(5)
    packet.array(np.float64([0.5]))
    reader = PacketReader(packet.to_bytes())
    assert reader.fields.text() == "first"
    np.testing.assert_array_equal(reader.array(), [1, 2, 3])
    assert reader.fields.unsigned() == 5
    np.testing.assert_array_equal(reader.array(), [0.5])


def test_arrays_share_the_memory_of_the_packet():
    data = packet_of(np.int64([1, 2, 3]))
    PacketReader(data).array()[1] = 9
    np.testing.assert_array_equal(PacketReader(data).array(), [1, 9, 3])


def test_arrays_of_bytes_cannot_be_written_to():
    array = PacketReader(bytes(packet_of(np.int64([1, 2])))).array()
    assert not array.flags.writeable


@pytest.mark.parametrize("length", [0, 7, 9, 30])
def test_a_packet_that_was_cut_is_refused(length):
    data = packet_of(np.int64([1, 2, 3]))[:length]
    with pytest.raises(errors.WireError):
        PacketReader(data).array()


def test_more_than_was_read_is_refused():
    reader = PacketReader(packet_of(np.int64([1])) + b"more")
    reader.array()
    with pytest.raises(errors.WireError, match="expected the end"):
        reader.finish()


@pytest.mark.parametrize("position", range(8, 16))
def test_a_field_that_was_changed_is_refused(position):
    data = packet_of(np.int64([1, 2, 3]))
    data[position] ^= 0xFF
    with pytest.raises(errors.WireError):
        PacketReader(data).array()
