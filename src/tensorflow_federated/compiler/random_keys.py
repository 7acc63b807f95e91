"""Numbers the random keys that clients and the server draw, so that each draw is another key."""

from __future__ import annotations

import numpy as np

from tensorflow_federated.core import errors, intrinsic_defs, ir, traversal
from tensorflow_federated.core.types import FunctionType, TensorType

URI = "random_key"
NUMBERED_URI = "numbered_random_key"

SERVER_URI = "server_random_key"
NUMBERED_SERVER_URI = "numbered_server_random_key"

_NUMBERED = {URI: NUMBERED_URI, SERVER_URI: NUMBERED_SERVER_URI}
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
    becomes of the program around them. The calls of `server_random_key` are numbered likewise, by
    themselves.

    Args:
      program: a lambda in call-dominant form, in which a client makes each call just once.

    Returns:
      The lambda with numbered calls.

    Raises:
      PlacementError: if a key is drawn in a function that is applied to the elements of a sequence:
        every element would get the same key.
    """
    counts = dict.fromkeys(_NUMBERED, 0)

    def number(node: ir.Node) -> ir.Node:
        if not isinstance(node, ir.Call) or not isinstance(node.function, ir.Intrinsic):
            return node
        if node.function.uri in _LOOPS and node.argument is not None:
            for child in node.argument.children():
                if isinstance(child.type_signature, FunctionType):
                    check_no_draw(child, "a function of the elements of a sequence")
        uri = node.function.uri
        if uri not in _NUMBERED:
            return node
        literal = ir.Literal(np.int32(counts[uri]), _NUMBER_TYPE)
        counts[uri] += 1
        return ir.call_intrinsic(_NUMBERED[uri], literal, node.type_signature)

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
    """Raises `PlacementError` if a key is drawn where neither a client nor the server can.

    Args:
      node: the work that is done there.
      place: what it is, for the message.
    """
    check_no_client_draw(node, place)
    check_no_server_draw(node, place)


def check_no_client_draw(node: ir.Node, place: str) -> None:
    """Raises `PlacementError` if a key of a client is drawn in a place, told for the message."""
    _check_no_draw(node, URI, "work of one client", place)


def check_no_server_draw(node: ir.Node, place: str) -> None:
    """Raises `PlacementError` if a key of the server is drawn in a place, told for the message."""
    _check_no_draw(node, SERVER_URI, "work at the server", place)


def check_drawn_once(parts: tuple[ir.Node, ...], draws: int, place: str) -> None:
    """Raises `CommunicationError` if parts of a program draw more keys of the server than it does.

    Args:
      parts: what is computed one by one.
      draws: how many keys the program draws.
      place: what is computed more than once, for the message.
    """
    if sum(map(count_server_draws, parts)) > draws:
        raise errors.CommunicationError(
            "a random key of the server would be drawn more than once.",
            problems=[f"{place}: each time the key would be another one"],
            fix="draw the key in a computation of its own, before this one, and make it a part of "
            "the argument at the server.",
        )


def count_server_draws(program: ir.Node) -> int:
    """How many calls of a program draw a key of the server."""
    return sum(
        isinstance(node, ir.Intrinsic) and node.uri in (SERVER_URI, NUMBERED_SERVER_URI)
        for node in traversal.iterate(program)
    )


def _check_no_draw(node: ir.Node, uri: str, expected: str, place: str) -> None:
    for each in traversal.iterate(node):
        if isinstance(each, ir.Intrinsic) and each.uri in (uri, _NUMBERED[uri]):
            raise errors.PlacementError(
                f"`{uri}` cannot be used here.",
                problems=[f"placement: expected {expected}, got {place}"],
                signature=intrinsic_defs.get(uri).signature,
                fix=intrinsic_defs.get(uri).hint,
            )


def is_server_draw(node: ir.Node) -> bool:
    """Whether a node is a numbered draw of the server."""
    return (
        isinstance(node, ir.Call)
        and isinstance(node.function, ir.Intrinsic)
        and node.function.uri == NUMBERED_SERVER_URI
    )
