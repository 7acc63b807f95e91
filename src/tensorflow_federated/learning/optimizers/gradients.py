"""Checks and conversions of gradients, before an optimizer uses them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tensorflow_federated.core import containers, errors, portable, trees


def check_weights_gradients_match(weights: Any, gradients: Any) -> None:
    """Checks that each weight has a gradient of its shape and dtype, or None.

    Args:
      weights: a structure of arrays.
      gradients: their gradients; None where a weight has none.

    Raises:
      OptimizerError: if the structures, a shape or a dtype differ.

    Examples:
      >>> import numpy as np
      >>> check_weights_gradients_match([np.float32(1)], [np.float32(2)])
    """
    problems = _mismatches(weights, gradients, "gradients")
    if problems:
        raise errors.OptimizerError(
            "weights and gradients do not match.",
            problems=problems,
            fix="give one gradient for each weight, of its shape and dtype, or None.",
        )


def check_weights_state_match(weights: Any, member: Any, name: str) -> None:
    """Checks that a member of an optimizer's state has the form of the weights.

    Args:
      weights: a structure of arrays.
      member: a part of the state that has an array for each weight.
      name: its name, for the message.

    Raises:
      OptimizerError: if the structures, a shape or a dtype differ.

    Examples:
      >>> import numpy as np
      >>> check_weights_state_match([np.float32(1)], [np.float32(0)], "accumulator")
    """
    problems = _mismatches(weights, member, name)
    if problems:
        raise errors.OptimizerError(
            "the state of the optimizer is not one for these weights.",
            problems=problems,
            fix="make the state with `initialize`, from the specs of the weights that it steps.",
        )


def _mismatches(weights: Any, gradients: Any, path: str) -> list[str]:
    elements = containers.unpack(weights)
    if elements is None:
        return _leaf_mismatches(weights, gradients, path)
    given = containers.unpack(gradients)
    if given is None:
        return [f"{path}: expected {_elements(elements)}, got a {type(gradients).__name__}"]
    names, given_names = [n for n, _ in elements], [n for n, _ in given]
    if None in names or None in given_names:
        if names != given_names:
            return [f"{path}: expected {_elements(names)}, got {len(given_names)}"]
        by_position = [gradient for _, gradient in given]
    else:
        if sorted(map(str, names)) != sorted(map(str, given_names)):
            return [f"{path}: expected the names {names}, got {given_names}"]
        by_name = dict(given)
        by_position = [by_name[name] for name in names]
    problems: list[str] = []
    for index, ((name, weight), gradient) in enumerate(zip(elements, by_position, strict=True)):
        inner = f"{path}[{index}]" if name is None else f"{path}.{name}"
        problems.extend(_mismatches(weight, gradient, inner))
    return problems


def _elements(elements: Sequence[Any]) -> str:
    return "1 element" if len(elements) == 1 else f"{len(elements)} elements"


def _leaf_mismatches(weight: Any, gradient: Any, path: str) -> list[str]:
    if gradient is None:
        return []
    if containers.unpack(gradient) is not None:
        return [f"{path}: expected one array, got a {type(gradient).__name__}"]
    expected, got = _described(weight), _described(gradient)
    return (
        [] if _agree(expected, got) else [f"{path}: expected {_shown(expected)}, got {_shown(got)}"]
    )


def _described(array: Any) -> tuple[Any, tuple[int | None, ...] | None]:
    xp = portable.namespace_of(array)
    if _is_indexed_slices(array):
        shape = getattr(array, "shape", None)
        rank_known = shape is not None and getattr(shape, "rank", 0) is not None
        return xp.dtype_of(array.values), tuple(shape) if rank_known and shape is not None else None
    return xp.dtype_of(array), xp.shape_of(array)


def _agree(expected: Any, got: Any) -> bool:
    (dtype, shape), (given_dtype, given_shape) = expected, got
    if dtype != given_dtype:
        return False
    if shape is None or given_shape is None:
        return True
    return len(shape) == len(given_shape) and all(
        size is None or given is None or size == given
        for size, given in zip(shape, given_shape, strict=True)
    )


def _shown(described: Any) -> str:
    dtype, shape = described
    sizes = "" if not shape else "[" + ",".join("?" if s is None else str(s) for s in shape) + "]"
    return f"{dtype}{sizes}"


def handle_indexed_slices_gradients(gradients: Any) -> Any:
    """Makes dense arrays of the gradients that name only the rows that they change.

    TensorFlow gives the gradient of an embedding as a `tf.IndexedSlices`: some rows and their
    indices. Rows that are there several times are added up.

    Args:
      gradients: a structure of gradients and None.

    Returns:
      The same structure, without `tf.IndexedSlices`.

    Examples:
      >>> import numpy as np
      >>> handle_indexed_slices_gradients([np.float32(1.0), None])
      [np.float32(1.0), None]
    """

    def dense(gradient: Any) -> Any:
        if not _is_indexed_slices(gradient):
            return gradient
        return portable.namespace_of(gradient).asarray(gradient)

    return trees.map_structure(dense, gradients)


def _is_indexed_slices(gradient: Any) -> bool:
    """Whether it is a `tf.IndexedSlices`, told by its form: TensorFlow is not loaded for this."""
    return all(hasattr(gradient, name) for name in ("values", "indices", "dense_shape"))
