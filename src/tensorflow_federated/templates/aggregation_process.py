"""Processes that bring the clients' values together at the server."""

from __future__ import annotations

from tensorflow_federated.core import computations, placements
from tensorflow_federated.core import errors as core_errors
from tensorflow_federated.core.types import FederatedType, StructType, Type
from tensorflow_federated.templates import errors, measured_process


class AggregationProcess(measured_process.MeasuredProcess):
    """A measured process from values at the clients to a result at the server.

    Type: ``initialize: ( -> S@SERVER)``, ``next: (<S@SERVER,{V}@CLIENTS[,{W}@CLIENTS]> ->
    <state=S@SERVER,result=R@SERVER,measurements=M@SERVER>)``. With a third argument, the weights,
    the process is weighted.

    Examples:
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> @tff.federated_computation
      ... def initialize_fn():
      ...     return tff.federated_value((), tff.SERVER)
      >>> @tff.federated_computation(
      ...     initialize_fn.type_signature.result, tff.FederatedType(np.int32, tff.CLIENTS)
      ... )
      ... def next_fn(state, value):
      ...     return tff.templates.MeasuredProcessOutput(state, tff.federated_sum(value), state)
      >>> process = AggregationProcess(initialize_fn, next_fn)
      >>> process.is_weighted
      False
      >>> int(process.next(process.initialize(), [1, 2, 3]).result)
      6
    """

    @core_errors.boundary
    def __init__(
        self, initialize_fn: computations.Computation, next_fn: computations.Computation
    ) -> None:
        """Builds a process of two computations.

        Args:
          initialize_fn: gives the first state, at the server.
          next_fn: takes the state, the clients' values and, where the process is weighted, the
            clients' weights; returns a `MeasuredProcessOutput` at the server.

        Raises:
          AggregationNotFederatedError: if a part has no placement.
          AggregationPlacementError: if a part is placed where it should not be.
          TemplateNextFnNumArgsError: if `next_fn` takes no value.
          TemplateError: where `MeasuredProcess` raises one.
        """
        super().__init__(initialize_fn, next_fn, next_is_multi_arg=True)
        next_type = next_fn.type_signature
        parameter, result = next_type.parameter, next_type.result
        assert isinstance(parameter, StructType)
        assert isinstance(result, StructType)
        if len(parameter) < 2:
            raise errors.TemplateNextFnNumArgsError(
                "`next_fn` of an aggregation must take the state and the clients' values.",
                problems=[f"parameter: expected two elements or three, got {parameter}"],
                signature=next_type,
                fix="declare the types of both, that of the value placed at CLIENTS.",
            )
        server, clients = placements.SERVER, placements.CLIENTS
        parts: list[tuple[str, Type, placements.PlacementLiteral]] = [
            ("the state of `initialize_fn`", initialize_fn.type_signature.result, server),
            ("the value of `next_fn`", parameter[1], clients),
            *[("the weight of `next_fn`", weight, clients) for weight in list(parameter)[2:3]],
            ("the state that `next_fn` returns", result[0], server),
            ("the result of `next_fn`", result[1], server),
            ("the measurements of `next_fn`", result[2], server),
        ]
        _check_placements(parts, next_fn)
        self._is_weighted = len(parameter) == 3

    @property
    def is_weighted(self) -> bool:
        """Whether `next` takes weights, as its third argument."""
        return self._is_weighted


def _check_placements(
    parts: list[tuple[str, Type, placements.PlacementLiteral]], next_fn: computations.Computation
) -> None:
    unplaced = [
        f"{what}: expected a value at {placement}, got {part}"
        for what, part, placement in parts
        if not isinstance(part, FederatedType)
    ]
    if unplaced:
        raise errors.AggregationNotFederatedError(
            "all that an aggregation takes and returns must be placed.",
            problems=unplaced,
            signature=next_fn.type_signature,
            fix="place single values with `tff.federated_value(value, tff.SERVER)`, and bring a "
            "structure of placed values together with `tff.federated_zip`.",
        )
    misplaced = [
        f"{what}: expected a value at {placement}, got {part}"
        for what, part, placement in parts
        if isinstance(part, FederatedType) and part.placement is not placement
    ]
    if misplaced:
        raise errors.AggregationPlacementError(
            "an aggregation brings values from the clients to the server.",
            problems=misplaced,
            signature=next_fn.type_signature,
            fix="take values from CLIENTS and bring them to SERVER with an aggregation, such as "
            "`tff.federated_sum`.",
        )
