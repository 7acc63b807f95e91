"""What optimizers do at each weight: make its part of the state, and step it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tensorflow_federated.core import portable, trees
from tensorflow_federated.learning.optimizers import gradients as gradients_module


def filled_like(specs: Any, value: Any) -> Any:
    """Arrays of the form of the weights that hold one value.

    Args:
      specs: a structure of anything that has a `shape` and a `dtype`.
      value: a number.

    Returns:
      The same structure of arrays.

    Examples:
      >>> filled_like([np.float32([1, 2])], 0.5)
      [array([0.5, 0.5], dtype=float32)]
    """
    return trees.map_structure(lambda spec: filled(spec, tuple(spec.shape), value), specs)


def filled(spec: Any, shape: tuple[Any, ...], value: Any) -> Any:
    """An array of the dtype and the framework of a spec.

    Args:
      spec: anything that has a `dtype`.
      shape: the shape of the array.
      value: the number that it holds.

    Returns:
      The array.

    Examples:
      >>> filled(np.float32(1), (2,), 0)
      array([0., 0.], dtype=float32)
    """
    xp = portable.namespace_of(spec)
    dtype = np.dtype(getattr(spec.dtype, "as_numpy_dtype", spec.dtype))
    sizes = tuple(int(size) for size in shape)
    return xp.full(sizes, value, dtype) if value else xp.zeros(sizes, dtype)


def update_leaves(
    update: Callable[..., tuple[Any, ...]], weights: Any, gradients: Any, **state: Any
) -> tuple[Any, ...]:
    """Steps every weight that has a gradient.

    Args:
      update: a function of a weight, its gradient and its part of each member of the state, to the
        next weight and the next parts.
      weights: a structure of arrays.
      gradients: their gradients; None where a weight has none, which leaves it and its parts of the
        state unchanged.
      **state: the members of the state, each in the form of the weights.

    Returns:
      The next weights, and the next members of the state in order.

    Raises:
      OptimizerError: if `gradients` or a member of the state has not the form of the weights.

    Examples:
      >>> update_leaves(lambda w, g, n: (w - g, n + 1.0), [3.0, 4.0], [1.0, None], count=[0.0, 0.0])
      ([2.0, 4.0], [1.0, 0.0])
    """
    gradients = gradients_module.handle_indexed_slices_gradients(gradients)
    gradients_module.check_weights_gradients_match(weights, gradients)
    for name, member in state.items():
        gradients_module.check_weights_state_match(weights, member, name)
    rows: list[tuple[Any, ...]] = []

    def update_leaf(weight: Any, gradient: Any, *parts: Any) -> None:
        rows.append((weight, *parts) if gradient is None else update(weight, gradient, *parts))

    trees.map_structure(update_leaf, weights, gradients, *state.values())
    columns = [
        trees.pack_like(weights, [row[index] for row in rows]) for index in range(1 + len(state))
    ]
    members = [
        trees.map_structure(lambda _, new: new, old, new)
        for old, new in zip(state.values(), columns[1:], strict=True)
    ]
    return (columns[0], *members)
