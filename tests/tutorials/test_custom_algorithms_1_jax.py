"""Custom Federated Algorithms, part 1, in JAX: types, federated means, and local temperatures."""

from __future__ import annotations

import collections

import jax.numpy as jnp
import numpy as np
import pytest

import tensorflow_federated as tff

FLOATS_ON_CLIENTS = tff.FederatedType(np.float32, tff.CLIENTS)


@tff.federated_computation
def hello_world():
    return "Hello, World!"


@tff.federated_computation(FLOATS_ON_CLIENTS)
def get_average_temperature(sensor_readings):
    return tff.federated_mean(sensor_readings)


@tff.jax.computation(np.float32)
def add_half(x):
    return jnp.add(x, 0.5)


@tff.federated_computation(FLOATS_ON_CLIENTS)
def add_half_on_clients(x):
    return tff.federated_map(add_half, x)


@tff.jax.computation((np.float32, np.int32), np.float32)
def add_reading(sum_and_count, reading):
    total, count = sum_and_count
    return total + reading, count + 1


@tff.jax.computation(np.float32, np.int32)
def divide(total, count):
    return total / count.astype(jnp.float32)


@tff.federated_computation(tff.SequenceType(np.float32))
def get_local_temperature_average(local_temperatures):
    total, count = tff.sequence_reduce(local_temperatures, (0.0, 0), add_reading)
    return divide(total, count)


@tff.federated_computation(tff.FederatedType(tff.SequenceType(np.float32), tff.CLIENTS))
def get_global_temperature_average(sensor_readings):
    return tff.federated_mean(tff.federated_map(get_local_temperature_average, sensor_readings))


def test_a_computation_without_tensors_runs(engine):
    assert hello_world() == b"Hello, World!"


def test_federated_types_have_a_member_and_a_placement():
    assert str(FLOATS_ON_CLIENTS.member) == "float32"
    assert str(FLOATS_ON_CLIENTS.placement) == "CLIENTS"
    assert str(FLOATS_ON_CLIENTS) == "{float32}@CLIENTS"
    assert not FLOATS_ON_CLIENTS.all_equal
    model = tff.StructType([("a", np.float32), ("b", np.float32)])
    assert str(tff.FederatedType(model, tff.CLIENTS, all_equal=True)) == (
        "<a=float32,b=float32>@CLIENTS"
    )


def test_the_average_temperature(engine):
    assert str(get_average_temperature.type_signature) == "({float32}@CLIENTS -> float32@SERVER)"
    assert get_average_temperature([68.5, 70.3, 69.8]) == pytest.approx(69.53334)


def test_a_body_runs_once_when_it_is_traced():
    seen = []

    @tff.federated_computation(FLOATS_ON_CLIENTS)
    def program(sensor_readings):
        seen.append(type(sensor_readings).__name__)
        return tff.federated_mean(sensor_readings)

    program([68.5])
    assert seen == ["Value"]


def test_local_computations_are_mapped_over_clients(engine):
    assert str(add_half.type_signature) == "(float32 -> float32)"
    assert str(add_half_on_clients.type_signature) == "({float32}@CLIENTS -> {float32}@CLIENTS)"
    assert add_half_on_clients([1.0, 3.0, 2.0]) == [1.5, 3.5, 2.5]


def test_an_array_of_the_surroundings_may_be_captured(engine):
    constant_10 = jnp.array(10.0)
    add_ten = tff.jax.computation(lambda x: x + constant_10, np.float32)
    assert add_ten(5.0) == 15.0


def test_a_sequence_is_reduced(engine):
    assert str(get_local_temperature_average.type_signature) == "(float32* -> float32)"
    assert get_local_temperature_average([68.5, 70.3, 69.8]) == pytest.approx(69.53333)


def test_a_sequence_of_structures_is_reduced(engine):
    element = tff.to_type(collections.OrderedDict([("A", np.int32), ("B", np.int32)]))
    add_product = tff.jax.computation(lambda total, x: total + x["A"] * x["B"], np.int32, element)

    @tff.federated_computation(tff.SequenceType(element))
    def foo(ds):
        return tff.sequence_reduce(ds, 0, add_product)

    assert str(foo.type_signature) == "(<A=int32,B=int32>* -> int32)"
    assert foo([{"A": 2, "B": 3}, {"A": 4, "B": 5}]) == 26


def test_the_average_over_clients_of_their_averages(engine):
    assert str(get_global_temperature_average.type_signature) == (
        "({float32*}@CLIENTS -> float32@SERVER)"
    )
    readings = [[68.0, 70.0], [71.0], [68.0, 72.0, 70.0]]
    assert get_global_temperature_average(readings) == 70.0


def test_a_jax_computation_of_a_whole_sequence_is_told_what_to_write():
    with pytest.raises(TypeError, match="sequence_reduce"):
        tff.jax.computation(lambda ds: ds.reduce(0.0, jnp.add), tff.SequenceType(np.float32))
