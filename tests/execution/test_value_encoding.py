"""Canonical values as parts of packets."""

from __future__ import annotations

import numpy as np
import pytest

from tensorflow_federated.core import errors
from tensorflow_federated.core.types import FunctionType, SequenceType, to_type
from tensorflow_federated.execution.packets import PacketReader, PacketWriter
from tensorflow_federated.execution.sequences import Sequence
from tensorflow_federated.execution.value_encoding import read_value, write_value

BATCHES = to_type([("x", (np.float32, [None, 2])), ("y", (np.int32, [None]))])


def sent(value, type_signature):
    packet = PacketWriter()
    write_value(packet, value, type_signature)
    data = packet.to_bytes()
    reader = PacketReader(data)
    read = read_value(reader, type_signature)
    reader.finish()
    return read, len(data)


def batches(rows=None, client_id="f1") -> Sequence:
    x = np.arange(2000, dtype=np.float32).reshape(1000, 2)
    y = np.arange(1000, dtype=np.int32)
    offsets = np.array([0, 2, 5])
    chosen = np.array([7, 3, 7, 1, 0]) if rows is None else rows
    return Sequence.from_columns((x, y), offsets, BATCHES, chosen, client_id)


def elements(sequence: Sequence) -> list:
    return [[leaf.tolist() for leaf in element] for element in sequence.elements()]


@pytest.mark.parametrize(
    ("value", "spec"),
    [
        (np.float32(1.5), np.float32),
        (b"a\0b", np.str_),
        (np.array([b"x", b"", b"yz"], object), (np.str_, [None])),
        (
            (np.int32(1), (np.bool_(True), np.float32([[], []]))),
            [np.int32, (np.bool_, (np.float32, [2, 0]))],
        ),
        ((), []),
    ],
)
def test_a_value_is_read_as_it_was_written(value, spec):
    read, _ = sent(value, to_type(spec))
    np.testing.assert_equal(read, value)


def test_a_sequence_keeps_its_elements_and_its_name():
    read, _ = sent(batches(), SequenceType(BATCHES))
    assert elements(read) == elements(batches())
    assert read.client_id == "f1"


def test_rows_that_are_not_of_the_client_are_not_sent():
    _, size = sent(batches(), SequenceType(BATCHES))
    assert size < 500


def test_rows_that_come_in_many_epochs_are_sent_once():
    once = np.arange(5)
    columns = batches().columns()
    assert columns is not None
    one_epoch = Sequence.from_columns(columns.leaves, np.array([0, 5]), BATCHES, once)
    ten_epochs = Sequence.from_columns(
        columns.leaves, np.arange(0, 51, 5), BATCHES, np.tile(once, 10)
    )
    _, size_of_one = sent(one_epoch, SequenceType(BATCHES))
    read, size_of_ten = sent(ten_epochs, SequenceType(BATCHES))
    assert elements(read) == elements(one_epoch) * 10
    # The positions of the rows and the batches, of 8 bytes each.
    assert size_of_ten - size_of_one < 60 * 8 + 64


def test_elements_of_different_shapes_are_sent_one_by_one():
    element_type = to_type((np.int32, [None, None]))
    values = [np.zeros([1, 3], np.int32), np.ones([2, 2], np.int32)]
    read, _ = sent(Sequence.from_elements(values, element_type), SequenceType(element_type))
    np.testing.assert_equal(list(read.elements()), values)


def test_elements_without_tensors_are_counted():
    empty = to_type([])
    read, _ = sent(Sequence.from_elements([(), ()], empty), SequenceType(empty))
    assert len(read) == 2


def test_a_sequence_that_cannot_be_read_fails_where_it_is_read_again():
    def load():
        raise OSError("the disk is gone")

    sequence = Sequence.from_dataset(None, BATCHES, load, "f2")
    read, _ = sent(sequence, SequenceType(BATCHES))
    assert read.client_id == "f2"
    with pytest.raises(Exception, match="OSError: the disk is gone"):
        read.columns()


def test_a_function_is_no_value_to_send():
    with pytest.raises(errors.WireError, match="cannot be sent"):
        write_value(PacketWriter(), None, FunctionType(None, np.int32))


def test_a_value_of_another_type_is_refused():
    packet = PacketWriter()
    write_value(packet, np.float32([1, 2]), to_type((np.float32, [2])))
    with pytest.raises(errors.WireError, match=r"expected float32\[3\], got float32\[2\]"):
        read_value(PacketReader(packet.to_bytes()), to_type((np.float32, [3])))


@pytest.mark.parametrize(
    ("offsets", "rows"),
    [([0, 2, 9], None), ([1, 2, 3], None), ([0, 3, 2, 5], None), ([0, 2], [0, 5]), ([0, 1], [-1])],
)
def test_columns_that_do_not_fit_are_refused(offsets, rows):
    leaves = np.zeros([5, 2], np.float32), np.zeros([5], np.int32)
    packet = PacketWriter()
    packet.fields.optional_text(None)
    packet.fields.unsigned(1)
    packet.fields.flag(True)
    packet.fields.flag(rows is not None)
    packet.array(np.int64(offsets))
    if rows is not None:
        packet.array(np.int64(rows))
    for leaf in leaves:
        packet.array(leaf)
    with pytest.raises(errors.WireError, match="sequence"):
        read_value(PacketReader(packet.to_bytes()), SequenceType(BATCHES))
