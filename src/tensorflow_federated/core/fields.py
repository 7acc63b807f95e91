"""The named elements of Python's own containers: mappings, named tuples, attrs and dataclasses."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any, cast

# How many classes are remembered: more than a program uses by turns.
_MOST_CLASSES = 1024


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


def is_made_of_its_fields(container: type[Any]) -> bool:
    """Whether a class with fields takes all of them, and nothing else, as arguments.

    Examples:
      >>> @dataclasses.dataclass
      ... class Counted:
      ...     x: int
      ...     count: int = dataclasses.field(init=False, default=0)
      >>> is_made_of_its_fields(Counted)
      False
    """
    if not is_dataclass(container):
        return True
    parameters = cast("Any", container).__dataclass_params__
    return parameters.init and all(field.init for field in dataclasses.fields(container))


def is_name_value_pair(element: object) -> bool:
    """Whether an object is a tuple of a name (or None) and anything.

    Examples:
      >>> is_name_value_pair(("a", 1)), is_name_value_pair((None, 1)), is_name_value_pair((1, 2))
      (True, True, False)
    """
    if not isinstance(element, tuple):
        return False
    pair = cast("tuple[object, ...]", element)
    return len(pair) == 2 and (pair[0] is None or isinstance(pair[0], str))


def named_fields(value: object) -> list[tuple[str, Any]] | None:
    """Names and values of a mapping, named tuple, attrs or dataclass instance.

    Args:
      value: any object.

    Returns:
      Pairs in the order of the container; None if the object is none of these.

    Examples:
      >>> named_fields({"b": 1, "a": 2})
      [('b', 1), ('a', 2)]
      >>> named_fields([1, 2]) is None
      True
    """
    if isinstance(value, type):
        return None
    if isinstance(value, Mapping):
        return list(cast("Mapping[str, Any]", value).items())
    names = _names_of(type(value))
    return None if names is None else [(name, getattr(value, name)) for name in names]


@functools.lru_cache(maxsize=_MOST_CLASSES)
def _names_of(container: Any) -> tuple[str, ...] | None:
    """The names of the fields of a class; None if it has none."""
    if is_named_tuple(container):
        return tuple([str(name) for name in container._fields])
    if is_attrs(container):
        return tuple([field.name for field in container.__attrs_attrs__])
    if is_dataclass(container):
        return tuple([field.name for field in dataclasses.fields(container)])
    return None
