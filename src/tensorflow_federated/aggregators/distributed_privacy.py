"""Differential privacy by noise of the clients: the server sees nothing but a noised sum."""

from __future__ import annotations

import collections
import math
import statistics
import warnings
from typing import Any, NamedTuple

import numpy as np

from tensorflow_federated.aggregators import (
    clipping,
    concatenation,
    differential_privacy,
    factory,
    parameters,
    quantiles,
    queries,
    random_draws,
    rotations,
    secure_sums,
)
from tensorflow_federated.core import (
    errors,
    intrinsics,
    local_intrinsics,
    placements,
    portable,
    tracing,
)
from tensorflow_federated.core.types import FederatedType, TensorType, Type
from tensorflow_federated.execution import leaves
from tensorflow_federated.jax import portable_computation
from tensorflow_federated.templates import aggregation_process, measured_process

_ROTATIONS = {
    "hd": rotations.HadamardTransformFactory,
    "dft": rotations.DiscreteFourierTransformFactory,
}
_KEY_TYPE = TensorType(np.int64, [2])
_FLOAT = TensorType(np.float32)
_MOST_BITS = 22
# Norms of scaled values have to stay far from the largest int32.
_LARGEST_SCALE = 1e6
# How often a sum may wrap around: once in ten thousand elements, if it is normally distributed.
_WRAP_PROBABILITY = 1e-4
# What rounding of float32 may add to a norm.
_LEEWAY = 1e-5


class SkellamState(NamedTuple):
    """What the noise of the clients is made for, in units of the integers that are added up.

    Attributes:
      l1_norm_bound: the largest L1 norm of a client's integers.
      l2_norm_bound: their largest L2 norm.
      local_stddev: the standard deviation of the noise of one client.
    """

    l1_norm_bound: Any
    l2_norm_bound: Any
    local_stddev: Any


class Mechanism:
    """The numbers of the distributed Skellam mechanism, for a clipping norm.

    Source: N. Agarwal et al., "The Skellam mechanism for differentially private federated learning"
    (NeurIPS 2021, arXiv:2110.04995); the scale is that of P. Kairouz et al., "The distributed
    discrete Gaussian mechanism for federated learning with secure aggregation" (ICML 2021,
    arXiv:2102.06387), section 4.4.
    """

    def __init__(self, noise_multiplier: float, clients: int, bits: int) -> None:
        """Takes what does not depend on the values.

        Args:
          noise_multiplier: the standard deviation of the noise of all clients, in clipping norms.
          clients: how many clients are expected.
          bits: the sum is taken modulo ``2**bits``.

        Raises:
          AggregatorError: if the bits are too few for the clients.
        """
        self._noise_multiplier = noise_multiplier
        self._clients = clients
        self._bits = bits
        deviations = statistics.NormalDist().inv_cdf(1.0 - _WRAP_PROBABILITY / 2)
        self._deviations = deviations
        if 4.0**bits <= clients * deviations**2 or 2**bits < clients:
            raise errors.AggregatorError(
                "`bits` are too few for so many clients.",
                problems=[
                    f"bits: a sum modulo 2**{bits} cannot hold the rounded values of {clients} "
                    "clients"
                ],
                fix="give more `bits`, or expect fewer clients.",
            )

    def numbers(self, clip: Any, size: int) -> tuple[Any, SkellamState]:
        """The scale, and what the noise is made for; a portable function.

        Args:
          clip: the clipping norm, one floating number.
          size: the elements of the vectors.

        Returns:
          What values are multiplied with before they are rounded, float32; and the state.
        """
        xp = portable.namespace_of(clip)
        norm = xp.cast(clip, np.float64)
        clients, deviations = float(self._clients), self._deviations
        stddev = norm * (self._noise_multiplier / math.sqrt(clients))
        spread = xp.sqrt(xp.square(norm) * (clients**2 / size) + xp.square(stddev) * clients)
        most = math.sqrt(4.0**self._bits - clients * deviations**2)
        scale = xp.minimum(most / (2.0 * deviations * spread), _LARGEST_SCALE)
        # Rounding moves each element by less than one.
        l2 = (norm + math.sqrt(size) / scale + _LEEWAY) * scale
        # The L1 norm of integers is at most the square of their L2 norm.
        l1 = -xp.floor(-(l2 * xp.minimum(l2, math.sqrt(size))))
        state = SkellamState(
            xp.cast(l1, np.int32),
            xp.cast(l2, np.float32),
            xp.cast(stddev * scale, np.float32),
        )
        return xp.cast(scale, np.float32), state


class DistributedSkellamSumFactory(factory.UnweightedAggregationFactory):
    """Adds up clipped values with noise of the clients, by a secure sum of integers.

    Each client rotates its value at random, clips its L2 norm to C, multiplies it with a scale,
    rounds it at random to integers, right on average, and adds Skellam noise; the integers are
    added up modulo ``2**bits`` by a secure sum. The server takes all of this back on the sum.

    Privacy: the unit is one client in one round. The server is trusted to run the program and not
    to see the values of single clients, which the secure sum hides; each client is trusted to add
    its part of the noise, and the expected number of clients to take part: with fewer there is less
    noise. C follows a private quantile of the norms; the noise multiplier is that of both releases
    together, for C before rounding. The sensitivity after it is told as ``scaled_inflated_l2``.

    State: that of the rotation, over those of the clipping norm and of the mechanism,
    ``<scale_factor,prior_norm_bound,inner_agg_process=<query_state,agg_state,dp_event,
    is_init_state>>``. Measurements: ``<l2_clip,scale_factor,scaled_inflated_l2,scaled_local_stddev,
    actual_num_clients,padded_dim,dp_query_metrics>``: what held in this round.
    """

    def __init__(
        self,
        noise_multiplier: Any,
        expected_clients_per_round: Any,
        bits: Any,
        rotation_type: Any,
        initial_clip: float = 0.1,
    ) -> None:
        """Chooses the mechanism.

        Args:
          noise_multiplier: the standard deviation of the noise of the sum, in clipping norms.
          expected_clients_per_round: how many clients take part; at least 1.
          bits: from 1 to 22.
          rotation_type: `hd` for a Hadamard, `dft` for a Fourier transform.
          initial_clip: the first clipping norm.

        Raises:
          TypeMismatchError: if an argument is of another kind.
          AggregatorError: if one is out of range, or they do not fit together.
        """
        is_whole = isinstance(noise_multiplier, int) and not isinstance(noise_multiplier, bool)
        noise_multiplier = float(noise_multiplier) if is_whole else noise_multiplier
        parameters.check_non_negative(noise_multiplier, "noise_multiplier")
        clients = parameters.check_integer(
            expected_clients_per_round, "expected_clients_per_round", at_least=1
        )
        parameters.check_integer(bits, "bits", at_least=1)
        if bits > _MOST_BITS:
            raise errors.AggregatorError(
                "`bits` is out of range.",
                problems=[f"bits: expected 1 to {_MOST_BITS}, got {bits}"],
                fix=f"give at most {_MOST_BITS}: float32 holds no more.",
            )
        if rotation_type not in _ROTATIONS:
            kind = (
                errors.AggregatorError
                if isinstance(rotation_type, str)
                else errors.TypeMismatchError
            )
            raise kind(
                "`rotation_type` is the name of a rotation.",
                problems=[f"rotation_type: expected 'hd' or 'dft', got {rotation_type!r}"],
                fix="leave it out for 'hd'.",
            )
        self._rotation = _ROTATIONS[rotation_type]
        self._rotation_name = rotation_type
        self._initial_clip = initial_clip
        multiplier, stddev = differential_privacy.split_noise(
            noise_multiplier, float(clients), None
        )
        self._mechanism = Mechanism(multiplier, clients, bits)
        self._bits = bits
        self._clip = quantiles.PrivateQuantileEstimationProcess(
            queries.QuantileEstimatorQuery(
                initial_estimate=initial_clip,
                target_quantile=0.5,
                learning_rate=0.2,
                below_estimate_stddev=stddev,
                expected_num_records=clients,
                geometric_update=True,
            ),
            secure_sums.SecureSumFactory(0.5, -0.5),
        )

    @errors.boundary
    def create(self, value_type: Type) -> aggregation_process.AggregationProcess:
        """Makes the process for a type of value.

        Args:
          value_type: floating tensors of one dtype and known shapes, or a structure of them.

        Returns:
          The process.

        Raises:
          TypeMismatchError: if there is something else in the type.
          MissingExtraError: if TensorFlow is not installed, which draws the noise.
        """
        checked = factory.check_value_type(value_type)
        noised = _NoisedSumFactory(self._mechanism, self._bits, self._initial_clip)
        limited = clipping.clipping_factory(
            self._clip, noised, clipped_count_sum_factory=secure_sums.SecureSumFactory(1, 0)
        )
        inner = concatenation.concat_factory(self._rotation(limited)).create(checked)
        state_type: Any = inner.initialize.type_signature.result
        size = noised.size
        clip, mechanism = self._clip, self._mechanism
        if mechanism.numbers(np.float64(self._initial_clip), size)[0] <= 1.0:
            warnings.warn(
                f"Values are rounded coarsely: sums modulo 2**{self._bits} leave no finer steps "
                "for so many clients. Give more `bits`.",
                stacklevel=3,
            )

        def numbers(new_clip: Any) -> Any:
            return mechanism.numbers(new_clip, size)

        find_numbers = portable_computation(numbers, _FLOAT)

        name = self._rotation_name

        def next_fn(state: Any, value: Any) -> measured_process.MeasuredProcessOutput:
            output: Any = inner.next(state, value)
            new_state: Any = output.state
            limited_state = new_state[0]
            used: Any = limited_state["inner_agg"]
            query_state = used["inner_agg_process"].query_state
            one = intrinsics.federated_value(1, placements.CLIENTS)
            measurements: collections.OrderedDict[str, Any] = collections.OrderedDict(
                l2_clip=output.measurements[name]["clipping_norm"],
                scale_factor=used["scale_factor"],
                scaled_inflated_l2=query_state.l2_norm_bound,
                scaled_local_stddev=query_state.local_stddev,
                actual_num_clients=intrinsics.federated_secure_sum_bitwidth(one, 1),
                padded_dim=intrinsics.federated_value(size, placements.SERVER),
                dp_query_metrics=intrinsics.federated_value(
                    collections.OrderedDict(), placements.SERVER
                ),
            )
            new_clip = clip.report(limited_state["clipping_norm"])
            return measured_process.MeasuredProcessOutput(
                _adapted(new_state, new_clip, intrinsics.federated_map(find_numbers, new_clip)),
                output.result,
                intrinsics.federated_zip(measurements),
            )

        return aggregation_process.AggregationProcess(
            inner.initialize, factory.trace_next(next_fn, state_type, checked)
        )


class _NoisedSumFactory(factory.UnweightedAggregationFactory):
    """Adds up vectors as integers with noise.

    Attributes:
      size: the elements of the vector that the last process was made for.
    """

    def __init__(self, mechanism: Mechanism, bits: int, initial_clip: float) -> None:
        self._mechanism = mechanism
        self._modulus = 2**bits
        self._initial_clip = initial_clip
        self.size = 0

    def create(self, value_type: Type) -> aggregation_process.AggregationProcess:
        (vector,) = leaves.leaf_types(value_type)
        assert isinstance(vector, TensorType)
        assert vector.shape is not None
        self.size = size = int(vector.shape[0] or 0)
        modulus, initial_clip = self._modulus, np.float32(self._initial_clip)
        scale, query_state = self._mechanism.numbers(np.float64(self._initial_clip), size)
        try:
            from tensorflow_federated.tensorflow import skellam
        except ModuleNotFoundError as error:
            raise errors.missing_extra("tensorflow", "noise of the clients") from error
        draw_noise = skellam.build_draw(_KEY_TYPE, _FLOAT, size)
        integers_type = TensorType(np.int32, [size])
        round_up_or_down = portable_computation(_rounded, vector, _FLOAT, _KEY_TYPE)
        add = portable_computation(_added, integers_type, integers_type)

        def noised(value: Any, scale: Any, stddev: Any) -> Any:
            rounded = round_up_or_down(value, scale, local_intrinsics.random_key())
            return add(rounded, draw_noise(local_intrinsics.random_key(), stddev))

        noise = tracing.federated_computation(noised, vector, _FLOAT, _FLOAT)

        def turned_back(total: Any, scale: Any) -> Any:
            xp = portable.namespace_of(total, scale)
            centred = xp.where(total >= modulus // 2, total - modulus, total)
            return xp.cast(centred, np.float32) / scale

        turn_back = portable_computation(turned_back, integers_type, _FLOAT)

        def initialize_fn() -> Any:
            event = (
                intrinsics.federated_value(text, placements.SERVER)
                for text in ("dp_accounting.dp_event", "UnsupportedDpEvent")
            )
            record = differential_privacy.DPAggregatorState(
                intrinsics.federated_value(query_state, placements.SERVER),
                intrinsics.federated_value((), placements.SERVER),
                intrinsics.federated_zip(differential_privacy.EventRecord(*event)),
                intrinsics.federated_value(True, placements.SERVER),
            )
            return intrinsics.federated_zip(
                collections.OrderedDict(
                    scale_factor=intrinsics.federated_value(scale, placements.SERVER),
                    prior_norm_bound=intrinsics.federated_value(initial_clip, placements.SERVER),
                    inner_agg_process=intrinsics.federated_zip(record),
                )
            )

        def next_fn(state: Any, value: Any) -> measured_process.MeasuredProcessOutput:
            process_state = state["inner_agg_process"]
            scale, stddev = state["scale_factor"], process_state.query_state.local_stddev
            at_clients = [intrinsics.federated_broadcast(each) for each in (scale, stddev)]
            noised_value = intrinsics.federated_map(noise, (value, *at_clients))
            total = intrinsics.federated_secure_modular_sum(noised_value, modulus)
            new_record = differential_privacy.DPAggregatorState(
                process_state.query_state,
                process_state.agg_state,
                process_state.dp_event,
                intrinsics.federated_value(False, placements.SERVER),
            )
            new_state: collections.OrderedDict[str, Any] = collections.OrderedDict(
                scale_factor=scale,
                prior_norm_bound=state["prior_norm_bound"],
                inner_agg_process=intrinsics.federated_zip(new_record),
            )
            return measured_process.MeasuredProcessOutput(
                intrinsics.federated_zip(new_state),
                intrinsics.federated_map(turn_back, (total, scale)),
                intrinsics.federated_value((), placements.SERVER),
            )

        initialize = tracing.federated_computation(initialize_fn)
        return aggregation_process.AggregationProcess(
            initialize,
            tracing.federated_computation(
                next_fn,
                initialize.type_signature.result,
                FederatedType(vector, placements.CLIENTS),
            ),
        )


def _adapted(state: Any, new_clip: Any, numbers: Any) -> Any:
    """The state, of the rotation, with the scale and the noise for another clipping norm."""
    limited_state = state[0]
    old = limited_state["inner_agg"]["inner_agg_process"]
    record = differential_privacy.DPAggregatorState(
        numbers[1], old.agg_state, old.dp_event, old.is_init_state
    )
    noised_state: collections.OrderedDict[str, Any] = collections.OrderedDict(
        scale_factor=numbers[0],
        prior_norm_bound=new_clip,
        inner_agg_process=intrinsics.federated_zip(record),
    )
    new_state: collections.OrderedDict[str, Any] = collections.OrderedDict(
        clipping_norm=limited_state["clipping_norm"],
        inner_agg=intrinsics.federated_zip(noised_state),
        clipped_count_agg=limited_state["clipped_count_agg"],
    )
    return intrinsics.federated_zip((intrinsics.federated_zip(new_state), state[1]))


def _rounded(value: Any, scale: Any, key: Any) -> Any:
    """Scaled values, rounded up or down so that they are right on average."""
    xp = portable.namespace_of(value, scale, key)
    scaled = value * scale
    below = xp.floor(scaled)
    shape = [int(size or 0) for size in xp.shape_of(value)]
    is_up = random_draws.uniform(key, shape) < xp.cast(scaled - below, np.float64)
    return xp.cast(below, np.int32) + xp.cast(is_up, np.int32)


def _added(value: Any, noise: Any) -> Any:
    return value + noise
