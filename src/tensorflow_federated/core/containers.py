"""The Python containers that structures come in and go out as."""

from __future__ import annotations

import collections
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol, cast

import numpy as np

from tensorflow_federated.core import fields, structure
from tensorflow_federated.core.types import StructType, StructWithPythonType, Type, in_container

_registered: dict[str, type[Any]] = {}
_loaders: dict[str, Callable[[], type[Any]]] = {}


def register_container(name: str, container: type[Any]) -> None:
    """Lets values in a container travel as bytes, and come back in the same container elsewhere.

    To be called where the class is defined. Nothing is ever imported by a name that was read from
    bytes: only what is registered is found.

    Args:
      name: the name in the bytes, which has to stay as it is.
      container: a named tuple, attrs or dataclass class.

    Examples:
      >>> from typing import NamedTuple
      >>> class Pair(NamedTuple):
      ...     x: int
      ...     y: int
      >>> register_container("docs.Pair", Pair)
      >>> name_of_container(Pair), container_named("docs.Pair") is Pair
      ('docs.Pair', True)
    """
    _registered[name] = container


def register_container_loader(name: str, load: Callable[[], type[Any]]) -> None:
    """Does what `register_container` does for a class of a framework that may not be loaded yet.

    Args:
      name: the name in the bytes, which has to stay as it is.
      load: gives the class, when bytes with this name are read.
    """
    _loaders[name] = load


def container_named(name: str) -> type[Any] | None:
    """The container that was registered under a name; None if there is none."""
    if name not in _registered and name in _loaders:
        _registered[name] = _loaders[name]()
    return _registered.get(name)


def name_of_container(container: type[Any]) -> str | None:
    """The name that a container was registered under; None if it was not.

    Examples:
      >>> name_of_container(dict) is None
      True
    """
    candidates = [name for name in _loaders if name.endswith(f".{container.__name__}")]
    names = [*_registered, *candidates]
    return next((name for name in names if container_named(name) is container), None)


class Composites(Protocol):
    """A framework's tensors that are made of several tensors, such as ragged ones.

    They are structures of their parts, with their class as container.
    """

    def names(self, container: type[Any]) -> tuple[str, ...] | None:
        """The names of the parts of a class of them, None for another; imports no framework."""
        ...

    def unpack(self, value: Any) -> list[tuple[str | None, Any]]:
        """The parts of such a tensor, with their names."""
        ...

    def pack(self, container: type[Any], elements: Sequence[Any]) -> Any:
        """The tensor that is made of the parts; None if these are no tensors of the framework."""
        ...


_composites: list[Composites] = []


def register_composites(composites: Composites) -> None:
    """Makes tensors of a framework that are made of several tensors known."""
    _composites.append(composites)


def composite_names(container: type[Any]) -> tuple[str, ...] | None:
    """The names of the parts of a framework's tensor that is made of several tensors.

    Args:
      container: the class of a structure.

    Returns:
      The names in order; None if it is no such tensor.

    Examples:
      >>> composite_names(dict) is None
      True
    """
    composites = _composites_of(container)
    return None if composites is None else composites.names(container)


def is_composite(type_signature: Type) -> bool:
    """Whether a type is that of a framework's tensor that is made of several tensors.

    Examples:
      >>> import numpy as np
      >>> is_composite(StructType([np.int32, np.int32]))
      False
    """
    if not isinstance(type_signature, StructWithPythonType):
        return False
    return _composites_of(type_signature.python_container) is not None


def _composites_of(container: type[Any]) -> Composites | None:
    return next((each for each in _composites if each.names(container) is not None), None)


def unpack(value: Any) -> list[tuple[str | None, Any]] | None:
    """Takes a Python structure apart.

    Args:
      value: a dict, list, tuple, named tuple, attrs or dataclass instance, `Struct`, or tensor
        made of several tensors.

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
    if isinstance(value, (np.ndarray, np.generic, type)):
        return None
    if isinstance(value, structure.Struct):
        return list(structure.iter_elements(cast("structure.Struct[Any]", value)))
    named = fields.named_fields(value)
    if named is not None:
        pairs: list[tuple[str | None, Any]] = list(named)
        # Names are strings: a dict of anything else is no structure.
        return pairs if all([isinstance(name, str) for name, _ in pairs]) else None
    if isinstance(value, (list, tuple)):
        return [(None, element) for element in cast("Sequence[Any]", value)]
    composites = _composites_of(cast("type[Any]", type(value)))
    return None if composites is None else composites.unpack(value)


def in_order(
    elements: Sequence[tuple[str | None, Any]], names: Sequence[str | None]
) -> list[Any] | None:
    """The elements of a structure in the order of a type: by name, or as they come without names.

    Args:
      elements: the elements, as `unpack` gives them.
      names: the names in the type; None for an element without one.

    Returns:
      The elements; None if they are not those of the type.

    Examples:
      >>> in_order([("b", 2), ("a", 1)], ["a", "b"])
      [1, 2]
    """
    if len(elements) != len(names):
        return None
    given = [name for name, _ in elements]
    if given == list(names) or all(name is None for name in given):
        return [element for _, element in elements]
    if None in given or None in names or set(given) != set(names):
        return None
    by_name = dict(elements)
    return [by_name[name] for name in names]


def type_of(value: Any, elements: Sequence[tuple[str | None, Type]]) -> StructType:
    """The type of a structure, in its container, from the types of its elements.

    Examples:
      >>> import numpy as np
      >>> from tensorflow_federated.core.types import TensorType
      >>> type_of([1], [(None, TensorType(np.int32))])
      StructType([TensorType(np.int32)]) as list
    """
    return in_container(elements, container_of(value))


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
    none has, and a `Struct` otherwise. Parts that are no tensors of the framework whose tensor they
    would make, but those of another or symbols, come as a `Struct` too.

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
    return packer(struct_type)(elements)


def packer(struct_type: StructType) -> Callable[[Sequence[Any]], Any]:
    """What puts elements into the container of one structure type; see `pack`.

    Examples:
      >>> import numpy as np
      >>> to_list = packer(StructWithPythonType([np.int32, np.int32], list))
      >>> to_list((1, 2))
      [1, 2]
    """
    names = [name for name, _ in struct_type.items()]
    container = struct_type.python_container
    if container is None:
        if names and all(name is not None for name in names):
            return lambda elements: collections.OrderedDict(zip(names, elements, strict=True))
        if all(name is None for name in names):
            return tuple
        return lambda elements: structure.Struct(zip(names, elements, strict=True))
    if container is type(None):
        return lambda elements: None
    if issubclass(container, Mapping):
        if container is collections.defaultdict:
            return lambda elements: dict(zip(names, elements, strict=True))
        return lambda elements: cast("Any", container)(list(zip(names, elements, strict=True)))
    if (
        fields.is_named_tuple(container)
        or fields.is_attrs(container)
        or fields.is_dataclass(container)
    ):
        keywords = [str(name) for name in names]
        if fields.is_made_of_its_fields(container):
            return lambda elements: container(**dict(zip(keywords, elements, strict=True)))
        return lambda elements: _without_init(container, zip(keywords, elements, strict=True))
    composites = _composites_of(container)
    if composites is not None:
        return lambda elements: _composite(composites, container, names, elements)
    return container


def _composite(
    composites: Composites, container: type[Any], names: list[str | None], elements: Sequence[Any]
) -> Any:
    packed = composites.pack(container, elements)
    return structure.Struct(zip(names, elements, strict=True)) if packed is None else packed


def _without_init(container: type[Any], pairs: Iterable[tuple[str, Any]]) -> Any:
    instance = object.__new__(container)
    for name, element in pairs:
        object.__setattr__(instance, name, element)
    return instance
