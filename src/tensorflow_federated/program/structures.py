"""Structures of what federated programs save and release: containers, with references as leaves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

from tensorflow_federated.core import containers, trees
from tensorflow_federated.core.computations import TypedObject
from tensorflow_federated.program.data_sources import FederatedDataSourceIterator

Path = tuple[str | int, ...]


def parts(value: Any) -> list[tuple[str | int, Any]] | None:
    """Takes a structure apart.

    Args:
      value: a structure, or a leaf: references and iterators of data sources are leaves, whatever
        their classes are made of.

    Returns:
      The parts with their keys: names, or numbers where there are none; None if it is a leaf.

    Examples:
      >>> parts({"a": 1}), parts([2]), parts(3)
      ([('a', 1)], [(0, 2)], None)
    """
    if isinstance(value, (TypedObject, FederatedDataSourceIterator)):
        return None
    if isinstance(value, Mapping):
        return list(cast("Mapping[Any, Any]", value).items())
    elements = containers.unpack(value)
    if elements is None:
        return None
    return [
        (index if name is None else name, element) for index, (name, element) in enumerate(elements)
    ]


def leaves(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """The leaves of a structure with their paths, depth first.

    Examples:
      >>> list(leaves({"a": [1, 2]}))
      [(('a', 0), 1), (('a', 1), 2)]
    """
    elements = parts(value)
    if elements is None:
        yield path, value
        return
    for key, element in elements:
        yield from leaves(element, (*path, key))


def map_leaves(fn: Callable[[Path, Any], Any], value: Any, path: Path = ()) -> Any:
    """Applies a function of path and leaf to the leaves of a structure.

    Examples:
      >>> map_leaves(lambda path, leaf: leaf + 1, {"a": [1, 2]})
      {'a': [2, 3]}
    """
    elements = parts(value)
    if elements is None:
        return fn(path, value)
    return rebuild(value, [map_leaves(fn, element, (*path, key)) for key, element in elements])


def rebuild(value: Any, elements: list[Any]) -> Any:
    """A structure of the class of another one, with other elements.

    Examples:
      >>> rebuild({"a": 1}, [2])
      {'a': 2}
    """
    names = [name for name, _ in containers.unpack(value) or []]
    return trees.rebuild(value, names, elements)


def shown(path: Path) -> str:
    """A path, as messages show it.

    Examples:
      >>> shown(("a", 0, "b"))
      'a/0/b'
    """
    return "/".join(map(str, path))
