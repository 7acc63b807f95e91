"""`tff.backends.native`: contexts in which computations run in this process.

Examples:
  >>> import tensorflow_federated as tff
  >>> @tff.federated_computation
  ... def count_clients():
  ...     return tff.federated_sum(tff.federated_value(1, tff.CLIENTS))
  >>> context = tff.backends.native.create_sync_local_cpp_execution_context(default_num_clients=4)
  >>> with tff.framework.get_context_stack().install(context):
  ...     count_clients()
  np.int32(4)

  As the default context, until another is set:

  >>> tff.backends.native.set_sync_local_cpp_execution_context(default_num_clients=3)
  >>> count_clients()
  np.int32(3)
  >>> tff.backends.native.set_sync_local_cpp_execution_context()
"""

from __future__ import annotations

from typing import Any

from tensorflow_federated.backends import local_contexts
from tensorflow_federated.backends.executor_contexts import (
    create_executor_context,
    set_executor_context,
)
from tensorflow_federated.backends.mergeable import (
    compile_to_mergeable_comp_form,
    create_mergeable_comp_execution_context,
    set_mergeable_comp_execution_context,
)
from tensorflow_federated.backends.older_contexts import (
    create_local_async_python_execution_context,
    create_local_execution_context,
    create_local_python_execution_context,
    create_localhost_cpp_execution_context,
    create_thread_debugging_execution_context,
    set_local_async_python_execution_context,
    set_local_execution_context,
    set_local_python_execution_context,
    set_localhost_cpp_execution_context,
    set_thread_debugging_execution_context,
)
from tensorflow_federated.backends.ray_executor import RayExecutor
from tensorflow_federated.compiler import call_dominant, intrinsic_bodies
from tensorflow_federated.core import errors, namespaces
from tensorflow_federated.core.computations import ConcreteComputation
from tensorflow_federated.execution.async_contexts import AsyncExecutionContext
from tensorflow_federated.execution.executor_contexts import SyncExecutionContext
from tensorflow_federated.execution.settings import (
    ClientForm,
    FailurePolicy,
    NonFinitePolicy,
    Settings,
)

__all__ = [
    "RayExecutor",
    "compile_to_mergeable_comp_form",
    "create_async_local_cpp_execution_context",
    "create_executor_context",
    "create_mergeable_comp_execution_context",
    "create_sync_local_cpp_execution_context",
    "desugar_and_transform_to_native",
    "set_async_local_cpp_execution_context",
    "set_executor_context",
    "set_mergeable_comp_execution_context",
    "set_sync_local_cpp_execution_context",
    "transform_to_native_form",
    # Names of older versions.
    "create_local_async_python_execution_context",
    "create_local_execution_context",
    "create_local_python_execution_context",
    "create_localhost_cpp_execution_context",
    "create_thread_debugging_execution_context",
    "set_local_async_python_execution_context",
    "set_local_execution_context",
    "set_local_python_execution_context",
    "set_localhost_cpp_execution_context",
    "set_thread_debugging_execution_context",
]


@errors.boundary
def create_sync_local_cpp_execution_context(
    default_num_clients: int = 0,
    max_concurrent_computation_calls: int = -1,
    stream_structs: bool = False,
    *,
    seed: int | None = None,
    simulate_secure: bool = True,
    threads: int | None = None,
    client_form: ClientForm = "auto",
    lanes: int | None = None,
    mixed_precision: bool = False,
    on_client_failure: FailurePolicy = "raise",
    non_finite: NonFinitePolicy = "allow",
) -> SyncExecutionContext:
    """Makes a context in which a call runs in this process and gives its result.

    In a `with` statement it is the context of the block.

    Args:
      default_num_clients: the number of clients of a call whose arguments do not tell it, such as
        that of a computation without arguments.
      max_concurrent_computation_calls: how many calls, made by several threads, run at the same
        time; the others wait. No limit if it is not positive.
      stream_structs: is of no consequence: nothing is sent anywhere.
      seed: what the random keys of clients are derived from, together with the number of the call
        in this context and the client's position; drawn from the operating system if None.
      simulate_secure: whether secure intrinsics run as their plaintext meaning. If False, a
        computation with one is refused.
      threads: how many threads work on the clients of one call; one for each core that this process
        may use if None. No result depends on it.
      client_form: how the work of clients is run: "compiled" over many clients at a time,
        "separate", client by client, or compiled where that is possible ("auto"). A program whose
        clients' work cannot be compiled is an error in a context that asks for it.
      lanes: how many clients a compiled JAX step trains side by side. Chunks of a cohort are then
        multiples of this number, so the last digits of results depend on it. Chosen from the device
        and its memory if None, 1 on a processor, and no more than there are in a chunk.
      mixed_precision: whether compiled JAX steps multiply in bfloat16 and add in float32.
      on_client_failure: what happens when the work of a client fails. "raise": the call ends with a
        `ClientError`. "drop": the client is left out of the call, as if it had never been in the
        cohort; values at the clients that the call returns are those of the others. The context
        tells which in `last_failures`, and the log in one warning.
      non_finite: whether a client fails if its results hold NaN or an infinity: "fail" or "allow".
        A client of a learning algorithm whose model delta is not finite fails then, too; if it is
        allowed, it sends zeros with the weight 0, and is in `last_failures` as one that was not
        left out.

    Returns:
      The context.

    Raises:
      ArgumentError: if a number is no integer, or `default_num_clients` is negative; if an option
        is none of those that there are.

    Examples:
      >>> import tensorflow_federated as tff
      >>> context = create_sync_local_cpp_execution_context(default_num_clients=4)
      >>> isinstance(context, tff.framework.SyncExecutionContext)
      True

      A client that fails is left out:

      >>> import numpy as np
      >>> tff.backends.native.set_sync_local_cpp_execution_context(
      ...     on_client_failure="drop", non_finite="fail"
      ... )
      >>> inverse = tff.jax.computation(lambda x: 1 / x, np.float32)
      >>> @tff.federated_computation(tff.FederatedType(np.float32, tff.CLIENTS))
      ... def total(values):
      ...     return tff.federated_sum(tff.federated_map(inverse, values))
      >>> total([2.0, 0.0, 4.0])
      np.float32(0.75)
      >>> [each.client_index for each in tff.framework.get_context_stack().current.last_failures]
      [1]
      >>> tff.backends.native.set_sync_local_cpp_execution_context()

    Differs from TFF: there is no C++ runtime; the name is kept. All from `seed` on are new.
    """
    return local_contexts.create_sync(
        default_num_clients,
        max_concurrent_computation_calls,
        seed=seed,
        simulate_secure=simulate_secure,
        settings=Settings(
            threads=threads,
            client_form=client_form,
            lanes=lanes,
            mixed_precision=mixed_precision,
            on_client_failure=on_client_failure,
            non_finite=non_finite,
        ),
    )


@errors.boundary
def create_async_local_cpp_execution_context(
    default_num_clients: int = 0,
    max_concurrent_computation_calls: int = -1,
    stream_structs: bool = False,
    *,
    seed: int | None = None,
    simulate_secure: bool = True,
    threads: int | None = None,
    client_form: ClientForm = "auto",
    lanes: int | None = None,
    mixed_precision: bool = False,
    on_client_failure: FailurePolicy = "raise",
    non_finite: NonFinitePolicy = "allow",
) -> AsyncExecutionContext:
    """Makes a context in which a call is awaited; it runs in a thread of this process.

    Args:
      default_num_clients: see `create_sync_local_cpp_execution_context`, also for the others.
      max_concurrent_computation_calls: how many calls run at the same time.
      stream_structs: is of no consequence.
      seed: what random keys are derived from; the number of a call is taken when it begins to run.
      simulate_secure: whether secure intrinsics run as their plaintext meaning.
      threads: how many threads work on the clients of one call.
      client_form: how the work of clients is run.
      lanes: how many clients a compiled JAX step trains side by side.
      mixed_precision: whether compiled JAX steps multiply in bfloat16.
      on_client_failure: what happens when the work of a client fails.
      non_finite: whether NaN and infinities in a client's results are a failure.

    Returns:
      The context.

    Raises:
      ArgumentError: if a number is no integer, or `default_num_clients` is negative; if an option
        is none of those that there are.

    Examples:
      >>> import asyncio
      >>> import tensorflow_federated as tff
      >>> one = tff.jax.computation(lambda: 1)
      >>> async def call():
      ...     context = create_async_local_cpp_execution_context()
      ...     with tff.framework.get_context_stack().install(context):
      ...         return await one()
      >>> asyncio.run(call())
      np.int32(1)
    """
    return local_contexts.create_async(
        default_num_clients,
        max_concurrent_computation_calls,
        seed=seed,
        simulate_secure=simulate_secure,
        settings=Settings(
            threads=threads,
            client_form=client_form,
            lanes=lanes,
            mixed_precision=mixed_precision,
            on_client_failure=on_client_failure,
            non_finite=non_finite,
        ),
    )


set_sync_local_cpp_execution_context = local_contexts.setter(
    "set_sync_local_cpp_execution_context", create_sync_local_cpp_execution_context
)
set_async_local_cpp_execution_context = local_contexts.setter(
    "set_async_local_cpp_execution_context", create_async_local_cpp_execution_context
)


@errors.boundary
def transform_to_native_form(
    comp: ConcreteComputation, transform_math_to_tf: bool = False, grappler_config: Any = None
) -> ConcreteComputation:
    """Brings a computation into call-dominant form.

    Args:
      comp: the computation.
      transform_math_to_tf: is of no consequence: local mathematics runs where it stands.
      grappler_config: is of no consequence: back ends compile local computations at their first
        call.

    Returns:
      The computation that computes the same, of the same type.

    Raises:
      ArgumentError: if `comp` is no computation.

    Examples:
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> double = tff.jax.computation(lambda x: 2 * x, np.int32)
      >>> transform_to_native_form(tff.federated_computation(lambda x: double(x), np.int32))(4)
      np.int32(8)
    """
    local_contexts.check_computation(comp)
    node = call_dominant.to_call_dominant(comp.to_building_block())
    return ConcreteComputation(node, comp.__name__, comp.type_signature)


@errors.boundary
def desugar_and_transform_to_native(comp: ConcreteComputation) -> ConcreteComputation:
    """Writes the intrinsics of a computation that are made of others as those; means as sums.

    Args:
      comp: the computation.

    Returns:
      The computation that computes the same, of the same type, in call-dominant form.

    Raises:
      ArgumentError: if `comp` is no computation.

    Examples:
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> at_clients = tff.FederatedType(np.float32, tff.CLIENTS)
      >>> mean = tff.federated_computation(lambda x: tff.federated_mean(x), at_clients)
      >>> desugar_and_transform_to_native(mean)([1.0, 3.0])
      np.float32(2.0)
    """
    local_contexts.check_computation(comp)
    node, _ = intrinsic_bodies.replace_intrinsics(comp.to_building_block())
    lowered = call_dominant.to_call_dominant(node)
    return ConcreteComputation(lowered, comp.__name__, comp.type_signature)


_NO_REMOTE = (
    "there are no remote workers: call computations in this process, in the context of "
    "`tff.backends.native.create_sync_local_cpp_execution_context()`."
)
_NO_SIZES = "`tff.explain(computation)` tells what is sent, and how much of it."
_REMOVED = {
    **dict.fromkeys(
        (
            "create_async_remote_cpp_execution_context",
            "create_remote_execution_context",
            "create_remote_python_execution_context",
            "create_sync_remote_cpp_execution_context",
            "set_async_remote_cpp_execution_context",
            "set_remote_execution_context",
            "set_remote_python_execution_context",
            "set_sync_remote_cpp_execution_context",
        ),
        _NO_REMOTE,
    ),
    "create_sizing_execution_context": _NO_SIZES,
    "set_sizing_execution_context": _NO_SIZES,
}

__getattr__, __dir__ = namespaces.module_functions("tff.backends.native", __all__, removed=_REMOVED)
