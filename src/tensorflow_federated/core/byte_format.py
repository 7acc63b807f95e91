"""Bytes that carry programs, types and values: an envelope around a strict sequence of fields.

The envelope::

    8 bytes   the signature `MAGIC`
    1 byte    what is inside: `COMPUTATION`, `STEP`, `TYPE` or `VALUE`
    2 bytes   the version of the format, little-endian
    8 bytes   the length of the payload, little-endian
    32 bytes  the SHA-256 digest of the payload
    ...       the payload

The payload has no tags and no lengths of its own: whoever reads it knows what comes next. Numbers
are written seven bits at a time, texts and byte strings after their length. Nothing is compressed,
so that reading takes no more memory than a fixed multiple of what is read, and every count is
checked before room for it is made.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import struct
from collections.abc import Generator, Sequence
from typing import NoReturn, TypeAlias, TypeVar, cast

from tensorflow_federated.core import errors

Bytes: TypeAlias = bytes | bytearray | memoryview

MAGIC = b"\x89TFF\r\n\x1a\n"
VERSION = 1

COMPUTATION = b"C"
STEP = b"S"
TYPE = b"T"
VALUE = b"V"

_KINDS = {COMPUTATION: "a computation", STEP: "a client step", TYPE: "a type", VALUE: "a value"}
_HEADER = struct.Struct("<8scHQ32s")
_FLOAT = struct.Struct("<d")
_LONGEST_NUMBER = 10
_LARGEST_SIZE = 1 << 62
_ItemT = TypeVar("_ItemT")


@dataclasses.dataclass(frozen=True)
class Limits:
    """How much is read from bytes of unknown origin, before it is refused.

    Attributes:
      num_bytes: the length of all bytes.
      depth: how deep types and programs are nested.
      records: the number of types, of nodes, of operations, of elements of one structure.
      size: the number of nodes and of parts of their types, where what is shared counts each time.
      text_bytes: the length of one name.
      expanded_bytes: the memory that is needed for constants and variables which a framework
        writes down more briefly than it keeps them.

    Examples:
      >>> Limits(num_bytes=1000).num_bytes
      1000
    """

    num_bytes: int = 1 << 31
    depth: int = 120
    records: int = 200_000
    size: int = 20_000_000
    text_bytes: int = 10_000
    expanded_bytes: int = 1 << 25


DEFAULT_LIMITS = Limits()


def seal(kind: bytes, payload: Bytes) -> bytes:
    """Puts a payload into its envelope.

    Args:
      kind: `COMPUTATION`, `STEP`, `TYPE` or `VALUE`.
      payload: the payload.

    Returns:
      The envelope, with the payload inside.
    """
    digest = hashlib.sha256(payload).digest()
    header = _HEADER.pack(MAGIC, kind, VERSION, memoryview(payload).nbytes, digest)
    return b"".join((header, payload))


def open_sealed(kind: bytes, data: object, limits: Limits) -> Reader:
    """Checks an envelope.

    Args:
      kind: what has to be inside.
      data: the bytes.
      limits: what is read at most.

    Returns:
      A reader of the payload.

    Raises:
      WireError: if this is no such envelope, or it was damaged.
    """
    expected = _KINDS[kind]
    if not isinstance(data, (bytes, bytearray, memoryview)):
        raise errors.WireError(
            f"only bytes can be read as {expected}.",
            problems=[f"got: a {type(data).__name__}"],
            fix="of a file give what it holds: `pathlib.Path(name).read_bytes()`.",
        )
    view = memoryview(cast("Bytes", data)).cast("B")
    problems: list[str] = []
    fix = None
    if view.nbytes > limits.num_bytes:
        problems.append(f"length: at most {limits.num_bytes} bytes are read, got {view.nbytes}")
        fix = "if you trust whom it comes from, raise the limit `num_bytes`."
    elif view.nbytes < _HEADER.size or bytes(view[: len(MAGIC)]) != MAGIC:
        problems.append(f"bytes: they do not begin as {expected} does")
        fix = "give all the bytes that `tff.framework.serialize_computation` or `serialize_value` "
        fix += "returned; the form that TFF had is not read."
    else:
        _, found, version, length, digest = _HEADER.unpack_from(view)
        payload = view[_HEADER.size :]
        if version != VERSION:
            newer = version > VERSION
            problems.append(f"version: this release reads {VERSION}, got {version}")
            fix = "install a newer release." if newer else None
        elif found != kind:
            problems.append(f"inside: expected {expected}, got {_KINDS.get(found, 'neither')}")
        elif length != payload.nbytes:
            problems.append(f"length: expected {length} bytes of payload, got {payload.nbytes}")
        elif digest != hashlib.sha256(payload).digest():
            problems.append("digest: the payload is not the one that was written")
        else:
            return Reader(payload, limits)
    raise errors.WireError(f"these bytes are not {expected}.", problems=problems, fix=fix)


class Writer:
    r"""Writes fields, one after the other.

    Examples:
      >>> writer = Writer()
      >>> writer.text("abc")
      >>> writer.integer(-3)
      >>> bytes(writer.data)
      b'\x03abc\x05'
    """

    def __init__(self) -> None:
        """Starts with nothing written."""
        self.data = bytearray()

    def unsigned(self, value: int) -> None:
        """Writes a number that is not negative."""
        while value > 0x7F:
            self.data.append(value & 0x7F | 0x80)
            value >>= 7
        self.data.append(value)

    def integer(self, value: int) -> None:
        """Writes a number of at most 64 bits."""
        self.unsigned(value << 1 if value >= 0 else (-value << 1) - 1)

    def flag(self, value: bool) -> None:
        """Writes a truth value."""
        self.data.append(int(value))

    def real(self, value: float) -> None:
        """Writes a floating-point number."""
        self.data += _FLOAT.pack(value)

    def blob(self, value: Bytes) -> None:
        """Writes a string of bytes."""
        self.unsigned(memoryview(value).nbytes)
        self.data += value

    def text(self, value: str) -> None:
        """Writes a text."""
        self.blob(value.encode("utf-8", "surrogatepass"))

    def optional_text(self, value: str | None) -> None:
        """Writes a text, or that there is none."""
        self.flag(value is not None)
        if value is not None:
            self.text(value)

    def shape(self, value: Sequence[int | None]) -> None:
        """Writes the sizes of some dimensions, None where one is not known."""
        self.unsigned(len(value))
        for size in value:
            self.unsigned(0 if size is None else size + 1)


class Reader:
    """Reads the fields that a `Writer` wrote, and trusts none of them."""

    def __init__(self, data: memoryview, limits: Limits) -> None:
        """Starts at the first byte.

        Args:
          data: the bytes.
          limits: what is read at most.
        """
        self._data = data
        self._position = 0
        self.limits = limits

    @property
    def num_left(self) -> int:
        """The number of bytes that are not read yet."""
        return self._data.nbytes - self._position

    def fail(self, problem: str, fix: str | None = None) -> NoReturn:
        """Raises the error that tells of a problem at the place that was read last."""
        raise errors.WireError(
            "these bytes carry no program, type or value of this language.",
            problems=[f"payload[{self._position}]: {problem}"],
            fix=fix,
        )

    @contextlib.contextmanager
    def refusing(self, what: str) -> Generator[None]:
        """Turns the errors of what is built from the fields into that of the bytes."""
        try:
            yield
        except (errors.WireError, errors.MissingExtraError):
            raise
        except errors.FederatedError as error:
            problems = "; ".join((error.summary, *error.problems))
            raise errors.WireError(
                f"these bytes carry {what} that breaks a law of the language.",
                problems=[f"payload[{self._position}]: {problems:.1000}"],
            ) from error

    def finish(self) -> None:
        """Checks that nothing is left."""
        if self.num_left:
            self.fail(f"expected the end, got {self.num_left} more bytes")

    def unsigned(self) -> int:
        """Reads a number that is not negative, of at most 64 bits."""
        value = shift = 0
        for _ in range(_LONGEST_NUMBER):
            byte = self._take(1)[0]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                break
            shift += 7
        else:
            self.fail("a number has more than 64 bits")
        if value >> 64 or (shift and not value >> shift):
            self.fail("a number is not written in the shortest form")
        return value

    def integer(self) -> int:
        """Reads a number of at most 64 bits."""
        value = self.unsigned()
        return -((value + 1) >> 1) if value & 1 else value >> 1

    def flag(self) -> bool:
        """Reads a truth value."""
        return bool(self.choice(2, "truth value"))

    def choice(self, count: int, what: str) -> int:
        """Reads a number below `count`."""
        value = self.unsigned()
        if value >= count:
            self.fail(f"{what}: expected a number below {count}, got {value}")
        return value

    def count(self, what: str) -> int:
        """Reads how many items follow, each of which takes a byte or more."""
        value = self.unsigned()
        if value > self.num_left:
            self.fail(f"{what}: {value} items cannot be in the {self.num_left} bytes that are left")
        if value > self.limits.records:
            self.fail(
                f"{what}: at most {self.limits.records} items are read, got {value}",
                fix="if you trust whom it comes from, raise the limit `records`.",
            )
        return value

    def real(self) -> float:
        """Reads a floating-point number."""
        return _FLOAT.unpack(self._take(_FLOAT.size))[0]

    def blob(self) -> memoryview:
        """Reads a string of bytes, without a copy."""
        return self._take(self.unsigned())

    def text(self) -> str:
        """Reads a text."""
        data = self.blob()
        if data.nbytes > self.limits.text_bytes:
            self.fail(f"a name has {data.nbytes} bytes, at most {self.limits.text_bytes} are read")
        try:
            return str(data, "utf-8", "surrogatepass")
        except UnicodeDecodeError:
            self.fail("a name is not in UTF-8")

    def optional_text(self) -> str | None:
        """Reads a text, or that there is none."""
        return self.text() if self.flag() else None

    def item(self, items: Sequence[_ItemT], what: str) -> _ItemT:
        """Reads the position of an item that was read before."""
        position = self.unsigned()
        if position >= len(items):
            self.fail(f"{what}: {position} of {len(items)} is referred to")
        return items[position]

    def shape(self) -> tuple[int | None, ...]:
        """Reads the sizes of some dimensions, None where one is not known."""
        sizes = [self.unsigned() - 1 for _ in range(self.count("dimensions"))]
        if any(size > _LARGEST_SIZE for size in sizes):
            self.fail(f"a dimension has more than {_LARGEST_SIZE} elements")
        return tuple(None if size < 0 else size for size in sizes)

    def known_shape(self) -> tuple[int, ...]:
        """Reads the sizes of some dimensions, all of them known."""
        shape = self.shape()
        sizes = tuple(size for size in shape if size is not None)
        if len(sizes) < len(shape):
            self.fail("the size of a dimension is not known")
        return sizes

    def _take(self, count: int) -> memoryview:
        if count > self.num_left:
            self.fail(f"expected {count} more bytes, {self.num_left} are left")
        start, self._position = self._position, self._position + count
        return self._data[start : self._position]
