"""The contexts that tests run in."""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any, NamedTuple, TypeAlias, cast

from tensorflow_federated.core import contexts, errors
from tensorflow_federated.core.contexts import AsyncContext, RuntimeErrorContext, SyncContext

ContextFn: TypeAlias = Callable[[], SyncContext | AsyncContext]
EnvironmentFn: TypeAlias = Callable[[], Iterable[AbstractContextManager[Any]]]


def create_runtime_error_context() -> RuntimeErrorContext:
    """Makes a context in which no computation can be called.

    Returns:
      The context.

    Examples:
      >>> import tensorflow_federated as tff
      >>> one = tff.jax.computation(lambda: 1)
      >>> with tff.framework.get_context_stack().install(create_runtime_error_context()):
      ...     one()
      Traceback (most recent call last):
        ...
      tensorflow_federated.core.errors.calls.ContextError: no context is there to run this
        computation.
        ...
    """
    return RuntimeErrorContext()


def set_no_default_context() -> None:
    """Makes a context in which no computation can be called the default one.

    Examples:
      >>> import tensorflow_federated as tff
      >>> set_no_default_context()
      >>> tff.backends.native.set_sync_local_cpp_execution_context()
    """
    contexts.set_default_context(RuntimeErrorContext())


@errors.boundary
def with_context(
    context_fn: ContextFn, environment_fn: EnvironmentFn | None = None
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Gives a decorator: the function, also a coroutine function, runs in a new context.

    Args:
      context_fn: makes the context, at each call.
      environment_fn: makes context managers to enter around it, at each call; none if None.

    Returns:
      The decorator.

    Raises:
      ArgumentError: if one of them is no function.

    Examples:
      >>> import tensorflow_federated as tff
      >>> count = tff.federated_computation(
      ...     lambda: tff.federated_sum(tff.federated_value(1, tff.CLIENTS))
      ... )
      >>> @with_context(
      ...     lambda: tff.backends.native.create_sync_local_cpp_execution_context(
      ...         default_num_clients=3
      ...     )
      ... )
      ... def test_count():
      ...     assert count() == 3
      >>> test_count()
    """
    _check_function("context_fn", context_fn)
    if environment_fn is not None:
        _check_function("environment_fn", environment_fn)

    def decorate(fn: Callable[..., Any]) -> Callable[..., Any]:
        return _in_case(fn, _Case("", context_fn, environment_fn))

    return decorate


@errors.boundary
def with_contexts(*named_contexts: Any) -> Callable[[Callable[..., Any]], Any]:
    """Gives a decorator: the test runs in each of several contexts.

    In an `absl.testing.parameterized.TestCase` there is one test for each context, with the name of
    the context at the end. Anywhere else (functions, `unittest.TestCase`, coroutine functions) one
    test runs in all contexts, one after the other, and a failure names the context.

    Args:
      *named_contexts: for each context a tuple `(name, context_fn)` or `(name, context_fn,
        environment_fn)`, or a dict with `testcase_name`, `context_fn` and perhaps
        `environment_fn`; or one iterable of these. The functions are those of `with_context`.

    Returns:
      The decorator.

    Raises:
      StructureError: if there is no context.
      ArgumentError: if one is not given like this.

    Examples:
      >>> import tensorflow_federated as tff
      >>> one = tff.jax.computation(lambda: 1)
      >>> @with_contexts(
      ...     ("native", tff.backends.native.create_sync_local_cpp_execution_context),
      ...     ("test", tff.backends.test.create_sync_test_cpp_execution_context),
      ... )
      ... def test_one():
      ...     assert one() == 1
      >>> test_one()

    Differs from TFF: it works without absl, too.
    """
    if len(named_contexts) == 1 and not isinstance(named_contexts[0], (tuple, Mapping)):
        (given,) = named_contexts
        is_several = isinstance(given, Iterable)
        named_contexts = tuple(cast("Iterable[Any]", given)) if is_several else (given,)
    if not named_contexts:
        raise errors.StructureError(
            "a test runs in at least one context.",
            fix="give `('name', context_fn)`, with a function that makes a context.",
        )
    cases = [_case_of(given, index) for index, given in enumerate(named_contexts)]
    return lambda fn: _InEachContext(fn, cases)


class _Case(NamedTuple):
    name: str
    context_fn: ContextFn
    environment_fn: EnvironmentFn | None


def _case_of(given: Any, index: int) -> _Case:
    if isinstance(given, Mapping):
        mapping = cast("Mapping[str, Any]", given)
        keys = ("testcase_name", "context_fn", "environment_fn")
        parts: list[Any] = [mapping.get(key) for key in keys] if set(mapping) <= set(keys) else []
    else:
        parts = list(cast("tuple[Any, ...]", given)) if isinstance(given, tuple) else []
    if len(parts) == 2:
        parts = [*parts, None]
    if len(parts) == 3:
        name, context_fn, environment_fn = parts
        functions = [context_fn] if environment_fn is None else [context_fn, environment_fn]
        if isinstance(name, str) and all(map(callable, functions)):
            return _Case(name, context_fn, environment_fn)
    raise errors.ArgumentError(
        "a context is given by its name and a function that makes it.",
        problems=[f"named_contexts[{index}]: got {errors.describe_object(cast('object', given))}"],
        fix="write `('name', context_fn)`.",
    )


def _check_function(label: str, given: object) -> None:
    if not callable(given):
        raise errors.ArgumentError(
            f"`{label}` is a function without arguments.",
            problems=[f"{label}: got {errors.describe_object(given)}"],
        )


@contextlib.contextmanager
def _entered(case: _Case) -> Generator[None]:
    with contextlib.ExitStack() as stack:
        stack.enter_context(contexts.get_context_stack().install(case.context_fn()))
        for manager in () if case.environment_fn is None else case.environment_fn():
            stack.enter_context(manager)
        yield


def _in_case(fn: Callable[..., Any], case: _Case) -> Callable[..., Any]:
    """The function in one context; a failure names it if it has a name."""
    if inspect.iscoroutinefunction(fn):

        @functools.wraps(fn)
        async def run_async(*args: Any, **kwargs: Any) -> Any:
            with _named_failures(case), _entered(case):
                return await fn(*args, **kwargs)

        return run_async

    @functools.wraps(fn)
    def run(*args: Any, **kwargs: Any) -> Any:
        with _named_failures(case), _entered(case):
            return fn(*args, **kwargs)

    return run


@contextlib.contextmanager
def _named_failures(case: _Case) -> Generator[None]:
    try:
        yield
    except Exception as error:
        if case.name:
            error.add_note(f"in the context `{case.name}`")
        raise


class _InEachContext:
    """A test in several contexts: to call, or, for absl's test cases, to iterate over."""

    def __init__(self, fn: Callable[..., Any], cases: list[_Case]) -> None:
        functools.update_wrapper(self, fn)
        self._fn = fn
        self._cases = cases
        self._tests = [_in_case(fn, case) for case in cases]

    def __iter__(self) -> Iterator[Callable[..., Any]]:
        for case, test in zip(self._cases, self._tests, strict=True):
            name = self._fn.__name__
            separator = "_" if name.startswith("test_") and case.name[:1] != "_" else ""
            test.__name__ = f"{name}{separator}{case.name}"
            # How absl is told that a test has a name of its own.
            test.__dict__["__x_use_name__"] = True
            yield test

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else functools.partial(self._in_all(), instance)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._in_all()(*args, **kwargs)

    def _in_all(self) -> Callable[..., Any]:
        if inspect.iscoroutinefunction(self._fn):

            async def run_all_async(*args: Any, **kwargs: Any) -> None:
                for test in self._tests:
                    await test(*args, **kwargs)

            return run_all_async

        def run_all(*args: Any, **kwargs: Any) -> None:
            for test in self._tests:
                test(*args, **kwargs)

        return run_all
