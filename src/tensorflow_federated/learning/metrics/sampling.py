"""Finalizes the metrics at the clients, and collects those of a sample of clients."""

from __future__ import annotations

import functools
from typing import Any

from tensorflow_federated import aggregators, templates
from tensorflow_federated.aggregators import parameters, sampling
from tensorflow_federated.core import errors, intrinsics, placements, tracing, type_trees
from tensorflow_federated.core.computations import ConcreteComputation
from tensorflow_federated.core.types import FederatedType, TensorType, Type
from tensorflow_federated.learning.metrics import finalization, polymorphism
from tensorflow_federated.learning.metrics.metric_types import AnyMetricFinalizers

_NAME = "tff.learning.metrics.finalize_then_sample"
_FACTORY_NAME = "tff.learning.metrics.FinalizeThenSampleFactory"


@errors.boundary
def finalize_then_sample(
    metric_finalizers: AnyMetricFinalizers,
    local_unfinalized_metrics_type: Type | None = None,
    sample_size: int = 100,
) -> Any:
    """Builds a computation that finalizes metrics at the clients and collects a sample of them.

    Type of the computation: ``({unfinalized}@CLIENTS -> samples@SERVER)``, where each leaf of
    `samples` is that of the finalized metrics with one more dimension in front, of unknown size.

    At most `sample_size` clients are drawn, each equally likely. Row i of every leaf is of the same
    client, and the rows are in the order of the clients. Which clients are drawn follows from the
    seed of the execution context.

    Args:
      metric_finalizers: the finalizers by name, or one function from all unfinalized metrics to
        all finalized ones; see `tff.learning.metrics.MetricFinalizersType`.
      local_unfinalized_metrics_type: the type of one client's unfinalized metrics, a structure
        with names; without it the computation takes any type that fits.
      sample_size: the largest number of clients.

    Returns:
      The computation. It is polymorphic without `local_unfinalized_metrics_type`.

    Raises:
      MetricFinalizersError: if the finalizers are no functions, or the type no named structure.
      MetricNamesError: if the names of the finalizers and of the metrics differ.
      TypeMismatchError: if `sample_size` is no integer.
      AggregatorError: if it is not positive.
      MissingExtraError: if TensorFlow is not installed.

    Examples:
      >>> import collections, numpy as np
      >>> import tensorflow_federated as tff
      >>> finalizers = collections.OrderedDict(loss=lambda x: x[0] / x[1])
      >>> unfinalized_type = tff.to_type(collections.OrderedDict(loss=[np.float32, np.float32]))
      >>> aggregate = tff.learning.metrics.finalize_then_sample(finalizers, unfinalized_type)
      >>> print(aggregate.type_signature)
      ({<loss=<float32,float32>>}@CLIENTS -> <loss=float32[?]>@SERVER)
      >>> aggregate([{"loss": [3.0, 1.0]}, {"loss": [1.0, 4.0]}])["loss"].tolist()
      [3.0, 0.25]

    Differs from TFF: the sample follows from a seed, not from the clock; with a type the
    computation is a concrete one, and wrong arguments are an error at once.
    """
    finalization.check_finalizers(metric_finalizers, _NAME)
    checked_size = parameters.check_integer(sample_size, "sample_size", at_least=1)
    return polymorphism.of_clients_metrics(
        functools.partial(_build, metric_finalizers, checked_size),
        local_unfinalized_metrics_type,
        "finalize_then_sample",
    )


class FinalizeThenSampleFactory(aggregators.UnweightedAggregationFactory):
    """Builds the process that finalizes metrics at the clients and collects those of a sample.

    Type of `next`: ``(<state=S@SERVER,client_unfinalized_metrics={unfinalized}@CLIENTS> ->
    <state=S@SERVER,result=<samples,samples>@SERVER,measurements=M@SERVER>)``

    State: ``<random_seed=int64[2],random_values=int32[?],samples=samples>``, the sample of all
    rounds and the number that each of its clients drew; `random_seed` is not used and stays -1.
    Result: the pair of the sample of this round and of that of all rounds so far; see
    `tff.learning.metrics.finalize_then_sample`. Measurements: for each leaf of the finalized
    metrics the number of clients, sampled or not, that have NaN or infinite numbers in it.

    Memory at the server: the finalized metrics of `sample_size` clients, twice.

    Examples:
      >>> import collections, numpy as np
      >>> import tensorflow_federated as tff
      >>> process = tff.learning.metrics.FinalizeThenSampleFactory(sample_size=3).create(
      ...     collections.OrderedDict(count=lambda x: x),
      ...     tff.to_type(collections.OrderedDict(count=np.int32)),
      ... )
      >>> output = process.next(process.initialize(), [{"count": 2}, {"count": 3}])
      >>> output = process.next(output.state, [{"count": 4}])
      >>> [metrics["count"].tolist() for metrics in output.result]
      [[4], [2, 3, 4]]

    Differs from TFF: the sample follows from the seed of the execution context, not from the clock.
    """

    @errors.boundary
    def __init__(self, sample_size: int = 100) -> None:
        """Builds the factory.

        Args:
          sample_size: the largest number of clients in a sample.

        Raises:
          TypeMismatchError: if it is no integer.
          AggregatorError: if it is not positive.
        """
        self._sample_size = parameters.check_integer(sample_size, "sample_size", at_least=1)

    @errors.boundary
    def create(  # pyright: ignore[reportIncompatibleMethodOverride]  # the names are TFF's
        self,
        metric_finalizers: AnyMetricFinalizers,
        local_unfinalized_metrics_type: Type,
    ) -> templates.AggregationProcess:
        """Builds the process for finalizers and one type of unfinalized metrics.

        Args:
          metric_finalizers: the finalizers by name, or one function from all unfinalized metrics
            to all finalized ones; see `tff.learning.metrics.MetricFinalizersType`.
          local_unfinalized_metrics_type: the type of one client's unfinalized metrics, a structure
            with names.

        Returns:
          The process.

        Raises:
          MetricFinalizersError: if the finalizers are no functions, or the type no named structure.
          MetricNamesError: if the names of the finalizers and of the metrics differ.
          MissingExtraError: if TensorFlow is not installed.
        """
        finalization.check_finalizers(metric_finalizers, _FACTORY_NAME)
        sample = _Sample(
            metric_finalizers, local_unfinalized_metrics_type, self._sample_size, _FACTORY_NAME
        )
        empty, merge = sample.sampler.empty, sample.sampler.merge

        def initialize() -> Any:
            return intrinsics.federated_eval(empty, placements.SERVER)

        def next_fn(state: Any, client_unfinalized_metrics: Any) -> Any:
            drawn, non_finite = sample.drawn(client_unfinalized_metrics)
            new_state: Any = intrinsics.federated_map(merge, (state, drawn))
            return templates.MeasuredProcessOutput(
                state=new_state,
                result=intrinsics.federated_zip((drawn["samples"], new_state["samples"])),
                measurements=non_finite,
            )

        return templates.AggregationProcess(
            tracing.federated_computation(initialize),
            tracing.federated_computation(
                next_fn,
                FederatedType(sample.sampler.reservoir_type, placements.SERVER),
                FederatedType(sample.unfinalized_type, placements.CLIENTS),
            ),
        )


def _build(
    metric_finalizers: AnyMetricFinalizers, sample_size: int, unfinalized_type: Any
) -> ConcreteComputation:
    sample = _Sample(metric_finalizers, unfinalized_type, sample_size, _NAME)

    def finalize_and_sample(client_unfinalized_metrics: Any) -> Any:
        drawn, _ = sample.drawn(client_unfinalized_metrics)
        return drawn["samples"]

    return tracing.federated_computation(
        finalize_and_sample, FederatedType(sample.unfinalized_type, placements.CLIENTS)
    )


class _Sample:
    """The sampling of metrics of one type."""

    def __init__(
        self, finalizers: AnyMetricFinalizers, unfinalized_type: Any, size: int, user: str
    ) -> None:
        self.unfinalized_type = finalization.check_unfinalized_type(
            finalizers, unfinalized_type, user
        )
        self._finalize = finalization.build_finalize_computation(finalizers, self.unfinalized_type)
        member_type: Type = self._finalize.type_signature.result
        _check_known_shapes(member_type, user)
        self.sampler = sampling.Sampler(member_type, size, user)

    def drawn(self, unfinalized: Any) -> tuple[Any, Any]:
        """The reservoir of a round, and how many clients have non-finite numbers in each leaf."""
        finalized = intrinsics.federated_map(self._finalize, unfinalized)
        return self.sampler.draw(finalized), self.sampler.count_non_finite(finalized)


def _check_known_shapes(member_type: Type, user: str) -> None:
    problems: list[str] = []

    def check(leaf: Type) -> Type:
        if not isinstance(leaf, TensorType) or leaf.shape is None or None in leaf.shape:
            problems.append(f"finalized metric: expected a tensor of known shape, got {leaf}")
        return leaf

    type_trees.map_leaves(member_type, check)
    if problems:
        raise finalization.MetricFinalizersError(
            f"`{user}` cannot collect these finalized metrics.",
            problems=problems,
            signature=member_type.compact_representation(),
            fix="return tensors whose shape does not depend on the data.",
        )
