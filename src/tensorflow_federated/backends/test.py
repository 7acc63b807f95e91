"""`tff.backends.test`: contexts for tests; secure intrinsics run as their plaintext meaning.

Examples:
  >>> import tensorflow_federated as tff
  >>> one = tff.jax.computation(lambda: 1)
  >>> context = tff.backends.test.create_sync_test_cpp_execution_context()
  >>> with tff.framework.get_context_stack().install(context):
  ...     one()
  np.int32(1)
"""

from __future__ import annotations

from tensorflow_federated.backends import local_contexts
from tensorflow_federated.compiler import intrinsic_bodies
from tensorflow_federated.core import errors, namespaces
from tensorflow_federated.core.computations import ConcreteComputation
from tensorflow_federated.execution.async_contexts import AsyncExecutionContext
from tensorflow_federated.execution.executor_contexts import SyncExecutionContext

__all__ = [
    "create_async_test_cpp_execution_context",
    "create_sync_test_cpp_execution_context",
    "replace_secure_intrinsics_with_bodies",
    "set_async_test_cpp_execution_context",
    "set_sync_test_cpp_execution_context",
    # Names of older versions.
    "create_test_execution_context",
    "create_test_python_execution_context",
    "set_test_execution_context",
    "set_test_python_execution_context",
]


@errors.boundary
def create_sync_test_cpp_execution_context(
    *,
    default_num_clients: int = 0,
    max_concurrent_computation_calls: int = -1,
    stream_structs: bool = False,
) -> SyncExecutionContext:
    """Makes a context in which a call gives its result, and secure intrinsics are simulated.

    Args:
      default_num_clients: the number of clients of a call whose arguments do not tell it.
      max_concurrent_computation_calls: how many calls run at the same time; no limit if it is not
        positive.
      stream_structs: is of no consequence: nothing is sent anywhere.

    Returns:
      The context.

    Raises:
      ArgumentError: if a number is no integer, or `default_num_clients` is negative.

    Examples:
      >>> context = create_sync_test_cpp_execution_context(default_num_clients=2)
    """
    return local_contexts.create_sync(default_num_clients, max_concurrent_computation_calls)


@errors.boundary
def create_async_test_cpp_execution_context(
    *,
    default_num_clients: int = 0,
    max_concurrent_computation_calls: int = -1,
    stream_structs: bool = False,
) -> AsyncExecutionContext:
    """Makes a context in which a call is awaited, and secure intrinsics are simulated.

    Args:
      default_num_clients: the number of clients of a call whose arguments do not tell it.
      max_concurrent_computation_calls: how many calls run at the same time; no limit if it is not
        positive.
      stream_structs: is of no consequence: nothing is sent anywhere.

    Returns:
      The context.

    Raises:
      ArgumentError: if a number is no integer, or `default_num_clients` is negative.

    Examples:
      >>> context = create_async_test_cpp_execution_context(default_num_clients=2)
    """
    return local_contexts.create_async(default_num_clients, max_concurrent_computation_calls)


@errors.boundary
def create_test_execution_context(
    num_clients: int | None = None, clients_per_thread: int = 1, *, default_num_clients: int = 0
) -> SyncExecutionContext:
    """An older name of `create_sync_test_cpp_execution_context`.

    Args:
      num_clients: the same as `default_num_clients`, if it is given.
      clients_per_thread: is of no consequence.
      default_num_clients: the number of clients of a call whose arguments do not tell it.

    Returns:
      The context.

    Examples:
      >>> context = create_test_execution_context()
    """
    return local_contexts.create_sync(default_num_clients if num_clients is None else num_clients)


@errors.boundary
def create_test_python_execution_context(
    default_num_clients: int = 0, clients_per_thread: int = 1
) -> SyncExecutionContext:
    """An older name of `create_sync_test_cpp_execution_context`.

    Args:
      default_num_clients: the number of clients of a call whose arguments do not tell it.
      clients_per_thread: is of no consequence.

    Returns:
      The context.

    Examples:
      >>> context = create_test_python_execution_context()
    """
    return local_contexts.create_sync(default_num_clients)


set_sync_test_cpp_execution_context = local_contexts.setter(
    "set_sync_test_cpp_execution_context", create_sync_test_cpp_execution_context
)
set_async_test_cpp_execution_context = local_contexts.setter(
    "set_async_test_cpp_execution_context", create_async_test_cpp_execution_context
)
set_test_execution_context = local_contexts.setter(
    "set_test_execution_context", create_test_execution_context
)
set_test_python_execution_context = local_contexts.setter(
    "set_test_python_execution_context", create_test_python_execution_context
)


@errors.boundary
def replace_secure_intrinsics_with_bodies(comp: ConcreteComputation) -> ConcreteComputation:
    """Writes the secure intrinsics of a computation as their plaintext meaning.

    Args:
      comp: the computation.

    Returns:
      The computation that computes the same, of the same type, and promises no privacy.

    Raises:
      ArgumentError: if `comp` is no computation.

    Examples:
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> @tff.federated_computation(tff.FederatedType(np.int32, tff.CLIENTS))
      ... def total(values):
      ...     return tff.federated_secure_sum_bitwidth(values, bitwidth=4)
      >>> plain = replace_secure_intrinsics_with_bodies(total)
      >>> tff.test.assert_not_contains_secure_aggregation(plain)
      >>> plain([1, 2])
      np.int32(3)
    """
    local_contexts.check_computation(comp)
    node, _ = intrinsic_bodies.replace_secure_intrinsics(comp.to_building_block())
    plain = ConcreteComputation.from_building_block(node)
    return ConcreteComputation(plain.node, comp.__name__, comp.type_signature)


__getattr__, __dir__ = namespaces.module_functions("tff.backends.test", __all__)
