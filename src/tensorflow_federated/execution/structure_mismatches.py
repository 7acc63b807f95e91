"""What differs between the elements of a value and those of the structure that is expected."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tensorflow_federated.core import containers, errors

_MOST_NAMES = 5


def describe(elements: Sequence[tuple[str | None, Any]], names: Sequence[str | None]) -> str:
    """Tells in one line what differs, and nothing else.

    Args:
      elements: the elements of a value, with their names.
      names: the names of the elements that are expected; None for one without a name.

    Examples:
      >>> describe([("kernal", 1), ("bias", 2)], ["kernel", "bias"])
      'missing `kernel`; `kernal` is not in the type: did you mean `kernel`?'
      >>> describe([("bias", 1), ("scale", 2)], ["kernel", "bias"])
      'missing `kernel`; `scale` is not in the type'
      >>> describe([(None, 1)], ["kernel", "bias"])
      'expected 2 elements, got 1'
    """
    given = [name for name, _ in elements if name is not None]
    expected = [name for name in names if name is not None]
    if len(given) < len(elements) or len(expected) < len(names):
        if len(elements) != len(names):
            return f"expected {len(names)} elements, got {len(elements)}"
        return f"expected {_named(names)}, got {_named([name for name, _ in elements])}"
    missing = [name for name in expected if name not in given]
    unknown = [name for name in given if name not in expected]
    parts = [f"missing {_shown(missing)}"] if missing else []
    within = _element_that_fits(elements, expected)
    if within is not None:
        return f"{parts[0]}; its element `{within}` has them"
    meant = {name: errors.suggest_name(name, missing) for name in unknown}
    for name in unknown[:_MOST_NAMES]:
        if meant[name] is not None:
            parts.append(f"`{name}` is not in the type: did you mean `{meant[name]}`?")
    others = [name for name in unknown if meant[name] is None]
    if others:
        parts.append(f"{_shown(others)} {'is' if len(others) == 1 else 'are'} not in the type")
    return "; ".join(parts)


def _named(names: Sequence[str | None]) -> str:
    if not any(names):
        return f"{len(names)} elements without names"
    return f"elements with the names {_shown(names)}"


def _shown(names: Sequence[str | None]) -> str:
    shown = [f"`{name}`" if name else "(none)" for name in names[:_MOST_NAMES]]
    if len(names) > len(shown):
        shown.append(f"and {len(names) - len(shown)} more")
    return ", ".join(shown)


def _element_that_fits(
    elements: Sequence[tuple[str | None, Any]], expected: Sequence[str]
) -> str | None:
    """The name of an element that has the expected elements itself, such as an output's state."""
    for name, element in elements:
        inner = containers.unpack(element)
        if inner is not None and expected and {each for each, _ in inner} == set(expected):
            return name
    return None
