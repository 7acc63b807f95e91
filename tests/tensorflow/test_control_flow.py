"""Loops, branches and functions of TensorFlow inside computations."""

# The stubs of TensorFlow that pyright brings know less than what TensorFlow takes.

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

import tensorflow_federated as tff

pytestmark = pytest.mark.usefixtures("engine")

INTEGERS = tff.TensorType(np.int32, [None])
SEQUENCE = tff.SequenceType(np.int32)


@tf.function(input_signature=[tf.TensorSpec([], tf.int32)])
def square(x):
    return x * x


@tf.custom_gradient
def hundredfold_gradient(x):
    return x, lambda upstream: 100.0 * upstream


def test_a_loop_over_a_range():
    @tff.tensorflow.computation(np.int32)
    def total(n):
        result = 0
        for i in tf.range(n):
            if i % 2 == 0:
                continue
            result += i
        return result

    assert total(6) == 1 + 3 + 5


def test_a_loop_over_a_dataset_that_stops():
    @tff.tensorflow.computation(SEQUENCE)
    def before_a_negative_number(data):
        result = 0
        for x in data:
            if x < 0:
                break
            result += x
        return result

    assert before_a_negative_number([1, 2, -1, 5]) == 3
    assert before_a_negative_number([]) == 0


def test_a_loop_that_grows_a_tensor():
    @tff.tensorflow.computation(np.int32)
    def count(n):
        found = tf.zeros([0], tf.int32)
        for i in tf.range(n):
            tf.autograph.experimental.set_loop_options(
                shape_invariants=[(found, tf.TensorShape([None]))]
            )
            found = tf.concat([found, [i]], 0)
        return found

    assert count(3).tolist() == [0, 1, 2]


def test_a_while_loop():
    double = tff.tensorflow.computation(
        lambda x: tf.while_loop(lambda i: i < 10, lambda i: (i * 2,), (x,)), np.int32
    )
    assert double(3) == (12,)


def test_a_conditional():
    absolute = tff.tensorflow.computation(
        lambda x: tf.cond(x < 0, lambda: {"y": -x}, lambda: {"y": x}), np.int32
    )
    assert absolute(-3) == {"y": 3}


@pytest.mark.parametrize("map_fn", [tf.map_fn, tf.vectorized_map])
def test_a_map(map_fn):
    double = tff.tensorflow.computation(lambda x: map_fn(lambda y: 2 * y, x), INTEGERS)
    assert double([1, 2]).tolist() == [2, 4]


def test_an_array_of_tensors():
    @tff.tensorflow.computation(np.int32)
    def squares(n):
        array = tf.TensorArray(tf.int32, size=0, dynamic_size=True)
        for i in tf.range(n):
            array = array.write(i, square(i))
        return array.stack()

    assert squares(4).tolist() == [0, 1, 4, 9]


def test_a_function_with_a_signature():
    assert tff.tensorflow.computation(lambda x: square(x) + 1, np.int32)(3) == 10


@pytest.mark.parametrize("types", [(np.int32,), ()], ids=["types", "no types"])
def test_a_decorated_function(types):
    assert tff.tensorflow.computation(square, *types)(3) == 9


def test_a_function_made_inside_that_closes_over_a_tensor():
    @tff.tensorflow.computation(np.int32)
    def fn(x):
        @tf.function
        def add(y):
            return x + y

        return add(1) + add(2)

    assert fn(10) == 23


def test_a_gradient_of_ones_own():
    @tff.tensorflow.computation(np.float32)
    def slope(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = hundredfold_gradient(x)
        return tape.gradient(y, x)

    assert slope(1.0) == 100.0


def test_a_computation_called_in_a_loop():
    add = tff.tensorflow.computation(lambda x, y: {"sum": x + y}, np.int32, np.int32)

    @tff.tensorflow.computation(SEQUENCE)
    def total(data):
        result = 0
        for x in data:
            result = add(result, x)["sum"]
        return result

    assert total([1, 2, 3]) == 6


def test_a_computation_called_in_a_reduction():
    add = tff.tensorflow.computation(lambda x, y: x + y, np.int32, np.int32)
    total = tff.tensorflow.computation(lambda data: data.reduce(0, add), SEQUENCE)
    assert total([1, 2, 3]) == 6


def test_a_computation_with_a_variable_called_in_a_loop_starts_afresh():
    @tff.tensorflow.computation(np.int32)
    def count(x):
        return tf.Variable(0).assign_add(x)

    @tff.tensorflow.computation(np.int32)
    def total(n):
        result = 0
        for i in tf.range(n):
            result += count(i)
        return result

    assert total(4) == 6


def test_a_python_function():
    @tff.tensorflow.computation(np.int32)
    def double(x):
        return tf.ensure_shape(tf.py_function(lambda y: 2 * y, [x], tf.int32), [])

    assert double(3) == 6


def test_printing_returns_nothing_and_does_no_harm(capfd):
    @tff.tensorflow.computation(np.int32)
    def shown(x):
        tf.print("given:", x)
        return x

    assert shown(3) == 3
    assert "given: 3" in capfd.readouterr().err


def test_assignments_happen_in_order():
    @tff.tensorflow.computation(np.int32)
    def fn(x):
        variable = tf.Variable(1)
        before = variable.read_value()
        variable.assign_add(x)
        between = variable.read_value()
        variable.assign(variable * 10)
        return before, between, variable

    assert fn(2) == (1, 3, 30)
