"""Contexts under the names of older versions of TFF: notebooks that were published use them."""

from __future__ import annotations

from tensorflow_federated.backends import local_contexts
from tensorflow_federated.core import errors
from tensorflow_federated.execution.async_contexts import AsyncExecutionContext
from tensorflow_federated.execution.executor_contexts import SyncExecutionContext
from tensorflow_federated.execution.settings import Settings


@errors.boundary
def create_local_python_execution_context(
    default_num_clients: int = 0,
    max_fanout: int = 100,
    clients_per_thread: int = 1,
    server_tf_device: object = None,
    client_tf_devices: object = (),
    reference_resolving_clients: bool = False,
) -> SyncExecutionContext:
    """The older name of `create_sync_local_cpp_execution_context`.

    Args:
      default_num_clients: the number of clients of a call whose arguments do not tell it.
      max_fanout: is of no consequence, as the others: they described a runtime that is no more.
      clients_per_thread: is of no consequence.
      server_tf_device: is of no consequence.
      client_tf_devices: is of no consequence.
      reference_resolving_clients: is of no consequence.

    Returns:
      The context.

    Examples:
      >>> context = create_local_python_execution_context(default_num_clients=3)
    """
    return local_contexts.create_sync(default_num_clients)


@errors.boundary
def create_local_execution_context(
    num_clients: int | None = None,
    max_fanout: int = 100,
    clients_per_thread: int = 1,
    server_tf_device: object = None,
    client_tf_devices: object = (),
) -> SyncExecutionContext:
    """The oldest name of `create_sync_local_cpp_execution_context`.

    Args:
      num_clients: the number of clients of a call whose arguments do not tell it; 0 if None.
      max_fanout: is of no consequence, as the others: they described a runtime that is no more.
      clients_per_thread: is of no consequence.
      server_tf_device: is of no consequence.
      client_tf_devices: is of no consequence.

    Returns:
      The context.

    Examples:
      >>> context = create_local_execution_context(num_clients=3)
    """
    return local_contexts.create_sync(num_clients or 0)


@errors.boundary
def create_localhost_cpp_execution_context(
    default_num_clients: int = 0, max_concurrent_computation_calls: int = 0
) -> SyncExecutionContext:
    """An older name of `create_sync_local_cpp_execution_context`.

    Args:
      default_num_clients: the number of clients of a call whose arguments do not tell it.
      max_concurrent_computation_calls: how many calls run at the same time; no limit if 0.

    Returns:
      The context.

    Examples:
      >>> context = create_localhost_cpp_execution_context()
    """
    return local_contexts.create_sync(default_num_clients, max_concurrent_computation_calls)


@errors.boundary
def create_thread_debugging_execution_context(
    default_num_clients: int = 0, clients_per_thread: int = 1
) -> SyncExecutionContext:
    """An older name of a context that does all work in the thread of the caller, for debuggers.

    It is `create_sync_local_cpp_execution_context(threads=1)`.

    Args:
      default_num_clients: the number of clients of a call whose arguments do not tell it.
      clients_per_thread: is of no consequence.

    Returns:
      The context.

    Examples:
      >>> context = create_thread_debugging_execution_context()
    """
    return local_contexts.create_sync(default_num_clients, settings=Settings(threads=1))


@errors.boundary
def create_local_async_python_execution_context(
    default_num_clients: int = 0,
    max_fanout: int = 100,
    clients_per_thread: int = 1,
    server_tf_device: object = None,
    client_tf_devices: object = (),
    reference_resolving_clients: bool = False,
) -> AsyncExecutionContext:
    """The older name of `create_async_local_cpp_execution_context`.

    Args:
      default_num_clients: the number of clients of a call whose arguments do not tell it.
      max_fanout: is of no consequence, as the others: they described a runtime that is no more.
      clients_per_thread: is of no consequence.
      server_tf_device: is of no consequence.
      client_tf_devices: is of no consequence.
      reference_resolving_clients: is of no consequence.

    Returns:
      The context.

    Examples:
      >>> context = create_local_async_python_execution_context()
    """
    return local_contexts.create_async(default_num_clients)


set_local_execution_context = local_contexts.setter(
    "set_local_execution_context", create_local_execution_context
)
set_local_python_execution_context = local_contexts.setter(
    "set_local_python_execution_context", create_local_python_execution_context
)
set_localhost_cpp_execution_context = local_contexts.setter(
    "set_localhost_cpp_execution_context", create_localhost_cpp_execution_context
)
set_thread_debugging_execution_context = local_contexts.setter(
    "set_thread_debugging_execution_context", create_thread_debugging_execution_context
)
set_local_async_python_execution_context = local_contexts.setter(
    "set_local_async_python_execution_context", create_local_async_python_execution_context
)
