"""Carries a program for any size of a batch out on the first rows of a larger one.

An axis of a value is one of rows if its size is that of the batch, or so many times that, as where
the pixels of all examples are in one axis. What holds for every value: as far as all its positions
on axes of rows are those of rows that count, it is what the program computes for a batch of these
rows alone; whatever else it holds is never read. An operation
that works on rows one by one keeps that as it is; one that adds rows up, or multiplies over them,
takes what is to have no effect in place of the rows that do not count. Each operation is known
here to be of one or the other kind, or it has no such form.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from tensorflow_federated.jax import sized_programs
from tensorflow_federated.jax.sized_programs import (
    Atom,
    Filled,
    Linear,
    Number,
    Numbers,
    Operation,
    Program,
    Variable,
    params_at,
)


class NoFormError(Exception):
    """There is an operation that has no form for the first rows of a batch."""


class FirstRows:
    """The first rows of a batch."""

    def __init__(self, size: Any, count: Any) -> None:
        """Makes a description.

        Args:
          size: how many rows the batch has.
          count: how many of them count, int32.
        """
        self.size, self.count = size, count
        # Values whose rows that do not count hold no NaN and no infinity.
        self._finite: set[Variable] = set()

    def evaluate(self, program: Program, arguments: Sequence[Any]) -> list[Any]:
        """The results of a program for these rows; to be called where JAX keeps 64 bits.

        Args:
          program: the program; its results have no axis of rows.
          arguments: its arguments; what their other rows hold has no effect.

        Returns:
          The results.

        Raises:
          NoFormError: if one of its operations has no form for the first rows of a batch.
        """
        cleaned: list[Any] = []
        for variable, argument in zip(program.parameters, arguments, strict=True):
            if row_axes(variable):
                argument = self.filled(argument, variable, row_axes(variable), 0)
                self._finite.add(variable)
            cleaned.append(argument)
        if any(map(row_axes, program.results)):
            raise NoFormError("a result has a row for each of the batch")
        return self._run(program, cleaned)

    def filled(self, value: Any, atom: Atom, axes: Sequence[int], number: Any) -> Any:
        """An array with a number in place of what does not count along some axes of rows.

        Args:
          value: the array.
          atom: what it is in the program.
          axes: the axes; those that are not of rows are left as they are.
          number: the number.

        Returns:
          The array.
        """
        for axis in row_axes(atom):
            if axis in axes:
                sizes = [1] * value.ndim
                sizes[axis] = size = value.shape[axis]
                positions = lax.broadcasted_iota(np.int32, (size,), 0)
                counts = (positions < self.count_along(atom, axis)).reshape(sizes)
                value = jnp.where(counts, value, jnp.full_like(value, number))
        return value

    def count_along(self, atom: Atom, axis: int) -> Any:
        """How many positions on an axis of rows count, int32."""
        size = atom.shape[axis]
        assert isinstance(size, Linear)
        return size.slope * self.count

    def is_finite(self, atom: Atom) -> bool:
        """Whether what does not count is known to be finite, and a constant if it is no row."""
        return not isinstance(atom, Variable) or atom in self._finite

    def run_inner(self, program: Program) -> Callable[..., list[Any]]:
        """A function inside of the program as one of its arguments."""
        return lambda *arguments: self._run(program, arguments)

    def _run(self, program: Program, arguments: Sequence[Any]) -> list[Any]:
        values: dict[Variable, Any] = dict(zip(program.parameters, arguments, strict=True))

        def read(atom: Atom) -> Any:
            if isinstance(atom, Variable):
                return values[atom]
            if isinstance(atom, Number):
                return jnp.asarray(atom.at(self.count)).astype(atom.dtype)
            if isinstance(atom, Numbers):
                return atom.at(self.count)
            if isinstance(atom, Filled):
                return jnp.full(params_at(atom.shape, self.size), atom.value)
            return atom

        for operation in program.operations:
            operands = [read(each) for each in operation.inputs]
            results = self._apply(operation, operands)
            values.update(zip(operation.outputs, results, strict=True))
        return [read(each) for each in program.results]

    def _apply(self, operation: Operation, operands: list[Any]) -> Sequence[Any]:
        name = operation.primitive.name
        if operation.is_fixed and not any(map(row_axes, (*operation.inputs, *operation.outputs))):
            return self.bind(operation, operands)
        if name in _BY_ROWS:
            return self.bind(operation, operands)
        if name in _MOVING:
            if not _MOVING[name](operation):
                raise NoFormError(name)
            if all(map(self.is_finite, operation.inputs)):
                self._finite.update(operation.outputs)
            return self.bind(operation, operands)
        if name in _RULES:
            return _RULES[name](self, operation, operands)
        raise NoFormError(name)

    def bind(self, operation: Operation, operands: Sequence[Any]) -> Sequence[Any]:
        """Applies the operation as it is."""
        params = operation.equation.params
        if not operation.is_fixed:
            params = params_at(dict(operation.params), self.size)
        with operation.equation.ctx.manager:
            results = operation.primitive.bind(*operands, **params)
        return results if operation.primitive.multiple_results else [results]


def row_axes(atom: Atom) -> list[int]:
    """The axes of a value that are of rows.

    Raises:
      NoFormError: if it has an axis whose size depends on the batch in another way.
    """
    sizes = [(axis, size) for axis, size in enumerate(atom.shape) if isinstance(size, Linear)]
    if any(size.offset or size.slope < 1 for _, size in sizes):
        raise NoFormError("an axis of a size that depends on that of the batch")
    return [axis for axis, _ in sizes]


# Of positions of their operands the same positions of their results, and of nothing else.
_NAMES = """
abs acos acosh add add_any and asin asinh atan atan2 atanh bessel_i0e bessel_i1e
bitcast_convert_type cbrt ceil clamp clz complex conj convert_element_type copy copy_p cos cosh
digamma div eq erf erf_inv erfc exp exp2 expm1 floor ge gt igamma igammac imag integer_pow
is_finite le lgamma log log1p logistic lt max min mul ne neg nextafter not optimization_barrier
or polygamma population_count pow real reduce_precision regularized_incomplete_beta rem round
rsqrt select_n shift_left shift_right_arithmetic shift_right_logical sign sin sinh sqrt square
stop_gradient sub tan tanh xor zeta
"""
_BY_ROWS = frozenset(_NAMES.split())


def _are_whole(operation: Operation, axes: Sequence[int]) -> bool:
    """Whether some axes of the first input are none of rows."""
    return not set(axes) & set(row_axes(operation.inputs[0]))


def _keeps_rows(operation: Operation) -> bool:
    """Whether a reshape leaves the elements of rows that count where they are, in order."""
    if operation.params.get("dimensions") is not None:
        return False
    (before,), (after,) = operation.inputs[:1], operation.outputs
    return _segments(before) == _segments(after) or all(map(_begins_with_rows, (before, after)))


def _segments(atom: Any) -> list[Any]:
    """The axes of rows, and the sizes of what is before, between and after them."""
    axes = row_axes(atom)
    bounds = zip([-1, *axes], [*axes, len(atom.shape)], strict=True)
    sizes = [math.prod(atom.shape[first + 1 : last]) for first, last in bounds]
    return [*sizes, *(atom.shape[axis] for axis in axes)]


def _begins_with_rows(atom: Any) -> bool:
    """Whether the rows that count are the first elements of an array."""
    axes = row_axes(atom)
    return len(axes) == 1 and math.prod(atom.shape[: axes[0]]) == 1


def _is_broadcast(operation: Operation) -> bool:
    return len(operation.inputs) == 1


def _slices_no_rows(operation: Operation) -> bool:
    params, (source,) = operation.params, operation.inputs
    strides = params["strides"] or (1,) * len(source.shape)
    bounds = zip(params["start_indices"], params["limit_indices"], strides, strict=True)
    return _are_for_rows(list(bounds), lambda size: (0, size, 1), source)


def _are_for_rows(params: Sequence[Any], for_rows: Callable[[Any], Any], source: Atom) -> bool:
    """Whether parameters for each axis are such for axes of rows, and know no batch for others."""
    axes = row_axes(source)
    return all(
        each == for_rows(source.shape[axis]) if axis in axes else not sized_programs.has_sizes(each)
        for axis, each in enumerate(params)
    )


def _slices_all_rows(operation: Operation) -> bool:
    source, *starts = operation.inputs
    is_whole = _are_for_rows(operation.params["slice_sizes"], lambda size: size, source)
    return is_whole and not any(map(row_axes, starts))


def _updates_all_rows(operation: Operation) -> bool:
    target, update, *starts = operation.inputs
    are_whole = [target.shape[axis] for axis in row_axes(target)] == [
        update.shape[axis] for axis in row_axes(update)
    ]
    return are_whole and row_axes(target) == row_axes(update) and not any(map(row_axes, starts))


def _pads_no_rows(operation: Operation) -> bool:
    config = operation.params["padding_config"]
    return _are_for_rows(config, lambda _: (0, 0, 0), operation.inputs[0])


def _windows_no_rows(operation: Operation) -> bool:
    params = operation.params
    plain = (1,) * len(params["window_dimensions"])
    per_axis = zip(
        params["window_dimensions"],
        params["window_strides"],
        params["padding"],
        params.get("base_dilation") or plain,
        params.get("window_dilation") or plain,
        strict=True,
    )
    windows = list(per_axis)
    return all(
        _are_for_rows(windows, lambda _: (1, 1, (0, 0), 1, 1), each) for each in operation.inputs
    )


def _joins_no_rows(operation: Operation) -> bool:
    axis = operation.params["dimension"]
    return not any(axis in row_axes(each) for each in operation.inputs)


def _splits_no_rows(operation: Operation) -> bool:
    return _are_whole(operation, [operation.params["axis"]])


def _along_no_rows(operation: Operation) -> bool:
    params = operation.params
    axis = params["dimension"] if "dimension" in params else params["axis"]
    return _are_whole(operation, [axis])


def _along_no_last_rows(operation: Operation) -> bool:
    axis = operation.params.get("axis", -1)
    return _are_whole(operation, [axis % len(operation.inputs[0].shape)])


def _is_iota(operation: Operation) -> bool:
    # The first positions are the same for any size.
    return not operation.inputs


def _draws_rows_one_by_one(operation: Operation) -> bool:
    """Whether the numbers that are drawn for the first rows are so for any number of rows."""
    (keys,) = operation.inputs
    shape = operation.params["shape"]
    is_of_first_axis = not any(isinstance(size, Linear) for size in shape[1:])
    has_counter = jax.config.jax_threefry_partitionable  # pyright: ignore[reportAttributeAccessIssue]
    return bool(
        is_of_first_axis
        and has_counter
        and keys.dtype.name == "key<fry>"
        and not (row_axes(keys) and isinstance(shape[0] if shape else 0, Linear))
    )


# Operations whose results are their operands' in other places, as far as rows are concerned, each
# with when they are.
_MOVING: dict[str, Callable[[Operation], bool]] = {
    "broadcast_in_dim": _is_broadcast,
    "concatenate": _joins_no_rows,
    "dynamic_slice": _slices_all_rows,
    "dynamic_update_slice": _updates_all_rows,
    "iota": _is_iota,
    "pad": _pads_no_rows,
    "reshape": _keeps_rows,
    "rev": lambda operation: _are_whole(operation, operation.params["dimensions"]),
    "slice": _slices_no_rows,
    "split": _splits_no_rows,
    "squeeze": lambda operation: _are_whole(operation, operation.params["dimensions"]),
    "transpose": lambda operation: True,
}

Rule = Callable[[FirstRows, Operation, list[Any]], Sequence[Any]]
"""Applies an operation to what its operands hold for the first rows."""


def _if(condition: Callable[[Operation], bool]) -> Rule:
    def rule(rows: FirstRows, operation: Operation, operands: list[Any]) -> Sequence[Any]:
        if not condition(operation):
            raise NoFormError(operation.primitive.name)
        return rows.bind(operation, operands)

    return rule


def _reduction(neutral: Callable[[Any], Any]) -> Rule:
    def rule(rows: FirstRows, operation: Operation, operands: list[Any]) -> Sequence[Any]:
        (source,), (value,) = operation.inputs, operands
        filled = rows.filled(value, source, operation.params["axes"], neutral(value.dtype))
        return rows.bind(operation, [filled])

    return rule


def _cumulation(neutral: Callable[[Any], Any]) -> Rule:
    def rule(rows: FirstRows, operation: Operation, operands: list[Any]) -> Sequence[Any]:
        (source,), (value,) = operation.inputs, operands
        if operation.params["reverse"]:
            axes = [operation.params["axis"]]
            value = rows.filled(value, source, axes, neutral(value.dtype))
        return rows.bind(operation, [value])

    return rule


def _least(dtype: Any) -> Any:
    if dtype == np.bool_:
        return False
    return -np.inf if jnp.issubdtype(dtype, jnp.inexact) else jnp.iinfo(dtype).min


def _greatest(dtype: Any) -> Any:
    if dtype == np.bool_:
        return True
    return np.inf if jnp.issubdtype(dtype, jnp.inexact) else jnp.iinfo(dtype).max


def _product(
    rows: FirstRows,
    operation: Operation,
    operands: list[Any],
    contracted: tuple[Sequence[int], Sequence[int]],
) -> Sequence[Any]:
    """A sum of products over some axes of two operands."""
    (first, second), (left, right) = operation.inputs, operands
    # Zero times anything finite has no effect; so one of the two is enough, if the other is finite.
    if not rows.is_finite(first) or rows.is_finite(second):
        left = rows.filled(left, first, contracted[0], 0)
    if not rows.is_finite(second):
        right = rows.filled(right, second, contracted[1], 0)
    return rows.bind(operation, [left, right])


def _dot_general(rows: FirstRows, operation: Operation, operands: list[Any]) -> Sequence[Any]:
    return _product(rows, operation, operands, operation.params["dimension_numbers"][0])


def _convolution(rows: FirstRows, operation: Operation, operands: list[Any]) -> Sequence[Any]:
    """Rows are the batch of a convolution; or the channels, where the kernel's gradient is made."""
    params = operation.params
    left, right, out = params["dimension_numbers"]
    has_rows = [set(row_axes(each)) for each in (*operation.inputs, *operation.outputs)]
    if has_rows == [{left[0]}, set(), {out[0]}] and params["batch_group_count"] == 1:
        return rows.bind(operation, operands)
    are_channels = has_rows == [{left[1]}, {right[1]}, set()]
    if are_channels and params["feature_group_count"] == params["batch_group_count"] == 1:
        return _product(rows, operation, operands, ((left[1],), (right[1],)))
    raise NoFormError("conv_general_dilated")


def _gather(rows: FirstRows, operation: Operation, operands: list[Any]) -> Sequence[Any]:
    numbers, sizes = operation.params["dimension_numbers"], operation.params["slice_sizes"]
    source, indices = operation.inputs
    value, positions = operands
    indexed = [axis for axis in row_axes(source) if axis not in numbers.operand_batching_dims]
    if len(indices.shape) - 1 in row_axes(indices):
        raise NoFormError("gather")
    if sum(isinstance(size, Linear) for size in sizes) > len(indexed):
        raise NoFormError("gather")
    for axis in indexed:
        if axis not in numbers.start_index_map and sizes[axis] == source.shape[axis]:
            continue
        if axis not in numbers.start_index_map or sizes[axis] != 1:
            raise NoFormError("gather")
        place = numbers.start_index_map.index(axis)
        positions = _within_rows(rows, operation, axis, positions, place)
    return rows.bind(operation, [value, positions])


def _scatter_add(rows: FirstRows, operation: Operation, operands: list[Any]) -> Sequence[Any]:
    numbers = operation.params["dimension_numbers"]
    target, indices, updates = operation.inputs
    value, positions, added = operands
    if len(indices.shape) - 1 in row_axes(indices):
        raise NoFormError("scatter-add")
    windows = sum(axis in numbers.update_window_dims for axis in row_axes(updates))
    for axis in row_axes(target):
        if axis in numbers.operand_batching_dims:
            continue
        if axis in numbers.inserted_window_dims:
            place = numbers.scatter_dims_to_operand_dims.index(axis)
            positions = _within_rows(rows, operation, axis, positions, place)
        elif axis in numbers.scatter_dims_to_operand_dims:
            raise NoFormError("scatter-add")
        else:
            windows -= 1
    if windows:
        raise NoFormError("scatter-add")
    added = rows.filled(added, updates, row_axes(updates), 0)
    return rows.bind(operation, [value, positions, added])


def _within_rows(
    rows: FirstRows, operation: Operation, axis: int, positions: Any, place: int
) -> Any:
    """Indices of rows, those beyond the rows that count as they are beyond those of an array."""
    mode, along = operation.params["mode"], positions[..., place]
    count = rows.count_along(operation.inputs[0], axis).astype(along.dtype)
    if mode == lax.GatherScatterMode.CLIP:
        along = jnp.minimum(along, count - 1)
    elif mode == lax.GatherScatterMode.FILL_OR_DROP:
        size = params_at(operation.inputs[0].shape[axis], rows.size)
        along = jnp.where(along >= count, jnp.asarray(size).astype(along.dtype), along)
    elif mode != lax.GatherScatterMode.PROMISE_IN_BOUNDS:
        raise NoFormError(operation.primitive.name)
    return positions.at[..., place].set(along)


def _scan(rows: FirstRows, operation: Operation, operands: list[Any]) -> Sequence[Any]:
    params = operation.params
    consts, carried = params["num_consts"], params["num_carry"]
    sequences = (*operation.inputs[consts + carried :], *operation.outputs[carried:])
    if isinstance(params["length"], Linear) or any(0 in row_axes(each) for each in sequences):
        raise NoFormError("scan")
    body = rows.run_inner(params["jaxpr"])

    def turn(state: Sequence[Any], element: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        results = body(*operands[:consts], *state, *element)
        return results[:carried], results[carried:]

    last, outputs = lax.scan(
        turn,
        operands[consts : consts + carried],
        operands[consts + carried :],
        length=params["length"],
        reverse=params["reverse"],
        unroll=params["unroll"],
    )
    return [*last, *outputs]


def _while(rows: FirstRows, operation: Operation, operands: list[Any]) -> Sequence[Any]:
    params = operation.params
    first, second = params["cond_nconsts"], params["body_nconsts"]
    is_going_on, body = map(rows.run_inner, (params["cond_jaxpr"], params["body_jaxpr"]))
    for_condition, for_body = operands[:first], operands[first : first + second]
    if any(map(row_axes, params["cond_jaxpr"].results)):
        raise NoFormError("while")
    return lax.while_loop(
        lambda state: is_going_on(*for_condition, *state)[0],
        lambda state: body(*for_body, *state),
        operands[first + second :],
    )


def _cond(rows: FirstRows, operation: Operation, operands: list[Any]) -> Sequence[Any]:
    index, *arguments = operands
    branches = [rows.run_inner(each) for each in operation.params["branches"]]
    return lax.switch(index, branches, *arguments)


_RULES: dict[str, Rule] = {
    "argmax": _reduction(_least),
    "argmin": _reduction(_greatest),
    "cond": _cond,
    "conv_general_dilated": _convolution,
    "cumlogsumexp": _cumulation(_least),
    "cummax": _cumulation(_least),
    "cummin": _cumulation(_greatest),
    "cumprod": _cumulation(lambda dtype: 1),
    "cumsum": _cumulation(lambda dtype: 0),
    "dot_general": _dot_general,
    "gather": _gather,
    "random_bits": _if(_draws_rows_one_by_one),
    "random_split": _if(_draws_rows_one_by_one),
    "random_unwrap": _if(lambda operation: True),
    "random_wrap": _if(
        lambda operation: _are_whole(operation, [len(operation.inputs[0].shape) - 1])
    ),
    "reduce_and": _reduction(lambda dtype: True if dtype == np.bool_ else -1),
    "reduce_max": _reduction(_least),
    "reduce_min": _reduction(_greatest),
    "reduce_or": _reduction(lambda dtype: 0),
    "reduce_prod": _reduction(lambda dtype: 1),
    "reduce_sum": _reduction(lambda dtype: 0),
    "reduce_window_max": _if(_windows_no_rows),
    "reduce_window_min": _if(_windows_no_rows),
    "reduce_window_sum": _if(_windows_no_rows),
    "scan": _scan,
    "scatter-add": _scatter_add,
    "select_and_gather_add": _if(_windows_no_rows),
    "select_and_scatter_add": _if(_windows_no_rows),
    "sort": _if(_along_no_rows),
    "top_k": _if(_along_no_last_rows),
    "while": _while,
}
_RULES["checkpoint"] = _RULES["remat"] = _RULES["remat2"] = lambda rows, operation, operands: (
    rows.run_inner(operation.params["jaxpr"])(*operands)
)
