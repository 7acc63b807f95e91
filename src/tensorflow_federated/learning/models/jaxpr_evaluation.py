"""Evaluates small programs of JAX with NumPy, for which compiling takes far longer than computing.

It knows the operations of dense models and of their gradients; for any other it says so.

Importing this module imports JAX.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from jax.extend import core


class UnknownOperationError(Exception):
    """A program has an operation that is not evaluated here."""


def evaluate(program: core.ClosedJaxpr, arguments: Sequence[Any]) -> list[Any]:
    """Evaluates a program.

    Args:
      program: the program, as `jax.make_jaxpr` makes it.
      arguments: its arguments, flat.

    Returns:
      Its results, flat.

    Raises:
      UnknownOperationError: if one of its operations is not known here.

    Examples:
      >>> import jax
      >>> import jax.numpy as jnp
      >>> program = jax.make_jaxpr(lambda x: jnp.sum(x * x))(np.float32([1, 2]))
      >>> [float(result) for result in evaluate(program, [np.float32([3, 4])])]
      [25.0]
    """
    values: dict[Any, Any] = dict(zip(program.jaxpr.constvars, program.consts, strict=True))
    values.update(zip(program.jaxpr.invars, arguments, strict=True))

    def read(atom: Any) -> np.ndarray:
        dtype = atom.aval.dtype
        return np.asarray(atom.val if isinstance(atom, core.Literal) else values[atom], dtype)

    with np.errstate(all="ignore"):
        for equation in program.jaxpr.eqns:
            results = _apply(equation, [read(atom) for atom in equation.invars])
            for variable, result in zip(equation.outvars, results, strict=True):
                values[variable] = np.asarray(result, variable.aval.dtype)
    return [read(atom) for atom in program.jaxpr.outvars]


def _apply(equation: Any, arguments: list[np.ndarray]) -> Sequence[Any]:
    name, params = equation.primitive.name, equation.params
    inner = params.get("jaxpr" if name == "jit" else "call_jaxpr")
    if name in ("jit", "custom_jvp_call", "custom_vjp_call") and inner is not None:
        return evaluate(inner, arguments)
    if name in _ELEMENTWISE:
        return [_ELEMENTWISE[name](*arguments)]
    if name in _OTHERS:
        return [_OTHERS[name](*arguments, **params)]
    raise UnknownOperationError(name)


def _of_floats(fn: Callable[..., Any]) -> Callable[..., Any]:
    def apply(*arguments: Any) -> Any:
        if any(argument.dtype.kind in "iub" for argument in arguments):
            raise UnknownOperationError("an operation on whole numbers")
        return fn(*arguments)

    return apply


def _logical_not(x: np.ndarray) -> np.ndarray:
    return np.logical_not(x) if x.dtype == np.bool_ else np.invert(x)


_ELEMENTWISE: dict[str, Callable[..., Any]] = {
    "abs": np.abs,
    "add": np.add,
    "add_any": np.add,
    "and": np.bitwise_and,
    "clamp": lambda low, x, high: np.minimum(np.maximum(x, low), high),
    "copy": lambda x: x,
    "copy_p": lambda x: x,
    "div": _of_floats(np.divide),
    "eq": np.equal,
    "erf": np.vectorize(math.erf, otypes=[np.float64]),
    "exp": np.exp,
    "expm1": np.expm1,
    "ge": np.greater_equal,
    "gt": np.greater,
    "is_finite": np.isfinite,
    "le": np.less_equal,
    "log": np.log,
    "log1p": np.log1p,
    "logistic": lambda x: 1 / (1 + np.exp(-x)),
    "lt": np.less,
    "max": np.maximum,
    "min": np.minimum,
    "mul": np.multiply,
    "ne": np.not_equal,
    "neg": np.negative,
    "not": _logical_not,
    "or": np.bitwise_or,
    "pow": _of_floats(np.power),
    "rsqrt": lambda x: 1 / np.sqrt(x),
    "sign": np.sign,
    "sqrt": np.sqrt,
    "square": np.square,
    "stop_gradient": lambda x: x,
    "sub": np.subtract,
    "tanh": np.tanh,
}


def _broadcast_in_dim(
    x: np.ndarray, *, shape: Sequence[int], broadcast_dimensions: Sequence[int], **_: Any
) -> np.ndarray:
    sizes = [1] * len(shape)
    for axis, dimension in enumerate(broadcast_dimensions):
        sizes[dimension] = x.shape[axis]
    return np.broadcast_to(x.reshape(sizes), shape)


def _dot_general(x: np.ndarray, y: np.ndarray, *, dimension_numbers: Any, **_: Any) -> np.ndarray:
    (x_contracted, y_contracted), (x_batch, y_batch) = dimension_numbers
    x_letters = list(range(x.ndim))
    y_letters = list(range(x.ndim, x.ndim + y.ndim))
    for a, b in [*zip(x_contracted, y_contracted), *zip(x_batch, y_batch)]:  # noqa: B905
        y_letters[b] = x_letters[a]
    result = [x_letters[a] for a in x_batch]
    result += [c for a, c in enumerate(x_letters) if a not in (*x_contracted, *x_batch)]
    result += [c for b, c in enumerate(y_letters) if b not in (*y_contracted, *y_batch)]
    return np.einsum(x, x_letters, y, y_letters, result)


def _iota(*, dtype: Any, shape: Sequence[int], dimension: int, **_: Any) -> np.ndarray:
    sizes = [1] * len(shape)
    sizes[dimension] = shape[dimension]
    return np.broadcast_to(np.arange(shape[dimension], dtype=dtype).reshape(sizes), shape)


def _select_n(which: np.ndarray, *cases: np.ndarray) -> np.ndarray:
    return np.choose(which.astype(np.int64), cases)


def _slice(
    x: np.ndarray, *, start_indices: Any, limit_indices: Any, strides: Any, **_: Any
) -> np.ndarray:
    steps = strides or [1] * x.ndim
    return x[tuple(map(slice, start_indices, limit_indices, steps))]


def _gather(
    x: np.ndarray,
    indices: np.ndarray,
    *,
    dimension_numbers: Any,
    slice_sizes: Sequence[int],
    **_: Any,
) -> np.ndarray:
    numbers = dimension_numbers
    batching = (numbers.operand_batching_dims, numbers.start_indices_batching_dims)
    dropped = (*numbers.collapsed_slice_dims, *numbers.operand_batching_dims)
    places = _slices(x, indices, numbers.start_index_map, batching, slice_sizes)
    parts = [np.squeeze(x[place], dropped) for place in places]
    batch_shape = indices.shape[:-1]
    joined = np.stack(parts).reshape(batch_shape + parts[0].shape)
    first = len(batch_shape)
    return np.moveaxis(joined, range(first, joined.ndim), numbers.offset_dims)


def _scatter_add(
    x: np.ndarray, indices: np.ndarray, updates: np.ndarray, *, dimension_numbers: Any, **_: Any
) -> np.ndarray:
    numbers = dimension_numbers
    batching = (numbers.operand_batching_dims, numbers.scatter_indices_batching_dims)
    dropped = (*numbers.inserted_window_dims, *numbers.operand_batching_dims)
    first = indices.ndim - 1
    moved = np.moveaxis(updates, numbers.update_window_dims, range(first, updates.ndim))
    window = iter(moved.shape[first:])
    sizes = [1 if axis in dropped else next(window) for axis in range(x.ndim)]
    result = np.array(x)
    parts = moved.reshape((-1, *sizes))
    places = _slices(x, indices, numbers.scatter_dims_to_operand_dims, batching, sizes)
    for place, part in zip(places, parts, strict=True):
        result[place] += part
    return result


def _slices(
    x: np.ndarray,
    indices: np.ndarray,
    index_map: Sequence[int],
    batching: tuple[Sequence[int], Sequence[int]],
    sizes: Sequence[int],
) -> Iterator[tuple[slice, ...]]:
    """The part of an array that each vector of indices means."""
    for position in np.ndindex(indices.shape[:-1]):
        starts = [0] * x.ndim
        for axis, start in zip(index_map, indices[position], strict=True):
            starts[axis] = int(start)
        for axis, batch_axis in zip(*batching, strict=True):
            starts[axis] = position[batch_axis]
        if any(
            start < 0 or start + size > length
            for start, size, length in zip(starts, sizes, x.shape, strict=True)
        ):
            raise UnknownOperationError("an index out of range")
        yield tuple(slice(s, s + size) for s, size in zip(starts, sizes, strict=True))


_OTHERS: dict[str, Callable[..., Any]] = {
    "argmax": lambda x, axes, **_: np.argmax(x, axes[0]),
    "argmin": lambda x, axes, **_: np.argmin(x, axes[0]),
    "broadcast_in_dim": _broadcast_in_dim,
    "concatenate": lambda *arrays, dimension, **_: np.concatenate(arrays, dimension),
    "convert_element_type": lambda x, new_dtype, **_: x.astype(new_dtype),
    "dot_general": _dot_general,
    "gather": _gather,
    "integer_pow": lambda x, y, **_: x**y,
    "iota": _iota,
    "reduce_and": lambda x, axes, **_: np.all(x, tuple(axes)),
    "reduce_max": lambda x, axes, **_: np.max(x, tuple(axes)),
    "reduce_min": lambda x, axes, **_: np.min(x, tuple(axes)),
    "reduce_or": lambda x, axes, **_: np.any(x, tuple(axes)),
    "reduce_sum": lambda x, axes, **_: np.sum(x, tuple(axes)),
    "reshape": lambda x, new_sizes, **_: x.reshape(new_sizes),
    "rev": lambda x, dimensions, **_: np.flip(x, dimensions),
    "scatter-add": _scatter_add,
    "select_n": lambda which, *cases, **_: _select_n(which, *cases),
    "slice": _slice,
    "squeeze": lambda x, dimensions, **_: np.squeeze(x, tuple(dimensions)),
    "transpose": lambda x, permutation, **_: np.transpose(x, permutation),
}
