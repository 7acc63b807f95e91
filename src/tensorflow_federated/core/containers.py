"""The Python containers that structures come in and go out as."""

from __future__ import annotations

import collections
from collections.abc import Mapping, Sequence
from typing import Any, cast

from tensorflow_federated.core import fields, structure
from tensorflow_federated.core.types import StructType, StructWithPythonType


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
    named = fields.named_fields(value)
    if named is not None:
        return [(str(name), element) for name, element in named]
    if isinstance(value, (list, tuple)):
        return [(None, element) for element in cast("Sequence[Any]", value)]
    return None


def container_of(value: Any) -> type[Any] | None:
    """The container class to remember for a structure; None for `Struct` and for no structure.

    Examples:
      >>> container_of((1, 2))
      <class 'tuple'>
    """
    if isinstance(value, structure.Struct) or unpack(value) is None:
        return None
    return cast("type[Any]", type(value))


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
    if (
        fields.is_named_tuple(container)
        or fields.is_attrs(container)
        or fields.is_dataclass(container)
    ):
        return container(**{str(name): element for name, element in pairs})
    return container(elements)
