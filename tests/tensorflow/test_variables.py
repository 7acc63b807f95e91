"""Variables made by the function of a computation: lifted, and fresh at every call."""

# The stubs of TensorFlow that pyright brings know less than what TensorFlow takes.

from __future__ import annotations

import concurrent.futures
import contextvars
import gc

import numpy as np
import pytest
import tensorflow as tf

from tensorflow_federated.core import types
from tensorflow_federated.tensorflow import computation

pytestmark = pytest.mark.usefixtures("engine")

INTEGERS = types.SequenceType(np.int32)


def check_both_calls(fn, argument, expected):
    """Two calls give the same, for a call sees only its arguments."""
    gc.collect()
    for result in (fn(argument), fn(argument)):
        np.testing.assert_allclose(result, expected, rtol=1e-6)


@pytest.mark.parametrize(
    "initial",
    [10, lambda: 10, np.int32(10), lambda: tf.constant(10)],
    ids=["int", "lambda", "numpy", "tensor"],
)
def test_initial_values(initial):
    @computation(np.int32)
    def fn(x):
        return tf.Variable(initial, dtype=tf.int32).assign_add(x)

    check_both_calls(fn, 1, 11)


def test_an_initial_value_may_depend_on_the_argument():
    fn = computation(lambda x: tf.Variable(x * 2).assign_add(1), np.int32)
    assert [fn(1), fn(5), fn(1)] == [3, 11, 3]


def test_an_initial_value_of_unknown_shape():
    @computation((np.float32, [None]))
    def fn(x):
        v = tf.Variable(x)
        v.assign(v * 2.0)
        return v

    check_both_calls(fn, [1.0, 2.0], [2.0, 4.0])
    assert fn([5.0]).tolist() == [10.0]


def test_a_variable_of_strings():
    fn = computation(lambda x: tf.Variable(x).read_value() + "!", np.str_)
    assert fn("a") == b"a!"


def test_a_loop_over_a_dataset():
    @computation(INTEGERS)
    def fn(data):
        total, count = tf.Variable(0), tf.Variable(lambda: 0)
        for x in data:
            total.assign_add(x)
            count.assign_add(1)
        return 100 * count + total

    check_both_calls(fn, [1, 2, 3], 306)


def test_a_variable_made_in_a_loop_is_new_at_each_turn():
    @computation(np.int32)
    def fn(n):
        total = 0
        for i in tf.range(n):
            total += tf.Variable(1).assign_add(i)
        return total

    check_both_calls(fn, 3, 6)


def test_a_variable_made_in_a_loop_over_a_dataset_is_new_at_each_turn():
    @computation(INTEGERS)
    def fn(data):
        total = 0
        for x in data:
            total += tf.Variable(x).assign_add(1)
        return total

    check_both_calls(fn, [1, 2, 3], 9)


def test_an_inner_function_that_keeps_its_variable():
    @computation(np.float32)
    def fn(x):
        kept = []

        @tf.function
        def accumulate(value):
            if not kept:
                kept.append(tf.Variable(0.0))
            return kept[0].assign_add(value)

        accumulate(x)
        return accumulate(x)

    check_both_calls(fn, 2.0, 4.0)


def test_an_inner_function_that_keeps_its_variable_called_in_a_loop():
    @computation(np.int32)
    def fn(n):
        kept = []

        @tf.function
        def accumulate(value):
            if not kept:
                kept.append(tf.Variable(0))
            return kept[0].assign_add(value)

        last = accumulate(0)
        for i in tf.range(n):
            last = accumulate(i)
        return last

    check_both_calls(fn, 4, 6)


def test_an_inner_function_whose_initial_value_is_its_own_tensor():
    @computation(np.float32)
    def fn(x):
        @tf.function
        def inner(value):
            return tf.Variable(value * 2.0).assign_add(1.0)

        return inner(x)

    check_both_calls(fn, 3.0, 7.0)


def test_gradients_of_variables():
    @computation(np.float32)
    def fn(x):
        v = tf.Variable(3.0)
        with tf.GradientTape() as tape:
            w = tf.Variable(2.0)
            y = v * v * w * x
        for variable, gradient in zip((v, w), tape.gradient(y, (v, w)), strict=True):
            variable.assign_sub(gradient)
        return v + w

    check_both_calls(fn, 1.0, 3.0 - 12.0 + 2.0 - 9.0)


def test_a_branch():
    @computation(np.int32)
    def fn(x):
        v = tf.Variable(0)
        if x > 0:
            v.assign_add(x)
        else:
            v.assign_sub(1)
        return v

    check_both_calls(fn, 5, 5)
    check_both_calls(fn, -5, -1)


def test_a_keras_layer_and_a_metric():
    import keras

    @computation((np.float32, [None, 3]))
    def fn(x):
        model = keras.Sequential([keras.layers.Dense(1, kernel_initializer="ones")])
        metric = keras.metrics.Mean()
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(model(x))
        gradients = tape.gradient(loss, model.trainable_variables)
        for variable, gradient in zip(model.trainable_variables, gradients, strict=True):
            variable.assign(variable - gradient)
        metric.update_state(loss)
        metric.update_state(tf.reduce_mean(model(x)))
        return metric.result()

    check_both_calls(fn, np.ones((2, 3), np.float32), (3.0 - 1.0) / 2)


def test_a_keras_training_loop_over_a_dataset():
    import keras

    batch_type = types.to_type((types.TensorType(np.float32, [None, 1]), (np.float32, [None, 1])))

    @computation(types.SequenceType(batch_type))
    def train(data):
        model = keras.Sequential(
            [
                keras.layers.Input((1,)),
                keras.layers.Dense(1, kernel_initializer="zeros", use_bias=False),
                keras.layers.Dropout(0.0),
            ]
        )
        optimizer = keras.optimizers.SGD(0.25)
        metric = keras.metrics.Mean()
        for x, y in data:
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean(tf.square(y - model(x, training=True)))
            variables = model.trainable_variables
            optimizer.apply(tape.gradient(loss, variables), variables)
            metric.update_state(loss)
        return tf.stack([metric.result(), model.trainable_variables[0][0, 0]])

    ones = np.ones((2, 1), np.float32)
    # w: 0, 0.5, 0.75 with losses 1, 0.25.
    check_both_calls(train, [(ones, ones), (ones[:1], ones[:1])], [0.625, 0.75])


def test_random_initial_values_with_a_seed_repeat():
    import keras

    @computation(np.float32)
    def fn(x):
        layer = keras.layers.Dense(2, kernel_initializer=keras.initializers.GlorotUniform(seed=1))
        return layer(tf.fill([1, 3], x))

    first, second = fn(1.0), fn(1.0)
    assert np.abs(first).sum() > 0
    np.testing.assert_array_equal(first, second)


def test_calls_from_several_threads_do_not_mix():
    @computation(np.int32)
    def inner(n):
        v = tf.Variable(0)
        for _ in tf.range(200):
            v.assign_add(n)
        return v

    outer = computation(lambda n: inner(n) + inner(n), np.int32)

    def call(n: int) -> tuple[int, int]:
        return int(inner(n)), int(outer(n))

    context = contextvars.copy_context()
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        results = pool.map(lambda n: context.copy().run(call, n), range(20))
    assert list(results) == [(200 * n, 400 * n) for n in range(20)]
