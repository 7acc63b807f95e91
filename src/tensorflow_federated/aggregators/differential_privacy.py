"""Aggregators whose results are differentially private."""

from __future__ import annotations

import collections
import warnings
from typing import Any, NamedTuple

from tensorflow_federated.aggregators import (
    adaptive_tree_queries,
    factory,
    norms,
    parameters,
    private_sums,
    queries,
    sums,
    tree_queries,
)
from tensorflow_federated.core import errors, intrinsics, placements, tracing
from tensorflow_federated.core.types import FederatedType, Type
from tensorflow_federated.jax import portable_computation
from tensorflow_federated.templates import aggregation_process, measured_process


class DPAggregatorState(NamedTuple):
    """The state of a private aggregator.

    Attributes:
      query_state: the state of the query.
      agg_state: the state of the aggregator of the records.
      dp_event: what the last round was for an accountant; that of the first round before it.
      is_init_state: whether there was no round yet.
    """

    query_state: Any
    agg_state: Any
    dp_event: Any
    is_init_state: Any


class EventRecord(NamedTuple):
    """An event of `dp_accounting` without numbers, by its name."""

    module_name: Any
    class_name: Any


class GaussianEventRecord(NamedTuple):
    """A `GaussianDpEvent` of `dp_accounting`."""

    module_name: Any
    class_name: Any
    noise_multiplier: Any


class ComposedEventRecord(NamedTuple):
    """A `ComposedDpEvent` of `dp_accounting`."""

    module_name: Any
    class_name: Any
    events: Any


class DifferentiallyPrivateFactory(factory.UnweightedAggregationFactory):
    """Releases a sum, or an average, with noise from the server.

    Type of `next`: ``(<state=S@SERVER,value={V}@CLIENTS> ->
    <state=S@SERVER,result=V@SERVER,measurements=M@SERVER>)``. Clients preprocess their values, as
    by clipping; an aggregator adds these records up; the server adds noise to the sum.

    Privacy: the unit is one client in one round, and two inputs are neighbours if one has one
    client more. What is assumed: the server is trusted to add the noise, or at least whoever sees
    the state and results; the aggregator of the records gives their sum, or something that one
    record changes by no more; and the number of clients is not told. Rounds compose: the event in
    the state says what one round was, for an accountant such as `dp_accounting`. The noise is
    floating, see `aggregators.gaussian_noise`.

    The noise is drawn from a random key of the server, so that it is the same for the same seed of
    the execution context and the same number of the call, and new in every call. To publish the
    seed is to publish the noise: the default seed is drawn by the operating system.

    State: ``<query_state,agg_state,dp_event,is_init_state>``. Measurements:
    ``<dp_query_metrics,dp>``: what the query tells, and those of the aggregator of the records.
    Memory at the server: a few times that of one value.

    Examples:
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> factory = DifferentiallyPrivateFactory.gaussian_fixed(
      ...     noise_multiplier=0.0, clients_per_round=2.0, clip=1.0
      ... )
      >>> process = factory.create(tff.TensorType(np.float32, [2]))
      >>> output = process.next(process.initialize(), [[3.0, 4.0], [0.0, 0.0]])
      >>> [round(float(x), 4) for x in output.result]
      [0.3, 0.4]

    Differs from TFF: the query is one of `tff.aggregators.queries`, and noise repeats with the
    seed. Values that are not finite become zeros, where one of them made the average of all NaN.
    Tensors of several floating dtypes can be mixed.
    """

    @classmethod
    @errors.boundary
    def gaussian_fixed(
        cls, noise_multiplier: float, clients_per_round: float, clip: float
    ) -> factory.UnweightedAggregationFactory:
        """Clips to a fixed L2 norm, adds normal noise, and divides by a fixed number.

        Computes ``(sum_i v_i min(1, C / |v_i|) + N(0, (z C)^2)) / n``: one Gaussian mechanism with
        the noise multiplier z.

        Args:
          noise_multiplier: z, at least zero.
          clients_per_round: n, the number of clients that is expected; above zero.
          clip: C, above zero.

        Returns:
          The aggregator.

        Raises:
          TypeMismatchError: if a number is no float.
          AggregatorError: if a number is out of range.

        Source: B. McMahan et al., "Learning differentially private recurrent language models" (ICLR
        2018, arXiv:1710.06963), the estimator with a fixed denominator.
        """
        parameters.check_non_negative(noise_multiplier, "noise_multiplier")
        count = _clients(clients_per_round)
        parameters.check_positive(clip, "clip")
        query = queries.GaussianSumQuery(clip, clip * noise_multiplier)
        return cls(queries.NormalizedQuery(query, count))

    @classmethod
    @errors.boundary
    def gaussian_adaptive(
        cls,
        noise_multiplier: float,
        clients_per_round: float,
        initial_l2_norm_clip: float = 0.1,
        target_unclipped_quantile: float = 0.5,
        learning_rate: float = 0.2,
        clipped_count_stddev: float | None = None,
    ) -> factory.UnweightedAggregationFactory:
        """The same, with a clipping norm that follows a quantile of the norms of the values.

        A round releases the average and the fraction of values that were not clipped. Both
        together are a Gaussian mechanism with the noise multiplier z; so that the noise on the sum
        is larger: ``(z**-2 - (2 s)**-2)**-0.5``, with the standard deviation s of the noise on the
        number of clipped values.

        Args:
          noise_multiplier: z, of both releases together; at least zero.
          clients_per_round: the number of clients that is expected; above zero.
          initial_l2_norm_clip: the first clipping norm, above zero.
          target_unclipped_quantile: the fraction of values that should not be clipped, 0 to 1.
          learning_rate: the norm changes by a factor of ``exp(learning_rate)`` at most.
          clipped_count_stddev: s; by default ``0.05 * clients_per_round``, and without noise zero.

        Returns:
          The aggregator.

        Raises:
          TypeMismatchError: if a number is no float.
          AggregatorError: if a number is out of range, or s too small for z.

        Source: G. Andrew et al., "Differentially private learning with adaptive clipping" (NeurIPS
        2021, arXiv:1905.03871), theorem 1.
        """
        parameters.check_non_negative(noise_multiplier, "noise_multiplier")
        count = _clients(clients_per_round)
        parameters.check_positive(initial_l2_norm_clip, "initial_l2_norm_clip")
        parameters.check_probability(target_unclipped_quantile, "target_unclipped_quantile")
        parameters.check_non_negative(learning_rate, "learning_rate")
        if clipped_count_stddev is not None:
            parameters.check_non_negative(clipped_count_stddev, "clipped_count_stddev")
        multiplier, stddev = split_noise(noise_multiplier, count, clipped_count_stddev)
        query = queries.QuantileAdaptiveClipSumQuery(
            initial_l2_norm_clip,
            multiplier,
            target_unclipped_quantile,
            learning_rate,
            stddev,
            count,
        )
        return cls(queries.NormalizedQuery(query, count))

    @classmethod
    @errors.boundary
    def tree_aggregation(
        cls,
        noise_multiplier: float,
        clients_per_round: float,
        l2_norm_clip: float,
        record_specs: Any,
        noise_seed: int | None = None,
        use_efficient: bool = True,
        record_aggregation_factory: factory.UnweightedAggregationFactory | None = None,
    ) -> factory.UnweightedAggregationFactory:
        """Clips to a fixed L2 norm, and adds the noise of a binary tree over the rounds.

        The noise of the sum of the results of t rounds is that of about log2(t) nodes, so that with
        SGD at the server it is DP-FTRL. What is private is the whole run; no sampling of clients
        is assumed. See `aggregators.tree_queries` for the law of the noise and its sources.

        Args:
          noise_multiplier: the standard deviation of the noise of a node, in clipping norms.
          clients_per_round: what the sum is divided by, above zero.
          l2_norm_clip: the clipping norm, above zero.
          record_specs: the shape and dtype of each tensor of a value, as `tf.TensorSpec` or
            anything with a `shape` and a `dtype`, in the structure of the values.
          noise_seed: where the keys of the noise start; by default at a random key.
          use_efficient: whether a node of the tree is estimated from all nodes below it.
          record_aggregation_factory: adds the records up; `SumFactory()` by default.

        Returns:
          The aggregator. Memory at the server: 20 times that of one value. After 2**20 - 2 rounds
          results are nan.

        Raises:
          TypeMismatchError: if a number is no float.
          AggregatorError: if a number is out of range.
        """
        parameters.check_non_negative(noise_multiplier, "noise_multiplier")
        count = _clients(clients_per_round)
        parameters.check_positive(l2_norm_clip, "l2_norm_clip")
        query = tree_queries.TreeResidualSumQuery(
            l2_norm_clip, noise_multiplier, record_specs, noise_seed, use_efficient
        )
        return cls(queries.NormalizedQuery(query, count), record_aggregation_factory)

    @classmethod
    @errors.boundary
    def tree_adaptive(
        cls,
        noise_multiplier: float,
        clients_per_round: float,
        record_specs: Any,
        initial_l2_norm_clip: float = 0.1,
        restart_warmup: int = 128,
        restart_frequency: int = 1024,
        target_unclipped_quantile: float = 0.5,
        clip_learning_rate: float = 0.2,
        clipped_count_stddev: float | None = None,
        noise_seed: int | None = None,
    ) -> factory.UnweightedAggregationFactory:
        """The same, with a clipping norm that follows a quantile and changes at restarts.

        Args:
          noise_multiplier: that of both trees together, of the sum and of the number of clipped
            values; at least zero.
          clients_per_round: the number of clients that is expected.
          record_specs: as for `tree_aggregation`.
          initial_l2_norm_clip: the first clipping norm.
          restart_warmup: the round of the first restart.
          restart_frequency: the rounds from one restart to the next.
          target_unclipped_quantile: the fraction of values that should not be clipped.
          clip_learning_rate: the estimate changes by a factor of ``exp`` of this at most.
          clipped_count_stddev: the standard deviation of a node of the tree of the number of
            clipped values; by default ``0.05 * clients_per_round``.
          noise_seed: where the keys of the noise of the sum start; by default at a random key.

        Returns:
          The aggregator.

        Raises:
          TypeMismatchError: if a number is no float.
          AggregatorError: if a number is out of range.
        """
        parameters.check_non_negative(noise_multiplier, "noise_multiplier")
        count = _clients(clients_per_round)
        parameters.check_positive(initial_l2_norm_clip, "initial_l2_norm_clip")
        parameters.check_probability(target_unclipped_quantile, "target_unclipped_quantile")
        parameters.check_non_negative(clip_learning_rate, "clip_learning_rate")
        if clipped_count_stddev is None:
            clipped_count_stddev = 0.05 * count
        parameters.check_non_negative(clipped_count_stddev, "clipped_count_stddev")
        multiplier, stddev = split_noise(noise_multiplier, count, clipped_count_stddev)
        query = adaptive_tree_queries.build_restarted_tree(
            initial_l2_norm_clip,
            multiplier,
            record_specs,
            target_unclipped_quantile,
            clip_learning_rate,
            stddev,
            count,
            (restart_warmup, restart_frequency),
            noise_seed,
        )
        return cls(queries.NormalizedQuery(query, count))

    @errors.boundary
    def __init__(
        self,
        query: queries.PrivateSumQuery,
        record_aggregation_factory: factory.UnweightedAggregationFactory | None = None,
    ) -> None:
        """Chooses the mechanism.

        Args:
          query: what clients do to their values, and what the server releases of the sum.
          record_aggregation_factory: adds the records up; `SumFactory()` by default.

        Raises:
          TypeMismatchError: if an argument is of another kind.
        """
        self._query = queries.check_query(query, "query")
        self._records = (
            sums.SumFactory()
            if record_aggregation_factory is None
            else factory.check_unweighted(record_aggregation_factory, "record_aggregation_factory")
        )

    @errors.boundary
    def create(self, value_type: Type) -> aggregation_process.AggregationProcess:
        """Makes the process for a type of value.

        Args:
          value_type: a floating tensor, or a structure of such tensors.

        Returns:
          The process.

        Raises:
          TypeMismatchError: if a tensor is not of floating numbers.
        """
        checked = norms.check_floats(factory.check_value_type(value_type))
        query = private_sums.PrivateSum(self._query, checked, self._records)
        event = self._query.event()
        metrics = portable_computation(self._query.metrics, query.state_type)

        def initialize_fn() -> Any:
            state = query.initialize()
            return intrinsics.federated_zip(
                DPAggregatorState(
                    state,
                    query.records.initialize(),
                    _record_of(event, state),
                    intrinsics.federated_value(True, placements.SERVER),
                )
            )

        def next_fn(
            state: tracing.Value, value: tracing.Value
        ) -> measured_process.MeasuredProcessOutput:
            output = query.next(state[0], state[1], value)
            told: collections.OrderedDict[str, Any] = collections.OrderedDict(
                dp_query_metrics=intrinsics.federated_map(metrics, output.query_state),
                dp=output.records.measurements,
            )
            return measured_process.MeasuredProcessOutput(
                intrinsics.federated_zip(
                    DPAggregatorState(
                        output.query_state,
                        output.records.state,
                        _record_of(event, state[0]),
                        intrinsics.federated_value(False, placements.SERVER),
                    )
                ),
                output.result,
                intrinsics.federated_zip(told),
            )

        initialize = tracing.federated_computation(initialize_fn)
        return aggregation_process.AggregationProcess(
            initialize,
            tracing.federated_computation(
                next_fn,
                initialize.type_signature.result,
                FederatedType(checked, placements.CLIENTS),
            ),
        )


def split_noise(
    noise_multiplier: float, clients_per_round: float, clipped_count_stddev: float | None
) -> tuple[float, float]:
    """Shares the noise of a round among the sum and the number of clipped values.

    The number, of records of 0.5, is a Gaussian mechanism with the multiplier ``2 s``; two
    mechanisms of multipliers a and b are one of the multiplier ``(a**-2 + b**-2)**-0.5``.

    Args:
      noise_multiplier: that of both together.
      clients_per_round: the number of clients that is expected.
      clipped_count_stddev: s; None for the default.

    Returns:
      The noise multiplier of the sum, and s.

    Raises:
      AggregatorError: if s is so small that the number alone uses up the privacy.

    Examples:
      >>> multiplier, stddev = split_noise(1.0, 100.0, None)
      >>> round(multiplier, 4), stddev
      (1.005, 5.0)
    """
    if noise_multiplier == 0.0:
        return 0.0, 0.0 if clipped_count_stddev is None else clipped_count_stddev
    stddev = 0.05 * clients_per_round if clipped_count_stddev is None else clipped_count_stddev
    if noise_multiplier >= 2 * stddev:
        raise errors.AggregatorError(
            "the noise on the number of clipped values is too small for the privacy of a round.",
            problems=[
                f"clipped_count_stddev: expected more than {noise_multiplier / 2}, half of the "
                f"noise multiplier, got {stddev}"
            ],
            fix="give a larger `clipped_count_stddev`, or expect more clients in a round: the "
            "default is 0.05 of `clients_per_round`.",
        )
    multiplier = (noise_multiplier**-2 - (2 * stddev) ** -2) ** -0.5
    if multiplier >= 2 * noise_multiplier:
        warnings.warn(
            f"The sum gets {multiplier / noise_multiplier:.2f} times the noise, because the number "
            f"of clipped values has little (`clipped_count_stddev` is {stddev}). Give a larger "
            "one, or expect more clients in a round.",
            stacklevel=4,
        )
    return multiplier, stddev


def _clients(number: Any) -> float:
    is_whole = isinstance(number, int) and not isinstance(number, bool)
    return parameters.check_positive(float(number) if is_whole else number, "clients_per_round")


def _record_of(event: queries.PrivacyEvent, state: Any) -> Any:
    """What the state of the aggregator says of an event, at the server."""
    module_name, class_name = (
        intrinsics.federated_value(text, placements.SERVER)
        for text in ("dp_accounting.dp_event", event.class_name)
    )
    if event.events:
        parts = [_record_of(each, state) for each in event.events]
        record: Any = ComposedEventRecord(module_name, class_name, intrinsics.federated_zip(parts))
    elif event.noise_multiplier is not None:
        number = portable_computation(event.noise_multiplier, state.type_signature.member)
        multiplier = intrinsics.federated_map(number, state)
        record = GaussianEventRecord(module_name, class_name, multiplier)
    else:
        record = EventRecord(module_name, class_name)
    return intrinsics.federated_zip(record)
