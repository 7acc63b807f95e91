"""Says which intrinsics a program really applies to data: what leaves a client, and how."""

from __future__ import annotations

from collections.abc import Callable

from tensorflow_federated.compiler import normal_forms
from tensorflow_federated.core import intrinsic_defs, ir, traversal, type_predicates
from tensorflow_federated.core.types import FunctionType, TensorType


def secure_aggregations(node: ir.Node) -> list[str]:
    """The aggregations of a program that go through a secure protocol.

    Only what is applied to data that the result depends on counts, however it is reached: through
    another name, a function that is passed, or the result of a call. An aggregation of a structure
    without tensors sends nothing, and does not count.

    Args:
      node: the program.

    Returns:
      The uri of each intrinsic that is applied, once, in the order of the first application.
    """
    return _applied(node, lambda each: each.kind == "aggregation" and each.is_secure)


def unsecure_aggregations(node: ir.Node) -> list[str]:
    """The aggregations of a program that show the server more than a secure protocol would.

    Args:
      node: the program; what counts is told in `secure_aggregations`.

    Returns:
      The uri of each intrinsic that is applied, once, in the order of the first application.
    """
    return _applied(node, lambda each: each.kind == "aggregation" and not each.is_secure)


def secure_intrinsics(node: ir.Node) -> list[str]:
    """The intrinsics of a program that promise privacy, aggregations or not.

    Args:
      node: the program; what counts is told in `secure_aggregations`.

    Returns:
      The uri of each intrinsic that is applied, once, in the order of the first application.
    """
    return _applied(node, lambda each: each.is_secure)


def _applied(
    node: ir.Node, is_asked_for: Callable[[intrinsic_defs.IntrinsicDef], bool]
) -> list[str]:
    found: dict[str, None] = {}
    if not any(
        isinstance(each, ir.Intrinsic) and is_asked_for(each.definition)
        for each in traversal.iterate(node)
    ):
        return []
    for each in traversal.iterate(_inlined(node)):
        intrinsic = ir.called_intrinsic(each)
        if intrinsic is None or not is_asked_for(intrinsic.definition):
            continue
        if type_predicates.contains(each.type_signature, lambda t: isinstance(t, TensorType)):
            found[intrinsic.uri] = None
    return list(found)


def _inlined(node: ir.Node) -> ir.Lambda:
    """The program without lambdas of the user, and without calls that nothing needs."""
    if not isinstance(node.type_signature, FunctionType):
        node = ir.Lambda(None, None, node)
    return normal_forms.to_simple(node)
