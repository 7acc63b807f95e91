"""Arguments that are made where they are used: by a computation, in the context of the call."""

from __future__ import annotations

import abc
import inspect
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias, cast

from tensorflow_federated.core import computations, errors, ir, placements, structure, types
from tensorflow_federated.core.types import FederatedType, StructType, Type
from tensorflow_federated.execution import cardinalities, coroutines
from tensorflow_federated.execution.errors import DataDescriptorError

Invoke: TypeAlias = Callable[[computations.ConcreteComputation, Any], Any]
"""Calls a computation in the context of the call that an argument is for."""


class IngestionExecutor:
    """What an `Ingestable` makes its value with; its values are plain Python values."""

    def __init__(self, invoke: Invoke) -> None:
        """Makes an executor.

        Args:
          invoke: calls a computation.
        """
        self._invoke = invoke

    async def create_value(self, value: Any, type_spec: Any = None) -> Any:
        """Gives a value; that of another `Ingestable` is made.

        Args:
          value: a value, a computation, or an `Ingestable`.
          type_spec: its type; the computation that the value is for checks it.
        """
        if isinstance(value, Ingestable):
            return await _awaited(value.ingest(self))
        members = cast("list[Any]", value if isinstance(value, list) else [value])
        uris = [member.uri for member in members if isinstance(member, ir.Data)]
        if uris:
            raise errors.BackendError(
                "a value is named by a uri, and nothing here can fetch it.",
                problems=[f"uri: {uri}" for uri in uris],
                fix="give a computation that reads the data: "
                "`tff.framework.DataDescriptor(read, uris, type, cardinality)`.",
            )
        return cast("Any", value)

    async def create_call(self, comp: Any, arg: Any = None) -> Any:
        """Calls a computation.

        Args:
          comp: the computation.
          arg: its argument; None where it takes none.
        """
        return self._invoke(comp, arg)

    async def create_struct(self, elements: Any) -> Any:
        """Gives a structure of values."""
        return structure.from_container(elements)

    async def create_selection(self, source: Any, index: int) -> Any:
        """Gives one element of a structure."""
        return structure.from_container(source)[index]


class Ingestable(computations.TypedObject):
    """An argument that makes its value when it is used; the base class of those of users.

    Examples:
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> class Seven(Ingestable):
      ...     type_signature = tff.TensorType(np.int32)
      ...
      ...     async def ingest(self, executor):
      ...         return await executor.create_value(7, self.type_signature)
      >>> tff.jax.computation(lambda x: 2 * x, np.int32)(Seven())
      np.int32(14)
    """

    @abc.abstractmethod
    def ingest(self, executor: Any) -> Any:
        """Makes the value; may be a coroutine.

        Args:
          executor: what to make it with: `await executor.create_value(value, type)`,
            `await executor.create_call(computation, argument)`.

        Returns:
          A value of the type of this object, or what `executor` gave.
        """


class CardinalityFreeDataDescriptor(Ingestable):
    """The result of a computation, as an argument of another, for whatever number of clients.

    Examples:
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> double = tff.jax.computation(lambda x: 2 * x, np.int32)
      >>> ten = CardinalityFreeDataDescriptor(double, 5, tff.TensorType(np.int32))
      >>> double(ten)
      np.int32(20)
    """

    @errors.boundary
    def __init__(self, comp: computations.Computation | None, arg: object, arg_type: Type) -> None:
        """Describes a value.

        Args:
          comp: what makes the value; None if the argument is the value.
          arg: its argument, or an `Ingestable`.
          arg_type: the type of the argument.

        Raises:
          DataDescriptorError: if the computation does not take an argument of this type.
        """
        self._comp = comp
        self._arg = arg
        self._arg_type = types.to_type(arg_type)
        self._type: Type = self._arg_type
        if comp is not None:
            parameter = comp.type_signature.parameter
            if parameter is None or not parameter.is_assignable_from(self._arg_type):
                raise DataDescriptorError(
                    "the computation does not take the argument.",
                    problems=[f"argument: expected {parameter}, got {self._arg_type}"],
                    signature=comp.type_signature,
                )
            self._type = comp.type_signature.result

    @property
    def type_signature(self) -> Type:
        return self._type

    async def ingest(self, executor: Any) -> Any:
        value = await executor.create_value(self._arg, self._arg_type)
        return value if self._comp is None else await executor.create_call(self._comp, value)


class DataDescriptor(CardinalityFreeDataDescriptor, cardinalities.CardinalityCarrying):
    """The result of a computation, as an argument of another, for a known number of clients.

    Examples:
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> at_server = tff.FederatedType(np.int32, tff.SERVER)
      >>> to_clients = tff.federated_computation(lambda x: tff.federated_broadcast(x), at_server)
      >>> at_clients = tff.FederatedType(np.int32, tff.CLIENTS)
      >>> total = tff.federated_computation(lambda x: tff.federated_sum(x), at_clients)
      >>> total(tff.framework.DataDescriptor(None, [1, 2], at_clients, cardinality=2))
      np.int32(3)
    """

    @errors.boundary
    def __init__(
        self,
        comp: computations.Computation | None,
        arg: object,
        arg_type: Type,
        cardinality: int | None = None,
    ) -> None:
        """Describes a value.

        Args:
          comp: what makes the value; None if the argument is the value.
          arg: its argument, or an `Ingestable`.
          arg_type: the type of the argument.
          cardinality: the number of clients of a value at the clients; None if it is at the server.

        Raises:
          DataDescriptorError: if the computation does not take an argument of this type, or the
            number of clients is missing, or is given for a value that is not at the clients.
        """
        super().__init__(comp, arg, arg_type)
        made = self.type_signature
        self._cardinality: dict[placements.PlacementLiteral, int] = {}
        if isinstance(made, FederatedType):
            at_clients = made.placement == placements.CLIENTS
            if at_clients != (cardinality is not None):
                raise DataDescriptorError(
                    "a value at the clients is for a number of clients, any other is not.",
                    problems=[f"cardinality: got {cardinality}"],
                    signature=made,
                    fix="give `cardinality`." if at_clients else "leave `cardinality` out.",
                )
            if cardinality is not None:
                self._cardinality[placements.CLIENTS] = cardinality

    @property
    def cardinality(self) -> dict[placements.PlacementLiteral, int]:
        return self._cardinality


@errors.boundary
def create_data_descriptor(arg_uris: Sequence[str], arg_type: Type) -> DataDescriptor:
    """Describes values at the clients that uris name, one for each client.

    Args:
      arg_uris: the uri of each client's value.
      arg_type: the type of one client's value.

    Returns:
      The descriptor. It can be described and typed, and no context of this package fetches it.

    Examples:
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> described = tff.framework.CreateDataDescriptor(["a", "b"], tff.TensorType(np.int32))
      >>> print(described.type_signature, described.cardinality)
      {int32}@CLIENTS {PlacementLiteral('clients'): 2}
    """
    member = types.to_type(arg_type)
    values = [ir.Data(uri, member) for uri in arg_uris]
    return DataDescriptor(None, values, FederatedType(member, placements.CLIENTS), len(values))


def is_needed(arg: Any, parameter_type: Type) -> bool:
    """Whether an argument, or one of several, is an `Ingestable`."""
    if isinstance(arg, Ingestable):
        return True
    if not isinstance(parameter_type, StructType) or not isinstance(arg, structure.Struct):
        return False
    elements = cast("structure.Struct[Any]", arg)
    pairs = zip(elements, parameter_type, strict=False)
    return any(is_needed(element, element_type) for element, element_type in pairs)


def ingest(arg: Any, parameter_type: Type, invoke: Invoke) -> Any:
    """Makes the values of an argument that are made when they are used.

    Args:
      arg: the argument.
      parameter_type: the type that is expected.
      invoke: calls a computation in the context of the call.

    Returns:
      The argument without an `Ingestable`.

    Raises:
      TypeNotAssignableError: if one is not of the type that is expected.
    """
    if isinstance(arg, Ingestable):
        parameter_type.check_assignable_from(arg.type_signature)
        return _completed(arg.ingest(IngestionExecutor(invoke)))
    if not is_needed(arg, parameter_type):
        return arg
    assert isinstance(parameter_type, StructType)
    return structure.Struct(
        [
            (name, ingest(element, element_type, invoke))
            for (name, element), element_type in zip(
                structure.iter_elements(arg), parameter_type, strict=True
            )
        ]
    )


async def _awaited(value: Any) -> Any:
    return await value if inspect.isawaitable(value) else value


def _completed(value: Any) -> Any:
    """The value itself, or what it gives once it is awaited."""
    return coroutines.run_to_end(_awaited(value)) if inspect.isawaitable(value) else value
