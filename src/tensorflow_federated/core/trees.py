"""Functions over Python structures of arrays: dicts, lists, tuples, named tuples, attrs classes.

A leaf is whatever is not such a structure; `None` is a leaf as well.
"""

from __future__ import annotations

import collections
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, cast

from tensorflow_federated.core import containers, errors, fields, paths, structure


def leaves(tree: Any) -> list[Any]:
    """Lists the leaves of a structure, in order.

    Args:
      tree: a structure, or a leaf.

    Returns:
      The leaves, depth first.

    Examples:
      >>> leaves({"a": 1, "b": [2, None]})
      [1, 2, None]
    """
    elements = containers.unpack(tree)
    if elements is None:
        return [tree]
    return [leaf for _, element in elements for leaf in leaves(element)]


def pack_like(tree: Any, new_leaves: Iterable[Any]) -> Any:
    """Puts leaves into the form of another structure.

    Args:
      tree: the structure to be like.
      new_leaves: as many leaves as `tree` has, in order.

    Returns:
      A structure with the containers and names of `tree`.

    Raises:
      StructureError: if there are fewer or more leaves than `tree` has.

    Examples:
      >>> pack_like({"a": 1, "b": [2, 3]}, [4, 5, 6])
      {'a': 4, 'b': [5, 6]}
    """
    given = list(new_leaves)
    expected = len(leaves(tree))
    if len(given) != expected:
        raise errors.StructureError(
            "the number of leaves does not fit the structure.",
            problems=[f"leaves: expected {expected}, got {len(given)}"],
        )
    return _fill(tree, iter(given))


def map_structure(fn: Callable[..., Any], *trees: Any) -> Any:
    """Applies a function to the leaves of structures of the same form.

    Elements with names are matched by name, others by position; containers may differ.

    Args:
      fn: a function of as many leaves as there are structures.
      *trees: one structure or more.

    Returns:
      A structure with the containers of the first one, and the results of `fn` as its leaves.

    Raises:
      StructureError: if the structures have not the same form.

    Examples:
      >>> map_structure(lambda x, y: x + y, {"a": 1, "b": (2, 3)}, {"b": [20, 30], "a": 10})
      {'a': 11, 'b': (22, 33)}
    """
    if not trees:
        raise errors.StructureError("`map_structure` needs a structure.")
    return _map(fn, trees, "")


def _map(fn: Callable[..., Any], trees: tuple[Any, ...], path: str) -> Any:
    first = containers.unpack(trees[0])
    if first is None:
        for position, tree in enumerate(trees[1:], 1):
            if containers.unpack(tree) is not None:
                raise _different(path, position, "a leaf", f"a {type(tree).__name__}")
        return fn(*trees)
    names = [name for name, _ in first]
    columns: list[list[Any]] = [[element for _, element in first]]
    for position, tree in enumerate(trees[1:], 1):
        columns.append(_elements_by(names, tree, path, position))
    results = [
        _map(fn, row, path + paths.step(name, index))
        for index, (name, row) in enumerate(zip(names, zip(*columns, strict=True), strict=True))
    ]
    return rebuild(trees[0], names, results)


def _elements_by(names: list[str | None], tree: Any, path: str, position: int) -> list[Any]:
    """The elements of a structure, in the order of the names of another one."""
    elements = containers.unpack(tree)
    shown = f"the elements {_shown(names)}"
    if elements is None:
        raise _different(path, position, shown, "a leaf")
    own_names = [name for name, _ in elements]
    if own_names == names:
        return [element for _, element in elements]
    if None in names or collections.Counter(own_names) != collections.Counter(names):
        raise _different(path, position, shown, f"the elements {_shown(own_names)}")
    by_name = dict(elements)
    return [by_name[name] for name in names]


def _shown(names: list[str | None]) -> str:
    return "<" + ",".join("?" if name is None else name for name in names) + ">"


def _different(path: str, position: int, expected: str, got: str) -> errors.StructureError:
    return errors.StructureError(
        "the structures have different forms.",
        problems=[f"structure {position}{path and ' at ' + path}: expected {expected}, got {got}"],
    )


def _fill(tree: Any, remaining: Iterator[Any]) -> Any:
    elements = containers.unpack(tree)
    if elements is None:
        return next(remaining)
    names = [name for name, _ in elements]
    return rebuild(tree, names, [_fill(element, remaining) for _, element in elements])


def rebuild(tree: Any, names: list[str | None], elements: list[Any]) -> Any:
    """A structure of the class of another one, with other elements.

    Args:
      tree: the structure to be like.
      names: the names of its elements, as `containers.unpack` gives them.
      elements: the new elements, in order.

    Returns:
      The structure.

    Examples:
      >>> rebuild({"a": 1}, ["a"], [2])
      {'a': 2}
    """
    container = cast("type[Any]", type(tree))
    if isinstance(tree, structure.Struct):
        return structure.Struct(list(zip(names, elements, strict=True)))
    if isinstance(tree, Mapping):
        keys = list(cast("Mapping[Any, Any]", tree))
        pairs = zip(keys, elements, strict=True)
        return dict(pairs) if isinstance(tree, collections.defaultdict) else container(pairs)
    if isinstance(tree, (list, tuple)) and not fields.is_named_tuple(tree):
        return container(elements)
    return container(**{str(name): element for name, element in zip(names, elements, strict=True)})
