"""Errors of contexts, executors and what they are given."""

from __future__ import annotations

from typing import Any

from tensorflow_federated.core import errors


class RetryableError(errors.FederatedError):
    """An executor could not run a computation now, and may if it is asked again.

    An executor raises it, and the context lets it try again, after waits that grow from a
    millisecond to half a minute.

    Examples:
      Fails, where nobody tries again:

      >>> import tensorflow_federated as tff
      >>> class Busy:
      ...     def __init__(self, executor):
      ...         self.executor, self.was_asked = executor, False
      ...
      ...     def invoke(self, comp, arg):
      ...         if not self.was_asked:
      ...             self.was_asked = True
      ...             raise tff.framework.RetryableError("the worker is busy.")
      ...         return self.executor.invoke(comp, arg)
      >>> one = tff.jax.computation(lambda: 1)
      >>> busy = Busy(tff.framework.local_cpp_executor_factory().create_executor({}))
      >>> busy.invoke(one, None)
      Traceback (most recent call last):
        ...
      tensorflow_federated.execution.errors.RetryableError: the worker is busy.
        where:       <doctest ...

      Mended, with a context in between:

      >>> class Factory(tff.framework.ExecutorFactory):
      ...     def create_executor(self, cardinalities):
      ...         return busy
      ...
      ...     def clean_up_executor(self, cardinalities):
      ...         pass
      >>> busy.was_asked = False
      >>> tff.framework.SyncExecutionContext(Factory()).invoke(one, None)
      np.int32(1)
    """

    def __init__(self, summary: str = "the executor asks to try again.", **parts: Any) -> None:
        """Builds the error; see `FederatedError` for the arguments."""
        super().__init__(summary, **parts)


class DataDescriptorError(errors.FederatedError, ValueError, known_as="ValueError"):
    """A data descriptor does not fit together.

    Examples:
      Fails, for the number of clients is missing:

      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> at_clients = tff.FederatedType(np.int32, tff.CLIENTS)
      >>> tff.framework.DataDescriptor(None, [1, 2], at_clients)
      Traceback (most recent call last):
        ...
      tensorflow_federated.execution.errors.DataDescriptorError: a value at the clients is for a
        number of clients, any other is not.
        cardinality: got None
        signature:   {int32}@CLIENTS
        where:       <doctest ...
        fix:         give `cardinality`.

      Mended:

      >>> tff.framework.DataDescriptor(None, [1, 2], at_clients, cardinality=2).cardinality
      {PlacementLiteral('clients'): 2}
    """
