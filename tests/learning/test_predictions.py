"""`tff.learning.to_keras` and `tff.learning.predict`."""

# The models here are written as users write them, and the stubs of TensorFlow and Keras are narrow.

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

import tensorflow_federated as tff
from tensorflow_federated.core import errors

MODELS = tff.learning.models
SPEC = (tf.TensorSpec([None, 2]), tf.TensorSpec([None, 1]))
X = np.float32([[1.0, 2.0], [0.5, -1.0], [3.0, 0.0]])
Y = np.float32([[1.0], [0.0], [2.0]])


def network():
    layers = [keras.layers.BatchNormalization(), keras.layers.Dropout(0.5), keras.layers.Dense(1)]
    return keras.Sequential([keras.Input((2,)), *layers])


def variable_model():
    return MODELS.from_keras_model(network(), keras.losses.MeanSquaredError(), SPEC)


def trained(model):
    sgd = tff.learning.optimizers.build_sgdm(0.1)
    process = tff.learning.algorithms.build_weighted_fed_avg(model, sgd)
    state, _ = process.next(process.initialize(), [[(X, Y)]])
    return process, state


@pytest.fixture(scope="module")
def of_keras():
    return trained(variable_model)


def test_the_keras_model_has_the_trained_weights(of_keras):
    process, state = of_keras
    made = tff.learning.to_keras(process, state)
    weights = process.get_model_weights(state)
    for variable, value in zip(made.trainable_variables, weights.trainable, strict=True):
        np.testing.assert_array_equal(variable, value)
    predicted = made.predict(X, verbose=0)
    np.testing.assert_allclose(tff.learning.predict(process, state, X), predicted, rtol=1e-5)
    expected = np.mean((predicted - Y) ** 2)
    np.testing.assert_allclose(made.evaluate(X, Y, verbose=0), expected, rtol=1e-5)


def test_each_keras_model_is_a_new_one(of_keras):
    process, state = of_keras
    one, other = (tff.learning.to_keras(process, state) for _ in range(2))
    one.fit(X, Y, verbose=0)
    assert not np.allclose(one.get_weights()[0], other.get_weights()[0])


@pytest.mark.parametrize(
    "batches",
    [
        pytest.param([X[:1], X[1:]], id="features"),
        pytest.param([(X[:1], Y[:1]), (X[1:], Y[1:])], id="pairs"),
        pytest.param([{"x": X, "y": Y}], id="named"),
        pytest.param(tf.data.Dataset.from_tensor_slices((X, Y)).batch(2), id="dataset"),
    ],
)
def test_batches_are_predicted_as_the_whole(of_keras, batches):
    whole = tff.learning.predict(*of_keras, X)
    np.testing.assert_allclose(tff.learning.predict(*of_keras, batches), whole, rtol=1e-5)


def test_a_functional_model_of_keras_is_copied():
    layers = [keras.layers.Dense(1, kernel_initializer="ones")]
    given = keras.Sequential([keras.Input((2,)), *layers])
    model = MODELS.functional_model_from_keras(given, keras.losses.MeanSquaredError(), SPEC)
    process, state = trained(model)
    made = tff.learning.to_keras(process, state)
    assert made is not given
    np.testing.assert_allclose(
        made.predict(X, verbose=0), tff.learning.predict(process, state, X), rtol=1e-5
    )


@pytest.mark.slow
def test_a_model_of_keras_2_is_trained_and_made_again():
    import tf_keras

    def model_fn():
        layers = [tf_keras.layers.Dense(1, input_shape=(2,), kernel_initializer="ones")]
        return MODELS.from_keras_model(
            tf_keras.Sequential(layers),
            tf_keras.losses.MeanSquaredError(),
            SPEC,
            metrics=[tf_keras.metrics.MeanAbsoluteError()],
        )

    process, state = trained(model_fn)
    kernel, bias = np.ones([2, 1], np.float32), np.zeros(1, np.float32)
    upstream = 2 * (X @ kernel + bias - Y) / len(X)
    got = process.get_model_weights(state).trainable
    np.testing.assert_allclose(got[0], kernel - 0.1 * X.T @ upstream, atol=1e-5)
    np.testing.assert_allclose(got[1], bias - 0.1 * upstream.sum(0), atol=1e-5)
    made = tff.learning.to_keras(process, state)
    assert isinstance(made, tf_keras.Model)
    np.testing.assert_allclose(
        made.predict(X, verbose=0), tff.learning.predict(process, state, X), rtol=1e-5
    )


def test_dropout_of_a_functional_model_is_a_function_of_the_key():
    layers = [keras.layers.Dropout(0.5), keras.layers.Dense(1)]
    model = MODELS.functional_model_from_keras(
        keras.Sequential([keras.Input((2,)), *layers]), keras.losses.MeanSquaredError(), SPEC
    )
    x = np.ones([64, 2], np.float32)

    def predicted(*key):
        return model.predict_on_batch(model.initial_weights, x, True, np.int64(key)).numpy()

    np.testing.assert_array_equal(predicted(1, 2), predicted(1, 2))
    assert not np.array_equal(predicted(1, 2), predicted(1, 3))


def refuses(golden, name, act):
    with pytest.raises((TypeError, ValueError)) as caught:
        act()
    assert isinstance(caught.value, errors.FederatedError)
    golden.check(name, str(caught.value))


def test_features_of_another_form(of_keras, golden):
    refuses(golden, "features", lambda: tff.learning.predict(*of_keras, X[:, :1]))


def test_no_batches(of_keras, golden):
    refuses(golden, "no batches", lambda: tff.learning.predict(*of_keras, []))


def test_what_is_no_process(golden):
    refuses(golden, "no process", lambda: tff.learning.to_keras(3, None))


def test_a_model_that_is_none_of_keras(golden):
    model = MODELS.FunctionalModel(
        initial_weights=([np.zeros([2, 1], np.float32)], []),
        predict_on_batch_fn=tf.function(lambda weights, x, training=True: x @ weights[0][0]),
        loss_fn=lambda output, label, sample_weight=None: tf.reduce_mean((output - label) ** 2),
        input_spec=SPEC,
    )
    process, state = trained(model)
    refuses(golden, "none of Keras", lambda: tff.learning.to_keras(process, state))
