"""The contexts that all back end namespaces offer: computations run in this process."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec

from tensorflow_federated.core import arguments, contexts, errors
from tensorflow_federated.core.computations import ConcreteComputation
from tensorflow_federated.execution import executors
from tensorflow_federated.execution import settings as engine_settings
from tensorflow_federated.execution.async_contexts import AsyncExecutionContext
from tensorflow_federated.execution.executor_contexts import SyncExecutionContext
from tensorflow_federated.execution.settings import Settings


def create_sync(
    default_num_clients: int = 0,
    max_concurrent_computation_calls: int = -1,
    *,
    seed: int | None = None,
    simulate_secure: bool = True,
    settings: Settings = engine_settings.DEFAULT,
) -> SyncExecutionContext:
    """The context in which a call gives its result; arguments as in `native`."""
    return SyncExecutionContext(
        executors.create_local_factory(
            default_num_clients, max_concurrent_computation_calls, seed, simulate_secure, settings
        )
    )


def create_async(
    default_num_clients: int = 0,
    max_concurrent_computation_calls: int = -1,
    *,
    seed: int | None = None,
    simulate_secure: bool = True,
    settings: Settings = engine_settings.DEFAULT,
) -> AsyncExecutionContext:
    """The context in which a call is awaited; arguments as in `native`."""
    return AsyncExecutionContext(
        executors.create_local_factory(
            default_num_clients, max_concurrent_computation_calls, seed, simulate_secure, settings
        )
    )


_P = ParamSpec("_P")


def setter(
    name: str, create: Callable[_P, SyncExecutionContext | AsyncExecutionContext]
) -> Callable[_P, None]:
    """Makes the function that makes a context the default one, of the one that creates it.

    Args:
      name: the name of the function.
      create: makes the context.

    Returns:
      A function with the parameters of `create`.
    """

    @functools.wraps(create)
    def set_default(*args: _P.args, **kwargs: _P.kwargs) -> None:
        contexts.set_default_context(create(*args, **kwargs))

    set_default.__name__ = set_default.__qualname__ = name
    set_default.__doc__ = f"""Makes the context of `{create.__name__}` the default one.

    The arguments are those of `{create.__name__}`.
    """
    return errors.boundary(set_default)


def check_computation(comp: object) -> None:
    """Raises an `ArgumentError` if an argument is no computation whose types are known."""
    arguments.check_instance(
        "comp",
        comp,
        ConcreteComputation,
        "only a computation whose types are known can be transformed.",
        fix="give the types of its parameters in the decorator.",
    )
