"""Runs coroutines from code that is none, also where an event loop runs already."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Coroutine
from concurrent import futures
from typing import Any, TypeVar

_T = TypeVar("_T")


def run_to_end(coroutine: Coroutine[Any, Any, _T]) -> _T:
    """Runs a coroutine in a loop of its own; in a thread where a loop runs in this one.

    The event loop that the program itself may have set stays the one that is set.

    Args:
      coroutine: the coroutine.

    Returns:
      Its result.

    Examples:
      >>> async def one():
      ...     return 1
      >>> run_to_end(one())
      1
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return _run(coroutine)
    context = contextvars.copy_context()
    with futures.ThreadPoolExecutor(1) as thread:
        return thread.submit(context.run, _run, coroutine).result()


def _run(coroutine: Coroutine[Any, Any, _T]) -> _T:
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        return runner.run(coroutine)
