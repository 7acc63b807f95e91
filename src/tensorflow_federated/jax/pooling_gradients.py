"""Gradients of maxima over windows that do not overlap, a place of the windows at a time.

XLA goes through the windows on a processor one by one, in plain scalar code, to find where the
maximum of each is. All windows at a time, place by place, is several times as fast
(`benchmarks/pooling.py`).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
from jax import lax
from jax.extend import core

from tensorflow_federated.jax import jaxprs

_NAME = "select_and_scatter_add"

# Of larger windows there would be too many parts.
_MOST_PLACES = 16


def in_parts(closed: core.ClosedJaxpr) -> core.ClosedJaxpr:
    """The same function, with such gradients computed in parts; see the module.

    Args:
      closed: the function.

    Returns:
      The function, with the same parameters and results; the same object if it has none of them.

    Examples:
      >>> import jax
      >>> def largest(x):
      ...     return lax.reduce_window(x, -jnp.inf, lax.max, (1, 2), (1, 2), "VALID")
      >>> x = jnp.array([[1.0, 3.0, 2.0, 2.0]])
      >>> function = jax.make_jaxpr(jax.grad(lambda x: jnp.sum(largest(x))))(x)
      >>> in_parts(function) is function
      False
      >>> core.jaxpr_as_fun(in_parts(function))(x)[0].tolist()
      [[0.0, 1.0, 1.0, 0.0]]
    """
    if not any(map(_is_in_parts, jaxprs.equations(closed))):
        return closed
    return jaxprs.rewritten(closed, {_NAME: _apply})


def _is_in_parts(equation: core.JaxprEqn) -> bool:
    """Whether an operation is such a gradient, of windows with few places."""
    if equation.primitive.name != _NAME:
        return False
    params, operand = equation.params, equation.invars[1].aval
    window: tuple[int, ...] = params["window_dimensions"]
    return (
        window == tuple(params["window_strides"])
        and not any(itertools.chain(*params["padding"]))
        and math.prod(window) <= _MOST_PLACES
        and all(
            length == 1 or isinstance(size, int)
            for length, size in zip(window, operand.shape, strict=True)  # pyright: ignore
        )
    )


def _apply(equation: core.JaxprEqn, operands: Sequence[Any]) -> Any:
    with equation.ctx.manager:
        if not _is_in_parts(equation):
            return equation.primitive.bind(*operands, **equation.params)
        (source, operand), params = operands, equation.params
        return _scattered(source, operand, params["window_dimensions"], params["select_prim"])


def _scattered(source: Any, operand: Any, window: Sequence[int], select: Any) -> Any:
    """Each element of `source`, where its window of `operand` has the first of its maxima."""
    axes = [axis for axis, length in enumerate(window) if length > 1]
    places = list(itertools.product(*(range(window[axis]) for axis in axes)))
    parts = [_part(operand, source.shape, window, axes, place) for place in places]
    # In the order and by the comparison of XLA, so that of equal ones, and of what is no number, it
    # is the same one.
    chosen, number = parts[0], jnp.zeros(source.shape, jnp.int8)
    for index, part in enumerate(parts[1:], 1):
        stays = select.bind(chosen, part)
        chosen = lax.select(stays, chosen, part)
        number = lax.select(stays, number, jnp.full_like(number, index))
    zeros = jnp.zeros_like(source)
    scattered = {
        place: lax.select(number == index, source, zeros) for index, place in enumerate(places)
    }
    return _put_together(scattered, axes, window, operand.shape)


def _part(
    operand: Any, counts: Sequence[Any], window: Sequence[int], axes: list[int], place: Any
) -> Any:
    """What all windows have at one of their places."""
    for axis, at in zip(axes, place, strict=True):
        stop = at + (counts[axis] - 1) * window[axis] + 1
        operand = lax.slice_in_dim(operand, at, stop, window[axis], axis)
    return operand


def _put_together(
    parts: dict[Any, Any], axes: list[int], window: Sequence[int], shape: Sequence[Any]
) -> Any:
    """The array of which the windows have the parts at their places, and 0 outside of them."""
    for position in reversed(range(len(axes))):
        axis = axes[position]
        grouped = itertools.groupby(sorted(parts), key=lambda place: place[:-1])
        parts = {
            place: _interleaved([parts[each] for each in group], axis) for place, group in grouped
        }
    (array,) = parts.values()
    missing = [
        (0, size - covered if axis in axes else 0, 0)
        for axis, (size, covered) in enumerate(zip(shape, array.shape, strict=True))
    ]
    if not any(high for _, high, _ in missing):
        return array
    return lax.pad(array, jnp.zeros((), array.dtype), missing)


def _interleaved(arrays: Sequence[Any], axis: int) -> Any:
    """The first elements along an axis, then the second ones, and so on."""
    stacked = jnp.stack(arrays, axis + 1)
    shape = list(arrays[0].shape)
    shape[axis] *= len(arrays)
    return stacked.reshape(shape)
