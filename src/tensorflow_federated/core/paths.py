"""How messages call the parts of a structure: `argument.weights[0]`."""

from __future__ import annotations


def step(name: str | None, index: int) -> str:
    """The step from a structure to one of its elements.

    Args:
      name: the name of the element; None if it has none.
      index: its position.

    Examples:
      >>> step("weights", 0), step(None, 0)
      ('.weights', '[0]')
    """
    return f"[{index}]" if name is None else f".{name}"


def to_element(path: str, name: str | None, index: int) -> str:
    """The path to an element of a structure.

    Args:
      path: the path to the structure; nothing if it is the whole.
      name: the name of the element; None if it has none.
      index: its position.

    Examples:
      >>> to_element("argument", "weights", 0), to_element("", "weights", 0)
      ('argument.weights', 'weights')
    """
    return f"{path}{step(name, index)}".removeprefix(".")
