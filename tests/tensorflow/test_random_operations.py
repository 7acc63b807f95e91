"""Random operations of TensorFlow and Keras inside computations: fresh at each call."""

# The stubs of TensorFlow that pyright brings know less than what TensorFlow takes.

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

import tensorflow_federated as tff

pytestmark = pytest.mark.usefixtures("engine")

ONES = np.ones([1, 64], np.float32)
FEATURES = tff.TensorType(np.float32, [None, 64])


@pytest.fixture(autouse=True)
def without_global_seed():
    tf.random.set_seed(None)


@pytest.mark.parametrize(
    "draw",
    [
        lambda: tf.random.normal([8]),
        lambda: tf.random.Generator.from_non_deterministic_state().normal([8]),
        lambda: keras.random.normal([8], seed=keras.random.SeedGenerator()),
        lambda: tf.cast(tf.random.shuffle(tf.range(64)), tf.float32),
    ],
    ids=["operation", "generator", "Keras", "shuffle"],
)
def test_draws_differ_between_calls(draw):
    computation = tff.tensorflow.computation(draw)
    assert not np.array_equal(computation(), computation())


@pytest.mark.parametrize(
    "draw",
    [
        lambda: tf.random.stateless_normal([8], [1, 2]),
        lambda: tf.random.Generator.from_seed(1).normal([8]),
        lambda: keras.random.normal([8], seed=keras.random.SeedGenerator(1)),
        lambda: keras.random.normal([8], seed=1),
    ],
    ids=["stateless", "generator", "Keras", "Keras, number"],
)
def test_seeded_draws_are_the_same_at_each_call(draw):
    computation = tff.tensorflow.computation(draw)
    np.testing.assert_array_equal(computation(), computation())


def test_the_global_seed_is_that_of_when_the_function_is_traced():
    drawn = []
    for _ in range(2):
        tf.random.set_seed(7)
        computation = tff.tensorflow.computation(lambda: tf.random.normal([4]))
        drawn.append((computation(), computation()))
    np.testing.assert_array_equal(drawn[0], drawn[1])
    assert not np.array_equal(drawn[0][0], drawn[0][1])


def test_dropout_drops_other_units_at_each_call():
    drop = tff.tensorflow.computation(
        lambda x: keras.layers.Dropout(0.5)(x, training=True), FEATURES
    )
    first, second = drop(ONES), drop(ONES)
    assert set(np.unique(first)) == {0.0, 2.0}
    assert not np.array_equal(first, second)


def test_dropout_with_a_seed_drops_the_same_units_at_each_call():
    drop = tff.tensorflow.computation(
        lambda x: keras.layers.Dropout(0.5, seed=1)(x, training=True), FEATURES
    )
    np.testing.assert_array_equal(drop(ONES), drop(ONES))


@pytest.mark.parametrize("aggregate", [True, False])
def test_dropout_drops_other_units_at_each_client(aggregate):
    shape = tff.TensorType(np.float32, [1, 64])
    drop = tff.tensorflow.computation(lambda x: keras.layers.Dropout(0.5)(x, training=True), shape)

    @tff.federated_computation(tff.FederatedType(shape, tff.CLIENTS))
    def dropped(x):
        mapped = tff.federated_map(drop, x)
        return tff.federated_sum(mapped) if aggregate else mapped

    result = dropped([ONES, ONES])
    kept = result if aggregate else np.sum(result, axis=0)
    # Two clients that drop the same units keep every unit twice or never.
    assert 2.0 in kept
