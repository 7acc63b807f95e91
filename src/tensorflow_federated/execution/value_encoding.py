"""Canonical values as parts of packets, by their types."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn, cast

import numpy as np

from tensorflow_federated.core import dtypes, errors
from tensorflow_federated.core.tensor_encoding import read_tensor, write_tensor
from tensorflow_federated.core.types import SequenceType, StructType, TensorType, Type
from tensorflow_federated.execution import leaves as tensor_leaves
from tensorflow_federated.execution import sequences
from tensorflow_federated.execution.packets import PacketReader, PacketWriter
from tensorflow_federated.execution.problems import ToldError, describe_error

_ELEMENTS, _COLUMNS, _UNREADABLE = range(3)
_NUM_FORMS = 3

# Rows that a sequence has several times, as in several epochs, are sent once if that is so much
# less.
_WORTH_SHARING = 0.75


def write_value(packet: PacketWriter, value: Any, type_signature: Type) -> None:
    """Adds a canonical value to a packet.

    Args:
      packet: where to add it.
      value: the value. The rows of sequences are gathered, so that stores are not sent. What is
        raised when a sequence is read is sent in its place, and raised where it is read again.
      type_signature: its type: of tensors, structures and sequences.

    Raises:
      WireError: if its type is another one.

    Examples:
      >>> from tensorflow_federated.core import types
      >>> packet = PacketWriter()
      >>> pair = types.to_type([np.int32, (np.float32, [2])])
      >>> write_value(packet, (np.int32(1), np.float32([2, 3])), pair)
      >>> read_value(PacketReader(packet.to_bytes()), pair)
      (np.int32(1), array([2., 3.], dtype=float32))
    """
    match type_signature:
        case TensorType(dtype=dtype):
            if dtypes.is_string(dtype):
                write_tensor(packet.fields, value, dtype)
            else:
                packet.array(value)
        case StructType():
            for element, part in zip(value, type_signature.children(), strict=True):
                write_value(packet, element, part)
        case SequenceType():
            _write_sequence(packet, cast("sequences.Sequence", value), type_signature)
        case _:
            raise errors.WireError(
                "this value cannot be sent to another process.",
                problems=[f"value: got {type_signature}"],
            )


def read_value(packet: PacketReader, type_signature: Type) -> Any:
    """Reads a canonical value from a packet.

    Args:
      packet: where `write_value` added it.
      type_signature: its type.

    Returns:
      The value. Its arrays share memory with the packet.

    Raises:
      WireError: if there is no such value.
    """
    match type_signature:
        case TensorType():
            return _read_tensor(packet, type_signature)
        case StructType():
            return tuple([read_value(packet, part) for part in type_signature.children()])
        case SequenceType():
            return _read_sequence(packet, type_signature)
        case _:
            packet.fields.fail(f"no {type_signature.compact_representation():.80} can be sent")


def _read_tensor(packet: PacketReader, tensor_type: TensorType) -> Any:
    if dtypes.is_string(tensor_type.dtype):
        value, dtype = read_tensor(packet.fields)
    else:
        value = packet.array()
        dtype = value.dtype
    found = TensorType(dtype, np.shape(value))
    if not tensor_type.is_assignable_from(found):
        packet.fields.fail(f"expected {tensor_type}, got {found}")
    return value


def _write_sequence(
    packet: PacketWriter, sequence: sequences.Sequence, sequence_type: SequenceType
) -> None:
    fields, element_type = packet.fields, sequence_type.element
    fields.optional_text(sequence.client_id)
    try:
        columns = sequence.columns()
        elements = [] if columns is not None else list(sequence.elements())
    except Exception as error:
        fields.unsigned(_UNREADABLE)
        fields.text(describe_error(error))
        return
    if columns is None:
        fields.unsigned(_ELEMENTS)
        fields.unsigned(len(elements))
        for element in elements:
            write_value(packet, element, element_type)
        return
    compact = _compact(columns)
    fields.unsigned(_COLUMNS)
    fields.flag(compact.offsets is not None)
    fields.flag(compact.rows is not None)
    for positions in (compact.offsets, compact.rows):
        if positions is not None:
            packet.array(np.asarray(positions, np.int64))
    for leaf_type, leaf in zip(_tensor_types(sequence_type), compact.leaves, strict=True):
        write_value(packet, leaf, leaf_type)


def _compact(columns: sequences.Columns) -> sequences.Columns:
    """The same columns with no row that is not used, and none twice if there are many such."""
    if columns.rows is None:
        return columns
    distinct, positions = np.unique(columns.rows, return_inverse=True)
    if len(distinct) > _WORTH_SHARING * len(columns.rows):
        return columns.gathered()
    leaves = tuple(leaf[distinct] for leaf in columns.leaves)
    return sequences.Columns(leaves, columns.offsets, positions)


def _read_sequence(packet: PacketReader, sequence_type: SequenceType) -> sequences.Sequence:
    fields, element_type = packet.fields, sequence_type.element
    client_id = fields.optional_text()
    form = fields.choice(_NUM_FORMS, "form of a sequence")
    if form == _UNREADABLE:
        load = _raiser(fields.text())
        return sequences.Sequence.from_dataset(None, element_type, load, client_id)
    if form == _ELEMENTS:
        elements = [read_value(packet, element_type) for _ in range(_count(packet))]
        return sequences.Sequence(element_type, elements=tuple(elements), client_id=client_id)
    has_offsets, has_rows = fields.flag(), fields.flag()
    offsets = _positions(packet) if has_offsets else None
    rows = _positions(packet) if has_rows else None
    leaves = tuple(read_value(packet, leaf) for leaf in _tensor_types(sequence_type))
    lengths = {len(leaf) for leaf in leaves}
    if len(lengths) != 1 or has_offsets != (not sequences.is_stacked(element_type)):
        fields.fail("these are no columns of a sequence")
    (num_rows,) = lengths
    if rows is not None:
        if len(rows) and (rows.min() < 0 or rows.max() >= num_rows):
            fields.fail("a row of a sequence is not there")
        num_rows = len(rows)
    if offsets is not None:
        ends_well = len(offsets) and offsets[0] == 0 and offsets[-1] == num_rows
        if not ends_well or np.any(np.diff(offsets) < 0):
            fields.fail("the elements of a sequence are not one after the other")
    return sequences.Sequence.from_columns(leaves, offsets, element_type, rows, client_id)


def _positions(packet: PacketReader) -> np.ndarray[Any, np.dtype[np.int64]]:
    value = packet.array()
    if np.ndim(value) != 1 or value.dtype != np.int64:
        packet.fields.fail("the positions of rows are no int64[?]")
    return value


def _tensor_types(sequence_type: SequenceType) -> list[TensorType]:
    """The types of the columns of a sequence."""
    element_type = sequence_type.element
    is_stacked = sequences.is_stacked(element_type)
    return [
        TensorType(leaf.dtype, (None, *(leaf.shape or ())) if is_stacked else leaf.shape)
        for leaf in tensor_leaves.leaf_types(element_type)
        if isinstance(leaf, TensorType)
    ]


def _count(packet: PacketReader) -> int:
    """How many elements follow; those without tensors take no bytes."""
    count, most = packet.fields.unsigned(), packet.fields.limits.records
    if count > most:
        packet.fields.fail(f"elements: at most {most} are read, got {count}")
    return count


def _raiser(text: str) -> Callable[[], NoReturn]:
    def load() -> NoReturn:
        raise ToldError(text)

    return load
