"""Aggregators of model updates, with the settings that suit most learning tasks."""

from __future__ import annotations

import collections
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from tensorflow_federated import aggregators
from tensorflow_federated.aggregators import distributed_privacy
from tensorflow_federated.core import errors, intrinsics, placements, portable, trees
from tensorflow_federated.execution import leaves
from tensorflow_federated.jax import portable_computation

DebugMeasurementsFn = Callable[[aggregators.AggregationFactory], aggregators.AggregationFactory]
"""Adds measurements to an aggregator; with weights to one with weights."""


@errors.boundary
def robust_aggregator(
    *,
    zeroing: bool = True,
    clipping: bool = True,
    weighted: bool = True,
    debug_measurements_fn: DebugMeasurementsFn | None = None,
) -> aggregators.AggregationFactory:
    """Averages what is left of the updates after very large ones are zeroed, large ones clipped.

    An update is zeroed if its largest absolute element is above twice the 0.98 quantile of those of
    the clients, and one; the quantile is followed from 10 on, by a factor of 10 at most in a round.
    It is then clipped to the 0.8 quantile of the L2 norms, which is followed from 1 on with a
    learning rate of 0.2. Neither adds noise, and the server sees the updates.

    Args:
      zeroing: whether to zero.
      clipping: whether to clip.
      weighted: whether the mean is weighted.
      debug_measurements_fn: adds measurements to the mean, such as `add_debug_measurements`.

    Returns:
      An aggregator, weighted or not.

    Raises:
      TypeMismatchError: if `debug_measurements_fn` returns none that is weighted like the mean.

    Examples:
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> aggregator = tff.learning.robust_aggregator(weighted=False)
      >>> process = aggregator.create(tff.to_type(np.float32))
      >>> output = process.next(process.initialize(), [0.5, 0.7, 1e6, float("nan")])
      >>> round(float(output.result), 3), int(output.measurements["zeroed_count"])
      (0.3, 2)
    """
    mean: aggregators.AggregationFactory = (
        aggregators.MeanFactory() if weighted else aggregators.UnweightedMeanFactory()
    )
    if debug_measurements_fn is not None:
        mean = _with_measurements(mean, debug_measurements_fn)
    return _zeroed_and_clipped(mean, zeroing, clipping, is_secure=False)


@errors.boundary
def dp_aggregator(
    noise_multiplier: float, clients_per_round: float, zeroing: bool = True
) -> aggregators.UnweightedAggregationFactory:
    """Averages updates with differential privacy, with a clipping norm that adapts.

    It is `DifferentiallyPrivateFactory.gaussian_adaptive`; what is private, and against whom, is
    said there. Zeroing is that of `robust_aggregator`; the quantile it follows, and the number of
    zeroed updates, are told without noise.

    Args:
      noise_multiplier: the noise of one round, in clipping norms; at least zero.
      clients_per_round: the number of clients that is expected.
      zeroing: whether to zero very large updates first.

    Returns:
      An aggregator without weights.

    Raises:
      TypeMismatchError: if a number is no float.
      AggregatorError: if a number is out of range.

    Examples:
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> aggregator = tff.learning.dp_aggregator(0.0, clients_per_round=2)
      >>> process = aggregator.create(tff.to_type(np.float32))
      >>> round(float(process.next(process.initialize(), [0.05, 3.0]).result), 4)
      0.075
    """
    private = aggregators.DifferentiallyPrivateFactory.gaussian_adaptive(
        noise_multiplier, clients_per_round
    )
    return _zeroed(private, is_secure=False) if zeroing else private


@errors.boundary
def secure_aggregator(
    *, zeroing: bool = True, clipping: bool = True, weighted: bool = True
) -> aggregators.AggregationFactory:
    """Averages updates by secure sums, after zeroing and clipping.

    The same as `robust_aggregator`, but all that the clients send is added up by secure sums: the
    updates between bounds, twice the 0.95 quantile of their largest absolute elements, followed
    from 50 on; the weights as floats up to ``2**20 - 1``; and the counts for quantiles and
    measurements. What a client has weighs in as a float.

    Args:
      zeroing: whether to zero.
      clipping: whether to clip, before the bounds of the secure sum.
      weighted: whether the mean is weighted.

    Returns:
      An aggregator, weighted or not.

    Examples:
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> aggregator = tff.learning.secure_aggregator(weighted=False)
      >>> process = aggregator.create(tff.to_type(np.float32))
      >>> round(float(process.next(process.initialize(), [0.25, 0.75]).result), 4)
      0.5
    """
    bound = aggregators.PrivateQuantileEstimationProcess.no_noise(
        initial_estimate=50.0,
        target_quantile=0.95,
        learning_rate=1.0,
        multiplier=2.0,
        secure_estimation=True,
    )
    value_sum = aggregators.SecureSumFactory(bound)
    mean: aggregators.AggregationFactory
    if weighted:
        # Whole numbers up to 2**20 - 1 are among the steps of the quantized sum.
        weight_sum = aggregators.SecureSumFactory(float(2**20 - 1), 0.0)
        mean = aggregators.MeanFactory(value_sum, weight_sum)
    else:
        mean = aggregators.UnweightedMeanFactory(value_sum, aggregators.SecureSumFactory(1, 0))
    return _zeroed_and_clipped(mean, zeroing, clipping, is_secure=True)


@errors.boundary
def ddp_secure_aggregator(
    noise_multiplier: float,
    expected_clients_per_round: int,
    bits: int = 20,
    zeroing: bool = True,
    rotation_type: str = "hd",
) -> aggregators.UnweightedAggregationFactory:
    """Averages updates with differential privacy, by noise of the clients and secure sums.

    Clients rotate their updates at random, clip them to the private 0.5 quantile of the L2 norms,
    which is followed from 0.1 on, round them to integers and add Skellam noise; a secure sum modulo
    ``2**bits`` adds these up. What is private, and against whom, is said in
    `aggregators.distributed_privacy`. The mean divides by the number of clients that took part,
    which a secure sum counts, and the server sees. Zeroing is that of `secure_aggregator`; the
    quantile it follows, and the number of zeroed updates, are told without noise.

    Args:
      noise_multiplier: the standard deviation of the noise of the sum, in clipping norms; 1.0 or
        more for privacy that means something.
      expected_clients_per_round: how many clients take part; each adds its part of the noise.
      bits: the bits of an element that is sent, from 1 to 22; they hold the sum of all clients.
      zeroing: whether to zero.
      rotation_type: `hd` for a Hadamard, `dft` for a Fourier transform.

    Returns:
      The aggregator, of floating tensors of one dtype.

    Raises:
      TypeMismatchError: if an argument is of another kind.
      AggregatorError: if one is out of range, or they do not fit together.

    Examples:
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> aggregator = tff.learning.ddp_secure_aggregator(0.0, 2, zeroing=False)
      >>> process = aggregator.create(tff.TensorType(np.float32, [2]))
      >>> output = process.next(process.initialize(), [[0.05, 0.02], [0.01, 0.04]])
      >>> [round(float(x), 3) for x in output.result]
      [0.03, 0.03]

    Differs from TFF: what is random follows from the seed of the execution context.
    """
    noised = distributed_privacy.DistributedSkellamSumFactory(
        noise_multiplier, expected_clients_per_round, bits, rotation_type
    )
    mean = aggregators.UnweightedMeanFactory(noised, aggregators.SecureSumFactory(1, 0))
    return _zeroed(mean, is_secure=True) if zeroing else mean


@errors.boundary
def compression_aggregator(
    *,
    zeroing: bool = True,
    clipping: bool = True,
    weighted: bool = True,
    debug_measurements_fn: DebugMeasurementsFn | None = None,
    **kwargs: Any,
) -> aggregators.AggregationFactory:
    """Averages updates that clients send with 8 bits for an element, after zeroing and clipping.

    The same as `robust_aggregator`, but tensors of more than 20000 elements are sent as 256 even
    steps between their extremes, rounded at random so that they are right on average; the others as
    they are. What is quantized is the update times its weight.

    Args:
      zeroing: whether to zero.
      clipping: whether to clip.
      weighted: whether the mean is weighted.
      debug_measurements_fn: makes an aggregator with measurements of the mean, for example
        `tff.learning.add_debug_measurements`.
      **kwargs: `stochastic` and `min_max`, see
        `tff.aggregators.EncodedSumFactory.quantize_above_threshold`.

    Returns:
      An aggregator, weighted or not.

    Raises:
      TypeMismatchError: if `debug_measurements_fn` returns something else than such an aggregator.

    Examples:
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> aggregator = tff.learning.compression_aggregator(weighted=False)
      >>> process = aggregator.create(tff.to_type(np.float32))
      >>> round(float(process.next(process.initialize(), [0.25, 0.75]).result), 4)
      0.5

    Source: A. Suresh et al., "Distributed mean estimation with limited communication" (ICML 2017,
    arXiv:1611.00429).
    """
    encoded = aggregators.EncodedSumFactory.quantize_above_threshold(
        quantization_bits=8, threshold=20000, **kwargs
    )
    mean: aggregators.AggregationFactory = (
        aggregators.MeanFactory(encoded) if weighted else aggregators.UnweightedMeanFactory(encoded)
    )
    if debug_measurements_fn is not None:
        mean = _with_measurements(mean, debug_measurements_fn)
    return _zeroed_and_clipped(mean, zeroing, clipping, is_secure=False)


@errors.boundary
def add_debug_measurements(
    aggregation_factory: aggregators.AggregationFactory,
) -> aggregators.AggregationFactory:
    """Adds the norms of the clients' updates and of the aggregate to the measurements.

    Measurements: ``average_client_norm`` and ``std_dev_client_norm``, the mean of the L2 norms of
    the clients' values and the root of their unbiased variance, zero for one client, both weighted
    as the aggregate is; ``server_update_max``, ``server_update_norm`` and
    ``server_update_min`` of the result. All are float32.

    Args:
      aggregation_factory: the aggregator, with weights or without.

    Returns:
      An aggregator with the measurements, of values of tensors of one floating dtype.

    Raises:
      TypeMismatchError: if the argument is no aggregator; at `create`, if dtypes are mixed.

    Examples:
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> aggregator = tff.learning.add_debug_measurements(tff.aggregators.SumFactory())
      >>> process = aggregator.create(tff.TensorType(np.float32, [2]))
      >>> output = process.next(process.initialize(), [[3.0, 4.0], [0.0, 1.0]])
      >>> float(output.measurements["average_client_norm"])
      3.0
    """
    return _debugged(aggregation_factory, may_mix=False)


@errors.boundary
def add_debug_measurements_with_mixed_dtype(
    aggregation_factory: aggregators.AggregationFactory,
) -> aggregators.AggregationFactory:
    """Does what `add_debug_measurements` does, for values of several floating dtypes.

    Args:
      aggregation_factory: the aggregator, with weights or without.

    Returns:
      An aggregator with the measurements.

    Raises:
      TypeMismatchError: if the argument is no aggregator.

    Examples:
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> aggregator = tff.learning.add_debug_measurements_with_mixed_dtype(
      ...     tff.aggregators.SumFactory()
      ... )
      >>> process = aggregator.create(tff.to_type((np.float32, np.float64)))
      >>> output = process.next(process.initialize(), [(3.0, 4.0)])
      >>> float(output.measurements["server_update_norm"])
      5.0
    """
    return _debugged(aggregation_factory, may_mix=True)


def _with_measurements(
    mean: aggregators.AggregationFactory, add: DebugMeasurementsFn
) -> aggregators.AggregationFactory:
    measured = add(mean)
    kind = (
        aggregators.WeightedAggregationFactory
        if isinstance(mean, aggregators.WeightedAggregationFactory)
        else aggregators.UnweightedAggregationFactory
    )
    if not isinstance(measured, kind):
        raise errors.TypeMismatchError(
            "`debug_measurements_fn` must return an aggregator with weights if the mean has them.",
            problems=[
                f"debug_measurements_fn: expected {kind.__name__}, got "
                f"{errors.describe_object(measured)}"
            ],
            fix="for example `debug_measurements_fn=tff.learning.add_debug_measurements`.",
        )
    return measured


def _zeroed_and_clipped(
    mean: aggregators.AggregationFactory, zeroing: bool, clipping: bool, *, is_secure: bool
) -> aggregators.AggregationFactory:
    clipped = _clipped(mean, is_secure) if clipping else mean
    return _zeroed(clipped, is_secure) if zeroing else clipped


def _clipped(inner: Any, is_secure: bool) -> Any:
    norm = aggregators.PrivateQuantileEstimationProcess.no_noise(
        initial_estimate=1.0,
        target_quantile=0.8,
        learning_rate=0.2,
        secure_estimation=is_secure,
    )
    return aggregators.clipping_factory(
        norm, inner, clipped_count_sum_factory=_count_factory(is_secure)
    )


def _zeroed(inner: Any, is_secure: bool) -> Any:
    norm = aggregators.PrivateQuantileEstimationProcess.no_noise(
        initial_estimate=10.0,
        target_quantile=0.98,
        learning_rate=math.log(10.0),
        multiplier=2.0,
        increment=1.0,
        secure_estimation=is_secure,
    )
    return aggregators.zeroing_factory(
        norm, inner, zeroed_count_sum_factory=_count_factory(is_secure)
    )


def _count_factory(is_secure: bool) -> aggregators.UnweightedAggregationFactory | None:
    return aggregators.SecureSumFactory(1, 0) if is_secure else None


def _debugged(
    aggregation_factory: aggregators.AggregationFactory, may_mix: bool
) -> aggregators.AggregationFactory:
    def measure_clients(value: Any, *weights: Any) -> Any:
        member = value.type_signature.member
        _check_dtypes(member, may_mix)
        norm_of = portable_computation(_norm, member)
        norm = intrinsics.federated_map(norm_of, value)
        weight = weights[0] if weights else _one()
        powers = portable_computation(_powers, np.float32, weight.type_signature.member)
        sums = intrinsics.federated_sum(intrinsics.federated_map(powers, (norm, weight)))
        sums_type: Any = sums.type_signature
        spread = portable_computation(_spread, sums_type.member)
        return intrinsics.federated_map(spread, sums)

    def measure_result(result: Any) -> Any:
        measure = portable_computation(_extent, result.type_signature.member)
        return intrinsics.federated_map(measure, result)

    if isinstance(aggregation_factory, aggregators.WeightedAggregationFactory):

        def measure_weighted(value: Any, weight: Any) -> Any:
            return measure_clients(value, weight)

        return aggregators.add_measurements(
            aggregation_factory,
            client_measurement_fn=measure_weighted,
            server_measurement_fn=measure_result,
        )

    def measure_unweighted(value: Any) -> Any:
        return measure_clients(value)

    return aggregators.add_measurements(
        aggregation_factory,
        client_measurement_fn=measure_unweighted,
        server_measurement_fn=measure_result,
    )


def _one() -> Any:
    return intrinsics.federated_value(np.float32(1), placements.CLIENTS)


def _check_dtypes(member: Any, may_mix: bool) -> None:
    found = {leaf.dtype for leaf in leaves.leaf_types(member)}  # pyright: ignore[reportAttributeAccessIssue]
    if len(found) > 1 and not may_mix:
        raise errors.TypeMismatchError(
            "`add_debug_measurements` is for values of one dtype.",
            problems=[f"value_type: got {member}"],
            fix="take `tff.learning.add_debug_measurements_with_mixed_dtype`.",
        )


def _norm(value: Any) -> Any:
    xp = portable.namespace_of(value)
    squares = [
        xp.sum(xp.square(xp.cast(leaf, _wide_dtype(xp.dtype_of(leaf)))))
        for leaf in trees.leaves(value)
    ]
    total = xp.asarray(0.0, np.float32)
    for square in squares:
        total = total + xp.cast(square, np.float32)
    return xp.sqrt(total)


def _wide_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    return np.dtype(np.float64 if dtype == np.float64 else np.float32)


def _powers(norm: Any, weight: Any) -> Any:
    """What is summed for the mean and the deviation."""
    xp = portable.namespace_of(norm, weight)
    share = xp.cast(weight, np.float32)
    return share, xp.square(share), share * norm, share * xp.square(norm)


def _spread(sums: Any) -> Any:
    """The weighted mean of the norms, and the root of their unbiased variance."""
    weight, squared_weight, first, second = sums
    xp = portable.namespace_of(sums)
    mean = first / weight
    variance = xp.maximum(second / weight - xp.square(mean), 0.0)
    freedom = xp.square(weight) - squared_weight
    is_none = freedom == xp.zeros_like(freedom)
    correction = xp.square(weight) / xp.where(is_none, xp.ones_like(freedom), freedom)
    deviation = xp.sqrt(variance * correction)
    return collections.OrderedDict(
        average_client_norm=mean,
        std_dev_client_norm=xp.where(is_none, xp.zeros_like(deviation), deviation),
    )


def _extent(update: Any) -> Any:
    xp = portable.namespace_of(update)
    parts = [xp.cast(leaf, np.float32) for leaf in trees.leaves(update)]
    return collections.OrderedDict(
        server_update_max=xp.max(xp.stack([xp.max(part) for part in parts])),
        server_update_norm=_norm(update),
        server_update_min=xp.min(xp.stack([xp.min(part) for part in parts])),
    )
