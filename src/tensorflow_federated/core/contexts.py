"""What calling a computation means here and now: the stack of contexts."""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from tensorflow_federated.core.computations import ConcreteComputation


class Context(Protocol):
    """Decides what the call of a computation does: trace it, inline it, or run it."""

    def invoke(self, comp: ConcreteComputation, arg: Any) -> Any:
        """Calls a computation.

        Args:
          comp: the computation.
          arg: one Python value in the structure of the parameter; None where there is none.

        Returns:
          What the call gives in this context.
        """
        ...


_stack: contextvars.ContextVar[tuple[Context, ...]] = contextvars.ContextVar(
    "tensorflow_federated_contexts", default=()
)
_default_factory: Callable[[], Context] | None = None
_default: Context | None = None


def set_default_factory(factory: Callable[[], Context]) -> None:
    """Says how to make the context that is current when no other is; made at first use."""
    global _default_factory, _default
    _default_factory, _default = factory, None


def current() -> Context:
    """The context that a call happens in."""
    global _default
    stack = _stack.get()
    if stack:
        return stack[-1]
    if _default is None:
        if _default_factory is None:
            raise RuntimeError(
                "No execution context is set; `import tensorflow_federated` sets one."
            )
        _default = _default_factory()
    return _default


def current_or_none() -> Context | None:
    """The innermost installed context; None where only the default one would be current."""
    stack = _stack.get()
    return stack[-1] if stack else None


@contextlib.contextmanager
def install(context: Context) -> Generator[Context]:
    """Makes a context current for the calls inside a `with` block, in this thread of control."""
    token = _stack.set((*_stack.get(), context))
    try:
        yield context
    finally:
        _stack.reset(token)
