"""Contexts that let the workers of an executor do the work of clients: processes, or a cluster."""

from __future__ import annotations

import sys
from collections.abc import Callable
from concurrent.futures import Executor
from types import TracebackType

from tensorflow_federated.backends import local_contexts
from tensorflow_federated.core import errors
from tensorflow_federated.execution import contexts as engine_contexts
from tensorflow_federated.execution import executors, local, pool
from tensorflow_federated.execution.executor_contexts import SyncExecutionContext
from tensorflow_federated.execution.pool_executors import Pool
from tensorflow_federated.execution.settings import (
    ClientForm,
    FailurePolicy,
    NonFinitePolicy,
    Settings,
)


class ExecutorContext(SyncExecutionContext):
    """A context in which the work of clients is done by the workers of an executor.

    In a `with` statement it is the context of the block, and is closed at its end.
    """

    def __init__(self, factory: executors.ExecutorFactory, workers: Pool) -> None:
        """Makes a context.

        Args:
          factory: makes the executors of computations.
          workers: what they let work.
        """
        super().__init__(factory)
        self._workers = workers

    def close(self) -> None:
        """Ends the workers that were started for this context, which runs no client after that.

        Not needed at the end of a program, nor when nothing refers to the context any more.
        """
        self._workers.close()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        super().__exit__(kind, error, traceback)
        self.close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} on {self._workers!r}>"


@errors.boundary
def create_executor_context(
    executor: int | Executor | Callable[[], Executor],
    default_num_clients: int = 0,
    *,
    workers: int | None = None,
    retries: int = 2,
    timeout_seconds: float | None = None,
    seed: int | None = None,
    simulate_secure: bool = True,
    client_form: ClientForm = "auto",
    lanes: int | None = None,
    mixed_precision: bool = False,
    on_client_failure: FailurePolicy = "raise",
    non_finite: NonFinitePolicy = "allow",
) -> ExecutorContext:
    """Makes a context in which the workers of an executor do the work of clients.

    A worker gets the work of clients once, what all clients are sent once a round, and the data of
    a chunk of clients at a time; it gives back one partial result for each chunk. What the server
    does is done here. The results are those of one process, bit for bit, however many workers there
    are.

    A worker that dies has its clients' work done again by another one.

    Args:
      executor: what runs the workers: a number, for so many processes of this machine; any executor
        of `concurrent.futures`, such as a `ProcessPoolExecutor` that does not fork, that of a Dask
        client (`client.get_executor()`), a `RayExecutor`, or an `MPIPoolExecutor` of mpi4py; or a
        function without parameters that makes one. What is made here is shut down here; an executor
        that is given has to be left open as long as the context is used.
      default_num_clients: the number of clients of a call whose arguments do not tell it.
      workers: how many tasks the executor runs at the same time; asked of the executor if None.
      retries: how often the work of the clients of a chunk is done again whose worker died.
      timeout_seconds: how long a worker may take for one chunk before it counts as dead, and is
        ended where the executor allows that; for ever if None.
      seed: see `create_sync_local_cpp_execution_context`, also for the arguments below.
      simulate_secure: whether secure intrinsics run as their plaintext meaning.
      client_form: how the work of clients is run.
      lanes: how many clients a compiled JAX step trains side by side.
      mixed_precision: whether compiled JAX steps multiply in bfloat16.
      on_client_failure: what happens when the work of a client fails.
      non_finite: whether NaN and infinities in a client's results are a failure.

    Returns:
      The context. A call in it raises `WorkerError` if the work of clients was lost more than
      `retries` times, or cannot be run by the workers, and `WireError` if it cannot travel.

    Raises:
      ArgumentError: if the executor is none, or forks this process; or a number is out of range.

    Examples:
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> double = tff.jax.computation(lambda x: 2 * x, np.float32)
      >>> @tff.federated_computation(tff.FederatedType(np.float32, tff.CLIENTS))
      ... def total(values):
      ...     return tff.federated_sum(tff.federated_map(double, values))
      >>> with create_executor_context(2):
      ...     total([1.0, 2.0, 3.0])
      np.float32(12.0)

    Differs from TFF: new. TFF ran workers of its own, which are called over gRPC.
    """
    _check_number("default_num_clients", default_num_clients, 0)
    _check_number("workers", 1 if workers is None else workers, 1)
    _check_number("retries", retries, 0)
    if timeout_seconds is not None and not timeout_seconds > 0:
        raise _wrong_number("timeout_seconds", timeout_seconds, "a number of seconds above 0")
    settings = Settings(
        client_form=client_form,
        lanes=lanes,
        mixed_precision=mixed_precision,
        on_client_failure=on_client_failure,
        non_finite=non_finite,
    )
    _leave_cores_to_workers()
    workers_of_executor = Pool(executor, workers)
    runner = pool.PoolRunner(workers_of_executor, retries, timeout_seconds)
    context = engine_contexts.ExecutionContext(
        local.LocalEngine(settings, runner), seed, simulate_secure=simulate_secure
    )
    factory = executors.LocalExecutorFactory(context, default_num_clients)
    return ExecutorContext(factory, workers_of_executor)


set_executor_context = local_contexts.setter("set_executor_context", create_executor_context)


def _leave_cores_to_workers() -> None:
    """Sets up TensorFlow here, if it has not begun to work, as it is best where several work.

    Workers are set up as this process is, for results to be the same.
    """
    if "tensorflow" in sys.modules:
        from tensorflow_federated.tensorflow import kernel_threads

        kernel_threads.leave_to_clients()


def _check_number(label: str, given: object, least: int) -> None:
    if isinstance(given, bool) or not isinstance(given, int) or given < least:
        raise _wrong_number(label, given, f"an integer, {least} or more")


def _wrong_number(label: str, given: object, wanted: str) -> errors.ArgumentError:
    return errors.ArgumentError(
        f"`{label}` is {wanted}.",
        problems=[f"{label}: got {errors.describe_object(given)}"],
        fix=f"leave `{label}` out if it does not matter.",
    )
