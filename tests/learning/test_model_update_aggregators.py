"""The aggregators of `tff.learning`; numbers from TFF 0.87."""

from __future__ import annotations

import collections
import math

import numpy as np
import pytest

import tensorflow_federated as tff

FLOAT, VECTOR = tff.to_type(np.float32), tff.TensorType(np.float32, [2])
STRUCT = tff.to_type(collections.OrderedDict(a=np.float32, b=VECTOR))
VALUES, WEIGHTS = [[1.0, -2.0], [3.0, 4.0], [-1.0, 10.0]], [1.0, 2.0, 5.0]
LEARNING = tff.learning


def run(factory, values, *weights, rounds=1, value_type=VECTOR):
    process = factory.create(value_type, *[FLOAT for _ in weights])
    state, outputs = process.initialize(), []
    for _ in range(rounds):
        outputs.append(process.next(state, values, *weights))
        state = outputs[-1].state
    return outputs


FACTORIES = {
    "robust": lambda: LEARNING.robust_aggregator(),
    "robust without weights": lambda: LEARNING.robust_aggregator(weighted=False),
    "robust, zeroing alone": lambda: LEARNING.robust_aggregator(clipping=False),
    "robust, measured": lambda: LEARNING.robust_aggregator(
        debug_measurements_fn=LEARNING.add_debug_measurements
    ),
    "private": lambda: LEARNING.dp_aggregator(1.0, 100.0),
    "compressed": lambda: LEARNING.compression_aggregator(),
    "compressed, measured": lambda: LEARNING.compression_aggregator(
        zeroing=False, weighted=False, debug_measurements_fn=LEARNING.add_debug_measurements
    ),
    "private by noise of the clients": lambda: LEARNING.ddp_secure_aggregator(0.0, 10),
    "secure": lambda: LEARNING.secure_aggregator(),
    "secure without weights": lambda: LEARNING.secure_aggregator(weighted=False, zeroing=False),
}


@pytest.mark.parametrize("what", FACTORIES)
def test_types_are_those_of_tff(what, golden):
    factory = FACTORIES[what]()
    is_weighted = isinstance(factory, tff.aggregators.WeightedAggregationFactory)
    process = factory.create(STRUCT, *([FLOAT] if is_weighted else []))
    golden.check(what, process.next.type_signature.compact_representation())


@pytest.mark.parametrize("build", [LEARNING.robust_aggregator, LEARNING.secure_aggregator])
def test_a_weighted_mean_of_clipped_updates(engine, build):
    first, second = run(build(), VALUES, WEIGHTS, rounds=2)
    np.testing.assert_allclose(first.result, [0.14371188, 0.7100948], rtol=1e-5)
    np.testing.assert_allclose(second.result, [0.16864747, 0.83330405], rtol=1e-5)
    measured = second.measurements
    assert float(measured["zeroing_norm"]) == pytest.approx(20.099854)
    assert float(measured["zeroing"]["clipping_norm"]) == pytest.approx(1.1735109)
    assert measured["zeroing"]["clipped_count"] == 3


@pytest.mark.parametrize("build", [LEARNING.robust_aggregator, LEARNING.secure_aggregator])
def test_a_mean_of_clipped_updates(engine, build):
    first, second = run(build(weighted=False), VALUES, rounds=2)
    np.testing.assert_allclose(first.result, [0.31590328, 0.30020335], rtol=1e-5)
    np.testing.assert_allclose(second.result, [0.37071598, 0.3522919], rtol=1e-5)


def test_the_bound_of_the_secure_sum_follows_the_updates(engine):
    outputs = run(LEARNING.secure_aggregator(), VALUES, WEIGHTS, rounds=2)
    bounds = [
        float(each.measurements["zeroing"]["clipping"]["mean_value"]["secure_upper_threshold"])
        for each in outputs
    ]
    np.testing.assert_allclose(bounds, [100.0, 95.12294], rtol=1e-6)


def test_all_of_a_secure_aggregator_is_secure():
    process = LEARNING.secure_aggregator().create(VECTOR, FLOAT)
    tff.test.assert_not_contains_unsecure_aggregation(process.next)


def test_an_update_that_is_not_finite_is_zeroed(engine):
    (output,) = run(LEARNING.robust_aggregator(weighted=False), [*VALUES, [math.nan, 1.0]])
    np.testing.assert_allclose(output.result, np.array([0.9477098, 0.90061]) / 4, rtol=1e-5)
    assert output.measurements["zeroed_count"] == 1


def test_the_private_aggregator_adapts_its_norm(engine):
    first, second = run(LEARNING.dp_aggregator(0.0, 3.0), VALUES, rounds=2)
    np.testing.assert_allclose(first.result, [0.03159033, 0.03002034], rtol=1e-5)
    np.testing.assert_allclose(second.result, [0.03491272, 0.0331776], rtol=1e-5)


def test_debug_measurements_are_those_of_tff(engine):
    factory = LEARNING.robust_aggregator(
        zeroing=False, clipping=False, debug_measurements_fn=LEARNING.add_debug_measurements
    )
    values = [{"a": 3.0, "b": [0.0, 4.0]}, {"a": 0.0, "b": [1.0, 0.0]}]
    (output,) = run(factory, values, [1.0, 3.0], value_type=STRUCT)
    norms, weights = np.array([5.0, 1.0]), np.array([1.0, 3.0])
    mean = np.average(norms, weights=weights)
    biased = np.average((norms - mean) ** 2, weights=weights)
    unbiased = biased * 16 / (16 - 10)
    assert float(output.measurements["average_client_norm"]) == pytest.approx(mean)
    assert float(output.measurements["std_dev_client_norm"]) == pytest.approx(np.sqrt(unbiased))
    assert float(output.measurements["server_update_max"]) == pytest.approx(1.0)
    assert float(output.measurements["server_update_min"]) == pytest.approx(0.75)
    assert float(output.measurements["server_update_norm"]) == pytest.approx(
        np.linalg.norm([0.75, 0.75, 1.0])
    )


def test_one_client_has_no_deviation(engine):
    factory = LEARNING.add_debug_measurements(tff.aggregators.SumFactory())
    (output,) = run(factory, [[3.0, 4.0]])
    assert output.measurements["std_dev_client_norm"] == 0.0


def test_dtypes_can_be_mixed(engine):
    factory = LEARNING.add_debug_measurements_with_mixed_dtype(tff.aggregators.SumFactory())
    value_type = tff.to_type((np.float32, (np.float64, [2])))
    (output,) = run(factory, [(3.0, [0.0, 4.0])], value_type=value_type)
    assert output.measurements["server_update_norm"] == 5.0


def test_large_tensors_are_compressed_after_weighting(engine):
    value_type = tff.TensorType(np.float32, [20001])
    factory = LEARNING.compression_aggregator(zeroing=False, clipping=False, stochastic=False)
    value = np.arange(20001, dtype=np.float32)
    (output,) = run(factory, [value, value], [2.0, 6.0], value_type=value_type)
    step = 20000 / 255
    assert np.abs(output.result - value).max() <= step / 2 * (1 + 1e-4)
    steps = output.result / step
    np.testing.assert_allclose(steps.min(), 0.0)
    assert len(set(np.round(2 * steps))) in (256, 257, 258)


def test_a_name_of_the_years_before_names_the_one_to_use():
    with pytest.raises(AttributeError, match=r"tff\.learning\.compression_aggregator"):
        _ = LEARNING.entropy_compression_aggregator


def unweighted(factory):
    del factory
    return tff.aggregators.SumFactory()


ERRORS = {
    "measurements that drop the weights": lambda: LEARNING.robust_aggregator(
        debug_measurements_fn=unweighted
    ),
    "measurements of two dtypes": lambda: LEARNING.add_debug_measurements(
        tff.aggregators.SumFactory()
    ).create(tff.to_type((np.float32, np.float64))),
    "measurements of nothing": lambda: LEARNING.add_debug_measurements("sum"),
    "an unknown setting of the compression": lambda: LEARNING.compression_aggregator(step=1),
    "an integer as the multiplier": lambda: LEARNING.dp_aggregator(1, 100.0),
}


@pytest.mark.parametrize("what", ERRORS)
def test_errors_tell_what_to_write(what, golden):
    with pytest.raises(TypeError) as raised:
        ERRORS[what]()
    golden.check(what, f"{type(raised.value).__name__}: {raised.value}")
