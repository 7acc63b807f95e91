"""`SecureSumFactory`, `SecureModularSumFactory`, `secure_quantized_sum`; numbers from TFF 0.87."""

from __future__ import annotations

import collections
import math

import attrs
import numpy as np
import pytest

import tensorflow_federated as tff

AGG = tff.aggregators
VECTOR = tff.TensorType(np.float32, [2])
VALUES = [[1.0, -2.0], [3.0, 4.0], [-1.0, 10.0]]
no_noise = AGG.PrivateQuantileEstimationProcess.no_noise


def run(factory, spec, values):
    process = factory.create(tff.to_type(spec))
    return process.next(process.initialize(), values)


def quantized(low, high, spec, values):
    @tff.federated_computation(tff.FederatedType(tff.to_type(spec), tff.CLIENTS))
    def total(value):
        return AGG.secure_quantized_sum(value, low, high)

    return total(values)


def counts(output):
    measured = output.measurements
    return measured["secure_upper_clipped_count"], measured["secure_lower_clipped_count"]


def test_integers_are_added_exactly_between_bounds(engine):
    spec = collections.OrderedDict(a=np.int32, b=(np.int32, [2]))
    output = run(AGG.SecureSumFactory(10, -10), spec, [{"a": 3, "b": [20, -30]}] * 2)
    assert output.result["a"] == 6
    assert output.result["b"].tolist() == [20, -20]
    assert counts(output) == (2, 2)
    assert output.measurements["secure_upper_threshold"] == 10
    assert output.measurements["secure_lower_threshold"] == -10


@pytest.mark.parametrize(
    ("dtype", "bounds", "values"),
    [
        (np.int8, (100, -100), [100, -100, 1]),
        (np.int64, (2**40, 0), [2**35, 5]),
        (np.int32, (2**31 - 1, -(2**31)), [-(2**31), 2**31 - 1]),
    ],
    ids=str,
)
def test_integers_of_all_widths_are_added(engine, dtype, bounds, values):
    output = run(AGG.SecureSumFactory(*bounds), dtype, values)
    assert output.result == sum(values)
    assert output.result.dtype == dtype
    assert counts(output) == (0, 0)


def test_floats_are_added_in_steps(engine):
    output = run(AGG.SecureSumFactory(1000.0, -1.0), (np.float32, [3]), [[0.1, 0.2, -0.3]] * 2)
    np.testing.assert_allclose(output.result, [0.2, 0.4, -0.6], atol=2 * 1001 / 2**33 + 1e-7)
    assert output.result.dtype == np.float32


def test_a_sum_of_zeros_is_zero_exactly(engine):
    assert run(AGG.SecureSumFactory(1000.0, -1.7), np.float32, [0.0] * 5).result == 0.0


def test_one_bound_is_symmetric(engine):
    output = run(AGG.SecureSumFactory(5.0), VECTOR, VALUES)
    np.testing.assert_allclose(output.result, [3.0, 7.0], rtol=1e-6)
    assert counts(output) == (1, 0)
    assert output.measurements["secure_lower_threshold"] == -5.0


def test_no_client_gives_zero(engine):
    assert run(AGG.SecureSumFactory(10, -10), np.int32, []).result == 0
    assert run(AGG.SecureSumFactory(10.0, -10.0), np.float32, []).result == 0.0


def test_nan_counts_as_zero_and_is_counted(engine):
    output = run(AGG.SecureSumFactory(10.0), np.float32, [math.nan, 1.0, math.inf])
    assert output.result == pytest.approx(11.0)
    assert counts(output) == (2, 0)


def test_an_estimated_bound_follows_the_largest_element(engine):
    bound = no_noise(1.0, 0.95, 1.0, multiplier=2.0, secure_estimation=True)
    process = AGG.SecureSumFactory(bound).create(VECTOR)
    state, thresholds, result = process.initialize(), [], None
    for _ in range(3):
        state, result, measurements = attrs.astuple(process.next(state, VALUES), recurse=False)
        thresholds.append(float(measurements["secure_upper_threshold"]))
    np.testing.assert_allclose(thresholds, [2.0, 5.171419, 9.5813055], rtol=1e-6)
    np.testing.assert_allclose(result, [3.0, 11.5813055], rtol=1e-6)
    assert float(state[0].current_estimate) == pytest.approx(6.3598194)


def test_two_estimates_follow_both_ends(engine):
    upper, lower = no_noise(8.0, 0.5, 1.0), no_noise(1.0, 0.5, 1.0)
    negated = lower.map(
        tff.federated_computation(
            lambda x: tff.federated_map(tff.jax.computation(lambda y: -y, np.float32), x),
            tff.FederatedType(np.float32, tff.SERVER),
        )
    )
    process = AGG.SecureSumFactory(upper, negated).create(VECTOR)
    output = process.next(process.initialize(), VALUES)
    np.testing.assert_allclose(output.result, [3.0, 11.0], rtol=1e-6)
    assert counts(output) == (1, 1)
    assert len(output.state) == 2


def test_the_sums_are_secure():
    for factory, spec in (
        (AGG.SecureSumFactory(5), np.int32),
        (AGG.SecureSumFactory(5.0), np.float32),
        (AGG.SecureModularSumFactory(5), np.int32),
    ):
        process = factory.create(tff.to_type(spec))
        tff.test.assert_contains_secure_aggregation(process.next)
        tff.test.assert_not_contains_unsecure_aggregation(process.next)


@pytest.mark.parametrize(
    ("modulus", "is_symmetric", "values", "expected"),
    [
        (100, False, [60, 70, 1], 31),
        (100, True, [60, 70, -15], -84),
        (4, True, [1, 3, 6], 3),
        (1, False, [7, 8], 0),
        (np.int64(10), False, [-3, -4], 3),
    ],
)
def test_integers_wrap_around(engine, modulus, is_symmetric, values, expected):
    factory = AGG.SecureModularSumFactory(modulus, symmetric_range=is_symmetric)
    assert run(factory, np.int32, values).result == expected


def test_a_symmetric_range_wraps_at_both_ends(engine):
    values = [-5, -4, -3, -2, -1, 0, 3, 4, 5]
    output = run(AGG.SecureModularSumFactory(5, True), (np.int32, [9]), [values])
    assert output.result.tolist() == [4, -4, -3, -2, -1, 0, 3, 4, -4]


@pytest.mark.parametrize(
    ("dtype", "low", "high", "values", "expected"),
    [
        (np.int32, -5, 5, [3, 9], 8),
        (np.int32, -(2**31), 2**31 - 1, [2**31 - 1, -(2**31)], -1),
        (np.int64, -(2**50), 2**50, [3, 2**45, 2**45 + 12345], 70368744165120),
        (np.float32, -1.0, 1.0, [0.5, 0.25, 7.0], 1.75),
        (np.float64, -1.0, 1.0, [0.1, 0.2], 0.30000000034924595),
        (np.float32, 2.0, 2.0, [1.0, 5.0], 4.0),
    ],
)
def test_quantized_sums_are_those_of_tff(engine, dtype, low, high, values, expected):
    result = quantized(dtype(low), dtype(high), dtype, values)
    assert result == dtype(expected)
    assert result.dtype == dtype


def test_each_tensor_can_have_bounds_of_its_own(engine):
    low = collections.OrderedDict(a=np.float32(-1), b=np.int32(0))
    high = collections.OrderedDict(a=np.float32(1), b=np.int32(9))
    spec = collections.OrderedDict(a=np.float32, b=(np.int32, [2]))
    result = quantized(low, high, spec, [{"a": 0.1, "b": [1, 10]}])
    assert result["a"] == np.float32(0.1)
    assert result["b"].tolist() == [1, 9]


def mixed_bounds(value):
    return AGG.secure_quantized_sum(value, 0.0, tff.federated_value(1.0, tff.SERVER))


def bounds_at_clients(value):
    return AGG.secure_quantized_sum(value, value, value)


def traced(function, spec=np.float32):
    placed = tff.FederatedType(tff.to_type(spec), tff.CLIENTS)
    return tff.federated_computation(function, placed)


STRUCT = collections.OrderedDict(a=np.float32, b=np.int32)
ERRORS = {
    "bounds of two kinds": lambda: AGG.SecureSumFactory(1.0, -1),
    "bounds in the wrong order": lambda: AGG.SecureSumFactory(1, 5),
    "a negative bound alone": lambda: AGG.SecureSumFactory(-1.0),
    "an infinite bound": lambda: AGG.SecureSumFactory(math.inf),
    "no bound": lambda: AGG.SecureSumFactory("a"),
    "integers between floats": lambda: run(AGG.SecureSumFactory(1.0), np.int32, []),
    "floats between integers": lambda: run(AGG.SecureSumFactory(1), np.float32, []),
    "two dtypes": lambda: run(AGG.SecureSumFactory(1.0), (np.float32, np.float64), []),
    "float16": lambda: run(AGG.SecureSumFactory(1.0), np.float16, []),
    "a bound that is too large": lambda: run(AGG.SecureSumFactory(1000), np.int8, []),
    "a modulus of zero": lambda: AGG.SecureModularSumFactory(0),
    "a modulus that is a float": lambda: AGG.SecureModularSumFactory(5.0),
    "a range that is no flag": lambda: AGG.SecureModularSumFactory(5, "yes"),
    "floats modulo": lambda: run(AGG.SecureModularSumFactory(5), np.float32, []),
    "a number and a value as bounds": lambda: traced(mixed_bounds),
    "bounds of two types": lambda: quantized(np.float32(-1), np.int32(1), np.float32, []),
    "bounds at clients": lambda: traced(bounds_at_clients),
    "bounds of another dtype": lambda: quantized(np.float32(-1), np.float32(1), np.int32, []),
    "one bound for two dtypes": lambda: quantized(np.float32(-1), np.float32(1), STRUCT, []),
    "structures of bounds": lambda: quantized((np.float32(0),), (np.float32(1),), np.float32, []),
    "quantized float16": lambda: quantized(np.float16(-1), np.float16(1), np.float16, []),
    "quantized bounds in the wrong order": lambda: quantized(
        np.float32(1), np.float32(-1), np.float32, []
    ),
}


@pytest.mark.parametrize("what", ERRORS)
def test_errors_tell_what_to_write(what, golden):
    with pytest.raises((TypeError, ValueError)) as raised:
        ERRORS[what]()
    golden.check(what, f"{type(raised.value).__name__}: {raised.value}")
