"""Writes the intrinsics that are made of others as what they are made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from tensorflow_federated.compiler import (
    call_dominant,
    lower_aggregations,
    lower_secure_sums,
    lower_selections,
)
from tensorflow_federated.core import intrinsic_defs, ir, traversal
from tensorflow_federated.core.types import FunctionType

Lowering: TypeAlias = Callable[[ir.Lambda], ir.Lambda]

_BODIES: Mapping[str, Lowering] = {
    "federated_select": lower_selections.lower_selections,
    "federated_secure_select": lower_selections.lower_selections,
    "federated_secure_modular_sum": lower_secure_sums.lower_secure_sums,
    "federated_secure_sum": lower_secure_sums.lower_secure_sums,
    "federated_secure_sum_bitwidth": lower_secure_sums.lower_secure_sums,
    "federated_max": lower_aggregations.lower_extremes,
    "federated_min": lower_aggregations.lower_extremes,
    "federated_reduce": lower_aggregations.lower_reductions,
    "federated_mean": lower_aggregations.lower_means,
    "federated_weighted_mean": lower_aggregations.lower_means,
}


def replace_intrinsics(node: ir.Node) -> tuple[ir.Node, bool]:
    """Replaces every intrinsic that is made of others.

    Args:
      node: the program.

    Returns:
      The program in call-dominant form, and True; or the program as it is, and False, if it has no
      such intrinsic.
    """
    return _replace(node, _BODIES)


def replace_secure_intrinsics(node: ir.Node) -> tuple[ir.Node, bool]:
    """Replaces the intrinsics that promise privacy by their meaning in plain text.

    Args:
      node: the program.

    Returns:
      As `replace_intrinsics`.
    """
    secure = {uri: body for uri, body in _BODIES.items() if intrinsic_defs.get(uri).is_secure}
    return _replace(node, secure)


def _replace(node: ir.Node, bodies: Mapping[str, Lowering]) -> tuple[ir.Node, bool]:
    used = {each.uri for each in traversal.iterate(node) if isinstance(each, ir.Intrinsic)}
    if used.isdisjoint(bodies):
        return node, False
    is_function = isinstance(node.type_signature, FunctionType)
    function = node if is_function else ir.Lambda(None, None, node)
    program = call_dominant.to_call_dominant(function)
    for lower in dict.fromkeys(bodies.values()):
        program = lower(program)
    return program if is_function else program.result, True
