"""TensorFlow, JAX and portable computations in one federated computation."""

# The stubs of TensorFlow that pyright brings know less than what TensorFlow takes.

from __future__ import annotations

import collections

import jax.numpy as jnp
import numpy as np
import pytest
import tensorflow as tf

import tensorflow_federated as tff
from tensorflow_federated.jax import portable_computation

pytestmark = pytest.mark.usefixtures("engine")

NAMES = tff.FederatedType(np.str_, tff.CLIENTS)
SCALE = tff.FederatedType(np.float32, tff.SERVER)

length = tff.tensorflow.computation(lambda x: tf.cast(tf.strings.length(x), tf.float32), np.str_)
double = tff.jax.computation(lambda x: 2.0 * x, np.float32)
add_one = portable_computation(lambda x: x + np.float32(1), np.float32)
times = tff.jax.computation(lambda x, y: x * y, np.float32, np.float32)


def test_maps_of_each_framework_after_one_another():
    @tff.federated_computation(NAMES, SCALE)
    def program(names, scale):
        lengths = tff.federated_map(length, names)
        numbers = tff.federated_map(add_one, tff.federated_map(double, lengths))
        factor = tff.federated_broadcast(tff.federated_map(double, scale))
        scaled = tff.federated_map(times, (numbers, factor))
        return collections.OrderedDict(
            scaled=scaled, total=tff.federated_sum(scaled), mean=tff.federated_mean(numbers)
        )

    result = program(["a", "bcd"], 2.0)
    assert list(result) == ["scaled", "total", "mean"]
    assert result["scaled"] == [12.0, 28.0]
    assert (result["total"], result["mean"]) == (40.0, 5.0)


def test_a_fold_in_one_framework_of_what_another_made():
    zero = tff.jax.computation(lambda: jnp.zeros(2))
    state = zero.type_signature.result
    accumulate = tff.tensorflow.computation(
        lambda s, x: tf.stack([s[0] + x, s[1] + 1.0]), state, np.float32
    )
    merge = tff.jax.computation(lambda s, t: s + t, state, state)
    report = portable_computation(lambda s: s, state)

    @tff.federated_computation(NAMES)
    def program(names):
        numbers = tff.federated_map(double, tff.federated_map(length, names))
        return tff.federated_aggregate(numbers, zero(), accumulate, merge, report)

    assert program(["a", "bcd", ""]).tolist() == [8.0, 3.0]


def test_batches_of_a_dataset_reduced_in_jax_after_tensorflow_mapped_them():
    batch = tff.TensorType(np.float32, [None])
    square = tff.tensorflow.computation(tf.square, batch)
    add = tff.jax.computation(lambda total, x: total + jnp.sum(x), np.float32, batch)

    @tff.federated_computation(tff.FederatedType(tff.SequenceType(batch), tff.CLIENTS))
    def program(data):
        @tff.federated_computation(tff.SequenceType(batch))
        def work(batches):
            return tff.sequence_reduce(tff.sequence_map(square, batches), np.float32(0), add)

        return tff.federated_sum(tff.federated_map(work, data))

    dataset = tf.data.Dataset.from_tensor_slices(np.float32([1, 2, 3])).batch(2)
    assert program([dataset, [np.float32([4])], []]) == 1 + 4 + 9 + 16


def test_the_same_structures_go_from_one_to_the_other():
    point = tff.to_type(collections.OrderedDict(b=np.float32, a=(np.float32, [2])))
    in_tensorflow = tff.tensorflow.computation(
        lambda p: collections.OrderedDict(b=p["b"] + 1.0, a=p["a"] * 2.0), point
    )
    in_jax = tff.jax.computation(
        lambda p: collections.OrderedDict(b=p["b"] * 10.0, a=p["a"] + 1.0), point
    )

    @tff.federated_computation(tff.FederatedType(point, tff.CLIENTS))
    def program(points):
        return tff.federated_mean(
            tff.federated_map(in_jax, tff.federated_map(in_tensorflow, points))
        )

    result = program([{"b": 1.0, "a": [1.0, 2.0]}, {"b": 3.0, "a": [3.0, 4.0]}])
    assert type(result) is collections.OrderedDict
    assert result["b"] == 30.0
    assert result["a"].tolist() == [5.0, 7.0]
