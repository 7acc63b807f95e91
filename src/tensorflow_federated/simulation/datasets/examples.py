"""Examples as arrays: a structure of NumPy arrays with the examples along the first axis.

A structure is a dictionary, a tuple or a named tuple of structures, or one array. No tensor
framework is needed here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from tensorflow_federated.core import errors, types
from tensorflow_federated.core.types import TensorType, Type

# A mapping, tuple or named tuple of examples, or one array; Python cannot write this type
# recursively enough.
Examples = Any


def map_leaves(function: Callable[..., Any], structure: Any, *others: Any) -> Any:
    """Applies `function` to the leaves of structures of one form, and keeps the form."""
    if isinstance(structure, Mapping):
        pairs = [
            (name, map_leaves(function, value, *(other[name] for other in others)))
            for name, value in structure.items()
        ]
        return type(structure)(pairs)  # type: ignore[call-arg]
    if isinstance(structure, tuple):
        values = [
            map_leaves(function, value, *(other[index] for other in others))
            for index, value in enumerate(structure)
        ]
        if hasattr(structure, "_make"):
            return type(structure)._make(values)  # type: ignore[attr-defined]
        return tuple(values)
    return function(structure, *others)


def named_leaves(structure: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yields the path (`['x'][0]`; empty for a single leaf) and the value of every leaf."""
    if isinstance(structure, Mapping):
        for name, value in structure.items():
            yield from named_leaves(value, f"{path}[{name!r}]")
    elif isinstance(structure, tuple):
        for index, value in enumerate(structure):
            yield from named_leaves(value, f"{path}[{index}]")
    else:
        yield path, structure


def to_column(leaf: Any) -> np.ndarray:
    """Returns one leaf as an array that cannot be written to.

    Python numbers become int32 and float32 as in TensorFlow (int64 where int32 is too small);
    strings become an object array of bytes; arrays keep their dtype.
    """
    array = np.asarray(leaf)
    from_python = not hasattr(leaf, "dtype")
    if array.dtype.kind in "US" or (array.dtype == object and array.size):
        # NumPy's own strings lose the zero bytes at their end.
        array = _strings(np.asarray(leaf, dtype=object) if from_python else array)
    elif from_python and array.dtype == np.int64 and array.size:
        limits = np.iinfo(np.int32)
        if limits.min <= array.min() and array.max() <= limits.max:
            array = array.astype(np.int32)
    elif from_python and array.dtype == np.float64:
        array = array.astype(np.float32)
    column = array.view()
    column.flags.writeable = False
    return column


def _strings(array: np.ndarray) -> np.ndarray:
    encoded = np.empty(array.shape, dtype=object)
    for index, value in np.ndenumerate(array):
        if isinstance(value, str):
            encoded[index] = value.encode()
        elif isinstance(value, bytes):
            encoded[index] = bytes(value)
        else:
            raise errors.DatasetError(
                f"A value of type `{type(value).__name__}` cannot be part of an example.",
                fix="give numbers, strings, and lists of one shape.",
            )
    return encoded


def count(structure: Examples) -> int:
    """Returns the number of examples, the length that all leaves share.

    Raises:
      DatasetError: If there is no leaf, a leaf is a scalar, or lengths differ.
    """
    lengths: dict[str, int] = {}
    for path, leaf in named_leaves(structure):
        if leaf.ndim == 0:
            raise errors.DatasetError(
                "Examples lie along the first axis, and a scalar has none.",
                problems=[f"examples{path}: a scalar of type {leaf.dtype}"],
                fix="give a list of examples, `[x]` for a single one.",
            )
        lengths[path] = len(leaf)
    if not lengths:
        raise errors.DatasetError("A client has no features.", fix="give at least one array.")
    if len(set(lengths.values())) > 1:
        raise errors.DatasetError(
            "The features of a client have different numbers of examples.",
            problems=[f"examples{path}: {length}" for path, length in lengths.items()],
            fix="give every feature one entry per example.",
        )
    return next(iter(lengths.values()))


def example_type(structure: Examples) -> Type:
    """Returns the type of one example.

    Examples:
      >>> print(example_type({"x": np.zeros((5, 2), np.float32), "y": np.zeros(5, np.int32)}))
      <x=float32[2],y=int32>
    """

    def leaf_type(column: np.ndarray) -> TensorType:
        dtype = np.str_ if column.dtype == object else column.dtype
        return TensorType(dtype, column.shape[1:])

    return types.to_type(map_leaves(leaf_type, structure))


def describe(structure: Examples) -> str:
    """Returns what one example is, for messages: `float32[28,28]`, `{'x': int32}`."""
    described = map_leaves(_Described, structure)
    return repr(described) if isinstance(described, tuple | _Described) else repr(dict(described))


class _Described:
    """Prints as the dtype and shape of one example of a column."""

    def __init__(self, column: np.ndarray) -> None:
        dtype = "str" if column.dtype == object else str(column.dtype)
        shape = ",".join(map(str, column.shape[1:]))
        self._text = f"{dtype}[{shape}]" if shape else dtype

    def __repr__(self) -> str:
        return self._text


def stack(elements: Sequence[Any]) -> Examples:
    """Stacks elements of one form, at least one, along a new first axis.

    Raises:
      DatasetError: If the elements differ in shape.
    """

    def stack_leaf(*leaves: Any) -> np.ndarray:
        arrays = [np.asarray(leaf) for leaf in leaves]
        shapes = {array.shape for array in arrays}
        if len(shapes) > 1:
            raise errors.DatasetError(
                "Elements of different shapes cannot be stacked into one array.",
                problems=[f"shapes: {', '.join(map(str, sorted(shapes)))}"],
                fix="read the examples before they are batched.",
            )
        if arrays[0].dtype.kind in "SO":
            column = np.empty((len(arrays), *arrays[0].shape), dtype=object)
            for index, leaf in enumerate(leaves):
                column[index] = leaf
            return to_column(column)
        return to_column(np.stack(arrays))

    return map_leaves(stack_leaf, elements[0], *elements[1:])
