"""The context in which a call gives something to await: the work is done in threads."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Coroutine
from concurrent import futures
from typing import Any

from tensorflow_federated.core import callsites, contexts, errors
from tensorflow_federated.execution import executors, thread_states
from tensorflow_federated.execution.cardinalities import (
    CardinalityInferenceFn,
    infer_cardinalities,
)
from tensorflow_federated.execution.errors import RetryableError
from tensorflow_federated.execution.executor_contexts import CompilerFn, Invocation, TransformFn
from tensorflow_federated.execution.executors import ExecutorFactory
from tensorflow_federated.execution.failures import ClientFailure


class AsyncExecutionContext(contexts.AsyncContext):
    """A context in which calls are awaited, and the loop goes on while they run.

    Several calls run at the same time, in threads. A call that is cancelled and has not begun is
    not begun; one that has begun goes on to its end in its thread, and its result is dropped.

    Examples:
      >>> import asyncio
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> double = tff.jax.computation(lambda x: 2 * x, np.int32)
      >>> async def call():
      ...     context = AsyncExecutionContext(tff.framework.local_cpp_executor_factory())
      ...     with tff.framework.get_context_stack().install(context):
      ...         return await asyncio.gather(double(1), double(2))
      >>> asyncio.run(call())
      [np.int32(2), np.int32(4)]
    """

    @errors.boundary
    def __init__(
        self,
        executor_fn: ExecutorFactory,
        compiler_fn: CompilerFn | None = None,
        *,
        transform_args: TransformFn | None = None,
        transform_result: TransformFn | None = None,
        cardinality_inference_fn: CardinalityInferenceFn = infer_cardinalities,
    ) -> None:
        """Makes a context.

        Args:
          executor_fn: see `tff.framework.SyncExecutionContext`, also for the others.
          compiler_fn: turns a computation into the one to run.
          transform_args: applied to the arguments.
          transform_result: applied to the result.
          cardinality_inference_fn: tells the number of clients.

        Raises:
          ArgumentError: if `executor_fn` is no factory.
        """
        self._invocation = Invocation(
            executor_fn, compiler_fn, transform_args, transform_result, cardinality_inference_fn
        )
        # Its threads are started by the first calls, and end with the context.
        self._threads = futures.ThreadPoolExecutor(thread_name_prefix="tff-computation")

    @property
    def executor_factory(self) -> ExecutorFactory:
        """What makes the executors."""
        return self._invocation.factory

    @property
    def last_failures(self) -> tuple[ClientFailure, ...]:
        """See `SyncExecutionContext`; of several calls at a time, those of one that ended."""
        return self._invocation.factory.last_failures

    def invoke(self, comp: Any, arg: Any) -> Coroutine[Any, Any, Any]:
        """Gives what to await for the result of a computation.

        Args:
          comp: the computation.
          arg: its argument in the structure of the parameter; None where there is none.

        Returns:
          A coroutine of the result, which raises as `SyncExecutionContext.invoke` does.
        """
        return self._invoke(comp, arg, callsites.find_user_line())

    async def _invoke(self, comp: Any, arg: Any, where: str | None) -> Any:
        waits = executors.retry_waits()
        while True:
            try:
                return await self._run_in_thread(comp, arg)
            except RetryableError:
                await asyncio.sleep(next(waits))
            except errors.FederatedError as error:
                # The stack of the thread does not hold the line that made the call.
                error.where = error.where or where
                errors.hide_internal_frames(error)
                raise

    async def _run_in_thread(self, comp: Any, arg: Any) -> Any:
        run = functools.partial(self._invocation.run, comp, arg)
        return await asyncio.get_running_loop().run_in_executor(
            self._threads, thread_states.carried(run)
        )
