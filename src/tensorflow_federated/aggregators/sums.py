"""The sum of the clients' values."""

from __future__ import annotations

from tensorflow_federated.aggregators import factory
from tensorflow_federated.core import errors, intrinsics, placements, tracing
from tensorflow_federated.core.types import FederatedType, Type
from tensorflow_federated.templates import aggregation_process, measured_process


class SumFactory(factory.UnweightedAggregationFactory):
    """Sums the clients' values, leaf by leaf.

    Type of `next`: ``(<state=<>@SERVER,value={V}@CLIENTS> ->
    <state=<>@SERVER,result=V@SERVER,measurements=<>@SERVER>)``, V of numeric tensors with known
    shapes. The innermost aggregator of most others. State and measurements are empty; the memory it
    takes is that of one value.

    Examples:
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> process = SumFactory().create(tff.TensorType(np.float32, [2]))
      >>> output = process.next(process.initialize(), [[1.0, -2.0], [3.0, 4.0]])
      >>> output.result.tolist()
      [4.0, 2.0]
    """

    @errors.boundary
    def create(self, value_type: Type) -> aggregation_process.AggregationProcess:
        """Makes the process for a type of value.

        Args:
          value_type: a numeric tensor, or a structure of such tensors.

        Returns:
          The process.

        Raises:
          SumIncompatibleError: if values of the type cannot be summed.
          TypeMismatchError: if it is neither a tensor nor a structure.
        """
        checked_type: Type = factory.check_value_type(value_type)

        def next_fn(
            state: tracing.Value, value: tracing.Value
        ) -> measured_process.MeasuredProcessOutput:
            return measured_process.MeasuredProcessOutput(
                state, intrinsics.federated_sum(value), _nothing()
            )

        initialize_fn = tracing.federated_computation(_nothing)
        return aggregation_process.AggregationProcess(
            initialize_fn,
            tracing.federated_computation(
                next_fn,
                initialize_fn.type_signature.result,
                FederatedType(checked_type, placements.CLIENTS),
            ),
        )


def _nothing() -> tracing.Value:
    return intrinsics.federated_value((), placements.SERVER)
