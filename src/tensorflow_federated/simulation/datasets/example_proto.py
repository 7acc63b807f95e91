"""Reads serialized `tf.train.Example` messages without TensorFlow and without protobuf.

The messages, in the protobuf language::

    Example   { Features features = 1; }
    Features  { map<string, Feature> feature = 1; }
    Feature   { oneof kind { BytesList bytes_list = 1;
                             FloatList float_list = 2;
                             Int64List int64_list = 3; } }
    BytesList { repeated bytes value = 1; }
    FloatList { repeated float value = 1 [packed]; }
    Int64List { repeated int64 value = 1 [packed]; }

and a map is a repeated message `{ string key = 1; Feature value = 2; }`. The rules of the format
are kept: fields come in any order, unknown ones are skipped, numbers may be packed or not, a
message that comes in pieces is the concatenation of the pieces, and the last of several map entries
or kinds wins.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tensorflow_federated.core import errors

# A feature as it is stored: byte strings, or a float32 or an int64 array of one dimension.
Feature = list[bytes] | np.ndarray

_VARINT, _FIXED64, _LENGTH_DELIMITED, _FIXED32 = 0, 1, 2, 5
_LONGEST_VARINT = 10

MAX_BYTES = 16 * 2**20
MAX_FEATURES = 1_000


class MalformedExampleError(errors.DatasetError):
    """Bytes that should be a serialized `tf.train.Example` are not.

    Fails: `parse_example(b'no example')`.
    Mended: the file that the bytes come from is damaged; get it again.
    """


def parse_example(
    serialized: bytes, *, max_bytes: int = MAX_BYTES, max_features: int = MAX_FEATURES
) -> dict[str, Feature]:
    """Reads one serialized `tf.train.Example`.

    Args:
      serialized: The bytes of the message.
      max_bytes: A longer message is refused.
      max_features: A message with more features is refused.

    Returns:
      For each feature its values: a list of `bytes`, or an array of float32 or int64 of shape
      `[n]`. A feature without a kind is the empty list.

    Raises:
      MalformedExampleError: If the bytes are no such message, or a limit is exceeded; a
        `ValueError`.

    Examples:
      >>> parse_example(bytes.fromhex("0a100a0e0a056c6162656c12051a030a0107"))
      {'label': array([7])}
    """
    if len(serialized) > max_bytes:
        raise _malformed(f"{len(serialized)} bytes are more than {max_bytes}")
    message = memoryview(serialized).toreadonly()
    features: dict[str, Feature] = {}
    for piece in _submessages(message, 1):
        for entry in _submessages(piece, 1):
            name, value = _parse_entry(entry)
            features[name] = value
            if len(features) > max_features:
                raise _malformed(f"there are more than {max_features} features")
    return features


def _parse_entry(entry: memoryview) -> tuple[str, Feature]:
    """Reads one entry of the map: a name and a feature."""
    name = b""
    feature: list[memoryview] = []
    for field, value in _fields(entry):
        if field == 1:
            name = bytes(_expect_bytes(value))
        elif field == 2:
            feature.append(_expect_bytes(value))
    try:
        return name.decode(), _parse_feature(feature)
    except UnicodeDecodeError as error:
        raise _malformed(f"the name of a feature is not UTF-8: {name[:40]!r}") from error


def _parse_feature(pieces: list[memoryview]) -> Feature:
    """Reads a feature, which may have come in pieces."""
    kind = 0
    lists: list[memoryview] = []
    for piece in pieces:
        for field, value in _fields(piece):
            if field not in (1, 2, 3):
                continue
            if field != kind:
                kind, lists = field, []
            lists.append(_expect_bytes(value))
    if kind == 2:
        return _parse_numbers(lists, _FIXED32)
    if kind == 3:
        return _parse_numbers(lists, _VARINT)
    return [bytes(value) for part in lists for value in _submessages(part, 1)]


def _parse_numbers(lists: list[memoryview], wire_type: int) -> np.ndarray:
    """Reads the numbers of a FloatList or Int64List, packed or not."""
    packed = bytearray()
    for part in lists:
        for field, value in _fields(part):
            if field != 1:
                continue
            if isinstance(value, memoryview):
                packed += value
            elif value[0] == wire_type:
                packed += value[1]
            else:
                raise _malformed("a number has a wire type that its list does not allow")
    if wire_type == _VARINT:
        return _decode_varints(packed)
    if len(packed) % 4:
        raise _malformed(f"{len(packed)} bytes are no whole number of float32 values")
    return np.frombuffer(packed, dtype="<f4").astype(np.float32)


def _decode_varints(packed: bytes | bytearray) -> np.ndarray:
    """Decodes variable-length integers that lie end to end, all at once."""
    if not packed:
        return np.empty(0, np.int64)
    octets = np.frombuffer(packed, np.uint8)
    ends = np.flatnonzero(octets < 0x80)
    if not len(ends) or ends[-1] != len(octets) - 1:
        raise _malformed("the last integer is cut off")
    starts = np.concatenate(([0], ends[:-1] + 1))
    lengths = ends - starts + 1
    if lengths.max() > _LONGEST_VARINT:
        raise _malformed(f"an integer has more than {_LONGEST_VARINT} bytes")
    shifts = 7 * (np.arange(len(octets)) - np.repeat(starts, lengths))
    parts = (octets & 0x7F).astype(np.uint64) << shifts.astype(np.uint64)
    return np.add.reduceat(parts, starts, dtype=np.uint64).astype(np.int64)


# A field that is not length-delimited: its wire type, and its bytes.
_Number = tuple[int, memoryview]


def _fields(message: memoryview) -> Iterator[tuple[int, memoryview | _Number]]:
    """Yields the number and the content of each field of a message."""
    position, end = 0, len(message)
    while position < end:
        tag, position = _read_varint(message, position)
        field, wire_type = tag >> 3, tag & 7
        if not 0 < field < 2**29:
            raise _malformed(f"{field} is no field number")
        start = position
        if wire_type == _VARINT:
            _, position = _read_varint(message, position)
        elif wire_type == _FIXED64:
            position += 8
        elif wire_type == _FIXED32:
            position += 4
        elif wire_type == _LENGTH_DELIMITED:
            length, start = _read_varint(message, position)
            position = start + length
        else:
            raise _malformed(f"{wire_type} is no wire type of a known field")
        if position > end:
            raise _malformed("a field is cut off")
        content = message[start:position]
        yield field, content if wire_type == _LENGTH_DELIMITED else (wire_type, content)


def _submessages(message: memoryview, wanted: int) -> Iterator[memoryview]:
    """Yields the contents of the length-delimited field `wanted`, each time it occurs."""
    for field, value in _fields(message):
        if field == wanted:
            yield _expect_bytes(value)


def _expect_bytes(value: memoryview | _Number) -> memoryview:
    if isinstance(value, memoryview):
        return value
    raise _malformed("a number is where a message or a string must be")


def _read_varint(message: memoryview, position: int) -> tuple[int, int]:
    """Returns the integer at `position`, and the position after it."""
    value = 0
    for index, octet in enumerate(message[position : position + _LONGEST_VARINT]):
        value |= (octet & 0x7F) << (7 * index)
        if octet < 0x80:
            return value & (2**64 - 1), position + index + 1
    raise _malformed("an integer is cut off or too long")


def _malformed(reason: str) -> MalformedExampleError:
    return MalformedExampleError(
        "The bytes are no serialized `tf.train.Example`.",
        problems=[f"reason: {reason}"],
        fix="the file that they come from is damaged; get it again.",
    )
