"""Distributors: how what the server holds comes to the clients."""

from __future__ import annotations

from typing import Any

from tensorflow_federated import templates
from tensorflow_federated.core import errors, intrinsics, placements, tracing, type_predicates
from tensorflow_federated.core.computations import Computation
from tensorflow_federated.core.types import (
    FederatedType,
    FunctionType,
    StructType,
    TensorType,
    Type,
)
from tensorflow_federated.learning.templates import laws


class DistributionProcess(templates.MeasuredProcess):
    """A measured process from a value at the server to a value at the clients.

    Type: ``initialize: ( -> S@SERVER)``, ``next: (<S@SERVER,V@SERVER> ->
    <state=S@SERVER,result={R}@CLIENTS,measurements=M@SERVER>)``.

    Examples:
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> process = tff.learning.templates.build_broadcast_process(tff.to_type(np.float32))
      >>> print(process.next.type_signature.result)
      <state=<>@SERVER,result=float32@CLIENTS,measurements=<>@SERVER>
    """

    def __init__(self, initialize_fn: Computation, next_fn: Computation) -> None:
        """Builds a process of two computations.

        Args:
          initialize_fn: gives the first state, at the server.
          next_fn: takes the state and the server's value; returns a `MeasuredProcessOutput` whose
            result is at the clients.

        Raises:
          TemplateNextFnNumArgsError: if `next_fn` takes more or less.
          TemplatePlacementError: if a part is placed where it should not be.
          TemplateError: where `MeasuredProcess` raises one.
        """
        super().__init__(initialize_fn, next_fn, next_is_multi_arg=True)
        laws.check_number_of_arguments("distributor", next_fn, ["the state", "the server's value"])
        parameter: Any = next_fn.type_signature.parameter
        result: Any = next_fn.type_signature.result
        laws.check_placements(
            "distributor",
            next_fn,
            [
                (
                    "the state of `initialize_fn`",
                    initialize_fn.type_signature.result,
                    placements.SERVER,
                ),
                ("the value of `next_fn`", parameter[1], placements.SERVER),
                ("the state that `next_fn` returns", result[0], placements.SERVER),
                ("the result of `next_fn`", result[1], placements.CLIENTS),
                ("the measurements of `next_fn`", result[2], placements.SERVER),
            ],
        )


@errors.boundary
def build_broadcast_process(value_type: Type) -> DistributionProcess:
    """Builds the distributor that sends the value as it is, to all clients.

    State and measurements are empty.

    Args:
      value_type: the type of the value, without placement.

    Returns:
      The process.

    Raises:
      TypeMismatchError: if `value_type` is no type of values that can be placed at the server.

    Examples:
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> process = tff.learning.templates.build_broadcast_process(tff.to_type(np.float32))
      >>> print(process.next.type_signature.parameter)
      <state=<>@SERVER,value=float32@SERVER>
    """
    is_placeable = isinstance(
        value_type, (TensorType, StructType)
    ) and not type_predicates.contains(
        value_type, lambda inner: isinstance(inner, (FederatedType, FunctionType))
    )
    if not is_placeable:
        raise errors.TypeMismatchError(
            "`tff.learning.templates.build_broadcast_process` cannot use this type.",
            problems=[f"value_type: expected a type of tensors, got {value_type!s:.200}"],
            fix="give the type of the value without placement.",
        )

    def initialize() -> Any:
        return intrinsics.federated_value((), placements.SERVER)

    initialize_fn = tracing.federated_computation(initialize)

    def broadcast(state: Any, value: Any) -> Any:
        return templates.MeasuredProcessOutput(
            state=state,
            result=intrinsics.federated_broadcast(value),
            measurements=intrinsics.federated_value((), placements.SERVER),
        )

    next_fn = tracing.federated_computation(
        broadcast,
        initialize_fn.type_signature.result,
        FederatedType(value_type, placements.SERVER),
    )
    return DistributionProcess(initialize_fn, next_fn)
