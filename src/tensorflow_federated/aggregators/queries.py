"""Private sums: what clients do to a record, and what the server does to the sum of all records.

A query is used by `DifferentiallyPrivateFactory` and `PrivateQuantileEstimationProcess`, which add
the records up in between. The classes, their arguments and their states are those of the queries
of TensorFlow Privacy; what they compute is written in portable functions.

What is assumed of the sum: that it is the sum of the records, or that what an aggregator changes in
them does not make one record count for more. The privacy unit is one client in one call: two inputs
are neighbours if one has one client more. A client that takes part in several rounds is accounted
for by composition, which is not done here.
"""

from __future__ import annotations

import abc
import collections
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from tensorflow_federated.aggregators import gaussian_noise, norms, parameters
from tensorflow_federated.core import errors, portable, trees

EventPart = Callable[[Any], portable.Array]
"""Gives a number of an event from the state of a query; a portable function."""


class PrivateSumQuery(abc.ABC):
    """A way to release a sum; its methods on states and records are portable functions.

    See `core.portable` for these.
    """

    @property
    def starts_with_key(self) -> bool:
        """Whether the first state depends on a random key."""
        return False

    @property
    def draws_noise(self) -> bool:
        """Whether a release draws noise."""
        return True

    @abc.abstractmethod
    def initial_state(self, key: Any) -> Any:
        """The state before the first sum; of numpy numbers where it depends on no key.

        Args:
          key: a random key, int64[2]; None if `starts_with_key` is false.
        """

    @abc.abstractmethod
    def sample_parameters(self, state: Any) -> Any:
        """What the clients are told of the state."""

    @abc.abstractmethod
    def preprocess(self, told: Any, record: Any) -> Any:
        """What a client makes of its record, before the sum."""

    @abc.abstractmethod
    def noised_result(
        self, total: Any, state: Any, noise: gaussian_noise.NoiseSource
    ) -> tuple[Any, Any]:
        """What is released of the sum of the records, and the next state.

        Args:
          total: the sum of the records.
          state: the state.
          noise: new noise; a query that draws none does not look at it.
        """

    def metrics(self, state: Any) -> collections.OrderedDict[str, Any]:
        """What may be told of the state; all of it is private already."""
        del state
        return collections.OrderedDict()

    @abc.abstractmethod
    def event(self) -> PrivacyEvent:
        """What an accountant has to know of one release."""


class PrivacyEvent(NamedTuple):
    """An event of the library `dp_accounting`, by its name.

    Attributes:
      class_name: the class of the event.
      noise_multiplier: gives the multiplier from the state before the release, if it has one.
      events: what it is composed of.
    """

    class_name: str
    noise_multiplier: EventPart | None = None
    events: tuple[PrivacyEvent, ...] = ()


class GaussianSumState(NamedTuple):
    """The state of `GaussianSumQuery`: two float32 numbers."""

    l2_norm_clip: Any
    stddev: Any


class GaussianSumQuery(PrivateSumQuery):
    """Clips records to an L2 norm C and adds normal noise of a standard deviation s to their sum.

    One client changes the sum by C at most in L2 norm, so that the release is a Gaussian mechanism
    with the noise multiplier ``s / C``, for neighbours that differ by the presence of one client.
    A record that is not finite becomes zeros.

    Examples:
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> query = GaussianSumQuery(l2_norm_clip=1.0, stddev=0.0)
      >>> process = tff.aggregators.DifferentiallyPrivateFactory(query).create(
      ...     tff.TensorType(np.float32, [2])
      ... )
      >>> output = process.next(process.initialize(), [[3.0, 4.0], [0.0, 0.0]])
      >>> [round(float(x), 4) for x in output.result]
      [0.6, 0.8]
    """

    def __init__(self, l2_norm_clip: float, stddev: float) -> None:
        """Chooses the mechanism.

        Args:
          l2_norm_clip: C, above zero.
          stddev: s, of the noise of each element of the sum.

        Raises:
          TypeMismatchError: if one is no number.
          AggregatorError: if one is out of range.
        """
        self._clip = parameters.check_positive(float(l2_norm_clip), "l2_norm_clip")
        self._stddev = parameters.check_non_negative(float(stddev), "stddev")

    def initial_state(self, key: Any) -> GaussianSumState:
        """The clipping norm and the standard deviation."""
        del key
        return GaussianSumState(np.float32(self._clip), np.float32(self._stddev))

    def sample_parameters(self, state: GaussianSumState) -> Any:
        """The clipping norm."""
        return state.l2_norm_clip

    def preprocess(self, told: Any, record: Any) -> Any:
        """Clips the record."""
        return self.preprocess_and_norm(told, record)[0]

    def preprocess_and_norm(self, told: Any, record: Any) -> tuple[Any, Any]:
        """Clips the record, and gives the norm it had."""
        norm = norms.global_norm(record, 2.0)
        return norms.scaled_to(record, norm, told), norm

    def noised_result(
        self, total: Any, state: GaussianSumState, noise: gaussian_noise.NoiseSource
    ) -> tuple[Any, GaussianSumState]:
        """Adds the noise; the state stays."""

        def noised(x: Any) -> Any:
            return x + noise.like(x, state.stddev)

        return trees.map_structure(noised, total), state

    def event(self) -> PrivacyEvent:
        """A Gaussian mechanism."""

        def multiplier(state: GaussianSumState) -> Any:
            return state.stddev / state.l2_norm_clip

        return PrivacyEvent("GaussianDpEvent", multiplier)


class NoPrivacySumQuery(PrivateSumQuery):
    """The sum as it is, without any privacy.

    Examples:
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> query = NoPrivacySumQuery()
      >>> process = tff.aggregators.DifferentiallyPrivateFactory(query).create(
      ...     tff.TensorType(np.float32, [2])
      ... )
      >>> output = process.next(process.initialize(), [[3.0, 4.0], [0.0, 0.0]])
      >>> output.result.tolist()
      [3.0, 4.0]
    """

    @property
    def draws_noise(self) -> bool:
        """It draws none."""
        return False

    def initial_state(self, key: Any) -> tuple[()]:
        """Nothing."""
        del key
        return ()

    def sample_parameters(self, state: Any) -> tuple[()]:
        """Nothing."""
        del state
        return ()

    def preprocess(self, told: Any, record: Any) -> Any:
        """The record."""
        del told
        return record

    def noised_result(
        self, total: Any, state: Any, noise: gaussian_noise.NoiseSource
    ) -> tuple[Any, Any]:
        """The sum."""
        del noise
        return total, state

    def event(self) -> PrivacyEvent:
        """No privacy."""
        return PrivacyEvent("NonPrivateDpEvent")


class NormalizedState(NamedTuple):
    """The state of `NormalizedQuery`: that of the sum, and a float32 number."""

    numerator_state: Any
    denominator: Any


class NormalizedQuery(PrivateSumQuery):
    """Divides what another query releases by a fixed number, such as the expected clients.

    The number does not depend on the data, so that the division costs no privacy.

    Examples:
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> query = NormalizedQuery(NoPrivacySumQuery(), denominator=2.0)
      >>> process = tff.aggregators.DifferentiallyPrivateFactory(query).create(
      ...     tff.TensorType(np.float32, [2])
      ... )
      >>> output = process.next(process.initialize(), [[3.0, 4.0], [0.0, 0.0]])
      >>> output.result.tolist()
      [1.5, 2.0]
    """

    def __init__(self, numerator_query: PrivateSumQuery, denominator: float) -> None:
        """Chooses the query and the number.

        Args:
          numerator_query: releases the sum.
          denominator: what to divide by, above zero.

        Raises:
          TypeMismatchError: if the first is no query.
          AggregatorError: if the number is not above zero.
        """
        self._numerator = check_query(numerator_query, "numerator_query")
        self._denominator = parameters.check_positive(float(denominator), "denominator")

    @property
    def starts_with_key(self) -> bool:
        """Whether that of the sum does."""
        return self._numerator.starts_with_key

    @property
    def draws_noise(self) -> bool:
        """Whether the sum does."""
        return self._numerator.draws_noise

    def initial_state(self, key: Any) -> NormalizedState:
        """The state of the sum, and the number."""
        return NormalizedState(self._numerator.initial_state(key), np.float32(self._denominator))

    def sample_parameters(self, state: NormalizedState) -> Any:
        """What the sum tells."""
        return self._numerator.sample_parameters(state.numerator_state)

    def preprocess(self, told: Any, record: Any) -> Any:
        """What the sum does."""
        return self._numerator.preprocess(told, record)

    def noised_result(
        self, total: Any, state: NormalizedState, noise: gaussian_noise.NoiseSource
    ) -> tuple[Any, NormalizedState]:
        """Divides the noised sum."""
        result, inner = self._numerator.noised_result(total, state.numerator_state, noise)
        xp = portable.namespace_of(total, state)

        def divided(leaf: Any) -> Any:
            return leaf / xp.cast(state.denominator, xp.dtype_of(leaf))

        return trees.map_structure(divided, result), NormalizedState(inner, state.denominator)

    def metrics(self, state: NormalizedState) -> collections.OrderedDict[str, Any]:
        """Those of the sum."""
        return self._numerator.metrics(state.numerator_state)

    def event(self) -> PrivacyEvent:
        """That of the sum."""
        return of_part(self._numerator.event(), lambda state: state.numerator_state)


class QuantileState(NamedTuple):
    """The state of a quantile estimator: three float32 numbers, and the state of the average."""

    current_estimate: Any
    target_quantile: Any
    learning_rate: Any
    below_estimate_state: Any


class QuantileEstimatorQuery(PrivateSumQuery):
    """Follows a quantile of numbers at the clients, by one noised average in each call.

    With ``b`` the noised fraction of clients whose number is at most the estimate C, the next
    estimate is ``C * exp(-learning_rate * (b - target_quantile))``, or without `geometric_update`
    ``C - learning_rate * (b - target_quantile)``. The records are ``+0.5`` and ``-0.5``, so that
    one client changes their sum by 0.5.

    Source: G. Andrew et al., "Differentially private learning with adaptive clipping" (NeurIPS
    2021, arXiv:1905.03871), algorithm 1 with the noise on b.

    Examples:
      >>> import tensorflow_federated as tff
      >>> query = QuantileEstimatorQuery(
      ...     initial_estimate=1.0,
      ...     target_quantile=0.5,
      ...     learning_rate=1.0,
      ...     below_estimate_stddev=0.0,
      ...     expected_num_records=2.0,
      ... )
      >>> process = tff.aggregators.PrivateQuantileEstimationProcess(query)
      >>> state = process.next(process.initialize(), [2.0, 3.0])
      >>> float(process.report(state))
      1.5
    """

    def __init__(
        self,
        initial_estimate: float,
        target_quantile: float,
        learning_rate: float,
        below_estimate_stddev: float,
        expected_num_records: float,
        geometric_update: bool = False,
    ) -> None:
        """Chooses the quantile.

        Args:
          initial_estimate: the first C.
          target_quantile: the fraction of numbers that should be at most C, from 0 to 1.
          learning_rate: how fast C moves, at least zero.
          below_estimate_stddev: the standard deviation of the noise on the number of clients whose
            number is at most C.
          expected_num_records: the number of clients that is expected.
          geometric_update: whether C is multiplied, rather than added to.

        Raises:
          AggregatorError: if a number is out of range.
        """
        self._set_up(initial_estimate, target_quantile, learning_rate, geometric_update)
        self._below: PrivateSumQuery = NormalizedQuery(
            GaussianSumQuery(l2_norm_clip=0.5, stddev=below_estimate_stddev),
            denominator=expected_num_records,
        )

    def _set_up(
        self,
        initial_estimate: float,
        target_quantile: float,
        learning_rate: float,
        geometric_update: bool,
    ) -> None:
        if geometric_update:
            parameters.check_positive(float(initial_estimate), "initial_estimate")
        self._initial_estimate = float(initial_estimate)
        self._target = parameters.check_probability(float(target_quantile), "target_quantile")
        self._learning_rate = parameters.check_non_negative(float(learning_rate), "learning_rate")
        self._is_geometric = parameters.check_flag(geometric_update, "geometric_update")

    @property
    def starts_with_key(self) -> bool:
        """Whether that of the average does."""
        return self._below.starts_with_key

    @property
    def draws_noise(self) -> bool:
        """Whether the average does."""
        return self._below.draws_noise

    def initial_state(self, key: Any) -> QuantileState:
        """The first estimate, and what it moves by."""
        return QuantileState(
            np.float32(self._initial_estimate),
            np.float32(self._target),
            np.float32(self._learning_rate),
            self._below.initial_state(key),
        )

    def sample_parameters(self, state: QuantileState) -> Any:
        """The estimate, and what the average tells."""
        return (
            state.current_estimate,
            self._below.sample_parameters(state.below_estimate_state),
        )

    def preprocess(self, told: Any, record: Any) -> Any:
        """Half of one, above zero if the number is at most the estimate."""
        estimate, of_average = told
        xp = portable.namespace_of(record, estimate)
        below = xp.cast(record <= estimate, np.float32) - 0.5
        return self._below.preprocess(of_average, below)

    def noised_result(
        self, total: Any, state: QuantileState, noise: gaussian_noise.NoiseSource
    ) -> tuple[Any, QuantileState]:
        """The next estimate, as the result and in the state."""
        average, inner = self._below.noised_result(total, state.below_estimate_state, noise)
        estimate = self._moved(state, self._fraction_below(average, state))
        return estimate, QuantileState(estimate, state.target_quantile, state.learning_rate, inner)

    def _fraction_below(self, average: Any, state: QuantileState) -> Any:
        del state
        return average + 0.5

    def _moved(self, state: QuantileState, below: Any) -> Any:
        xp = portable.namespace_of(below, state)
        step = state.learning_rate * (below - state.target_quantile)
        if self._is_geometric:
            return state.current_estimate * xp.exp(-step)
        return state.current_estimate - step

    def event(self) -> PrivacyEvent:
        """That of the average."""
        return of_part(self._below.event(), lambda state: state.below_estimate_state)


class NoPrivacyQuantileEstimatorQuery(QuantileEstimatorQuery):
    """Follows a quantile by an average without noise, over the clients that are there.

    Without clients the estimate stays. It promises no privacy.

    Examples:
      >>> import tensorflow_federated as tff
      >>> query = NoPrivacyQuantileEstimatorQuery(1.0, target_quantile=0.5, learning_rate=1.0)
      >>> process = tff.aggregators.PrivateQuantileEstimationProcess(query)
      >>> state = process.next(process.initialize(), [2.0, 3.0, 4.0])
      >>> float(process.report(state))
      1.5
    """

    def __init__(
        self,
        initial_estimate: float,
        target_quantile: float,
        learning_rate: float,
        geometric_update: bool = False,
    ) -> None:
        """Chooses the quantile; the arguments are those of `QuantileEstimatorQuery`."""
        self._set_up(initial_estimate, target_quantile, learning_rate, geometric_update)
        self._below = NoPrivacySumQuery()

    def preprocess(self, told: Any, record: Any) -> Any:
        """Half of one, and one to count the clients."""
        half = super().preprocess(told, record)
        return half, portable.namespace_of(half).ones_like(half)

    def _fraction_below(self, average: Any, state: QuantileState) -> Any:
        """The fraction; the target itself, at which the estimate stays, if there is no client."""
        total, count = average
        xp = portable.namespace_of(total, count)
        is_none = count == xp.zeros_like(count)
        fraction = total / xp.where(is_none, xp.ones_like(count), count) + 0.5
        return xp.where(is_none, state.target_quantile, fraction)


class AdaptiveClippingState(NamedTuple):
    """The state of `QuantileAdaptiveClipSumQuery`."""

    noise_multiplier: Any
    sum_state: Any
    quantile_estimator_state: Any


class QuantileAdaptiveClipSumQuery(PrivateSumQuery):
    """A Gaussian sum whose clipping norm follows a quantile of the norms of the records.

    Both are released in one call: the sum, with noise of ``noise_multiplier`` times the clipping
    norm, and the fraction of records that were not clipped, with its own noise.

    Source: as of `QuantileEstimatorQuery`, algorithm 1.

    Examples:
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> query = QuantileAdaptiveClipSumQuery(
      ...     initial_l2_norm_clip=1.0,
      ...     noise_multiplier=0.0,
      ...     target_unclipped_quantile=0.5,
      ...     learning_rate=1.0,
      ...     clipped_count_stddev=0.0,
      ...     expected_num_records=2.0,
      ... )
      >>> process = tff.aggregators.DifferentiallyPrivateFactory(query).create(
      ...     tff.TensorType(np.float32, [2])
      ... )
      >>> output = process.next(process.initialize(), [[3.0, 4.0], [0.0, 0.0]])
      >>> [round(float(x), 4) for x in output.result]
      [0.6, 0.8]
    """

    def __init__(
        self,
        initial_l2_norm_clip: float,
        noise_multiplier: float,
        target_unclipped_quantile: float,
        learning_rate: float,
        clipped_count_stddev: float,
        expected_num_records: float,
        geometric_update: bool = True,
    ) -> None:
        """Chooses the mechanism.

        Args:
          initial_l2_norm_clip: the first clipping norm.
          noise_multiplier: the standard deviation of the noise, in clipping norms.
          target_unclipped_quantile: the fraction of records that should not be clipped.
          learning_rate: how fast the norm moves.
          clipped_count_stddev: the standard deviation of the noise on the number of records.
          expected_num_records: the number of clients that is expected.
          geometric_update: whether the norm is multiplied, rather than added to.

        Raises:
          AggregatorError: if a number is out of range.
        """
        self._noise_multiplier = parameters.check_non_negative(
            float(noise_multiplier), "noise_multiplier"
        )
        self._sum = GaussianSumQuery(
            initial_l2_norm_clip, self._noise_multiplier * initial_l2_norm_clip
        )
        self._quantile = QuantileEstimatorQuery(
            initial_l2_norm_clip,
            target_unclipped_quantile,
            learning_rate,
            clipped_count_stddev,
            expected_num_records,
            geometric_update,
        )

    def initial_state(self, key: Any) -> AdaptiveClippingState:
        """The multiplier, and both states."""
        return AdaptiveClippingState(
            np.float32(self._noise_multiplier),
            self._sum.initial_state(key),
            self._quantile.initial_state(key),
        )

    def sample_parameters(self, state: AdaptiveClippingState) -> Any:
        """What both tell."""
        return (
            self._sum.sample_parameters(state.sum_state),
            self._quantile.sample_parameters(state.quantile_estimator_state),
        )

    def preprocess(self, told: Any, record: Any) -> Any:
        """The clipped record, and whether it was not clipped."""
        of_sum, of_quantile = told
        clipped, norm = self._sum.preprocess_and_norm(of_sum, record)
        return clipped, self._quantile.preprocess(of_quantile, norm)

    def noised_result(
        self, total: Any, state: AdaptiveClippingState, noise: gaussian_noise.NoiseSource
    ) -> tuple[Any, AdaptiveClippingState]:
        """The noised sum; the state has the next norm, and the noise that belongs to it."""
        of_sum, of_quantile = total
        result, _ = self._sum.noised_result(of_sum, state.sum_state, noise)
        norm, quantile_state = self._quantile.noised_result(
            of_quantile, state.quantile_estimator_state, noise
        )
        xp = portable.namespace_of(norm)
        clip = xp.maximum(norm, xp.zeros_like(norm))
        sum_state = GaussianSumState(clip, clip * state.noise_multiplier)
        return result, AdaptiveClippingState(state.noise_multiplier, sum_state, quantile_state)

    def metrics(self, state: AdaptiveClippingState) -> collections.OrderedDict[str, Any]:
        """The clipping norm."""
        return collections.OrderedDict(clip=state.sum_state.l2_norm_clip)

    def event(self) -> PrivacyEvent:
        """Both releases."""
        return PrivacyEvent(
            "ComposedDpEvent",
            events=(
                of_part(self._sum.event(), lambda state: state.sum_state),
                of_part(self._quantile.event(), lambda state: state.quantile_estimator_state),
            ),
        )


def check_query(candidate: Any, label: str) -> PrivateSumQuery:
    """Checks that something is a query.

    Args:
      candidate: what was given.
      label: the name of the argument, for messages.

    Returns:
      The query.

    Raises:
      TypeMismatchError: if it is none.
    """
    if not isinstance(candidate, PrivateSumQuery):
        raise errors.TypeMismatchError(
            f"`{label}` must be a query.",
            problems=[f"{label}: got {errors.describe_object(candidate)}"],
            fix="take one of `tff.aggregators.queries`: they have the names and the arguments of "
            "those of TensorFlow Privacy.",
        )
    return candidate


def of_part(event: PrivacyEvent, part: Callable[[Any], Any]) -> PrivacyEvent:
    """The event of a query, seen from the state of a query around it."""
    inner = event.noise_multiplier

    def number(state: Any) -> Any:
        return None if inner is None else inner(part(state))

    return PrivacyEvent(
        event.class_name,
        None if inner is None else number,
        tuple(of_part(each, part) for each in event.events),
    )
