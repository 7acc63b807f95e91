"""Custom Federated Algorithms, part 1: the Federated Core, in TensorFlow."""

# The stubs of TensorFlow that pyright brings know less than what TensorFlow takes.

from __future__ import annotations

import collections

import numpy as np
import pytest
import tensorflow as tf

import tensorflow_federated as tff

pytestmark = pytest.mark.usefixtures("engine")

READINGS = tff.FederatedType(np.float32, tff.CLIENTS)
add_half = tff.tensorflow.computation(lambda x: tf.add(x, 0.5), np.float32)


@tff.tensorflow.computation(tff.SequenceType(np.float32))
def local_average(readings):
    total, count = readings.reduce((0.0, 0), lambda state, x: (state[0] + x, state[1] + 1))
    return total / tf.cast(count, tf.float32)


def test_a_federated_computation_without_clients():
    @tff.federated_computation
    def greet():
        return "Hello, clients!"

    assert greet() == b"Hello, clients!"


def test_federated_types():
    assert str(READINGS.member) == "float32"
    assert str(READINGS.placement) == "CLIENTS"
    assert READINGS.all_equal is False
    assert str(READINGS) == "{float32}@CLIENTS"
    assert str(tff.FederatedType(np.float32, tff.CLIENTS, all_equal=True)) == "float32@CLIENTS"


def test_struct_types():
    line = tff.StructType([("slope", np.float32), ("offset", np.float32)])
    assert str(line) == "<slope=float32,offset=float32>"
    placed = tff.FederatedType(line, tff.CLIENTS, all_equal=True)
    assert str(placed) == "<slope=float32,offset=float32>@CLIENTS"


def test_an_average_over_clients():
    average = tff.federated_computation(tff.federated_mean, READINGS)
    assert str(average.type_signature) == "({float32}@CLIENTS -> float32@SERVER)"
    np.testing.assert_allclose(average([68.5, 70.3, 69.8]), 69.53333, rtol=1e-6)


def test_the_body_is_traced_once_with_a_value():
    seen = []

    @tff.federated_computation(READINGS)
    def average(readings):
        seen.append(type(readings).__name__)
        return tff.federated_mean(readings)

    average([1.0])
    average([2.0, 3.0])
    assert seen == ["Value"]


def test_a_local_computation():
    assert str(add_half.type_signature) == "(float32 -> float32)"
    assert add_half(1.0) == 1.5


def test_a_map_over_clients():
    @tff.federated_computation(READINGS)
    def add_half_on_clients(x):
        return tff.federated_map(add_half, x)

    assert str(add_half_on_clients.type_signature) == "({float32}@CLIENTS -> {float32}@CLIENTS)"
    assert add_half_on_clients([1.0, 3.0, 2.0]) == [1.5, 3.5, 2.5]


def test_eager_constants_may_be_closed_over():
    ten = tf.constant(10.0)
    assert tff.tensorflow.computation(lambda x: x + ten, np.float32)(5.0) == 15.0


def test_constants_may_be_made_by_other_functions():
    def ten():
        return tf.constant(10.0)

    @tff.tensorflow.computation(np.float32)
    def add_ten(x):
        return x + ten()

    assert add_ten(5.0) == 15.0


def test_sequences():
    assert str(tff.SequenceType(np.float32)) == "float32*"
    assert str(local_average.type_signature) == "(float32* -> float32)"
    np.testing.assert_allclose(local_average([68.5, 70.3, 69.8]), 69.53333, rtol=1e-6)


def test_sequences_of_structures():
    element = collections.OrderedDict([("a", np.int32), ("b", np.int32)])

    @tff.tensorflow.computation(tff.SequenceType(element))
    def dot(data):
        assert list(data.element_spec) == ["a", "b"]
        return data.reduce(np.int32(0), lambda total, x: total + x["a"] * x["b"])

    assert str(dot.type_signature) == "(<a=int32,b=int32>* -> int32)"
    assert dot([{"a": 2, "b": 3}, {"a": 4, "b": 5}]) == 26


def test_an_average_of_averages():
    @tff.federated_computation(tff.FederatedType(tff.SequenceType(np.float32), tff.CLIENTS))
    def global_average(readings):
        return tff.federated_mean(tff.federated_map(local_average, readings))

    assert str(global_average.type_signature) == "({float32*}@CLIENTS -> float32@SERVER)"
    assert global_average([[68.0, 70.0], [71.0], [68.0, 72.0, 70.0]]) == 70.0
