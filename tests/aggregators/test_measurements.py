"""`tff.aggregators.add_measurements` and `concat_factory`; numbers from TFF 0.87."""

from __future__ import annotations

import collections

import numpy as np
import pytest

import tensorflow_federated as tff

AGG = tff.aggregators
FLOAT = tff.to_type(np.float32)


def run(factory, values, *weights, value_type=FLOAT):
    process = factory.create(value_type, *[FLOAT for _ in weights])
    return process.next(process.initialize(), values, *weights)


def largest(value):
    return collections.OrderedDict(m=tff.federated_max(value))


def largest_and_weight(value, weight):
    return collections.OrderedDict(m=tff.federated_max(value), w=tff.federated_sum(weight))


def result(value):
    return collections.OrderedDict(s=value)


def test_clients_and_the_server_measure(engine):
    factory = AGG.add_measurements(
        AGG.SumFactory(), client_measurement_fn=largest, server_measurement_fn=result
    )
    output = run(factory, [1.0, 2.0])
    assert output.measurements == collections.OrderedDict(m=2.0, s=3.0)
    assert output.result == 3.0


def test_measurements_come_after_those_of_the_aggregator(engine):
    factory = AGG.add_measurements(
        AGG.MeanFactory(), client_measurement_fn=largest_and_weight, server_measurement_fn=result
    )
    output = run(factory, [1.0, 2.0], [3.0, 1.0])
    assert list(output.measurements.items()) == [
        ("mean_value", ()),
        ("mean_weight", ()),
        ("m", 2.0),
        ("w", 4.0),
        ("s", 1.25),
    ]


def test_of_two_measurements_with_one_name_the_later_one_stays(engine):
    factory = AGG.add_measurements(
        AGG.UnweightedMeanFactory(),
        server_measurement_fn=lambda value: collections.OrderedDict(mean_value=value),
    )
    assert run(factory, [1.0, 2.0]).measurements == collections.OrderedDict(
        mean_value=1.5, mean_count=()
    )


STRUCT = tff.to_type(collections.OrderedDict(a=np.float32, b=(np.float32, [2, 2])))


def test_a_structure_is_one_vector(engine):
    factory = AGG.concat_factory(AGG.clipping_factory(1.0, AGG.SumFactory()))
    output = run(factory, [{"a": 3.0, "b": [[0.0, 4.0], [0.0, 0.0]]}], value_type=STRUCT)
    np.testing.assert_allclose(output.result["a"], 0.6, rtol=1e-6)
    np.testing.assert_allclose(output.result["b"], [[0.0, 0.8], [0.0, 0.0]], rtol=1e-6)
    assert output.measurements["clipped_count"] == 1


def test_integers_can_be_put_end_to_end(engine):
    value_type = tff.to_type((np.int32, (np.int32, [2])))
    output = run(AGG.concat_factory(AGG.SumFactory()), [(1, [2, 3])] * 2, value_type=value_type)
    assert output.result[0] == 2
    assert output.result[1].tolist() == [4, 6]


def concatenated(spec):
    return AGG.concat_factory(AGG.SumFactory()).create(tff.to_type(spec))


ERRORS = {
    "no function": lambda: AGG.add_measurements(AGG.SumFactory()),
    "no aggregator": lambda: AGG.add_measurements(1, client_measurement_fn=largest),
    "no weights": lambda: AGG.add_measurements(AGG.MeanFactory(), client_measurement_fn=largest),
    "weights too many": lambda: AGG.add_measurements(
        AGG.SumFactory(), client_measurement_fn=largest_and_weight
    ),
    "a result too many": lambda: AGG.add_measurements(
        AGG.SumFactory(), server_measurement_fn=largest_and_weight
    ),
    "no aggregator to concatenate for": lambda: AGG.concat_factory(1),
    "two dtypes": lambda: concatenated(collections.OrderedDict(a=np.float32, b=np.float64)),
    "an unknown shape": lambda: concatenated((np.float32, [None])),
    "strings": lambda: concatenated(np.str_),
}


@pytest.mark.parametrize("what", ERRORS)
def test_errors_tell_what_to_write(what, golden):
    with pytest.raises((TypeError, ValueError)) as raised:
        ERRORS[what]()
    golden.check(what, f"{type(raised.value).__name__}: {raised.value}")
