"""Convolutions in the layout that XLA multiplies fast on a processor.

In loops XLA runs a convolution on a processor by plain scalar code, 25 times too slow, unless the
dimensions are in the order of its matrix kernels: batch, space, features for the operand and the
result, space, input features, output features for the kernel. What JAX derives for gradients never
has this order. https://github.com/jax-ml/jax/issues/12868
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jax import lax
from jax.extend import core

from tensorflow_federated.jax import jaxprs

NAME = "conv_general_dilated"


def in_canonical_layout(closed: core.ClosedJaxpr) -> core.ClosedJaxpr:
    """The same function with all its convolutions in the fast layout; see the module.

    Args:
      closed: the function.

    Returns:
      The function, with the same parameters and results.

    Examples:
      >>> import jax, jax.numpy as jnp
      >>> function = jax.make_jaxpr(lambda x, k: lax.conv_general_dilated(x, k, (1, 1), "SAME"))(
      ...     jnp.zeros([2, 3, 8, 8]), jnp.zeros([4, 3, 5, 5])
      ... )
      >>> (convolution,) = [
      ...     each
      ...     for each in jaxprs.equations(in_canonical_layout(function))
      ...     if each.primitive.name == NAME
      ... ]
      >>> is_canonical(convolution)
      True
    """
    return jaxprs.rewritten(closed, {NAME: _apply})


def is_canonical(equation: core.JaxprEqn) -> bool:
    """Whether a convolution has the fast layout."""
    numbers = equation.params["dimension_numbers"]
    return tuple(numbers) == tuple(_canonical_numbers(len(numbers.lhs_spec)))


def _canonical_numbers(rank: int) -> lax.ConvDimensionNumbers:
    """Where the batch, the features and the space are; for the kernel output, input and space."""
    outer = (0, rank - 1, *range(1, rank - 1))
    return lax.ConvDimensionNumbers(
        lhs_spec=outer, rhs_spec=(rank - 1, rank - 2, *range(rank - 2)), out_spec=outer
    )


def _apply(equation: core.JaxprEqn, operands: Sequence[Any]) -> Any:
    lhs, rhs = operands
    numbers = equation.params["dimension_numbers"]
    canonical = _canonical_numbers(lhs.ndim)
    result = equation.primitive.bind(
        lhs.transpose(_order(numbers.lhs_spec, canonical.lhs_spec)),
        rhs.transpose(_order(numbers.rhs_spec, canonical.rhs_spec)),
        **{**equation.params, "dimension_numbers": canonical},
    )
    return result.transpose(_order(canonical.out_spec, numbers.out_spec))


def _order(source: Sequence[int], target: Sequence[int]) -> tuple[int, ...]:
    """The transposition from one layout to another; both give the place of each role."""
    by_place = sorted(range(len(target)), key=lambda role: target[role])
    return tuple(source[role] for role in by_place)
