"""What calling a computation means here and now: the stack of contexts."""

from __future__ import annotations

import abc
import atexit
import contextlib
import contextvars
import threading
from collections.abc import Callable, Coroutine, Generator
from typing import TYPE_CHECKING, Any, Protocol

from tensorflow_federated.core import arguments, errors

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


class SyncContext(abc.ABC):
    """A context in which a call gives its result; the base class of contexts that users write.

    Examples:
      >>> import tensorflow_federated as tff
      >>> class Printing(tff.framework.SyncContext):
      ...     def invoke(self, comp, arg):
      ...         return f"{comp.type_signature} of {arg}"
      >>> one = tff.jax.computation(lambda: 1)
      >>> with tff.framework.get_context_stack().install(Printing()):
      ...     one()
      '( -> int32) of None'
    """

    @abc.abstractmethod
    def invoke(self, comp: Any, arg: Any) -> Any:
        """Calls a computation.

        Args:
          comp: the computation.
          arg: its argument: None where it takes none, a `tff.structure.Struct` of the arguments
            where it takes several, and otherwise what the caller gave.

        Returns:
          What the call gives in this context.
        """


class AsyncContext(abc.ABC):
    """A context in which a call gives something to await; the base class of those of users.

    Examples:
      >>> import asyncio
      >>> import tensorflow_federated as tff
      >>> class Delayed(tff.framework.AsyncContext):
      ...     async def invoke(self, comp, arg):
      ...         await asyncio.sleep(0)
      ...         return comp.type_signature.result
      >>> one = tff.jax.computation(lambda: 1)
      >>> async def call():
      ...     with tff.framework.get_context_stack().install(Delayed()):
      ...         return await one()
      >>> str(asyncio.run(call()))
      'int32'
    """

    @abc.abstractmethod
    def invoke(self, comp: Any, arg: Any) -> Coroutine[Any, Any, Any]:
        """Calls a computation; see `SyncContext.invoke`."""


class RuntimeErrorContext(SyncContext):
    """A context in which no computation can be called."""

    @errors.boundary
    def invoke(self, comp: Any, arg: Any) -> Any:
        raise errors.ContextError(
            "no context is there to run this computation.",
            problems=[f"called: {comp!r}"],
            fix="set one, for example with "
            "`tff.backends.native.set_sync_local_cpp_execution_context()`.",
        )


_stack: contextvars.ContextVar[tuple[Context, ...]] = contextvars.ContextVar(
    "tensorflow_federated_contexts", default=()
)
_default_factory: Callable[[], Context] = RuntimeErrorContext
_default: Context | None = None
# Held while the default context is made: all threads get the same one.
_default_lock = threading.RLock()


def set_default_factory(factory: Callable[[], Context]) -> None:
    """Says how to make the context that is current when no other is; made at first use."""
    global _default_factory, _default
    with _default_lock:
        _default_factory, _default = factory, None


# What a context holds, such as a process pool, is to end while the modules that end it still work.
atexit.register(set_default_factory, RuntimeErrorContext)


def current() -> Context:
    """The context that a call happens in."""
    global _default
    stack = _stack.get()
    if stack:
        return stack[-1]
    with _default_lock:
        if _default is None:
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


class ContextStack:
    """The contexts of this thread of control: those that are installed, over the default one.

    Examples:
      >>> import tensorflow_federated as tff
      >>> stack = tff.framework.get_context_stack()
      >>> with stack.install(tff.test.create_runtime_error_context()) as context:
      ...     stack.current is context
      True
    """

    @property
    def current(self) -> Any:
        """The context that a call happens in."""
        return current()

    @errors.boundary
    def install(self, ctx: SyncContext | AsyncContext) -> contextlib.AbstractContextManager[Any]:
        """Makes a context current for the calls inside a `with` block.

        Args:
          ctx: the context.

        Returns:
          What to give to `with`; it gives the context.

        Raises:
          ArgumentError: if it is no context.
        """
        _check_context(ctx)
        return install(ctx)

    @errors.boundary
    def set_default_context(self, ctx: SyncContext | AsyncContext) -> None:
        """Makes a context current wherever no other is installed, in all threads.

        Args:
          ctx: the context.

        Raises:
          ArgumentError: if it is no context.
        """
        _check_context(ctx)
        set_default_factory(lambda: ctx)


_CONTEXT_STACK = ContextStack()


def get_context_stack() -> ContextStack:
    """Returns the stack of contexts.

    Examples:
      >>> get_context_stack() is get_context_stack()
      True
    """
    return _CONTEXT_STACK


@errors.boundary
def set_default_context(ctx: SyncContext | AsyncContext) -> None:
    """Makes a context current wherever no other is installed, in all threads.

    Args:
      ctx: the context.

    Raises:
      ArgumentError: if it is no context.

    Examples:
      >>> import tensorflow_federated as tff
      >>> context = tff.backends.native.create_sync_local_cpp_execution_context()
      >>> tff.framework.set_default_context(context)
      >>> tff.framework.get_context_stack().current is context
      True

    Differs from TFF: the other threads see it too.
    """
    _CONTEXT_STACK.set_default_context(ctx)


def _check_context(ctx: object) -> None:
    arguments.check_instance(
        "ctx",
        ctx,
        (SyncContext, AsyncContext),
        "a context is a `tff.framework.SyncContext` or a `tff.framework.AsyncContext`.",
        fix="make its class a subclass of one of them.",
    )
