"""The forms of a program that it is cut in."""

from __future__ import annotations

from tensorflow_federated.compiler import (
    call_dominant,
    lower_aggregations,
    lower_selections,
    simplify,
)
from tensorflow_federated.core import errors, ir


def to_simple(node: ir.Node) -> ir.Lambda:
    """The call-dominant form of a function, without identities and without what nothing needs."""
    program = simplify.drop_identities(call_dominant.to_call_dominant(node))
    return simplify.remove_unused_bindings(program)


def with_accumulators(program: ir.Lambda) -> ir.Lambda:
    """Writes means as sums, and extremes as folds.

    Args:
      program: a lambda in the simple form.

    Returns:
      The lambda in the simple form.
    """
    return to_simple(lower_aggregations.lower_means(lower_aggregations.lower_extremes(program)))


def without_selections(program: ir.Lambda) -> ir.Lambda:
    """Writes selections as broadcasts of the whole value.

    Args:
      program: a lambda in the simple form.

    Returns:
      The lambda in the simple form.

    Raises:
      CommunicationError: if a selection promises not to show the server what is selected: nobody
        could tell that any more.
    """
    bindings, _ = call_dominant.open_lambda(program)
    for _, call in bindings:
        intrinsic = ir.called_intrinsic(call)
        if intrinsic is not None:
            definition = intrinsic.definition
            if definition.kind == "communication" and definition.is_secure:
                raise errors.CommunicationError(
                    "a round that is cut into parts cannot keep a selection secret.",
                    problems=[f"{definition.uri}: has no place in the parts"],
                    signature=program.type_signature,
                    fix="use `tff.federated_select`, or run the computation as it is.",
                )
    return to_simple(lower_selections.lower_selections(program))
