"""Functions that a step calls are done in place: the same numbers, and no call left."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from tensorflow_federated.tensorflow import graph_bodies, inlined_calls

X = np.float32([[1.0, -2.0], [0.5, 3.0]])


@tf.function
def swapped(x, y):
    return y, x


@tf.function
def scaled(x):
    return 2.0 * tf.nn.relu(x) + 1.0


@tf.function
def twice(x):
    return scaled(scaled(x))


@tf.function(experimental_attributes={"_noinline": True})
def apart(x):
    return x - 1.0


@tf.function
def branching(x):
    return tf.cond(tf.reduce_sum(x) > 0.0, lambda: scaled(x), lambda: -x)


def with_gradient(x):
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.reduce_sum(twice(x) ** 2)
    return tape.gradient(y, x), y


def handed_on(x):
    first, second = swapped(*swapped(x, x + 1.0))
    return first, swapped(second, first)[0]


def calls(body) -> list[str]:
    return [node.op for node in body.nodes if node.op.endswith("PartitionedCall")]


@pytest.mark.parametrize(
    ("fn", "left"),
    [
        (lambda x: x + 1.0, 0),
        (twice, 0),
        (with_gradient, 0),
        (handed_on, 0),
        (branching, 0),
        (lambda x: apart(scaled(x)), 1),
    ],
)
def test_it_computes_the_same(fn, left):
    concrete = tf.function(fn).get_concrete_function(tf.TensorSpec([None, 2]))
    body = inlined_calls.inlined(graph_bodies.of_concrete(concrete))
    assert len(calls(body)) == left

    @tf.function
    def pasted(x):
        return body.applied([x])

    for x in (X, -X):
        expected = tf.nest.flatten(concrete(tf.constant(x)))
        for found, one in zip(pasted(tf.constant(x)), expected, strict=True):
            np.testing.assert_array_equal(found, one)


def test_functions_with_effects_stay_calls():
    total = tf.Variable(0.0)

    @tf.function
    def add(x):
        total.assign_add(tf.reduce_sum(x))
        return scaled(x)

    concrete = tf.function(lambda x: add(x)).get_concrete_function(tf.TensorSpec([None, 2]))
    body = inlined_calls.inlined(graph_bodies.of_concrete(concrete))
    assert calls(body) == ["StatefulPartitionedCall"]
