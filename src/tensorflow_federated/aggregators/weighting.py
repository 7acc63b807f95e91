"""Aggregators without weights, where one with weights is expected."""

from __future__ import annotations

from typing import Any

from tensorflow_federated.aggregators import factory
from tensorflow_federated.core import errors, placements, tracing
from tensorflow_federated.core.types import FederatedType, Type
from tensorflow_federated.templates import aggregation_process


class _IgnoringWeights(factory.WeightedAggregationFactory):
    """Passes the values on and drops the weights."""

    def __init__(self, inner: factory.UnweightedAggregationFactory) -> None:
        self._inner = inner

    def create(self, value_type: Type, weight_type: Type) -> aggregation_process.AggregationProcess:
        """Makes the process for a type of value and a type of weight."""
        inner = self._inner.create(factory.check_value_type(value_type))

        def next_fn(state: tracing.Value, value: tracing.Value, weight: tracing.Value) -> Any:
            del weight
            return inner.next(state, value)

        return aggregation_process.AggregationProcess(
            inner.initialize,
            tracing.federated_computation(
                next_fn,
                inner.state_type,
                FederatedType(value_type, placements.CLIENTS),
                FederatedType(
                    factory.check_value_type(weight_type, "weight_type"), placements.CLIENTS
                ),
            ),
        )


@errors.boundary
def as_weighted_aggregator(
    unweighted_aggregator: factory.UnweightedAggregationFactory,
) -> factory.WeightedAggregationFactory:
    """Makes an aggregator that takes weights and ignores them.

    Args:
      unweighted_aggregator: the aggregator of the values.

    Returns:
      An aggregator with the same result, state and measurements.

    Raises:
      TypeMismatchError: if the argument is no aggregator, or takes weights already.

    Examples:
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> aggregator = as_weighted_aggregator(tff.aggregators.SumFactory())
      >>> process = aggregator.create(tff.to_type(np.int32), tff.to_type(np.float32))
      >>> int(process.next(process.initialize(), [1, 2], [5.0, 0.0]).result)
      3
    """
    return _IgnoringWeights(
        factory.check_unweighted(unweighted_aggregator, "unweighted_aggregator")
    )
