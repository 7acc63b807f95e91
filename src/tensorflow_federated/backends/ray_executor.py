"""An executor over the tasks of Ray."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any

from tensorflow_federated.core import errors


class RayExecutor(Executor):
    """An executor of `concurrent.futures` that runs functions as tasks of Ray.

    Ray has to be connected, by `ray.init()`, and stays so when the executor is shut down. A task
    that is lost with its worker is not run again by Ray, but by the context that is told of it.

    Examples:
      In a program that has called `ray.init()`::

          tff.backends.native.set_executor_context(tff.backends.native.RayExecutor())
    """

    @errors.boundary
    def __init__(self, **options: Any) -> None:
        """Makes an executor.

        Args:
          **options: what Ray is told of each task, as `num_cpus=2`; see `ray.remote`.

        Raises:
          MissingExtraError: if Ray is not installed.
          ContextError: if Ray is not connected.
        """
        try:
            self._ray: Any = importlib.import_module("ray")
        except ImportError as error:
            raise errors.missing_extra("ray", what="`RayExecutor`") from error
        if not self._ray.is_initialized():
            raise errors.ContextError(
                "Ray is not connected to a cluster.",
                fix="write `ray.init()` first, or `ray.init(address=...)` for one that runs.",
            )
        self._processors = options.get("num_cpus") or 1
        self._remote = self._ray.remote(_call).options(**{"max_retries": 0, **options})
        self._references: dict[Future[Any], Any] = {}
        self._is_shut_down = False

    @property
    def worker_count(self) -> int:
        """How many tasks run at the same time, by the number of processors."""
        processors = self._ray.cluster_resources().get("CPU", 1.0)
        return max(int(processors / self._processors), 1)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Runs a function, which is found by its name on the workers, in a task."""
        if self._is_shut_down:
            raise RuntimeError("cannot schedule new futures after shutdown")
        reference = self._remote.remote(fn, *args, **kwargs)
        future: Future[Any] = reference.future()
        self._references[future] = reference
        future.add_done_callback(self._references.pop)
        return future

    def kill(self, future: Future[Any]) -> None:
        """Ends the worker of a task that was begun."""
        reference = self._references.get(future)
        if reference is not None:
            self._ray.cancel(reference, force=True)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Takes no more tasks."""
        self._is_shut_down = True
        for future, reference in list(self._references.items()):
            if cancel_futures:
                self._ray.cancel(reference)
            if wait:
                future.exception()


def _call(fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Runs any callable; Ray by itself takes functions of Python alone."""
    return fn(*args, **kwargs)
