"""Executors: what runs computations for a known number of clients, and the factories of them."""

from __future__ import annotations

import abc
import contextlib
import threading
from collections.abc import Callable, Hashable, Iterator
from typing import Any, Protocol

from tensorflow_federated.core import errors
from tensorflow_federated.core.computations import ConcreteComputation
from tensorflow_federated.core.placements import CLIENTS, PlacementLiteral
from tensorflow_federated.execution import contexts
from tensorflow_federated.execution import settings as engine_settings
from tensorflow_federated.execution.cardinalities import CardinalitiesType
from tensorflow_federated.execution.failures import ClientFailure
from tensorflow_federated.execution.settings import Settings

_FIRST_WAIT_IN_SECONDS = 0.001
_LONGEST_WAIT_IN_SECONDS = 30.0


class Executor(Protocol):
    """Runs computations, each for as many clients as the executor was made for."""

    def invoke(self, comp: ConcreteComputation, arg: Any) -> Any:
        """Runs a computation.

        Args:
          comp: the computation.
          arg: its argument in the structure of the parameter; None where there is none.

        Returns:
          The result, in the containers of its type.

        Raises:
          RetryableError: if it makes sense to try again.
        """
        ...


class ExecutorFactory(abc.ABC):
    """Makes executors; the base class of factories that users write.

    An executor is any object with a method `invoke(comp, arg)`.

    Examples:
      >>> import tensorflow_federated as tff
      >>> class Counting(ExecutorFactory):
      ...     def __init__(self, inner):
      ...         self.inner, self.count = inner, 0
      ...
      ...     def create_executor(self, cardinalities):
      ...         self.count += 1
      ...         return self.inner.create_executor(cardinalities)
      ...
      ...     def clean_up_executor(self, cardinalities):
      ...         pass
      >>> factory = Counting(tff.framework.local_cpp_executor_factory())
      >>> one = tff.jax.computation(lambda: 1)
      >>> with tff.framework.get_context_stack().install(
      ...     tff.framework.SyncExecutionContext(factory)
      ... ):
      ...     one(), factory.count
      (np.int32(1), 1)

    Differs from TFF: executors have one method.
    """

    @abc.abstractmethod
    def create_executor(self, cardinalities: CardinalitiesType) -> Executor:
        """Makes an executor, or gives one that was made before.

        Args:
          cardinalities: the number of members of each placement, as far as the call tells it.

        Returns:
          The executor.
        """

    @abc.abstractmethod
    def clean_up_executor(self, cardinalities: CardinalitiesType) -> None:
        """Lets go of an executor in which a call failed.

        Args:
          cardinalities: what the executor was made for.
        """

    @property
    def last_failures(self) -> tuple[ClientFailure, ...]:
        """The clients whose work failed in the call that ended last, as far as that is known."""
        return ()


class ResourceManagingExecutorFactory(ExecutorFactory):
    """Makes one executor for each number of clients, and keeps it until a call in it fails.

    Examples:
      >>> import tensorflow_federated as tff
      >>> local = tff.framework.local_cpp_executor_factory()
      >>> factory = ResourceManagingExecutorFactory(local.create_executor)
      >>> three = {tff.CLIENTS: 3}
      >>> factory.create_executor(three) is factory.create_executor(three)
      True
    """

    @errors.boundary
    def __init__(self, executor_stack_fn: Callable[[CardinalitiesType], Executor]) -> None:
        """Makes a factory.

        Args:
          executor_stack_fn: makes an executor for a number of members of each placement.

        Raises:
          ArgumentError: if it is no function.
        """
        if not callable(executor_stack_fn):
            raise errors.ArgumentError(
                "executors are made by a function of the cardinalities.",
                problems=[f"executor_stack_fn: got {errors.describe_object(executor_stack_fn)}"],
            )
        self._executor_stack_fn = executor_stack_fn
        self._executors: dict[Hashable, Executor] = {}
        self._lock = threading.Lock()

    def create_executor(self, cardinalities: CardinalitiesType) -> Executor:
        with self._lock:
            key = _key(cardinalities)
            if key not in self._executors:
                self._executors[key] = self._executor_stack_fn(dict(cardinalities))
            return self._executors[key]

    def clean_up_executor(self, cardinalities: CardinalitiesType) -> None:
        with self._lock:
            executor = self._executors.pop(_key(cardinalities), None)
        close = getattr(executor, "close", None)
        if close is not None:
            close()


def _key(cardinalities: CardinalitiesType) -> frozenset[tuple[PlacementLiteral, int]]:
    return frozenset(cardinalities.items())


class LocalExecutorFactory(ExecutorFactory):
    """Makes executors that run computations in this process, on one engine."""

    def __init__(
        self,
        context: contexts.ExecutionContext,
        default_num_clients: int = 0,
        max_concurrent_computation_calls: int = -1,
    ) -> None:
        """Makes a factory.

        Args:
          context: what runs the computations.
          default_num_clients: the number of clients of a call that does not tell it.
          max_concurrent_computation_calls: how many calls run at the same time, the others wait; no
            limit if it is not positive.
        """
        self._context = context
        self._default_num_clients = default_num_clients
        limit = max_concurrent_computation_calls
        self._slots: contextlib.AbstractContextManager[Any] = (
            threading.BoundedSemaphore(limit) if limit > 0 else contextlib.nullcontext()
        )

    @property
    def engine(self) -> contexts.Engine:
        """What runs the computations."""
        return self._context.engine

    def create_executor(self, cardinalities: CardinalitiesType) -> Executor:
        client_count = cardinalities.get(CLIENTS)
        return _LocalExecutor(self._context, client_count, self._default_num_clients, self._slots)

    def clean_up_executor(self, cardinalities: CardinalitiesType) -> None:
        """Does nothing: a call that failed leaves nothing behind."""

    @property
    def last_failures(self) -> tuple[ClientFailure, ...]:
        return self._context.last_failures


class _LocalExecutor:
    def __init__(
        self,
        context: contexts.ExecutionContext,
        client_count: int | None,
        default_num_clients: int,
        slots: contextlib.AbstractContextManager[Any],
    ) -> None:
        self._context = context
        self._client_count = client_count
        self._default_num_clients = default_num_clients
        self._slots = slots

    def invoke(self, comp: ConcreteComputation, arg: Any) -> Any:
        with self._slots:
            return self._context.run(comp, arg, self._client_count, self._default_num_clients)


@errors.boundary
def local_cpp_executor_factory(
    *,
    default_num_clients: int = 0,
    max_concurrent_computation_calls: int = -1,
    stream_structs: bool = False,
    seed: int | None = None,
    simulate_secure: bool = True,
) -> ExecutorFactory:
    """Returns the factory of executors that run computations in this process.

    Args:
      default_num_clients: the number of clients of a call whose arguments do not tell it.
      max_concurrent_computation_calls: how many calls run at the same time, the others wait; no
        limit if it is not positive.
      stream_structs: is of no consequence: nothing is sent anywhere.
      seed: see `tff.backends.native.create_sync_local_cpp_execution_context`.
      simulate_secure: see `tff.backends.native.create_sync_local_cpp_execution_context`.

    Returns:
      A factory, for `tff.framework.SyncExecutionContext` and `tff.framework.AsyncExecutionContext`.

    Raises:
      ArgumentError: if a number is no integer, or `default_num_clients` is negative.

    Examples:
      >>> import tensorflow_federated as tff
      >>> factory = tff.framework.local_cpp_executor_factory(default_num_clients=2)
      >>> context = tff.framework.SyncExecutionContext(factory)

    Differs from TFF: there is no C++ runtime; the name is kept.
    """
    return create_local_factory(
        default_num_clients, max_concurrent_computation_calls, seed, simulate_secure
    )


def create_local_factory(
    default_num_clients: int,
    max_concurrent_computation_calls: int,
    seed: int | None,
    simulate_secure: bool,
    settings: Settings = engine_settings.DEFAULT,
) -> LocalExecutorFactory:
    """The factory of executors on a local engine that works as the settings say.

    Args:
      default_num_clients: see `local_cpp_executor_factory`, also for the others.
      max_concurrent_computation_calls: how many calls run at the same time.
      seed: what random keys are derived from.
      simulate_secure: whether secure intrinsics run as their plaintext meaning.
      settings: how the engine works.

    Returns:
      The factory.

    Raises:
      ArgumentError: if a number is no integer, or `default_num_clients` is negative.
    """
    _check_number("default_num_clients", default_num_clients, least=0)
    _check_number("max_concurrent_computation_calls", max_concurrent_computation_calls)
    return LocalExecutorFactory(
        contexts.create_local_context(seed, simulate_secure=simulate_secure, settings=settings),
        default_num_clients,
        max_concurrent_computation_calls,
    )


def _check_number(label: str, given: object, least: int | None = None) -> None:
    if isinstance(given, int) and (least is None or given >= least):
        return
    wanted = "an integer" if least is None else f"an integer, {least} or more"
    raise errors.ArgumentError(
        f"`{label}` is {wanted}.",
        problems=[f"{label}: got {errors.describe_object(given)}"],
        fix=f"leave `{label}` out if one does not matter.",
    )


def retry_waits() -> Iterator[float]:
    """How many seconds to wait after each failure that can be mended by trying again."""
    wait = _FIRST_WAIT_IN_SECONDS
    while True:
        yield wait
        wait = min(2 * wait, _LONGEST_WAIT_IN_SECONDS)
