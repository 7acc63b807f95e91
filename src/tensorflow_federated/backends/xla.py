"""`tff.backends.xla`: the names under which older versions of TFF ran JAX computations.

JAX computations run in every context; these contexts are those of `tff.backends.native`.
"""

from __future__ import annotations

from tensorflow_federated.backends import local_contexts
from tensorflow_federated.core import errors, namespaces
from tensorflow_federated.execution.executor_contexts import SyncExecutionContext

__all__ = [
    "create_local_execution_context",
    "create_local_python_execution_context",
    "set_local_execution_context",
    "set_local_python_execution_context",
]


@errors.boundary
def create_local_python_execution_context() -> SyncExecutionContext:
    """Makes a context in which a call runs in this process and gives its result.

    Returns:
      The context.

    Examples:
      >>> context = create_local_python_execution_context()
    """
    return local_contexts.create_sync()


create_local_execution_context = create_local_python_execution_context
set_local_python_execution_context = local_contexts.setter(
    "set_local_python_execution_context", create_local_python_execution_context
)
set_local_execution_context = set_local_python_execution_context

__getattr__, __dir__ = namespaces.module_functions("tff.backends.xla", __all__)
