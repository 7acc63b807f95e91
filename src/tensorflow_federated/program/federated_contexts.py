"""Federated contexts: those that federated programs call computations in."""

from __future__ import annotations

import abc
from typing import Any

from tensorflow_federated.core import arguments, contexts, errors, placements, type_predicates
from tensorflow_federated.core.types import (
    FederatedType,
    SequenceType,
    StructType,
    TensorType,
    Type,
)
from tensorflow_federated.program.errors import FederatedContextError


class FederatedContext(contexts.SyncContext):
    """A context in which a call gives references to what it computes, without waiting for it.

    What a computation takes and gives there:

    - a tensor or sequence, and what is placed at the server: a reference, or, as an argument, the
      value itself;
    - a structure: the Python container of its type, of these;
    - what is placed at the clients: as an argument what `select` of a
      `tff.program.FederatedDataSourceIterator` gave; never a result.

    Examples:
      >>> import asyncio
      >>> import tensorflow_federated as tff
      >>> class Printing(tff.program.FederatedContext):
      ...     def invoke(self, comp, arg):
      ...         return f"{comp.type_signature} of {arg}"
      >>> one = tff.jax.computation(lambda: 1)
      >>> with tff.framework.get_context_stack().install(Printing()):
      ...     tff.program.check_in_federated_context()
      ...     one()
      '( -> int32) of None'
    """

    @abc.abstractmethod
    def invoke(self, comp: Any, arg: Any) -> Any:
        """Calls a computation.

        Args:
          comp: the computation.
          arg: its argument; None where it takes none.

        Returns:
          References, in the containers of the result's type.

        Raises:
          FederatedContextError: if the result would be more than values at the server.
        """


@errors.boundary
def contains_only_server_placed_data(type_signature: Type) -> bool:
    """Whether a type is that of values which a federated program can be given.

    Args:
      type_signature: the type.

    Returns:
      True if nothing in it is placed at the clients, and nothing is a function.

    Raises:
      ArgumentError: if it is no type.

    Examples:
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> contains_only_server_placed_data(tff.FederatedType(np.int32, tff.SERVER))
      True
      >>> contains_only_server_placed_data(tff.FederatedType(np.int32, tff.CLIENTS))
      False
    """
    arguments.check_instance(
        "type_signature",
        type_signature,
        Type,
        "only a type can be looked at.",
        fix="write `tff.to_type(...)`.",
    )
    return type_predicates.contains_only(type_signature, _is_at_server)


def _is_at_server(part: Type) -> bool:
    if isinstance(part, FederatedType):
        return part.placement == placements.SERVER
    return isinstance(part, (StructType, SequenceType, TensorType))


@errors.boundary
def check_in_federated_context() -> None:
    """Raises an error if computations are not called in a federated context.

    Raises:
      FederatedContextError: if the current context is no `tff.program.FederatedContext`.

    Examples:
      >>> check_in_federated_context()
      Traceback (most recent call last):
        ...
      tensorflow_federated.program.errors.FederatedContextError: the current context is no
        federated one.
        ...
    """
    current = contexts.current()
    if not isinstance(current, FederatedContext):
        raise FederatedContextError(
            "the current context is no federated one.",
            problems=[
                "context: expected a `tff.program.FederatedContext`, got a "
                f"`{type(current).__name__}`"
            ],
            fix="make one current: `tff.framework.set_default_context("
            "tff.program.NativeFederatedContext("
            "tff.backends.native.create_async_local_cpp_execution_context()))`.",
        )
