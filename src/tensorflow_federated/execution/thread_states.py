"""What frameworks keep for each thread, which helper threads get from the thread they help.

Some frameworks are set up by context managers that hold for one thread alone. A call that is made
inside of one means it for all of its work, whatever thread does that.
"""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Callable
from typing import Any, TypeVar

_T = TypeVar("_T")

Capture = Callable[[], Callable[[], contextlib.AbstractContextManager[Any]]]
"""Notes how a framework is set up in this thread; gives what enters the same in another one."""

_captures: dict[str, Capture] = {}


def register(framework: str, capture: Capture) -> None:
    """Makes known what a framework keeps for each thread.

    Args:
      framework: its name.
      capture: see `Capture`.
    """
    _captures[framework] = capture


def carried(function: Callable[[], _T]) -> Callable[[], _T]:
    """A function to be run by another thread, as if this one ran it.

    Args:
      function: the function.

    Returns:
      A function that runs it with the context variables of this thread, and with what frameworks
      keep for it; to be called once.

    Examples:
      >>> import threading
      >>> import jax
      >>> import tensorflow_federated.jax
      >>> found = []
      >>> with jax.numpy_rank_promotion("raise"):
      ...     run = carried(lambda: found.append(jax.config.jax_numpy_rank_promotion))
      >>> thread = threading.Thread(target=run)
      >>> thread.start()
      >>> thread.join()
      >>> found
      ['raise']
    """
    entries = [capture() for capture in _captures.values()]
    context = contextvars.copy_context()

    def run() -> _T:
        with contextlib.ExitStack() as stack:
            for enter in entries:
                stack.enter_context(enter())
            return function()

    return lambda: context.run(run)
