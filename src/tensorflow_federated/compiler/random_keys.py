"""Numbers the random keys that clients draw, so that each draw of a client is another key."""

from __future__ import annotations

import numpy as np

from tensorflow_federated.core import errors, intrinsic_defs, ir, traversal
from tensorflow_federated.core.types import FunctionType, TensorType

URI = "random_key"
NUMBERED_URI = "numbered_random_key"

_NUMBER_TYPE = TensorType(np.int32)
_LOOPS = (
    "federated_reduce",
    "federated_secure_select",
    "federated_select",
    "sequence_map",
    "sequence_reduce",
)


def number_draws(program: ir.Lambda) -> ir.Lambda:
    """Makes every call of `random_key` one of `numbered_random_key`, with its number, from 0.

    The order is that in which one client makes the calls, so the number is the same whatever
    becomes of the program around them.

    Args:
      program: a lambda in call-dominant form, in which a client makes each call just once.

    Returns:
      The lambda with numbered calls.

    Raises:
      PlacementError: if a key is drawn in a function that is applied to the elements of a sequence:
        every element would get the same key.
    """
    count = 0

    def number(node: ir.Node) -> ir.Node:
        nonlocal count
        if not isinstance(node, ir.Call) or not isinstance(node.function, ir.Intrinsic):
            return node
        if node.function.uri in _LOOPS and node.argument is not None:
            for child in node.argument.children():
                if isinstance(child.type_signature, FunctionType):
                    check_no_draw(child, "a function of the elements of a sequence")
        if node.function.uri != URI:
            return node
        count += 1
        return ir.call_intrinsic(
            NUMBERED_URI, ir.Literal(np.int32(count - 1), _NUMBER_TYPE), node.type_signature
        )

    numbered = traversal.transform_postorder(program, number)
    assert isinstance(numbered, ir.Lambda)
    return numbered


def number_of(argument: ir.Node | None) -> int:
    """The number of a draw, from the argument of its call."""
    assert isinstance(argument, ir.Literal)
    return int(argument.value)


def count_draws(program: ir.Node) -> int:
    """How many keys a client needs: one more than the highest number of a draw."""
    return 1 + max(
        (
            number_of(node.argument)
            for node in traversal.iterate(program)
            if isinstance(node, ir.Call)
            and isinstance(node.function, ir.Intrinsic)
            and node.function.uri == NUMBERED_URI
        ),
        default=-1,
    )


def check_no_draw(node: ir.Node, place: str) -> None:
    """Raises `PlacementError` if a key is drawn in a place where no client can draw one.

    Args:
      node: the work that is done there.
      place: what it is, for the message.
    """
    for each in traversal.iterate(node):
        if isinstance(each, ir.Intrinsic) and each.uri in (URI, NUMBERED_URI):
            raise errors.PlacementError(
                "`random_key` cannot be used here.",
                problems=[f"placement: expected work of one client, got {place}"],
                signature=intrinsic_defs.get(URI).signature,
                fix=intrinsic_defs.get(URI).hint,
            )
