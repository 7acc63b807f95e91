"""Sums the clients' metrics and finalizes the sums, for each round and over all rounds."""

from __future__ import annotations

import collections
from typing import Any

import numpy as np

from tensorflow_federated import aggregators, jax, templates
from tensorflow_federated.core import containers, errors, intrinsics, placements, tracing, trees
from tensorflow_federated.core.types import FederatedType, StructType, TensorType, Type
from tensorflow_federated.learning import descriptions
from tensorflow_federated.learning.metrics import finalization
from tensorflow_federated.learning.metrics.metric_types import AnyMetricFinalizers

_NAME = "tff.learning.metrics.SumThenFinalizeFactory"


class InitialMetricsError(errors.FederatedError, TypeError):
    """The initial values of unfinalized metrics are not of the metrics' type.

    Fails: `SumThenFinalizeFactory(finalizers, OrderedDict(loss=0.0))` for metrics of the type
    `<loss=<float32,float32>>`.
    Mended: `SumThenFinalizeFactory(finalizers, OrderedDict(loss=[0.0, 0.0]))`.
    """


class SumThenFinalizeFactory(aggregators.UnweightedAggregationFactory):
    """Builds the process that sums unfinalized metrics and finalizes the sums.

    State: the pair of the state of the inner summation and the unfinalized metrics summed over all
    rounds. Result: the pair of the finalized metrics of this round and those of all rounds so far.
    Measurements: those of the inner summation.

    Memory at the server: two unfinalized metrics.

    Examples:
      >>> import collections, numpy as np
      >>> import tensorflow_federated as tff
      >>> factory = tff.learning.metrics.SumThenFinalizeFactory(
      ...     collections.OrderedDict(count=lambda x: x)
      ... )
      >>> process = factory.create(tff.to_type(collections.OrderedDict(count=np.int32)))
      >>> output = process.next(process.initialize(), [{"count": 2}, {"count": 3}])
      >>> output = process.next(output.state, [{"count": 4}])
      >>> [int(metrics["count"]) for metrics in output.result]
      [4, 9]
    """

    @errors.boundary
    def __init__(
        self,
        metric_finalizers: AnyMetricFinalizers,
        initial_unfinalized_metrics: collections.OrderedDict[str, Any] | None = None,
        inner_summation_factory: aggregators.UnweightedAggregationFactory | None = None,
    ) -> None:
        """Builds the factory.

        Args:
          metric_finalizers: the finalizers by name, or one function from all unfinalized metrics
            to all finalized ones; see `tff.learning.metrics.MetricFinalizersType`.
          initial_unfinalized_metrics: what the sums over all rounds start from, in any mapping;
            zeros if None. TFF refuses what is no `OrderedDict`.
          inner_summation_factory: how the clients' values are summed; `tff.aggregators.SumFactory`
            if None.

        Raises:
          MetricFinalizersError: if the finalizers are no functions.
          TypeMismatchError: if `inner_summation_factory` is no factory of unweighted aggregation.
        """
        finalization.check_finalizers(metric_finalizers, _NAME)
        self._metric_finalizers = metric_finalizers
        self._initial_unfinalized_metrics = initial_unfinalized_metrics
        if inner_summation_factory is None:
            inner_summation_factory = aggregators.SumFactory()
        if not isinstance(inner_summation_factory, aggregators.UnweightedAggregationFactory):
            given = descriptions.described(inner_summation_factory)
            raise errors.TypeMismatchError(
                f"`{_NAME}` needs a factory of unweighted aggregation.",
                problems=[f"inner_summation_factory: got {given}"],
                fix="give `tff.aggregators.SumFactory()` or leave it out.",
            )
        self._inner_summation_factory = inner_summation_factory

    @errors.boundary
    def create(  # pyright: ignore[reportIncompatibleMethodOverride]  # the name is TFF's
        self, local_unfinalized_metrics_type: Type
    ) -> templates.AggregationProcess:
        """Builds the process for one type of unfinalized metrics.

        Args:
          local_unfinalized_metrics_type: the type of one client's unfinalized metrics, a structure
            with names.

        Returns:
          The process.

        Raises:
          MetricFinalizersError: if the type is no structure of named metrics.
          MetricNamesError: if the names of the finalizers and of the metrics differ.
          InitialMetricsError: if the initial values are of another type.
        """
        struct_type = finalization.check_unfinalized_type(
            self._metric_finalizers, local_unfinalized_metrics_type, _NAME
        )
        initial = self._initial_values(struct_type)
        inner = self._inner_summation_factory.create(struct_type)
        inner_result: Any = inner.next.type_signature.result
        summed_type = inner_result[1].member
        finalize = finalization.build_finalize_computation(self._metric_finalizers, summed_type)

        def add_trees(total: Any, summed: Any) -> Any:
            return trees.map_structure(lambda x, y: x + y, total, summed)

        add = jax.portable_computation(add_trees, summed_type, summed_type)

        def initialize() -> Any:
            total = intrinsics.federated_value(initial, placements.SERVER)
            return intrinsics.federated_zip((inner.initialize(), total))

        init_fn = tracing.federated_computation(initialize)

        def next_values(state: Any, unfinalized_metrics: Any) -> Any:
            inner_state, total = state
            summed = inner.next(inner_state, unfinalized_metrics)
            total = intrinsics.federated_map(add, (total, summed.result))
            result = intrinsics.federated_zip(
                (
                    intrinsics.federated_map(finalize, summed.result),
                    intrinsics.federated_map(finalize, total),
                )
            )
            return templates.MeasuredProcessOutput(
                state=intrinsics.federated_zip((summed.state, total)),
                result=result,
                measurements=summed.measurements,
            )

        next_fn = tracing.federated_computation(
            next_values,
            init_fn.type_signature.result,
            FederatedType(struct_type, placements.CLIENTS),
        )
        return templates.AggregationProcess(init_fn, next_fn)

    def _initial_values(self, struct_type: StructType) -> Any:
        given = self._initial_unfinalized_metrics
        if given is None:
            return _zeros(struct_type)
        try:
            return _converted(given, struct_type)
        except (errors.FederatedError, TypeError, ValueError) as error:
            raise InitialMetricsError(
                f"`{_NAME}` cannot start from these initial values.",
                problems=[
                    f"initial_unfinalized_metrics: expected {struct_type}, got {given!r:.200}"
                ],
                fix="give values of the type of the unfinalized metrics.",
            ) from error


def _zeros(value_type: Type) -> Any:
    """Zeros of a type of tensors, in its Python containers."""
    if isinstance(value_type, TensorType):
        return np.zeros(_known_shape(value_type), value_type.dtype)
    assert isinstance(value_type, StructType)
    return containers.pack(value_type, [_zeros(element) for _, element in value_type.items()])


def _known_shape(tensor_type: TensorType) -> tuple[int, ...]:
    sizes = tensor_type.shape if tensor_type.shape is not None else (None,)
    known = tuple(size for size in sizes if size is not None)
    if len(known) != len(sizes):
        raise finalization.MetricFinalizersError(
            f"`{_NAME}` cannot sum metrics of unknown shape over rounds.",
            problems=[f"unfinalized metric: got {tensor_type}"],
            fix="report metrics whose shape does not depend on the data.",
        )
    return known


def _converted(value: Any, value_type: Type) -> Any:
    """A value as arrays of a type."""
    if isinstance(value_type, TensorType):
        array = np.asarray(value, value_type.dtype)
        if array.shape != _known_shape(value_type):
            raise ValueError(f"the shape is {array.shape}")
        return array
    assert isinstance(value_type, StructType)
    elements = containers.unpack(value)
    names = [name for name, _ in value_type.items()]
    if elements is None or [name for name, _ in elements] != names:
        raise ValueError(f"the names are not {names}")
    return containers.pack(
        value_type,
        [_converted(element, value_type[i]) for i, (_, element) in enumerate(elements)],
    )
