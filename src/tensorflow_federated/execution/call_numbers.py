"""The numbers of calls, which random keys depend on.

A context counts its calls. A program that is resumed makes other calls before a round than the one
that was interrupted, and calls that run at the same time are counted in any order; so who calls
may say the number instead.
"""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Generator

_number: contextvars.ContextVar[int | None] = contextvars.ContextVar(
    "tensorflow_federated_call_number", default=None
)

# Numbers of one 32-bit word are those that contexts count. Those of three words are no prefix of
# what is derived from them, so that two calls never share a key.
_WORD = 1 << 32


@contextlib.contextmanager
def numbered(series: int, number: int, attempt: int = 0) -> Generator[None]:
    """Gives the calls inside a `with` block one number, whatever was called before.

    Args:
      series: what the number counts, at least 1.
      number: the number in the series, less than 2^32.
      attempt: how often the same was tried before, less than 2^32.

    Examples:
      >>> with numbered(1, 3):
      ...     in_round = current()
      >>> in_round == 3 + 2**64, current() is None
      (True, True)
    """
    token = _number.set((series * _WORD + attempt) * _WORD + number)
    try:
        yield
    finally:
        _number.reset(token)


def current() -> int | None:
    """The number of a call that is made here; None if the context is to count it."""
    return _number.get()
