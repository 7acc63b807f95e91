"""What a function closes over: constants may, state that lasts from call to call may not."""

# The stubs of TensorFlow that pyright brings know less than what TensorFlow takes.

from __future__ import annotations

import gc

import numpy as np
import pytest
import tensorflow as tf

import tensorflow_federated as tff
from tensorflow_federated.core import errors

TEXTS = tff.TensorType(np.str_, [None])


def static_table() -> tf.lookup.StaticHashTable:
    return tf.lookup.StaticHashTable(
        tf.lookup.KeyValueTensorInitializer(["a", "b"], tf.constant([1, 2])), -1
    )


@pytest.mark.usefixtures("engine")
class TestConstants:
    @pytest.mark.parametrize(
        "outside", [3, np.int32(3), tf.constant(3)], ids=["Python", "NumPy", "TensorFlow"]
    )
    def test_a_number(self, outside):
        assert tff.tensorflow.computation(lambda x: x * outside, np.int32)(2) == 6

    def test_an_array(self):
        outside = np.arange(3, dtype=np.int32)
        result = tff.tensorflow.computation(lambda x: x + outside, np.int32)(1)
        assert result.tolist() == [1, 2, 3]

    def test_a_dataset(self):
        outside = tf.data.Dataset.range(4)

        @tff.tensorflow.computation(np.int64)
        def total(start):
            return outside.reduce(start, lambda x, y: x + y)

        assert total(10) == 16

    def test_a_static_table(self):
        outside = static_table()
        find = tff.tensorflow.computation(outside.lookup, TEXTS)
        assert find(["b", "c"]).tolist() == [2, -1]

    def test_a_static_table_made_inside_lives_as_long_as_the_computation(self):
        find = tff.tensorflow.computation(lambda x: static_table().lookup(x), TEXTS)
        gc.collect()
        assert [find(["a"]).tolist(), find(["b", "a"]).tolist()] == [[1], [2, 1]]

    def test_a_static_table_at_clients(self):
        find = tff.tensorflow.computation(
            lambda data: data.reduce(0, lambda n, x: n + static_table().lookup(x)),
            tff.SequenceType(np.str_),
        )

        @tff.federated_computation(tff.FederatedType(tff.SequenceType(np.str_), tff.CLIENTS))
        def total(texts):
            return tff.federated_sum(tff.federated_map(find, texts))

        assert total([["a", "b"], [], ["b", "z"]]) == 4

    def test_a_variable_of_an_inner_computation_is_its_own(self):
        @tff.tensorflow.computation(np.int32)
        def count(x):
            return tf.Variable(1).assign_add(x)

        twice = tff.tensorflow.computation(lambda x: count(x) + count(x), np.int32)
        assert [twice(2), twice(2)] == [6, 6]


def test_a_variable_made_outside(golden):
    rate = tf.Variable(0.5, name="rate")

    @tff.tensorflow.computation(np.float32)
    def double(x):
        return x + x

    with pytest.raises(errors.TracingError) as caught:

        @tff.tensorflow.computation(np.float32)
        def scale(x):
            return double(x) * rate

    golden.check("a variable made outside", f"{caught.value}")


def test_a_variable_made_outside_and_assigned():
    count = tf.Variable(0)
    with pytest.raises(errors.TracingError, match="made outside"):
        tff.tensorflow.computation(lambda: count.assign_add(1))


def test_a_variable_made_outside_and_used_in_a_loop():
    total = tf.Variable(0)

    def add(data):
        for x in data:
            total.assign_add(x)
        return 0

    with pytest.raises(errors.TracingError, match="made outside"):
        tff.tensorflow.computation(add, tff.SequenceType(np.int32))


def test_a_variable_that_another_computation_made():
    kept = []

    def fn(x):
        if not kept:
            kept.append(tf.Variable(1))
        return kept[0].assign_add(x)

    first = tff.tensorflow.computation(fn, np.int32)
    assert [first(1), first(1)] == [2, 2]
    with pytest.raises(errors.TracingError, match="made outside"):
        tff.tensorflow.computation(fn, np.int32)


def test_a_keras_model_made_outside(golden):
    import keras

    dense = keras.layers.Dense(1, use_bias=False, name="dense")
    model = keras.Sequential([keras.layers.Input((2,)), dense])
    with pytest.raises(errors.TracingError) as caught:

        @tff.tensorflow.computation((np.float32, [None, 2]))
        def predict(x):
            return model(x)

    message = f"{caught.value}".replace(f"{model.name}/", "sequential/")
    golden.check("a Keras model made outside", message)


def test_the_global_generator():
    with pytest.raises(errors.TracingError, match="made outside"):
        tff.tensorflow.computation(lambda: tf.random.get_global_generator().normal([2]))


def mutable_table() -> tf.lookup.experimental.MutableHashTable:
    return tf.lookup.experimental.MutableHashTable(tf.string, tf.int64, -1)


def test_a_mutable_table_made_inside(golden):
    with pytest.raises(errors.TracingError) as caught:

        @tff.tensorflow.computation(TEXTS)
        def count(texts):
            table = mutable_table()
            table.insert(texts, tf.ones_like(tf.strings.length(texts), tf.int64))
            return table.size()

    golden.check("a mutable table", f"{caught.value}")


def test_a_mutable_table_made_outside():
    table = mutable_table()

    def count(texts):
        for text in texts:
            table.insert(text, tf.constant(1, tf.int64))
        return table.size()

    with pytest.raises(errors.TracingError, match="changes a table"):
        tff.tensorflow.computation(count, TEXTS)
