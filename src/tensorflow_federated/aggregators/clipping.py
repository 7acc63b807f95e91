"""Limits on what one client can do: values that are too large are scaled down, or zeroed."""

from __future__ import annotations

import collections
import math
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from tensorflow_federated.aggregators import bounds, factory, norms, parameters, sums
from tensorflow_federated.core import errors, intrinsics, portable, tracing, trees
from tensorflow_federated.core.types import TensorType, Type
from tensorflow_federated.jax import portable_computation
from tensorflow_federated.templates import (
    aggregation_process,
    estimation_process,
    measured_process,
)

_Factory = TypeVar("_Factory", bound=factory.AggregationFactory)
_COUNT_TYPE = TensorType(np.int32)

# Of a value and the limit: the limited value, its norm before, and 1 if it was changed, else 0.
_Limiter = Callable[[Any, Any], tuple[Any, Any, Any]]


@errors.boundary
def clipping_factory(
    clipping_norm: float | estimation_process.EstimationProcess,
    inner_agg_factory: _Factory,
    clipped_count_sum_factory: factory.UnweightedAggregationFactory | None = None,
) -> _Factory:
    """Scales values whose L2 norm is too large down to a norm C, and aggregates them.

    A client's value v, all its tensors together, becomes ``v * C / |v|`` where ``|v| > C``. A value
    that is not finite becomes zeros, and counts as clipped. Weights stay as they are.

    State: ``<clipping_norm,inner_agg,clipped_count_agg>``, the states of the three processes.
    Measurements: ``<clipping,clipping_norm,clipped_count>``: those of the inner aggregator, C in
    this round, and how many clients' values were changed.

    Args:
      clipping_norm: C, a float; or an estimation process that reports C and takes the norms of the
        clients' values before clipping, float32, infinite for a value that is not finite.
      inner_agg_factory: aggregates what is clipped, with weights or without.
      clipped_count_sum_factory: counts the clipped values; `SumFactory()` by default.

    Returns:
      An aggregator, with weights if the inner one has them, of values of floating tensors.

    Raises:
      TypeMismatchError: if an argument is of another kind.
      AggregatorError: if the norm is below zero.

    Examples:
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> factory = tff.aggregators.clipping_factory(1.0, tff.aggregators.SumFactory())
      >>> process = factory.create(tff.TensorType(np.float32, [2]))
      >>> output = process.next(process.initialize(), [[3.0, 4.0], [0.0, 0.5]])
      >>> [round(float(x), 4) for x in output.result], int(output.measurements["clipped_count"])
      ([0.6, 1.3], 1)

    Differs from TFF: NaN and infinity pass through TFF's clipping uncounted, and make the aggregate
    of all clients NaN. A constant norm below zero is an error.
    """

    def limited(value: Any, limit: Any) -> tuple[Any, Any, Any]:
        xp = portable.namespace_of(value, limit)
        norm = norms.global_norm(value, 2.0)
        is_changed = xp.logical_or(norm > limit, xp.logical_not(xp.isfinite(norm)))
        return norms.scaled_to(value, norm, limit), norm, xp.cast(is_changed, np.int32)

    return _limiting("clipp", clipping_norm, inner_agg_factory, clipped_count_sum_factory, limited)


@errors.boundary
def zeroing_factory(
    zeroing_norm: float | estimation_process.EstimationProcess,
    inner_agg_factory: _Factory,
    norm_order: float = math.inf,
    zeroed_count_sum_factory: factory.UnweightedAggregationFactory | None = None,
) -> _Factory:
    """Replaces values whose norm is too large with zeros, and aggregates.

    A client's value v, all its tensors together, becomes zeros where ``|v| > C``. A value that is
    not finite becomes zeros too. Weights stay as they are, so that a mean is drawn towards zero.

    State: ``<zeroing_norm,inner_agg,zeroed_count_agg>``, the states of the three processes.
    Measurements: ``<zeroing,zeroing_norm,zeroed_count>``: those of the inner aggregator, C in this
    round, and how many clients' values became zeros.

    Args:
      zeroing_norm: C, a float; or an estimation process that reports C and takes the norms of the
        clients' values before, float32, infinite for a value that is not finite.
      inner_agg_factory: aggregates what is left, with weights or without.
      norm_order: 1.0, 2.0 or infinity: the sum of the absolute elements, the root of the sum of
        their squares, or the largest absolute element.
      zeroed_count_sum_factory: counts the zeroed values; `SumFactory()` by default.

    Returns:
      An aggregator, with weights if the inner one has them, of values of floating tensors.

    Raises:
      TypeMismatchError: if an argument is of another kind.
      AggregatorError: if the norm is below zero, or its order none of the three.

    Examples:
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> factory = tff.aggregators.zeroing_factory(3.5, tff.aggregators.SumFactory())
      >>> process = factory.create(tff.TensorType(np.float32, [2]))
      >>> output = process.next(process.initialize(), [[3.0, 4.0], [0.0, 0.5], [np.nan, 0.0]])
      >>> output.result.tolist(), int(output.measurements["zeroed_count"])
      ([0.0, 0.5], 2)

    Differs from TFF: NaN passes through TFF's zeroing uncounted, and makes the aggregate of all
    clients NaN. A constant norm below zero is an error.
    """
    order = parameters.check_float(norm_order, "norm_order")
    if order not in (1.0, 2.0, math.inf):
        raise errors.AggregatorError(
            "`norm_order` is none that is known.",
            problems=[f"norm_order: expected 1.0, 2.0 or infinity, got {order}"],
            fix="for example `norm_order=2.0`.",
        )

    def limited(value: Any, limit: Any) -> tuple[Any, Any, Any]:
        xp = portable.namespace_of(value, limit)
        norm = norms.global_norm(value, order)
        is_zeroed = xp.logical_or(norm > limit, xp.logical_not(xp.isfinite(norm)))

        def of_leaf(leaf: Any) -> Any:
            return xp.where(is_zeroed, xp.zeros_like(leaf), leaf)

        zeroed = trees.map_structure(of_leaf, value)
        return zeroed, norm, xp.cast(is_zeroed, np.int32)

    return _limiting("zero", zeroing_norm, inner_agg_factory, zeroed_count_sum_factory, limited)


def _limiting(
    stem: str,
    limit: float | estimation_process.EstimationProcess,
    inner: _Factory,
    count_factory: factory.UnweightedAggregationFactory | None,
    limited: _Limiter,
) -> _Factory:
    """The aggregator that applies a limiter; the names of its state start with the stem."""
    factory.check_any(inner, "inner_agg_factory")
    counts = (
        sums.SumFactory()
        if count_factory is None
        else factory.check_unweighted(count_factory, f"{stem}ed_count_sum_factory")
    )
    label = f"{stem}ing_norm"
    if isinstance(limit, estimation_process.EstimationProcess):
        process = limit
    else:
        process = bounds.constant_process(parameters.check_non_negative(limit, label))
    bounds.check_process(process, label, bounds.NORM_TYPE)
    limiting = _Limiting(stem, process, counts, limited)

    def create(value_type: Type, *weight_type: Type) -> aggregation_process.AggregationProcess:
        return limiting.create(inner, value_type, *weight_type)

    made: Any = factory.like(inner, create)
    return made


class _Limiting:
    """Makes the processes of an aggregator that limits values."""

    def __init__(
        self,
        stem: str,
        limit: estimation_process.EstimationProcess,
        counts: factory.UnweightedAggregationFactory,
        limited: _Limiter,
    ) -> None:
        self._stem = stem
        self._limit = limit
        self._counts = counts.create(_COUNT_TYPE)
        self._limited = limited

    def create(
        self, inner_factory: Any, spec: Type, *weight_specs: Type
    ) -> aggregation_process.AggregationProcess:
        value_type = norms.check_floats(factory.check_value_type(spec))
        weight_types = [factory.check_value_type(each, "weight_type") for each in weight_specs]
        inner = inner_factory.create(value_type, *weight_types)
        limit_value = portable_computation(self._limited, value_type, bounds.NORM_TYPE)
        stem, limit, counts = self._stem, self._limit, self._counts

        def initialize_fn() -> tracing.Value:
            return self._zipped(
                **{
                    f"{stem}ing_norm": limit.initialize(),
                    "inner_agg": inner.initialize(),
                    f"{stem}ed_count_agg": counts.initialize(),
                }
            )

        def next_fn(state: tracing.Value, value: tracing.Value, *weights: tracing.Value) -> Any:
            norm_limit = limit.report(state[0])
            at_clients = intrinsics.federated_broadcast(norm_limit)
            limited = intrinsics.federated_map(limit_value, (value, at_clients))
            inner_output: Any = inner.next(state[1], limited[0], *weights)
            count_output: Any = counts.next(state[2], limited[2])
            return measured_process.MeasuredProcessOutput(
                self._zipped(
                    **{
                        f"{stem}ing_norm": limit.next(state[0], limited[1]),
                        "inner_agg": inner_output.state,
                        f"{stem}ed_count_agg": count_output.state,
                    }
                ),
                inner_output.result,
                self._zipped(
                    **{
                        f"{stem}ing": inner_output.measurements,
                        f"{stem}ing_norm": norm_limit,
                        f"{stem}ed_count": count_output.result,
                    }
                ),
            )

        initialize = tracing.federated_computation(initialize_fn)
        return aggregation_process.AggregationProcess(
            initialize,
            factory.trace_next(
                next_fn, initialize.type_signature.result, value_type, *weight_types
            ),
        )

    def _zipped(self, **parts: Any) -> tracing.Value:
        return intrinsics.federated_zip(collections.OrderedDict(parts))
