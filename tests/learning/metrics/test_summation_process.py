"""`tff.learning.metrics.SumThenFinalizeFactory`."""

from __future__ import annotations

import collections
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import tensorflow_federated as tff

Factory: Any = tff.learning.metrics.SumThenFinalizeFactory

FINALIZERS = collections.OrderedDict(
    a=tf.function(lambda x: x[0] / x[1]),
    b=tf.function(lambda x: x),
)
UNFINALIZED_TYPE = tff.to_type(collections.OrderedDict(a=[np.float32, np.float32], b=np.int32))
UNFINALIZED = [
    collections.OrderedDict(a=[1.0, 2.0], b=3),
    collections.OrderedDict(a=[4.0, 3.0], b=5),
]


@pytest.fixture(scope="module")
def process() -> tff.templates.AggregationProcess:
    return Factory(FINALIZERS).create(UNFINALIZED_TYPE)


def test_the_type_signature_is_that_of_tff(process):
    assert process.next.type_signature.compact_representation() == (
        "(<state=<<>,<a=<float32,float32>,b=int32>>@SERVER,"
        "unfinalized_metrics={<a=<float32,float32>,b=int32>}@CLIENTS> -> "
        "<state=<<>,<a=<float32,float32>,b=int32>>@SERVER,"
        "result=<<a=float32,b=int32>,<a=float32,b=int32>>@SERVER,measurements=<>@SERVER>)"
    )


def test_it_reports_the_round_and_all_rounds(process):
    # Source: TFF 0.87, the case `sum_factory`.
    first = process.next(process.initialize(), UNFINALIZED)
    second = process.next(first.state, UNFINALIZED)
    assert first.result == ({"a": 1.0, "b": 8}, {"a": 1.0, "b": 8})
    assert second.result == ({"a": 1.0, "b": 8}, {"a": 1.0, "b": 16})


def test_the_first_state_is_zero(process):
    assert process.initialize() == ((), {"a": [0.0, 0.0], "b": 0})


def test_initial_values_count_in_all_rounds_only():
    # Source: TFF 0.87.
    factory = Factory(collections.OrderedDict(a=lambda x: x), collections.OrderedDict(a=5.0))
    process = factory.create(tff.to_type(collections.OrderedDict(a=np.float32)))
    assert process.initialize() == ((), {"a": 5.0})
    output = process.next(process.initialize(), [collections.OrderedDict(a=1.0)])
    assert output.state == ((), {"a": 6.0})
    assert output.result == ({"a": 1.0}, {"a": 6.0})


def test_the_inner_summation_can_be_chosen():
    @tff.federated_computation
    def initialize_fn():
        return tff.federated_value(np.int32(0), tff.SERVER)

    class Doubling(tff.aggregators.UnweightedAggregationFactory):
        def create(self, value_type):
            double = tff.tensorflow.computation(
                lambda x: tf.nest.map_structure(lambda leaf: 2 * leaf, x), value_type
            )

            @tff.federated_computation(
                initialize_fn.type_signature.result, tff.FederatedType(value_type, tff.CLIENTS)
            )
            def next_fn(state, value):
                summed = tff.federated_map(double, tff.federated_sum(value))
                return tff.templates.MeasuredProcessOutput(state, summed, state)

            return tff.templates.AggregationProcess(initialize_fn, next_fn)

    factory = Factory(FINALIZERS, inner_summation_factory=Doubling())
    process = factory.create(UNFINALIZED_TYPE)
    output = process.next(process.initialize(), UNFINALIZED)
    assert output.result[0]["b"] == 16
    assert output.measurements == 0


def test_metrics_of_another_name_are_refused():
    with pytest.raises(ValueError, match="c: has no finalizer"):
        Factory(FINALIZERS).create(tff.to_type(collections.OrderedDict(c=np.float32)))


@pytest.mark.parametrize(
    "initial",
    [
        collections.OrderedDict(b=3.0),
        collections.OrderedDict(a=[1.0, 2.0]),
        collections.OrderedDict(a="x"),
    ],
)
def test_initial_values_of_another_type_are_refused(initial):
    factory = Factory(collections.OrderedDict(a=lambda x: x), initial)
    with pytest.raises(TypeError, match="initial_unfinalized_metrics: expected <a=float32>"):
        factory.create(tff.to_type(collections.OrderedDict(a=np.float32)))


def test_an_inner_factory_of_another_kind_is_refused():
    with pytest.raises(TypeError, match="inner_summation_factory"):
        Factory(FINALIZERS, inner_summation_factory=tff.aggregators.MeanFactory())
