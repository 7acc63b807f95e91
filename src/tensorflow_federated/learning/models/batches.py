"""The form of a batch of examples: features and labels."""

from __future__ import annotations

from typing import Any

from tensorflow_federated.core import containers


def split(batch: Any) -> tuple[Any, Any]:
    """The features and the labels of a batch, or of the spec of one: `x` and `y` if they are named.

    Examples:
      >>> split({"y": 1, "x": 2})
      (2, 1)
      >>> split((1, 2))
      (1, 2)
    """
    elements = containers.unpack(batch)
    assert elements is not None
    assert len(elements) == 2
    named = dict(elements)
    if set(named) == {"x", "y"}:
        return named["x"], named["y"]
    return elements[0][1], elements[1][1]
