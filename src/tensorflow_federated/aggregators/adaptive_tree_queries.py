"""Tree noise with a clipping norm that follows a quantile, and changes when the tree restarts."""

from __future__ import annotations

import collections
from typing import Any, NamedTuple

import numpy as np

from tensorflow_federated.aggregators import gaussian_noise, parameters, queries, tree_queries
from tensorflow_federated.core import errors, portable, trees

# So far from the keys of the sum that the keys of the quantile never meet them.
_APART = np.array([0, 2**60], np.int64)


class RestartState(NamedTuple):
    """The state of `RestartedTreeQuery`: that of the query, and the number of rounds."""

    inner_query_state: Any
    indicator_state: Any


class TreeQuantileEstimatorQuery(queries.QuantileEstimatorQuery):
    """Follows a quantile; the noise on the number of records below it is that of a tree."""

    def __init__(
        self,
        initial_estimate: float,
        target_quantile: float,
        learning_rate: float,
        below_estimate_stddev: float,
        expected_num_records: float,
        geometric_update: bool = False,
    ) -> None:
        """Chooses the quantile; the arguments are those of `QuantileEstimatorQuery`."""
        self._set_up(initial_estimate, target_quantile, learning_rate, geometric_update)
        # A record is -0.5 or 0.5: its norm is 0.5.
        self._tree = tree_queries.TreeResidualSumQuery(
            0.5, 2.0 * below_estimate_stddev, np.float32(0)
        )
        self._below = queries.NormalizedQuery(self._tree, expected_num_records)

    def restarted(self, state: queries.QuantileState) -> queries.QuantileState:
        """The state at the start of a new tree."""
        below = state.below_estimate_state
        tree = below.numerator_state
        stddev = tree.tree_state.value_generator_state.stddev
        restarted = self._tree.restarted(tree, tree.clip_value, stddev)
        return queries.QuantileState(
            state.current_estimate,
            state.target_quantile,
            state.learning_rate,
            queries.NormalizedState(restarted, below.denominator),
        )


class RestartedTreeQuery(queries.PrivateSumQuery):
    """A `TreeResidualSumQuery` that restarts, with the clipping norm of a quantile estimator.

    The estimate follows a quantile of the norms in every round; the norm that records are clipped
    to, and with it the noise, changes only when the trees restart: in the rounds whose number,
    counted from 1, is `warmup` modulo `period`.
    """

    def __init__(
        self,
        initial_l2_norm_clip: float,
        noise_multiplier: float,
        template: Any,
        quantile: TreeQuantileEstimatorQuery,
        warmup: int,
        period: int,
        noise_seed: int | None = None,
    ) -> None:
        """Chooses the mechanism.

        Args:
          initial_l2_norm_clip: the first clipping norm.
          noise_multiplier: the standard deviation of the noise of a node, in clipping norms.
          template: the form of a record, as for `TreeResidualSumQuery`.
          quantile: follows the norms.
          warmup: the round of the first restart, from 1 to `period - 1`; or `period`.
          period: the rounds from one restart to the next.
          noise_seed: where the keys of the sum start.

        Raises:
          AggregatorError: if a number is out of range.
        """
        _check_period(warmup, period)
        self._multiplier = float(noise_multiplier)
        self._sum = tree_queries.TreeResidualSumQuery(
            initial_l2_norm_clip, noise_multiplier, template, noise_seed
        )
        self._quantile = quantile
        self._remainder, self._period = warmup % period, period

    @property
    def starts_with_key(self) -> bool:
        """The trees do."""
        return True

    @property
    def draws_noise(self) -> bool:
        """The noise of a round comes from the keys in the state."""
        return False

    def initial_state(self, key: Any) -> RestartState:
        """Two trees of one leaf each."""
        xp = portable.namespace_of(key)
        inner = queries.AdaptiveClippingState(
            xp.asarray(np.float32(self._multiplier)),
            self._sum.initial_state(key),
            self._quantile.initial_state(key ^ _APART),
        )
        return RestartState(inner, xp.asarray(np.int32(0)))

    def sample_parameters(self, state: RestartState) -> Any:
        """What the sum and the quantile tell."""
        inner = state.inner_query_state
        return (
            self._sum.sample_parameters(inner.sum_state),
            self._quantile.sample_parameters(inner.quantile_estimator_state),
        )

    def preprocess(self, told: Any, record: Any) -> Any:
        """The clipped record, and whether its norm is at most the estimate."""
        clipped, norm = self._sum.preprocess_and_norm(told[0], record)
        return clipped, self._quantile.preprocess(told[1], norm)

    def noised_result(
        self, total: Any, state: RestartState, noise: gaussian_noise.NoiseSource
    ) -> tuple[Any, RestartState]:
        """The noised sum; the state restarts in its rounds."""
        inner = state.inner_query_state
        result, of_sum = self._sum.noised_result(total[0], inner.sum_state, noise)
        estimate, of_quantile = self._quantile.noised_result(
            total[1], inner.quantile_estimator_state, noise
        )
        xp = portable.namespace_of(total, state)
        clip = xp.maximum(estimate, xp.zeros_like(estimate))
        restarted = (
            self._sum.restarted(of_sum, clip, clip * inner.noise_multiplier),
            self._quantile.restarted(of_quantile),
        )
        number = state.indicator_state + 1
        is_restart = number % self._period == self._remainder

        def chosen(new: Any, old: Any) -> Any:
            return xp.where(is_restart, new, old)

        of_sum, of_quantile = trees.map_structure(chosen, restarted, (of_sum, of_quantile))
        following = queries.AdaptiveClippingState(inner.noise_multiplier, of_sum, of_quantile)
        return result, RestartState(following, number)

    def metrics(self, state: RestartState) -> collections.OrderedDict[str, Any]:
        """The norm that records are clipped to, and the estimate."""
        inner = state.inner_query_state
        return collections.OrderedDict(
            current_clip=inner.sum_state.clip_value,
            estimate_clip=inner.quantile_estimator_state.current_estimate,
        )

    def event(self) -> queries.PrivacyEvent:
        """Those of both trees."""
        return queries.PrivacyEvent(
            "ComposedDpEvent", events=(self._sum.event(), self._quantile.event())
        )


def _check_period(warmup: Any, period: Any) -> None:
    problems = [
        f"{label}: expected an integer of 1 or more, got {errors.describe_object(number)}"
        for label, number in (("restart_warmup", warmup), ("restart_frequency", period))
        if not isinstance(number, int) or number < 1
    ]
    if not problems and warmup > period:
        problems = [f"restart_warmup: got {warmup}, more than the frequency of {period}"]
    if problems:
        raise errors.AggregatorError(
            "the tree cannot restart in these rounds.",
            problems=problems,
            fix="for example `restart_warmup=128, restart_frequency=1024`.",
        )


def build_restarted_tree(
    initial_l2_norm_clip: float,
    noise_multiplier: float,
    template: Any,
    target_unclipped_quantile: float,
    learning_rate: float,
    clipped_count_stddev: float,
    expected_num_records: float,
    restart: tuple[int, int],
    noise_seed: int | None,
) -> RestartedTreeQuery:
    """Makes a restarted tree whose clipping norm follows the norms of the records."""
    parameters.check_positive(expected_num_records, "clients_per_round")
    quantile = TreeQuantileEstimatorQuery(
        initial_l2_norm_clip,
        target_unclipped_quantile,
        learning_rate,
        clipped_count_stddev,
        expected_num_records,
        geometric_update=True,
    )
    return RestartedTreeQuery(
        initial_l2_norm_clip, noise_multiplier, template, quantile, *restart, noise_seed=noise_seed
    )
