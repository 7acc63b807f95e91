"""Functions of `Dataset.map` that treat every row alone, on all rows at once.

Such a function may come before `batch`, where it takes one row, or after it, where it takes the
rows of a batch. Only operations of which that is known are taken; with any other one the function
is TensorFlow's to run.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import tensorflow as tf

_DEEPEST = 8


class _UnknownError(Exception):
    """Nothing is known of an operation."""


@dataclasses.dataclass(frozen=True)
class _Rows:
    """A value of each row: where it lies among the values that were computed, and its shape."""

    slot: int
    shape: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class _Sizes:
    """Integers known in advance, but for the number of rows in a batch, which is None."""

    values: tuple[int | None, ...] | int | None


_Known: TypeAlias = "_Rows | _Sizes | np.ndarray"
_Step: TypeAlias = Callable[[list[Any]], Any]


@dataclasses.dataclass(frozen=True)
class RowFunction:
    """A function of rows.

    Attributes:
      steps: what computes one value of all rows after the other, each from those before.
      results: the positions of the results among the arguments and what the steps compute.
      result_shapes: the shape of a row of each result.
      copies: whether a result takes memory of its own.
    """

    steps: tuple[_Step, ...]
    results: tuple[int, ...]
    result_shapes: tuple[tuple[int, ...], ...]
    copies: bool

    def __call__(self, leaves: Sequence[np.ndarray]) -> tuple[np.ndarray, ...]:
        """The results for all rows.

        Args:
          leaves: the arguments, each with the rows along its first axis.

        Returns:
          The results, likewise; they may be views.
        """
        values: list[Any] = list(leaves)
        for step in self.steps:
            values.append(step(values))
        return tuple(values[result] for result in self.results)


def read(
    function: Any,
    library: Mapping[str, Any],
    captured: Sequence[np.ndarray],
    shapes: Sequence[tuple[int, ...]],
    is_batched: bool,
) -> RowFunction | None:
    """Reads a function of a graph.

    Args:
      function: its `FunctionDef`.
      library: all functions of the graph by name.
      captured: the values of its last arguments.
      shapes: the shapes of a row of each of its other arguments.
      is_batched: whether it takes batches of rows.

    Returns:
      The function on all rows; None if it may do anything else.
    """
    reader = _Reader(library, is_batched)
    arguments = [reader.new(shape) for shape in shapes]
    try:
        results = reader.call(function, [*arguments, *captured])
        rows = [reader.as_rows(result, len(shapes)) for result in results]
    except _UnknownError:
        return None
    return RowFunction(
        tuple(reader.steps),
        tuple(each.slot for each in rows),
        tuple(each.shape for each in rows),
        reader.copies,
    )


class _Reader:
    """Follows a function, node after node."""

    def __init__(self, library: Mapping[str, Any], is_batched: bool) -> None:
        self._library = library
        self._is_batched = is_batched
        self._depth = 0
        self._count = 0
        self.steps: list[_Step] = []
        self.copies = False

    def new(self, shape: tuple[int, ...]) -> _Rows:
        """A value of the next slot."""
        self._count += 1
        return _Rows(self._count - 1, shape)

    def _computed(self, step: _Step, shape: tuple[int, ...], copies: bool = True) -> _Rows:
        self.steps.append(step)
        self.copies = self.copies or copies
        return self.new(shape)

    def as_rows(self, value: _Known, arguments: int) -> _Rows:
        """A result; a constant becomes the same value of each row, where rows come alone."""
        if isinstance(value, _Rows):
            return value
        if isinstance(value, _Sizes) or self._is_batched or not arguments:
            raise _UnknownError
        constant = value
        return self._computed(
            lambda values: np.broadcast_to(constant, (len(values[0]), *constant.shape)),
            constant.shape,
        )

    def call(self, function: Any, arguments: Sequence[_Known]) -> list[_Known]:
        """The results of a function."""
        self._depth += 1
        if self._depth > _DEEPEST:
            raise _UnknownError
        names = [argument.name for argument in function.signature.input_arg]
        nodes = {node.name: node for node in function.node_def}
        known: dict[str, _Known] = dict(zip(names, arguments, strict=True))
        outputs: dict[str, list[_Known]] = {}

        def value_of(reference: str) -> _Known:
            if reference in known:
                return known[reference]
            name, _, index = reference.split(":")
            return outputs_of(name)[int(index)]

        def outputs_of(name: str) -> list[_Known]:
            if name not in outputs:
                outputs[name] = self._outputs(nodes[name], value_of, nodes)
            return outputs[name]

        results = [value_of(function.ret[each.name]) for each in function.signature.output_arg]
        for reference in function.control_ret.values():
            outputs_of(reference)
        self._depth -= 1
        return results

    def _outputs(
        self, node: Any, value_of: Callable[[str], _Known], nodes: Mapping[str, Any]
    ) -> list[_Known]:
        for name in (each[1:] for each in node.input if each.startswith("^")):
            if name in nodes and nodes[name].op not in ("NoOp", "Const", "Identity"):
                raise _UnknownError
        inputs = [value_of(each) for each in node.input if not each.startswith("^")]
        if node.op in ("PartitionedCall", "StatefulPartitionedCall"):
            return self.call(self._library[node.attr["f"].func.name], inputs)
        if node.op == "NoOp":
            return []
        if node.op == "Const":
            return [tf.make_ndarray(node.attr["value"].tensor)]
        if node.op in ("Identity", "StopGradient", "PreventGradient"):
            return inputs
        if node.op == "IdentityN":
            return inputs
        rule = _RULES.get(node.op)
        if rule is None:
            raise _UnknownError
        return [rule(self, node, *inputs)]

    def _rank(self, rows: _Rows) -> int:
        return len(rows.shape) + self._is_batched

    def shape(self, node: Any, value: _Known) -> _Known:
        """`tf.shape`."""
        del node
        if not isinstance(value, _Rows):
            raise _UnknownError
        return _Sizes((None, *value.shape) if self._is_batched else value.shape)

    def pack(self, node: Any, *inputs: _Known) -> _Known:
        """`tf.stack` of integers."""
        if node.attr["axis"].i != 0:
            raise _UnknownError
        sizes = [_sizes(each).values for each in inputs]
        if any(isinstance(size, tuple) for size in sizes):
            raise _UnknownError
        return _Sizes(tuple(size for size in sizes if not isinstance(size, tuple)))

    def strided_slice(self, node: Any, *inputs: _Known) -> _Known:
        """`sizes[i]`, or `rows[..., tf.newaxis]`."""
        value, begin, end, strides = inputs
        masks = {name: node.attr[f"{name}_mask"].i for name in _MASKS}
        constants = [begin, end, strides]
        if not all(isinstance(each, np.ndarray) for each in constants):
            raise _UnknownError
        if isinstance(value, _Rows):
            return self._with_new_axis(value, masks, len(np.atleast_1d(begin)))  # type: ignore[arg-type]
        sizes = _sizes(value).values
        first, stop, step = (np.atleast_1d(each) for each in constants)  # type: ignore[arg-type]
        if (
            not isinstance(sizes, tuple)
            or len(first) != 1
            or masks["ellipsis"]
            or masks["new_axis"]
        ):
            raise _UnknownError
        if masks["shrink_axis"]:
            return _Sizes(sizes[int(first[0])])
        start = None if masks["begin"] else int(first[0])
        return _Sizes(sizes[start : None if masks["end"] else int(stop[0]) : int(step[0])])

    def _with_new_axis(self, value: _Rows, masks: Mapping[str, int], count: int) -> _Rows:
        # `[..., newaxis]`, or `[:, :, newaxis]` with all other axes whole.
        new_axis, whole = masks["new_axis"], masks["begin"] & masks["end"]
        is_last = new_axis == 1 << (count - 1)
        is_whole = (masks["ellipsis"] == 1 and count == 2) or (
            not masks["ellipsis"]
            and count - 1 == self._rank(value)
            and whole & (new_axis - 1) == new_axis - 1
        )
        if not is_last or not is_whole or masks["shrink_axis"]:
            raise _UnknownError
        return self._reshaped(value, (*value.shape, 1))

    def reshape(self, node: Any, value: _Known, shape: _Known) -> _Known:
        """`tf.reshape` that keeps every row whole."""
        del node
        wanted = _sizes(shape).values
        if not isinstance(value, _Rows) or not isinstance(wanted, tuple):
            raise _UnknownError
        total = int(np.prod(value.shape))
        rest: tuple[int | None, ...] = wanted
        if self._is_batched:
            if not wanted or wanted[0] not in (None, -1):
                raise _UnknownError
            rest = wanted[1:]
            if wanted[0] == -1 and -1 in rest:
                raise _UnknownError
        if None in rest or rest.count(-1) > 1 or not total:
            raise _UnknownError
        sizes = [size for size in rest if size is not None]
        known = int(np.prod([size for size in sizes if size != -1]))
        if not known or (total % known if -1 in sizes else total != known):
            raise _UnknownError
        return self._reshaped(
            value, tuple(total // known if size == -1 else size for size in sizes)
        )

    def _reshaped(self, value: _Rows, shape: tuple[int, ...]) -> _Rows:
        slot = value.slot
        return self._computed(
            lambda values: values[slot].reshape(len(values[slot]), *shape), shape, copies=False
        )

    def expand_dims(self, node: Any, value: _Known, axis: _Known) -> _Known:
        """`tf.expand_dims` of a row."""
        del node
        if not isinstance(value, _Rows) or not isinstance(axis, np.ndarray) or axis.size != 1:
            raise _UnknownError
        position = int(axis.reshape(()))
        position = (position if position >= 0 else position + self._rank(value) + 1) - (
            self._is_batched
        )
        if position < 0:
            raise _UnknownError
        return self._reshaped(value, (*value.shape[:position], 1, *value.shape[position:]))

    def squeeze(self, node: Any, value: _Known) -> _Known:
        """`tf.squeeze` of a row."""
        axes = list(node.attr["squeeze_dims"].list.i)
        if not isinstance(value, _Rows) or (self._is_batched and not axes):
            raise _UnknownError
        rank = self._rank(value)
        positions = {(axis if axis >= 0 else axis + rank) - self._is_batched for axis in axes}
        if not axes:
            positions = {i for i, size in enumerate(value.shape) if size == 1}
        if any(position < 0 or value.shape[position] != 1 for position in positions):
            raise _UnknownError
        return self._reshaped(
            value, tuple(size for i, size in enumerate(value.shape) if i not in positions)
        )

    def cast(self, node: Any, value: _Known) -> _Known:
        """`tf.cast`."""
        dtype = tf.as_dtype(node.attr["DstT"].type)
        if not isinstance(value, _Rows):
            if isinstance(value, np.ndarray):
                return np.asarray(tf.cast(value, dtype).numpy())
            return value
        slot = value.slot
        return self._computed(lambda values: tf.cast(values[slot], dtype).numpy(), value.shape)

    def elementwise(self, node: Any, *inputs: _Known) -> _Known:
        """An operation on each number alone, of rows and constants."""
        operation: Any = getattr(tf.raw_ops, node.op)
        rows = [each for each in inputs if isinstance(each, _Rows)]
        constants = [each for each in inputs if isinstance(each, np.ndarray)]
        if not rows or len(rows) + len(constants) < len(inputs):
            raise _UnknownError
        # Aligned at their last axes, rows stay rows if nothing reaches over their first axis.
        rank = len(rows[0].shape)
        if any(len(each.shape) != rank for each in rows):
            raise _UnknownError
        if any(constant.ndim > rank for constant in constants):
            raise _UnknownError
        shape = np.broadcast_shapes(*(each.shape for each in (*rows, *constants)))
        names = ("x", "y")[: len(inputs)]
        slots = [each.slot if isinstance(each, _Rows) else None for each in inputs]

        def step(values: list[Any]) -> np.ndarray:
            operands = [
                each if slot is None else values[slot]
                for slot, each in zip(slots, inputs, strict=True)
            ]
            return operation(**dict(zip(names, operands, strict=True))).numpy()

        return self._computed(step, shape)

    def one_hot(self, node: Any, *inputs: _Known) -> _Known:
        """`tf.one_hot`."""
        value, *constants = inputs
        if not isinstance(value, _Rows) or node.attr["axis"].i != -1:
            raise _UnknownError
        if not all(isinstance(each, np.ndarray) for each in constants):
            raise _UnknownError
        slot, (depth, on, off) = value.slot, constants
        assert isinstance(depth, np.ndarray)
        return self._computed(
            lambda values: tf.raw_ops.OneHot(
                indices=values[slot], depth=depth, on_value=on, off_value=off
            ).numpy(),
            (*value.shape, int(depth)),
        )

    def transpose(self, node: Any, value: _Known, order: _Known) -> _Known:
        """`tf.transpose` of a row."""
        del node
        if not isinstance(value, _Rows) or not isinstance(order, np.ndarray):
            raise _UnknownError
        axes = [int(axis) + (not self._is_batched) for axis in order.reshape(-1)]
        axes = axes if self._is_batched else [0, *axes]
        if axes[:1] != [0] or len(axes) != len(value.shape) + 1:
            raise _UnknownError
        slot = value.slot
        return self._computed(
            lambda values: np.ascontiguousarray(values[slot].transpose(axes)),
            tuple(value.shape[axis - 1] for axis in axes[1:]),
        )


_MASKS = ("begin", "end", "ellipsis", "new_axis", "shrink_axis")


def _sizes(value: _Known) -> _Sizes:
    if isinstance(value, _Sizes):
        return value
    if isinstance(value, np.ndarray) and value.ndim < 2 and value.dtype.kind == "i":
        return _Sizes(tuple(value.tolist()) if value.ndim else int(value))
    raise _UnknownError


# What rounds once, or not at all: it gives the same bits one row at a time and all at once.
_ELEMENTWISE = """
Abs AddV2 Add Equal Greater GreaterEqual Less LessEqual LogicalAnd LogicalNot LogicalOr Maximum
Minimum Mul Neg NotEqual RealDiv Sign Square Sub ZerosLike OnesLike
"""
_RULES: dict[str, Callable[..., _Known]] = {
    **dict.fromkeys(_ELEMENTWISE.split(), _Reader.elementwise),
    "Cast": _Reader.cast,
    "ExpandDims": _Reader.expand_dims,
    "OneHot": _Reader.one_hot,
    "Pack": _Reader.pack,
    "Reshape": _Reader.reshape,
    "Shape": _Reader.shape,
    "Squeeze": _Reader.squeeze,
    "StridedSlice": _Reader.strided_slice,
    "Transpose": _Reader.transpose,
}
