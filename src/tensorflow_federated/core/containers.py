"""The Python containers that structures come in and go out as."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, cast

from tensorflow_federated.core import structure
from tensorflow_federated.core.types import StructType, StructWithPythonType


def _class_of(value: Any) -> type[Any]:
    return cast("type[Any]", value if isinstance(value, type) else type(value))


def is_named_tuple(value: Any) -> bool:
    """Whether a value, or a class, is a named tuple."""
    cls = _class_of(value)
    return issubclass(cls, tuple) and hasattr(cast("Any", cls), "_fields")


def is_attrs(value: Any) -> bool:
    """Whether a value, or a class, was made by attrs."""
    return hasattr(_class_of(value), "__attrs_attrs__")


def is_dataclass(value: Any) -> bool:
    """Whether a value, or a class, is a dataclass."""
    return dataclasses.is_dataclass(_class_of(value))


def unpack(value: Any) -> list[tuple[str | None, Any]] | None:
    """Takes a Python structure apart.

    Args:
      value: a dict, list, tuple, named tuple, attrs or dataclass instance, or `Struct`.

    Returns:
      The elements with their names, None where there is none, in order; None if the value is not
      a structure.

    Examples:
      >>> unpack({"a": 1, "b": 2})
      [('a', 1), ('b', 2)]
      >>> unpack([1, 2])
      [(None, 1), (None, 2)]
      >>> unpack(1) is None
      True
    """
    if isinstance(value, type):
        return None
    if isinstance(value, structure.Struct):
        return list(structure.iter_elements(cast("structure.Struct[Any]", value)))
    if isinstance(value, Mapping):
        return [(str(k), v) for k, v in cast("Mapping[Any, Any]", value).items()]
    if is_named_tuple(value):
        return [(name, getattr(value, name)) for name in value._fields]
    if isinstance(value, (list, tuple)):
        return [(None, element) for element in cast("Sequence[Any]", value)]
    if is_attrs(value):
        return [(field.name, getattr(value, field.name)) for field in value.__attrs_attrs__]
    if is_dataclass(value):
        return [(field.name, getattr(value, field.name)) for field in dataclasses.fields(value)]
    return None


def container_of(value: Any) -> type[Any] | None:
    """The container class to remember for a structure; None for `Struct` and for no structure.

    Examples:
      >>> container_of((1, 2))
      <class 'tuple'>
    """
    if isinstance(value, structure.Struct) or unpack(value) is None:
        return None
    return _class_of(value)


def pack(struct_type: StructType, elements: Sequence[Any]) -> Any:
    """Puts elements into the container of a structure type.

    A type without a container gives an `OrderedDict` if all its elements have names, a tuple if
    none has, and a `Struct` otherwise.

    Args:
      struct_type: the type of the structure.
      elements: its elements, in order.

    Returns:
      The structure.

    Examples:
      >>> import numpy as np
      >>> pack(StructType([("a", np.int32), ("b", np.int32)]), [1, 2])
      OrderedDict([('a', 1), ('b', 2)])
    """
    names = [name for name, _ in struct_type.items()]
    pairs = list(zip(names, elements, strict=True))
    container = (
        struct_type.python_container if isinstance(struct_type, StructWithPythonType) else None
    )
    if container is None:
        if names and all(name is not None for name in names):
            return collections.OrderedDict(pairs)
        if all(name is None for name in names):
            return tuple(elements)
        return structure.Struct(pairs)
    if issubclass(container, Mapping):
        if container is collections.defaultdict:
            return dict(pairs)
        return cast("Any", container)(pairs)
    if is_named_tuple(container) or is_attrs(container) or is_dataclass(container):
        return container(**{str(name): element for name, element in pairs})
    return container(elements)
