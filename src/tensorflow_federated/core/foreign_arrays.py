"""Arrays that only their framework can turn into arrays of numbers, such as JAX's random keys."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

_converters: list[tuple[Callable[[Any], bool], Callable[[Any], Any]]] = []


def register(is_array: Callable[[Any], bool], convert: Callable[[Any], Any]) -> None:
    """Makes a kind of array known.

    Args:
      is_array: whether a Python value is such an array; must not import the framework.
      convert: makes a NumPy array of it.
    """
    _converters.append((is_array, convert))


def to_plain(value: Any) -> Any:
    """The NumPy array that stands for such an array; any other value as it is.

    Examples:
      >>> to_plain(1)
      1
      >>> import jax
      >>> import tensorflow_federated as tff
      >>> to_plain(jax.random.key(7))
      array([0, 7], dtype=uint32)
    """
    for is_array, convert in _converters:
        if is_array(value):
            return convert(value)
    return value
