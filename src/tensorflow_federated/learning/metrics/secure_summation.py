"""Sums the clients' metrics by secure aggregation."""

from __future__ import annotations

import collections
import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tensorflow_federated import aggregators, templates
from tensorflow_federated.core import containers, errors, intrinsics, placements, tracing
from tensorflow_federated.core.computations import ConcreteComputation
from tensorflow_federated.core.types import FederatedType, StructType, Type
from tensorflow_federated.learning import descriptions
from tensorflow_federated.learning.metrics import finalization, polymorphism, value_ranges
from tensorflow_federated.learning.metrics.metric_types import AnyMetricFinalizers
from tensorflow_federated.learning.metrics.value_ranges import MetricRange

_NAME = "tff.learning.metrics.secure_sum_then_finalize"
_FACTORY_NAME = "tff.learning.metrics.SecureSumFactory"
_MEASUREMENTS = "secure_sum_measurements"


@errors.boundary
def secure_sum_then_finalize(
    metric_finalizers: AnyMetricFinalizers,
    local_unfinalized_metrics_type: Type | None = None,
    metric_value_ranges: Mapping[str, Any] | None = None,
) -> Any:
    """Builds a computation that sums unfinalized metrics securely and finalizes the sums.

    Type of the computation:
    ``({unfinalized}@CLIENTS -> <secure_sum_measurements=M,...finalized>@SERVER)``

    Every tensor is clipped to a range and, if it is floating, rounded to one of 2^32 steps in it,
    before it leaves the client. The result has the finalized metrics after
    `secure_sum_measurements`: for each range and dtype, named ``lower/upper/dtype``, what
    `tff.aggregators.SecureSumFactory` measures: how many clients were clipped at each end, and both
    bounds.

    Args:
      metric_finalizers: the finalizers by name, or one function from all unfinalized metrics to
        all finalized ones; see `tff.learning.metrics.MetricFinalizersType`.
      local_unfinalized_metrics_type: the type of one client's unfinalized metrics, a structure
        with names; without it the computation takes any type that fits.
      metric_value_ranges: a range for each tensor, in a structure like the unfinalized metrics: a
        tuple of the lower and the upper bound, two integers or two floats as the tensor's dtype
        is. Where there is none, or None, it is from 0 to 2^20 - 1.

    Returns:
      The computation. It is polymorphic without `local_unfinalized_metrics_type`.

    Raises:
      MetricFinalizersError: if the finalizers are no functions, or the type no named structure.
      MetricNamesError: if the names of the finalizers and of the metrics differ.
      MetricRangeError: if the ranges are not as described.
      UnquantizableDTypeError: if a metric is neither of integers nor of floating numbers.

    Examples:
      >>> import collections, numpy as np
      >>> import tensorflow_federated as tff
      >>> finalizers = collections.OrderedDict(count=lambda x: x)
      >>> unfinalized_type = tff.to_type(collections.OrderedDict(count=np.int32))
      >>> aggregate = tff.learning.metrics.secure_sum_then_finalize(
      ...     finalizers, unfinalized_type, collections.OrderedDict(count=(0, 100))
      ... )
      >>> metrics = aggregate([{"count": 20}, {"count": 3000}])
      >>> int(metrics["count"])
      120
      >>> int(metrics["secure_sum_measurements"]["0/100/int32"]["secure_upper_clipped_count"])
      1

    Differs from TFF: with a type the computation is a concrete one; a range for a metric that does
    not exist is an error.
    """
    finalization.check_finalizers(metric_finalizers, _NAME)
    _check_ranges(metric_value_ranges, _NAME)
    return polymorphism.of_clients_metrics(
        functools.partial(_build, metric_finalizers, metric_value_ranges),
        local_unfinalized_metrics_type,
        "secure_sum_then_finalize",
    )


class SecureSumFactory(aggregators.UnweightedAggregationFactory):
    """Builds the process that sums unfinalized metrics securely, for several rounds.

    Type of `next`: ``(<state=S@SERVER,client_local_unfinalized_metrics={unfinalized}@CLIENTS> ->
    <state=S@SERVER,result=unfinalized@SERVER,measurements=M@SERVER>)``

    Tensors of one range and one dtype are summed together, by a `tff.aggregators.SecureSumFactory`.
    State and measurements: those of these aggregators, by ``lower/upper/dtype``;
    ``None/default_estimation_process/dtype`` where the range is estimated from round to round. It
    is the inner factory to give to `tff.learning.metrics.SumThenFinalizeFactory`.

    Examples:
      >>> import collections, numpy as np
      >>> import tensorflow_federated as tff
      >>> ranges = collections.OrderedDict(count=(0, 100))
      >>> process = tff.learning.metrics.SecureSumFactory(ranges).create(
      ...     tff.to_type(collections.OrderedDict(count=np.int32))
      ... )
      >>> output = process.next(process.initialize(), [{"count": 20}, {"count": 3000}])
      >>> int(output.result["count"])
      120

    Differs from TFF: what `create_default_secure_sum_quantization_ranges` returns may be given as
    it is; a range for a metric that does not exist is an error.
    """

    @errors.boundary
    def __init__(self, metric_value_ranges: Mapping[str, Any] | None = None) -> None:
        """Builds the factory.

        Args:
          metric_value_ranges: a range for each tensor, in a structure like the unfinalized metrics:
            a tuple of the lower and the upper bound, two integers or two floats as the tensor's
            dtype is. Where there is none, or None, it is that of
            `tff.learning.metrics.create_default_secure_sum_quantization_ranges`.

        Raises:
          MetricRangeError: if it is no `OrderedDict`.
        """
        _check_ranges(metric_value_ranges, _FACTORY_NAME)
        self._metric_value_ranges = metric_value_ranges

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
          MetricRangeError: if the ranges are not as described.
          UnquantizableDTypeError: if a metric is neither of integers nor of floating numbers.
        """
        struct_type = finalization.check_unfinalized_type(
            None, local_unfinalized_metrics_type, _FACTORY_NAME
        )
        ranges = value_ranges.filled_ranges(
            struct_type, self._metric_value_ranges, are_auto_tuned=True, user=_FACTORY_NAME
        )
        return _process(struct_type, ranges)


def _check_ranges(metric_value_ranges: Any, user: str) -> None:
    if metric_value_ranges is None or isinstance(metric_value_ranges, collections.OrderedDict):
        return
    given = descriptions.described(metric_value_ranges)
    raise value_ranges.MetricRangeError(
        f"`{user}` cannot use these ranges.",
        problems=[f"metric_value_ranges: expected an `OrderedDict`, got {given}"],
        fix="give a `collections.OrderedDict` from the names of metrics to their ranges.",
    )


def _build(
    metric_finalizers: AnyMetricFinalizers, given_ranges: Any, unfinalized_type: Any
) -> ConcreteComputation:
    struct_type = finalization.check_unfinalized_type(metric_finalizers, unfinalized_type, _NAME)
    ranges = value_ranges.filled_ranges(struct_type, given_ranges, are_auto_tuned=False, user=_NAME)
    # Fixed ranges have no state.
    process = _process(struct_type, ranges)
    finalize = finalization.build_finalize_computation(metric_finalizers, struct_type)
    finalized_type: Any = finalize.type_signature.result
    finalized_names = finalization.names_of_finalized(finalized_type, _NAME)

    def finalize_and_report(summed: Any, measurements: Any) -> Any:
        finalized: Any = finalize(summed)
        return collections.OrderedDict(
            [(_MEASUREMENTS, measurements), *[(name, finalized[name]) for name in finalized_names]]
        )

    def sum_and_finalize(unfinalized_metrics: Any) -> Any:
        output: Any = process.next(process.initialize(), unfinalized_metrics)
        summed, measurements = output.result, output.measurements
        report = tracing.federated_computation(
            finalize_and_report,
            summed.type_signature.member,
            measurements.type_signature.member,
        )
        return intrinsics.federated_map(report, (summed, measurements))

    return tracing.federated_computation(
        sum_and_finalize, FederatedType(struct_type, placements.CLIENTS)
    )


def _process(struct_type: StructType, ranges: list[MetricRange]) -> templates.AggregationProcess:
    """The process that sums each group of tensors by an aggregator of its own."""
    groups = value_ranges.grouped(struct_type, ranges, user=_FACTORY_NAME)

    def group(unfinalized: Any) -> Any:
        leaves = list(_leaves(unfinalized, struct_type))
        return collections.OrderedDict(
            (key, [leaves[position] for position in positions]) for key, positions in groups.items()
        )

    group_computation = tracing.federated_computation(group, struct_type)
    grouped_type: Any = group_computation.type_signature.result
    sums = {
        key: aggregators.SecureSumFactory(
            ranges[positions[0]].upper, ranges[positions[0]].lower
        ).create(grouped_type[key])
        for key, positions in groups.items()
    }

    def ungroup(grouped: Any) -> Any:
        leaves = {
            position: grouped[key][index]
            for key, positions in groups.items()
            for index, position in enumerate(positions)
        }
        return _packed(struct_type, iter(range(len(ranges))), leaves.__getitem__)

    def initialize() -> Any:
        return _zipped({key: process.initialize() for key, process in sums.items()})

    def next_fn(state: Any, client_local_unfinalized_metrics: Any) -> Any:
        grouped: Any = intrinsics.federated_map(group_computation, client_local_unfinalized_metrics)
        outputs: dict[str, Any] = {
            key: process.next(state[key], grouped[key]) for key, process in sums.items()
        }
        summed: Any = _zipped({key: output.result for key, output in outputs.items()})
        ungroup_computation = tracing.federated_computation(ungroup, summed.type_signature.member)
        return templates.MeasuredProcessOutput(
            state=_zipped({key: output.state for key, output in outputs.items()}),
            result=intrinsics.federated_map(ungroup_computation, summed),
            measurements=_zipped({key: output.measurements for key, output in outputs.items()}),
        )

    init_fn = tracing.federated_computation(initialize)
    return templates.AggregationProcess(
        init_fn,
        tracing.federated_computation(
            next_fn,
            init_fn.type_signature.result,
            FederatedType(struct_type, placements.CLIENTS),
        ),
    )


def _zipped(parts: dict[str, Any]) -> Any:
    named = collections.OrderedDict(parts)
    if not named:
        return intrinsics.federated_value(named, placements.SERVER)
    return intrinsics.federated_zip(named)


def _leaves(value: Any, value_type: Type) -> Iterator[Any]:
    if not isinstance(value_type, StructType):
        yield value
        return
    for index, (_, element_type) in enumerate(value_type.items()):
        yield from _leaves(value[index], element_type)


def _packed(value_type: Type, positions: Iterator[int], leaf: Callable[[int], Any]) -> Any:
    if not isinstance(value_type, StructType):
        return leaf(next(positions))
    elements = [_packed(element, positions, leaf) for _, element in value_type.items()]
    return containers.pack(value_type, elements)
