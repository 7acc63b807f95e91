"""Aggregators: factories that make an aggregation process for a type of value.

An aggregator is chosen before the type of what it aggregates is known. `create` makes the process
once it is. Aggregators hold one another: one clips and passes on, another adds noise, the innermost
one sums.
"""

from __future__ import annotations

import abc
from collections.abc import Callable
from typing import Any, TypeAlias

from tensorflow_federated.core import computations, errors, placements, tracing, types
from tensorflow_federated.core.types import FederatedType, StructType, TensorType, Type
from tensorflow_federated.templates import aggregation_process


class UnweightedAggregationFactory(abc.ABC):
    """An aggregator of values that all count the same.

    Examples:
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> process = tff.aggregators.SumFactory().create(tff.to_type(np.int32))
      >>> process.next(process.initialize(), [1, 2, 3]).result
      np.int32(6)
    """

    @abc.abstractmethod
    def create(self, value_type: Type) -> aggregation_process.AggregationProcess:
        """Makes the process for a type of value.

        Args:
          value_type: the type of one client's value, a tensor or a structure; without placement.

        Returns:
          A process whose `next` has the type ``(<state=S@SERVER,value={V}@CLIENTS> ->
          <state=S@SERVER,result=R@SERVER,measurements=M@SERVER>)``.
        """


class WeightedAggregationFactory(abc.ABC):
    """An aggregator of values that come with weights.

    Examples:
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> mean = tff.aggregators.MeanFactory()
      >>> process = mean.create(tff.to_type(np.float32), tff.to_type(np.float32))
      >>> process.next(process.initialize(), [10.0, 20.0], [3.0, 1.0]).result
      np.float32(12.5)
    """

    @abc.abstractmethod
    def create(self, value_type: Type, weight_type: Type) -> aggregation_process.AggregationProcess:
        """Makes the process for a type of value and a type of weight.

        Args:
          value_type: the type of one client's value, a tensor or a structure; without placement.
          weight_type: the type of one client's weight; without placement.

        Returns:
          A process whose `next` has the type ``(<state=S@SERVER,value={V}@CLIENTS,
          weight={W}@CLIENTS> -> <state=S@SERVER,result=R@SERVER,measurements=M@SERVER>)``.
        """


AggregationFactory: TypeAlias = UnweightedAggregationFactory | WeightedAggregationFactory
"""Any aggregator."""


def check_value_type(spec: Any, label: str = "value_type") -> TensorType | StructType:
    """Reads the type of what is aggregated.

    Args:
      spec: a type, or what `tff.to_type` takes.
      label: the name of the argument, for messages.

    Returns:
      The type.

    Raises:
      TypeMismatchError: if it is neither a tensor nor a structure.
    """
    value_type = types.to_type(spec)
    if not isinstance(value_type, (TensorType, StructType)):
        raise errors.TypeMismatchError(
            "aggregators take tensors and structures of tensors.",
            problems=[f"{label}: expected a tensor or a structure, got {value_type}"],
            fix="give the type of one client's value, without placement.",
        )
    return value_type


def check_unweighted(candidate: object, label: str) -> UnweightedAggregationFactory:
    """Checks that an aggregator takes no weights.

    Args:
      candidate: what was given.
      label: the name of the argument, for messages.

    Returns:
      The aggregator.

    Raises:
      TypeMismatchError: if it is something else.
    """
    if not isinstance(candidate, UnweightedAggregationFactory):
        raise errors.TypeMismatchError(
            f"`{label}` must be an aggregator without weights.",
            problems=[
                f"{label}: expected an UnweightedAggregationFactory, got {type(candidate).__name__}"
            ],
            fix="for example `tff.aggregators.SumFactory()`.",
        )
    return candidate


def check_any(candidate: object, label: str) -> AggregationFactory:
    """Checks that something is an aggregator, with weights or without.

    Args:
      candidate: what was given.
      label: the name of the argument, for messages.

    Returns:
      The aggregator.

    Raises:
      TypeMismatchError: if it is something else.
    """
    if not isinstance(candidate, (UnweightedAggregationFactory, WeightedAggregationFactory)):
        raise errors.TypeMismatchError(
            f"`{label}` must be an aggregator.",
            problems=[f"{label}: got {errors.describe_object(candidate)}"],
            fix="for example `tff.aggregators.MeanFactory()`.",
        )
    return candidate


class _Unweighted(UnweightedAggregationFactory):
    """An aggregator without weights, of a function."""

    def __init__(self, create: Callable[..., aggregation_process.AggregationProcess]) -> None:
        self._create = create

    @errors.boundary
    def create(self, value_type: Type) -> aggregation_process.AggregationProcess:
        """Makes the process for a type of value."""
        return self._create(value_type)


class _Weighted(WeightedAggregationFactory):
    """An aggregator with weights, of a function."""

    def __init__(self, create: Callable[..., aggregation_process.AggregationProcess]) -> None:
        self._create = create

    @errors.boundary
    def create(self, value_type: Type, weight_type: Type) -> aggregation_process.AggregationProcess:
        """Makes the process for a type of value and a type of weight."""
        return self._create(value_type, weight_type)


def like(
    inner: AggregationFactory, create: Callable[..., aggregation_process.AggregationProcess]
) -> AggregationFactory:
    """Makes an aggregator that takes weights if another one does.

    Args:
      inner: the other aggregator.
      create: makes the process, from the type of the value and, with weights, of the weight.

    Returns:
      The aggregator.
    """
    return (
        _Weighted(create) if isinstance(inner, WeightedAggregationFactory) else _Unweighted(create)
    )


def trace_next(
    next_fn: Callable[..., Any], state_type: Type, value_type: Type, *weight_types: Type
) -> computations.Computation:
    """Traces the `next` of an aggregation process, with weights or without.

    Args:
      next_fn: a function of the state, the clients' values and, with a type of weight, the weights.
      state_type: the type of the state, placed.
      value_type: the type of one client's value.
      *weight_types: the type of one client's weight, if there are weights.

    Returns:
      The computation; its parameters are called `state`, `value` and `weight`.
    """
    at_clients = [FederatedType(each, placements.CLIENTS) for each in (value_type, *weight_types)]
    if not weight_types:

        def unweighted(state: tracing.Value, value: tracing.Value) -> Any:
            return next_fn(state, value)

        return tracing.federated_computation(unweighted, state_type, *at_clients)

    def weighted(state: tracing.Value, value: tracing.Value, weight: tracing.Value) -> Any:
        return next_fn(state, value, weight)

    return tracing.federated_computation(weighted, state_type, *at_clients)
