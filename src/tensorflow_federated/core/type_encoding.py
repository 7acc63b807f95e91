"""Types as bytes: a table in which each type refers to those before it.

As every type that is part of another comes before it, nothing is nested: reading takes no
recursion, and how deep and how large the types are is known before they are built.

The Python containers of structures travel by name: `list`, `tuple`, `dict`, `OrderedDict`, `None`
(the structure without elements that it is in a pytree), and those that
`containers.register_container` has named. A named tuple, attrs or dataclass class that is not
registered travels as its own name and those of its fields, and is read as a named tuple that is
made for it. Nothing is imported.
"""

from __future__ import annotations

import collections
import keyword
import re
import threading
import weakref
from collections.abc import Mapping
from typing import Any, NamedTuple, cast

from tensorflow_federated.core import byte_format, containers, dtypes, errors, fields, placements
from tensorflow_federated.core.byte_format import DEFAULT_LIMITS, Bytes, Limits, Reader, Writer
from tensorflow_federated.core.types import (
    AbstractType,
    FederatedType,
    FunctionType,
    PlacementType,
    SequenceType,
    StructType,
    StructWithPythonType,
    TensorType,
    Type,
)

_TENSOR, _STRUCT, _SEQUENCE, _FUNCTION, _FEDERATED, _PLACEMENT, _ABSTRACT = range(7)
_NUM_KINDS = 7

_BUILTIN: Mapping[str, type[Any]] = {
    "list": list,
    "tuple": tuple,
    "dict": dict,
    "OrderedDict": collections.OrderedDict,
    "None": type(None),
}
_NO_CONTAINER = ""
_RECORD = "record"

_IDENTIFIER = re.compile(r"[A-Za-z][A-Za-z0-9_]*\Z")


@errors.boundary
def serialize_type(type_spec: Type) -> bytes:
    """Turns a type into bytes.

    Args:
      type_spec: the type.

    Returns:
      The bytes, the same for the same type.

    Raises:
      WireError: if a Python container in it cannot travel.

    Examples:
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> data = tff.types.serialize_type(tff.to_type([("a", np.int32)]))
      >>> tff.types.deserialize_type(data)
      StructType([('a', TensorType(np.int32))])

    Differs from TFF: bytes, not a protocol buffer; Python containers travel with the type.
    """
    if not isinstance(type_spec, Type):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise errors.WireError(
            "only a type can be turned into the bytes of a type.",
            problems=[f"got: a {type(type_spec).__name__}"],
            fix="make a type of it with `tff.to_type`.",
        )
    table = TypeTable()
    table.position(type_spec)
    writer = Writer()
    table.write(writer)
    return byte_format.seal(byte_format.TYPE, writer.data)


@errors.boundary
def deserialize_type(data: Bytes, *, limits: Limits = DEFAULT_LIMITS) -> Type:
    """Reads a type from the bytes that `serialize_type` made of it.

    Args:
      data: the bytes.
      limits: what is read at most.

    Returns:
      The type. A container of the author's own is a named tuple of the same name and fields.

    Raises:
      WireError: if the bytes carry no type.

    Examples:
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> data = tff.types.serialize_type(tff.FederatedType(np.int32, tff.CLIENTS))
      >>> print(tff.types.deserialize_type(data))
      {int32}@CLIENTS
    """
    reader = byte_format.open_sealed(byte_format.TYPE, data, limits)
    types = read_types(reader)
    reader.finish()
    if not types.types:
        reader.fail("there is no type")
    return types.types[-1]


class TypeTable:
    """The types that a payload needs, each once, those that others are made of before them."""

    def __init__(self) -> None:
        """Starts without types."""
        self._positions: dict[Type, int] = {}
        self._records = Writer()

    def position(self, type_signature: Type) -> int:
        """The position of a type in the table, to which it is added if it is new."""
        known = self._positions.get(type_signature)
        if known is not None:
            return known
        parts = [self.position(part) for part in type_signature.children()]
        self._write_record(type_signature, parts)
        self._positions[type_signature] = position = len(self._positions)
        return position

    def write(self, writer: Writer) -> None:
        """Writes the table."""
        writer.unsigned(len(self._positions))
        writer.data += self._records.data

    def _write_record(self, type_signature: Type, parts: list[int]) -> None:
        writer = self._records
        match type_signature:
            case TensorType(dtype=dtype, shape=shape):
                writer.unsigned(_TENSOR)
                writer.text(dtypes.dtype_name(dtype))
                writer.flag(shape is not None)
                if shape is not None:
                    writer.shape(shape)
            case StructType():
                writer.unsigned(_STRUCT)
                _write_container(writer, type_signature)
                writer.unsigned(len(parts))
                for (name, _), part in zip(type_signature.items(), parts, strict=True):
                    writer.optional_text(name)
                    writer.unsigned(part)
            case SequenceType():
                writer.unsigned(_SEQUENCE)
                writer.unsigned(*parts)
            case FunctionType(parameter=parameter):
                writer.unsigned(_FUNCTION)
                writer.flag(parameter is not None)
                for part in parts:
                    writer.unsigned(part)
            case FederatedType(placement=placement, all_equal=all_equal):
                writer.unsigned(_FEDERATED)
                writer.unsigned(*parts)
                writer.text(placement.uri)
                writer.flag(all_equal)
            case PlacementType():
                writer.unsigned(_PLACEMENT)
            case AbstractType(label=label):
                writer.unsigned(_ABSTRACT)
                writer.text(label)
            case _:
                raise errors.WireError(f"the type {type_signature} cannot be turned into bytes.")


class Types:
    """The types that were read from a table.

    Attributes:
      types: the types, in the order of the table.
      sizes: for each, of how many types it is made, those that are shared counted each time.
    """

    def __init__(self) -> None:
        """Starts without types."""
        self.types: list[Type] = []
        self.sizes: list[int] = []
        self._depths: list[int] = []

    def read(self, reader: Reader) -> tuple[Type, int]:
        """Reads a reference to a type: the type and its size."""
        position = reader.choice(len(self.types), "type")
        return self.types[position], self.sizes[position]

    def read_record(self, reader: Reader) -> None:
        """Reads the next type of the table."""
        self._reader = reader
        self._size, self._depth = 1, 0
        with reader.refusing("a type"):
            found = self._read_kind(reader)
        if self._depth >= reader.limits.depth:
            reader.fail(
                f"types are nested more than {reader.limits.depth} deep",
                fix="if you trust whom it comes from, raise the limit `depth`.",
            )
        self.types.append(found)
        self.sizes.append(self._size)
        self._depths.append(self._depth + 1)

    def _part(self) -> Type:
        reader = self._reader
        position = reader.choice(len(self.types), "type")
        self._size += self.sizes[position]
        self._depth = max(self._depth, self._depths[position])
        if self._size > reader.limits.records:
            reader.fail(
                f"a type has more than {reader.limits.records} parts",
                fix="if you trust whom it comes from, raise the limit `records`.",
            )
        return self.types[position]

    def _read_kind(self, reader: Reader) -> Type:
        kind = reader.choice(_NUM_KINDS, "kind of type")
        if kind == _TENSOR:
            name = reader.text()
            dtype = dtypes.dtype_from_name(name)
            if dtype is None:
                reader.fail(f"there is no dtype {name!r:.80}")
            return TensorType(dtype, reader.shape() if reader.flag() else None)
        if kind == _STRUCT:
            container_name, class_name = _read_container(reader)
            elements = [
                (reader.optional_text(), self._part()) for _ in range(reader.count("elements"))
            ]
            return _struct_type(reader, container_name, class_name, elements)
        if kind == _SEQUENCE:
            return SequenceType(self._part())
        if kind == _FUNCTION:
            return FunctionType(self._part() if reader.flag() else None, self._part())
        if kind == _FEDERATED:
            member = self._part()
            placement = placements.uri_to_placement_literal(reader.text())
            return FederatedType(member, placement, reader.flag())
        if kind == _PLACEMENT:
            return PlacementType()
        return AbstractType(reader.text())


def read_types(reader: Reader) -> Types:
    """Reads a table of types.

    Args:
      reader: where `TypeTable.write` wrote.

    Returns:
      The types.

    Raises:
      WireError: if there is no table, or it breaks a limit.
    """
    types = Types()
    for _ in range(reader.count("types")):
        types.read_record(reader)
    return types


def container_fields(container: type[Any] | None) -> tuple[str, str]:
    """How a container travels: the name of its kind, and of its class if it is a record.

    Raises:
      WireError: if it cannot travel.

    Examples:
      >>> container_fields(list)
      ('list', '')
      >>> container_fields(collections.namedtuple("Point", ["x", "y"]))
      ('record', 'Point')
    """
    if container is None:
        return _NO_CONTAINER, ""
    for name, known in _BUILTIN.items():
        if container is known:
            return name, ""
    registered = containers.name_of_container(container)
    if registered is not None:
        return registered, ""
    if (
        fields.is_named_tuple(container)
        or fields.is_attrs(container)
        or fields.is_dataclass(container)
    ):
        return _RECORD, container.__name__
    if issubclass(container, collections.OrderedDict):
        return "OrderedDict", ""
    for name, base in (("dict", Mapping), ("list", list), ("tuple", tuple)):
        if issubclass(container, base):
            return name, ""
    raise errors.WireError(
        f"structures in the container `{container.__name__}` cannot be turned into bytes.",
        fix="use lists, tuples, dicts, named tuples, attrs or dataclass instances.",
    )


def _write_container(writer: Writer, struct_type: StructType) -> None:
    kind, class_name = container_fields(struct_type.python_container)
    names = [name for name, _ in struct_type.items()]
    if kind == _RECORD and not _can_be_named_tuple(class_name, names):
        kind = "OrderedDict"
    writer.text(kind)
    if kind == _RECORD:
        writer.text(class_name)


def _read_container(reader: Reader) -> tuple[str, str]:
    kind = reader.text()
    return kind, reader.text() if kind == _RECORD else ""


def _struct_type(
    reader: Reader, kind: str, class_name: str, elements: list[tuple[str | None, Type]]
) -> Type:
    if kind == _NO_CONTAINER:
        return StructType(elements)
    names = [name for name, _ in elements]
    container = _BUILTIN.get(kind) or containers.container_named(kind)
    if kind == _RECORD:
        if not _can_be_named_tuple(class_name, names):
            reader.fail(f"the container {class_name!r:.80} has names that are none of Python")
        container = _fresh_named_tuple(class_name, tuple(map(str, names)))
    if container is None:
        reader.fail(
            f"there is no container {kind!r:.80}",
            fix="import the module that registers it, or install a newer release.",
        )
    if not _holds(container, names):
        reader.fail(f"the container `{container.__name__}` cannot hold these elements")
    return StructWithPythonType(elements, container)


def _holds(container: type[Any], names: list[str | None]) -> bool:
    """Whether values of a container can have elements of these names."""
    if container is type(None):
        return not names
    if issubclass(container, Mapping):
        return None not in names
    if fields.is_named_tuple(container):
        return list(container._fields) == names
    if fields.is_attrs(container):
        return [field.name for field in container.__attrs_attrs__] == names
    if fields.is_dataclass(container):
        return list(container.__dataclass_fields__) == names
    parts = containers.composite_names(container)
    if parts is not None:
        return list(parts) == names
    return all(name is None for name in names)


def _can_be_named_tuple(class_name: str, names: list[str | None]) -> bool:
    return all(
        name is not None and _IDENTIFIER.match(name) and not keyword.iskeyword(name)
        for name in (class_name, *names)
    )


_made: weakref.WeakValueDictionary[tuple[str, tuple[str, ...]], type[Any]] = (
    weakref.WeakValueDictionary()
)
_made_lock = threading.Lock()


def _fresh_named_tuple(class_name: str, names: tuple[str, ...]) -> type[Any]:
    """The same class for the same names, so that the types of two computations are identical."""
    key = class_name, names
    with _made_lock:
        container = _made.get(key)
        if container is None:
            fields_of = [(name, Any) for name in names]
            made = cast("Any", NamedTuple)(class_name, fields_of)
            container = _made[key] = cast("type[Any]", made)
    return container
