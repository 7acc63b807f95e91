"""The mean of the clients' values, with and without weights."""

from __future__ import annotations

import collections
from typing import Any

from tensorflow_federated.aggregators import factory, sums
from tensorflow_federated.core import (
    dtypes,
    errors,
    intrinsics,
    placements,
    portable,
    tracing,
    trees,
    types,
)
from tensorflow_federated.core.types import FederatedType, StructType, TensorType, Type
from tensorflow_federated.execution import leaves
from tensorflow_federated.jax import portable_computation
from tensorflow_federated.templates import aggregation_process, measured_process


class MeanFactory(factory.WeightedAggregationFactory):
    """Averages the clients' values by their weights: ``sum_i w_i v_i / sum_i w_i``.

    Type of `next`: ``(<state=S@SERVER,value={V}@CLIENTS,weight={W}@CLIENTS> ->
    <state=S@SERVER,result=V@SERVER,measurements=M@SERVER>)``, V of floating tensors, W one number.
    The products are made at the clients, both sums by the inner aggregators, the quotient at the
    server. If the weights sum to zero, the result is ``nan``, or zero with `no_nan_division`.

    State: ``<value_sum_process,weight_sum_process>``, the states of the inner aggregators.
    Measurements: ``<mean_value,mean_weight>``, their measurements.

    Examples:
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> process = MeanFactory().create(tff.to_type(np.float32), tff.to_type(np.float32))
      >>> output = process.next(process.initialize(), [1.0, 5.0], [3.0, 1.0])
      >>> float(output.result)
      2.0
    """

    @errors.boundary
    def __init__(
        self,
        value_sum_factory: factory.UnweightedAggregationFactory | None = None,
        weight_sum_factory: factory.UnweightedAggregationFactory | None = None,
        no_nan_division: bool = False,
    ) -> None:
        """Chooses how the sums are made.

        Args:
          value_sum_factory: aggregates the weighted values; `SumFactory()` by default.
          weight_sum_factory: aggregates the weights; `SumFactory()` by default.
          no_nan_division: whether the mean of no weight is zero.

        Raises:
          TypeMismatchError: if an inner aggregator is none, or takes weights itself.
        """
        self._value_sum_factory = _sum_factory(value_sum_factory, "value_sum_factory")
        self._weight_sum_factory = _sum_factory(weight_sum_factory, "weight_sum_factory")
        if not isinstance(no_nan_division, bool):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise errors.TypeMismatchError(
                "`no_nan_division` must be True or False.",
                problems=[f"no_nan_division: got {no_nan_division!r:.120}"],
                fix="for example `MeanFactory(no_nan_division=True)`.",
            )
        self._no_nan_division = no_nan_division

    @errors.boundary
    def create(self, value_type: Type, weight_type: Type) -> aggregation_process.AggregationProcess:
        """Makes the process for a type of value and a type of weight.

        Args:
          value_type: a floating tensor, or a structure of such tensors.
          weight_type: the type of one real number.

        Returns:
          The process.

        Raises:
          MeanIncompatibleError: if values of the type cannot be averaged.
          SumIncompatibleError: if the weights cannot be summed.
          TypeMismatchError: if the weight is not one number.
        """
        value_type = _check_floating(value_type)
        weight_type = _check_weight(weight_type)
        value_sum = self._value_sum_factory.create(value_type)
        weight_sum = self._weight_sum_factory.create(weight_type)
        multiply = portable_computation(_multiplied, value_type, weight_type)
        divide = _division(value_sum, weight_sum, self._no_nan_division)

        def initialize_fn() -> tracing.Value:
            return _zipped(
                value_sum_process=value_sum.initialize(),
                weight_sum_process=weight_sum.initialize(),
            )

        def next_fn(
            state: tracing.Value, value: tracing.Value, weight: tracing.Value
        ) -> measured_process.MeasuredProcessOutput:
            weighted = intrinsics.federated_map(multiply, (value, weight))
            value_output: Any = value_sum.next(state["value_sum_process"], weighted)
            weight_output: Any = weight_sum.next(state["weight_sum_process"], weight)
            return measured_process.MeasuredProcessOutput(
                _zipped(
                    value_sum_process=value_output.state, weight_sum_process=weight_output.state
                ),
                intrinsics.federated_map(divide, (value_output.result, weight_output.result)),
                _zipped(
                    mean_value=value_output.measurements, mean_weight=weight_output.measurements
                ),
            )

        initialize = tracing.federated_computation(initialize_fn)
        return aggregation_process.AggregationProcess(
            initialize,
            tracing.federated_computation(
                next_fn,
                initialize.type_signature.result,
                FederatedType(value_type, placements.CLIENTS),
                FederatedType(weight_type, placements.CLIENTS),
            ),
        )


class UnweightedMeanFactory(factory.UnweightedAggregationFactory):
    """Averages the clients' values: ``sum_i v_i / n``.

    Type of `next`: ``(<state=<S,T>@SERVER,value={V}@CLIENTS> ->
    <state=<S,T>@SERVER,result=V@SERVER,measurements=M@SERVER>)``, V of floating tensors. The
    clients are counted by an aggregator too, so that with secure sums the server learns nothing
    else. The mean of no client is ``nan``.

    State: the states of the two inner aggregators. Measurements: ``<mean_value,mean_count>``, their
    measurements.

    Examples:
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> process = UnweightedMeanFactory().create(tff.to_type(np.float32))
      >>> float(process.next(process.initialize(), [1.0, 2.0, 6.0]).result)
      3.0
    """

    @errors.boundary
    def __init__(
        self,
        value_sum_factory: factory.UnweightedAggregationFactory | None = None,
        count_sum_factory: factory.UnweightedAggregationFactory | None = None,
    ) -> None:
        """Chooses how the sums are made.

        Args:
          value_sum_factory: aggregates the values; `SumFactory()` by default.
          count_sum_factory: aggregates one int32 1 per client; `SumFactory()` by default.

        Raises:
          TypeMismatchError: if an inner aggregator is none, or takes weights itself.
        """
        self._value_sum_factory = _sum_factory(value_sum_factory, "value_sum_factory")
        self._count_sum_factory = _sum_factory(count_sum_factory, "count_sum_factory")

    @errors.boundary
    def create(self, value_type: Type) -> aggregation_process.AggregationProcess:
        """Makes the process for a type of value.

        Args:
          value_type: a floating tensor, or a structure of such tensors.

        Returns:
          The process.

        Raises:
          MeanIncompatibleError: if values of the type cannot be averaged.
        """
        value_type = _check_floating(value_type)
        value_sum = self._value_sum_factory.create(value_type)
        count_sum = self._count_sum_factory.create(TensorType(dtypes.infer_dtype(1)))
        divide = _division(value_sum, count_sum, no_nan_division=False)

        def initialize_fn() -> tracing.Value:
            return intrinsics.federated_zip((value_sum.initialize(), count_sum.initialize()))

        def next_fn(
            state: tracing.Value, value: tracing.Value
        ) -> measured_process.MeasuredProcessOutput:
            one = intrinsics.federated_value(1, placements.CLIENTS)
            value_output: Any = value_sum.next(state[0], value)
            count_output: Any = count_sum.next(state[1], one)
            return measured_process.MeasuredProcessOutput(
                intrinsics.federated_zip((value_output.state, count_output.state)),
                intrinsics.federated_map(divide, (value_output.result, count_output.result)),
                _zipped(mean_value=value_output.measurements, mean_count=count_output.measurements),
            )

        initialize = tracing.federated_computation(initialize_fn)
        return aggregation_process.AggregationProcess(
            initialize,
            tracing.federated_computation(
                next_fn,
                initialize.type_signature.result,
                FederatedType(value_type, placements.CLIENTS),
            ),
        )


def _sum_factory(
    given: factory.UnweightedAggregationFactory | None, label: str
) -> factory.UnweightedAggregationFactory:
    return sums.SumFactory() if given is None else factory.check_unweighted(given, label)


def _check_floating(spec: Any) -> TensorType | StructType:
    value_type = factory.check_value_type(spec)
    problems = [
        f"value_type: expected floating tensors, found {leaf}"
        for leaf in leaves.leaf_types(value_type)
        if not (isinstance(leaf, TensorType) and dtypes.is_floating(leaf.dtype))
    ]
    if problems:
        raise errors.MeanIncompatibleError(
            "values of this type cannot be averaged.",
            problems=problems,
            signature=value_type,
            fix="cast the values to a floating dtype at the clients first, or sum them.",
        )
    return value_type


def _check_weight(spec: Any) -> TensorType | StructType:
    weight_type = types.to_type(spec)
    if not isinstance(weight_type, TensorType) or weight_type.shape != ():
        raise errors.TypeMismatchError(
            "the weight of a client is one number.",
            problems=[f"weight_type: expected a number, got {weight_type}"],
            fix="for example `tff.to_type(np.float32)`.",
        )
    if not (dtypes.is_floating(weight_type.dtype) or dtypes.is_integer(weight_type.dtype)):
        raise errors.SumIncompatibleError(
            "weights are real numbers.",
            problems=[f"weight_type: expected an integer or floating dtype, got {weight_type}"],
            fix="for example `tff.to_type(np.float32)`.",
        )
    return weight_type


def _zipped(**parts: tracing.Value) -> tracing.Value:
    return intrinsics.federated_zip(collections.OrderedDict(parts))


def _multiplied(value: Any, weight: Any) -> Any:
    xp = portable.namespace_of(value, weight)

    def of_leaf(leaf: Any) -> Any:
        return leaf * xp.cast(weight, xp.dtype_of(leaf))

    return trees.map_structure(of_leaf, value)


def _division(
    numerator: aggregation_process.AggregationProcess,
    denominator: aggregation_process.AggregationProcess,
    no_nan_division: bool,
) -> Any:
    """The local computation that divides the result of one process by that of another."""

    def divided(value: Any, total: Any) -> Any:
        xp = portable.namespace_of(value, total)

        def of_leaf(leaf: Any) -> Any:
            divisor = xp.cast(total, xp.dtype_of(leaf))
            if not no_nan_division:
                return leaf / divisor
            is_zero = divisor == xp.zeros_like(divisor)
            quotient = leaf / xp.where(is_zero, xp.ones_like(divisor), divisor)
            return xp.where(is_zero, xp.zeros_like(quotient), quotient)

        return trees.map_structure(of_leaf, value)

    return portable_computation(divided, _result_type(numerator), _result_type(denominator))


def _result_type(process: aggregation_process.AggregationProcess) -> Type:
    result: Any = process.next.type_signature.result
    return result[1].member
