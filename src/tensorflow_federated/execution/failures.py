"""Clients whose work failed: which they are, and what is done about it."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Any, cast

from tensorflow_federated.core import errors
from tensorflow_federated.execution import sequences
from tensorflow_federated.execution.problems import describe_error

READING = "reading data"
"""The stage in which the data of a client is read."""

_LOGGER = logging.getLogger(__name__)
_MOST_NAMED = 8


@dataclasses.dataclass(frozen=True)
class ClientFailure:
    """A client whose work failed in a call.

    It was left out of the call, or took care of it by itself: in learning algorithms, a client
    whose model delta is not finite sends zeros, with the weight 0.

    Attributes:
      client_index: its position in the cohort, from 0.
      client_id: its name, where its data has one.
      stage: what was being done, such as `reading data` or `client step 1`.
      round_number: the number of the call of this program in its context, from 1.
      error: what was raised, without the stack, which would hold what the client had in memory.
      is_left_out: whether it was left out of the call; else it sent something in the place of what
        it had.
    """

    client_index: int
    client_id: str | None
    stage: str
    round_number: int
    error: Exception
    is_left_out: bool = True

    @property
    def client(self) -> str:
        """The client in a few words: its name, or else its position."""
        return str(self.client_index) if self.client_id is None else repr(self.client_id)


Report = Callable[[ClientFailure], None]
"""Is told of each client of a call whose work failed."""


def ignore(failure: ClientFailure) -> None:
    """Does nothing with a failure."""
    del failure


def client_id(values: Sequence[Any]) -> str | None:
    """The name of a client, which a sequence among its values may have; None if none has.

    Examples:
      >>> import numpy as np
      >>> from tensorflow_federated.core.types import TensorType
      >>> numbers = sequences.Sequence(TensorType(np.int32), elements=(), client_id="f01")
      >>> client_id([(1, numbers)])
      'f01'
    """
    for sequence in sequences_in(tuple(values)):
        if sequence.client_id is not None:
            return sequence.client_id
    return None


def sequences_in(value: Any) -> list[sequences.Sequence]:
    """The sequences that a canonical value is made of."""
    if isinstance(value, tuple):
        return [
            sequence
            for element in cast("tuple[Any, ...]", value)
            for sequence in sequences_in(element)
        ]
    return [value] if isinstance(value, sequences.Sequence) else []


def client_error(failure: ClientFailure) -> errors.ClientError:
    """The error that ends a call, for a client that may not be left out of it."""
    return errors.ClientError(
        f"the work of client {failure.client} failed.",
        client_index=failure.client_index,
        client_id=failure.client_id,
        stage=failure.stage,
        round_number=failure.round_number,
        problems=[
            describe_error(failure.error),
            "others:      the call is undone; no state has changed, and the next call works",
        ],
        fix="look at what this client has, or leave it out of the cohort; a context that is made "
        'with `on_client_failure="drop"` leaves out those that fail, and tells which.',
    )


def non_finite_error(problems: Sequence[str]) -> errors.NonFiniteError:
    """The failure of a client whose results are not finite."""
    error = errors.NonFiniteError(
        "the results of a client are not finite.",
        problems=problems,
        fix="look at the client's data and at the learning rate, or let NaN pass: "
        '`non_finite="allow"`.',
    )
    # Whether the user's line is on the stack of this thread is chance.
    error.where = None
    return error


def replaced_error() -> errors.NonFiniteError:
    """The failure of a client that found by itself that its results are not finite."""
    return non_finite_error(
        ["update: holds NaN or an infinity, so that zeros with the weight 0 take its place"]
    )


def nobody_left(failures: Sequence[ClientFailure]) -> errors.ClientError:
    """The error that ends a call whose clients all failed, which tells of the first one."""
    first = failures[0]
    return errors.ClientError(
        f"the work of all {len(failures)} clients failed, so nobody is left.",
        client_index=first.client_index,
        client_id=first.client_id,
        stage=first.stage,
        round_number=first.round_number,
        problems=[describe_error(first.error)],
        fix="look at what the first client has, and at the program: what fails for all is seldom "
        "in the data.",
    )


def warn_of(failures: Sequence[ClientFailure]) -> None:
    """Writes to the log which clients' work failed in a call: one warning for what became of it."""
    left_out = [each for each in failures if each.is_left_out]
    if left_out:
        _LOGGER.warning(
            "Round %d: left out %d of the clients, for their work failed: %s; "
            "the first in %s, with %s",
            left_out[0].round_number,
            len(left_out),
            _names(left_out),
            left_out[0].stage,
            describe_error(left_out[0].error),
        )
    replaced = [each for each in failures if not each.is_left_out]
    if replaced:
        _LOGGER.warning(
            "Round %d: %d of the clients count for nothing, for their updates are not finite: %s",
            replaced[0].round_number,
            len(replaced),
            _names(replaced),
        )


def _names(failures: Sequence[ClientFailure]) -> str:
    named = [each.client for each in failures[:_MOST_NAMED]]
    return ", ".join([*named, "..."] if len(failures) > len(named) else named)


def in_order(failures: Iterable[ClientFailure]) -> tuple[ClientFailure, ...]:
    """The clients whose work failed in a call, to keep: in the cohort's order, without stacks."""
    ordered = sorted(failures, key=lambda each: each.client_index)
    for each in ordered:
        _drop_stacks(each.error)
    return tuple(ordered)


def _drop_stacks(error: BaseException) -> None:
    """Lets go of what was in memory when an error, and those that led to it, were raised."""
    seen: set[int] = set()
    each: BaseException | None = error
    while each is not None and id(each) not in seen:
        seen.add(id(each))
        each.__traceback__ = None
        each = each.__cause__ or each.__context__
