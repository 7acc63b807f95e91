"""Calls of traced functions: the same values and errors however often a function is called."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tensorflow_federated as tff
from tensorflow_federated.core import errors

tf: Any = pytest.importorskip("tensorflow")
calls: Any = pytest.importorskip("tensorflow_federated.tensorflow.calls")

MANY = 25


def traced(function, *specs):
    return tf.function(function, input_signature=list(specs)).get_concrete_function()


def test_small_functions_give_the_same_bits_at_every_call():
    @tff.tensorflow.computation((np.float32, [None, 3]), (np.float32, [3, 3]), (np.float32, [3]))
    def layer(x, kernel, bias):
        return tf.nn.softmax(tf.nn.relu(tf.matmul(x, kernel) + bias) / 7.0)

    generator = np.random.default_rng(0)
    arguments = [generator.normal(size=shape).astype(np.float32) for shape in ([5, 3], [3, 3], [3])]
    first, *later = [layer(*arguments) for _ in range(MANY)]
    assert all(np.array_equal(first, each) for each in later)


def test_shapes_may_change_between_calls():
    double = tff.tensorflow.computation(lambda x: x * 2, (np.int32, [None]))
    for size in range(MANY):
        assert double(np.ones(size, np.int32)).tolist() == [2] * size


def test_the_error_of_a_function_tells_the_same_at_every_call():
    @tff.tensorflow.computation((np.int32, [None]))
    def pairs(x):
        return tf.reshape(x, [-1, 2])

    messages = []
    for _ in range(MANY):
        assert pairs([1, 2]).tolist() == [[1, 2]]
        with pytest.raises(errors.FederatedError, match="multiple of 2") as raised:
            pairs([1, 2, 3])
        messages.append(str(raised.value))
    assert len(set(messages)) == 1
    assert "test_calls.py" in messages[0]


def test_random_numbers_go_on_from_call_to_call():
    @tff.tensorflow.computation
    def draw():
        return tf.random.uniform([], seed=1)

    assert len({float(draw()) for _ in range(MANY)}) == MANY


def test_a_function_that_does_more_than_compute_does_it_at_every_call():
    seen: list[int] = []

    def note(x):
        seen.append(int(x))
        return x

    @tff.tensorflow.computation(np.int32)
    def noted(x):
        return tf.ensure_shape(tf.numpy_function(note, [x], tf.int32), [])

    assert [noted(number) for number in range(MANY)] == list(range(MANY))
    assert seen == list(range(MANY))


def test_strings_and_structures_come_back_at_every_call():
    @tff.tensorflow.computation([("name", np.str_), ("sizes", (np.int64, [2]))])
    def same(pair):
        return pair

    for number in range(MANY):
        result = same({"name": f"client {number}", "sizes": [number, number]})
        assert result["name"] == f"client {number}".encode()
        assert result["sizes"].tolist() == [number, number]


def test_a_graph_with_a_call_of_a_function_that_only_computes_is_small():
    inner = tf.function(lambda x: x + 1.0)
    assert calls.is_small(traced(lambda x: [inner(x) * 2.0], tf.TensorSpec([], tf.float32)))


@pytest.mark.parametrize(
    "function",
    [
        lambda x: [x + tf.random.uniform([])],
        lambda x: tf.while_loop(lambda y: y < 10.0, lambda y: y + 1.0, [x]),
        lambda x: [sum([x * float(number) for number in range(100)])],
        lambda x: [tf.numpy_function(lambda y: y, [x], tf.float32)],
    ],
    ids=["random numbers", "a loop", "many operations", "Python"],
)
def test_other_graphs_are_not_small(function):
    assert not calls.is_small(traced(function, tf.TensorSpec([], tf.float32)))


def test_a_graph_with_variables_is_not_small():
    variable = tf.Variable(1.0)
    assert not calls.is_small(traced(lambda x: [x + variable], tf.TensorSpec([], tf.float32)))
