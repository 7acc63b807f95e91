"""`tff.aggregators.clipping_factory` and `zeroing_factory`; numbers from TFF 0.87."""

from __future__ import annotations

import collections
import math

import numpy as np
import pytest

import tensorflow_federated as tff

VECTOR = tff.TensorType(np.float32, [2])
VALUES = [[1.0, -2.0], [3.0, 4.0], [-1.0, 10.0]]
clipping, zeroing = tff.aggregators.clipping_factory, tff.aggregators.zeroing_factory
SUM = tff.aggregators.SumFactory()
no_noise = tff.aggregators.PrivateQuantileEstimationProcess.no_noise


def run(factory, values, *weights, value_type=VECTOR):
    process = factory.create(value_type, *[tff.to_type(np.float32) for _ in weights])
    return process.next(process.initialize(), values, *weights)


def test_values_are_scaled_to_the_norm(engine):
    output = run(clipping(3.0, SUM), VALUES)
    np.testing.assert_allclose(output.result, [2.5014889240264893, 3.3851118087768555], rtol=1e-6)
    assert output.measurements == collections.OrderedDict(
        clipping=(), clipping_norm=3.0, clipped_count=2
    )


def test_the_norm_is_that_of_all_tensors(engine):
    value_type = tff.to_type(collections.OrderedDict(a=np.float32, b=VECTOR))
    output = run(clipping(1.0, SUM), [{"a": 3.0, "b": [0.0, 4.0]}], value_type=value_type)
    np.testing.assert_allclose(output.result["a"], 0.6, rtol=1e-6)
    np.testing.assert_allclose(output.result["b"], [0.0, 0.8], rtol=1e-6)


def test_floats_of_all_widths_can_be_mixed(engine):
    value_type = tff.to_type(collections.OrderedDict(a=np.float16, b=(np.float64, [2])))
    output = run(clipping(1.0, SUM), [{"a": 3.0, "b": [0.0, 4.0]}], value_type=value_type)
    assert output.result["a"] == np.float16(0.6)
    assert output.result["b"].dtype == np.float64
    np.testing.assert_allclose(output.result["b"], [0.0, 0.8], rtol=1e-6)


def test_weights_stay(engine):
    mean = tff.aggregators.MeanFactory()
    output = run(zeroing(8.0, clipping(2.0, mean)), VALUES, [1.0, 2.0, 5.0])
    np.testing.assert_allclose(output.result, [0.41180342, 0.17639321], rtol=1e-5)
    assert output.measurements["zeroed_count"] == 1
    assert output.measurements["zeroing"]["clipped_count"] == 2


@pytest.mark.parametrize(
    ("order", "limit", "zeroed"), [(math.inf, 4.0, 1), (2.0, 4.0, 2), (1.0, 2.9, 3)]
)
def test_values_beyond_the_norm_become_zeros(engine, order, limit, zeroed):
    output = run(zeroing(limit, SUM, norm_order=order), VALUES)
    assert output.measurements["zeroed_count"] == zeroed
    np.testing.assert_array_equal(output.result, np.sum(VALUES[: 3 - zeroed], axis=0))


def test_an_estimate_follows_the_norms(engine):
    process = clipping(no_noise(1.0, 0.5, 0.2), SUM).create(VECTOR)
    state, results = process.initialize(), []
    for _ in range(3):
        output = process.next(state, VALUES)
        state = output.state
        results.append(output.result)
    np.testing.assert_allclose(
        results,
        [[0.9477098, 0.9006100], [1.0473814, 0.9953281], [1.1575356, 1.1000078]],
        rtol=1e-5,
    )
    assert float(state["clipping_norm"][0].current_estimate) == pytest.approx(1.349859)


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_becomes_zeros_and_is_counted(engine, wrong):
    values = [[wrong, 1.0], [0.3, 0.4]]
    clipped, zeroed = run(clipping(1.0, SUM), values), run(zeroing(1.0, SUM), values)
    for output, count in ((clipped, "clipped_count"), (zeroed, "zeroed_count")):
        np.testing.assert_allclose(output.result, [0.3, 0.4], rtol=1e-6)
        assert output.measurements[count] == 1


def test_a_value_that_is_not_finite_counts_as_large(engine):
    process = zeroing(no_noise(1.0, 0.5, 0.2), SUM).create(VECTOR)
    states = [
        process.next(process.initialize(), [[wrong, 0.0], [0.5, 0.5], [0.0, 0.0]]).state
        for wrong in (math.nan, 9.0)
    ]
    assert states[0] == states[1]


@pytest.mark.parametrize("limit", [0.0, math.inf])
def test_the_norm_can_be_zero_or_infinite(engine, limit):
    output = run(clipping(limit, SUM), [[3.0, 4.0], [0.0, 0.0]])
    np.testing.assert_array_equal(output.result, [0.0, 0.0] if limit == 0.0 else [3.0, 4.0])
    assert output.measurements["clipped_count"] == (1 if limit == 0.0 else 0)


def test_an_empty_tensor_has_no_norm(engine):
    output = run(zeroing(1.0, SUM), [[], []], value_type=tff.TensorType(np.float32, [0]))
    assert output.measurements["zeroed_count"] == 0


def test_clipped_values_can_be_counted_securely(engine):
    factory = clipping(1.0, SUM, tff.aggregators.SecureSumFactory(1, 0))
    assert run(factory, VALUES).measurements["clipped_count"] == 3
    tff.test.assert_contains_secure_aggregation(factory.create(VECTOR).next)


def process_of(dtype):
    placed = tff.FederatedType(dtype, tff.SERVER)
    return tff.templates.EstimationProcess(
        tff.federated_computation(lambda: tff.federated_value(dtype(1), tff.SERVER)),
        tff.federated_computation(lambda s, v: s, placed, tff.FederatedType(dtype, tff.CLIENTS)),
        tff.federated_computation(lambda s: s, placed),
    )


ERRORS = {
    "an integer norm": lambda: clipping(1, SUM),
    "a negative norm": lambda: clipping(-1.0, SUM),
    "no aggregator": lambda: clipping(1.0, "sum"),
    "a count with weights": lambda: clipping(1.0, SUM, tff.aggregators.MeanFactory()),
    "an unknown order": lambda: zeroing(1.0, SUM, norm_order=3.0),
    "integer values": lambda: clipping(1.0, SUM).create(tff.to_type(np.int32)),
    "an estimate of float64": lambda: zeroing(process_of(np.float64), SUM),
}


@pytest.mark.parametrize("what", ERRORS)
def test_errors_tell_what_to_write(what, golden):
    with pytest.raises((TypeError, ValueError)) as raised:
        ERRORS[what]()
    golden.check(what, f"{type(raised.value).__name__}: {raised.value}")
