"""`tff.aggregators.MeanFactory` and `UnweightedMeanFactory`; numbers from TFF 0.87."""

from __future__ import annotations

import collections

import numpy as np
import pytest

import tensorflow_federated as tff

VALUES = [[1.0, -2.0], [3.0, 4.0], [-1.0, 10.0]]
VECTOR = tff.TensorType(np.float32, [2])


def weighted(values, weights, value_type=VECTOR, weight_type=np.float32, **options):
    process = tff.aggregators.MeanFactory(**options).create(value_type, tff.to_type(weight_type))
    return process.next(process.initialize(), values, weights).result


def unweighted(values, value_type=VECTOR):
    process = tff.aggregators.UnweightedMeanFactory().create(value_type)
    return process.next(process.initialize(), values).result


@pytest.mark.parametrize(
    ("weights", "weight_type"),
    [([1.0, 2.0, 5.0], np.float32), ([1, 2, 5], np.int32), ([1.0, 2.0, 5.0], np.float64)],
)
def test_values_are_averaged_by_weight(engine, weights, weight_type):
    result = weighted(VALUES, weights, weight_type=weight_type)
    np.testing.assert_allclose(result, [0.25, 7.0])
    assert result.dtype == np.float32


def test_the_mean_of_no_weight_is_nan(engine):
    assert np.isnan(weighted(VALUES, [0.0, 0.0, 0.0])).all()


def test_the_mean_of_no_weight_is_zero_without_nan_division(engine):
    result = weighted(VALUES, [0.0, 0.0, 0.0], no_nan_division=True)
    np.testing.assert_array_equal(result, [0.0, 0.0])


def test_no_nan_division_changes_nothing_else(engine):
    result = weighted(VALUES, [1.0, 2.0, 5.0], no_nan_division=True)
    np.testing.assert_allclose(result, [0.25, 7.0])


def test_values_count_the_same_without_weights(engine):
    np.testing.assert_allclose(unweighted(VALUES), [1.0, 4.0])


def test_the_mean_over_no_client_is_nan(engine):
    assert np.isnan(unweighted([])).all()
    assert np.isnan(weighted([], [])).all()


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_the_mean_has_the_dtype_of_the_values(engine, dtype):
    result = unweighted([1.0, 2.0], tff.to_type(dtype))
    assert result == 1.5
    assert result.dtype == dtype


def test_state_and_measurements_are_those_of_the_sums(engine):
    process = tff.aggregators.MeanFactory().create(VECTOR, tff.to_type(np.float32))
    state = process.initialize()
    assert state == collections.OrderedDict(value_sum_process=(), weight_sum_process=())
    output = process.next(state, VALUES, [1.0, 1.0, 1.0])
    assert output.state == state
    assert output.measurements == collections.OrderedDict(mean_value=(), mean_weight=())


def test_state_and_measurements_without_weights(engine):
    process = tff.aggregators.UnweightedMeanFactory().create(VECTOR)
    assert process.initialize() == ((), ())
    output = process.next(((), ()), VALUES)
    assert output.measurements == collections.OrderedDict(mean_value=(), mean_count=())


class Counting(tff.aggregators.UnweightedAggregationFactory):
    """A sum that counts its calls, in the state, and tells the number as a measurement."""

    def create(self, value_type):
        count_up = tff.jax.computation(lambda x: x + 1, np.int32)

        initialize_fn = tff.federated_computation(lambda: tff.federated_value(0, tff.SERVER))

        @tff.federated_computation(
            tff.FederatedType(np.int32, tff.SERVER), tff.FederatedType(value_type, tff.CLIENTS)
        )
        def next_fn(state, value):
            calls = tff.federated_map(count_up, state)
            return tff.templates.MeasuredProcessOutput(calls, tff.federated_sum(value), calls)

        return tff.templates.AggregationProcess(initialize_fn, next_fn)


def test_inner_aggregators_keep_their_states(engine):
    factory = tff.aggregators.MeanFactory(Counting(), Counting())
    process = factory.create(VECTOR, tff.to_type(np.float32))
    state = process.initialize()
    for call in (1, 2):
        output = process.next(state, VALUES, [1.0, 2.0, 5.0])
        state = output.state
        assert state == collections.OrderedDict(value_sum_process=call, weight_sum_process=call)
        assert output.measurements == collections.OrderedDict(mean_value=call, mean_weight=call)
        np.testing.assert_allclose(output.result, [0.25, 7.0])


def test_inner_aggregators_of_the_unweighted_mean_keep_their_states(engine):
    process = tff.aggregators.UnweightedMeanFactory(Counting(), Counting()).create(VECTOR)
    output = process.next(process.initialize(), VALUES)
    assert output.state == (1, 1)
    np.testing.assert_allclose(output.result, [1.0, 4.0])


FLOAT = tff.to_type(np.float32)
ERRORS = {
    "integer values": lambda: tff.aggregators.MeanFactory().create(tff.to_type(np.int32), FLOAT),
    "one leaf is an integer": lambda: tff.aggregators.UnweightedMeanFactory().create(
        tff.to_type(collections.OrderedDict(a=np.float32, b=np.int32))
    ),
    "complex values": lambda: tff.aggregators.MeanFactory().create(
        tff.to_type(np.complex64), FLOAT
    ),
    "a vector as the weight": lambda: tff.aggregators.MeanFactory().create(FLOAT, VECTOR),
    "a structure as the weight": lambda: tff.aggregators.MeanFactory().create(
        FLOAT, tff.to_type([np.float32])
    ),
    "a bool as the weight": lambda: tff.aggregators.MeanFactory().create(
        FLOAT, tff.to_type(np.bool_)
    ),
    "a sequence": lambda: tff.aggregators.MeanFactory().create(tff.SequenceType(FLOAT), FLOAT),
    "a weighted inner aggregator": lambda: tff.aggregators.MeanFactory(
        tff.aggregators.MeanFactory()
    ),
    "no inner aggregator": lambda: tff.aggregators.UnweightedMeanFactory(None, "sum"),
    "no truth value": lambda: tff.aggregators.MeanFactory(no_nan_division="yes"),
    "an aggregator with weights for one without": lambda: tff.aggregators.as_weighted_aggregator(
        tff.aggregators.MeanFactory()
    ),
}


@pytest.mark.parametrize("what", ERRORS)
def test_errors_tell_what_to_write(what, golden):
    with pytest.raises(TypeError) as raised:
        ERRORS[what]()
    golden.check(what, f"{type(raised.value).__name__}: {raised.value}")


def test_a_weighted_aggregator_needs_the_type_of_the_weight():
    with pytest.raises(TypeError):
        tff.aggregators.MeanFactory().create(FLOAT)
