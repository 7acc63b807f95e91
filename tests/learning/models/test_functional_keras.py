"""`tff.learning.models.functional_model_from_keras`."""

# The models here are written as users write them, and the stubs of TensorFlow and Keras are narrow.

from __future__ import annotations

import collections

import keras
import numpy as np
import pytest
import tensorflow as tf
from tests import marks

import tensorflow_federated as tff
from tensorflow_federated.core import errors

MODELS = tff.learning.models
MSE = keras.losses.MeanSquaredError
METRICS = collections.OrderedDict(error=keras.metrics.MeanAbsoluteError)


def sequential(*layers):
    return keras.Sequential([keras.Input((3,)), *layers], name="network")


def test_its_initial_weights_are_those_of_the_keras_model(keras_network, spec):
    network = keras_network()
    trainable, non_trainable = MODELS.functional_model_from_keras(
        network, MSE(), spec
    ).initial_weights
    assert non_trainable == ()
    assert isinstance(trainable, tuple)
    for weight, expected in zip(trainable, network.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, expected)


def test_it_predicts_as_the_keras_model_with_these_weights(keras_network, spec, features):
    network = keras_network()
    model = MODELS.functional_model_from_keras(network, MSE(), spec)
    trainable = tuple(3 * weight for weight in model.initial_weights[0])
    predictions = model.predict_on_batch((trainable, ()), features, training=False)
    network.set_weights(trainable)
    np.testing.assert_allclose(predictions, network(features), rtol=1e-6)


def test_it_leaves_the_keras_model_alone(keras_network, spec, features):
    network = keras_network()
    before = network.get_weights()
    model = MODELS.functional_model_from_keras(network, MSE(), spec)
    changed = tuple(weight + 1 for weight in model.initial_weights[0])
    model.predict_on_batch((changed, ()), features)
    for weight, expected in zip(network.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, expected)


def test_a_function_may_make_the_keras_model(keras_network, spec):
    of_function = MODELS.functional_model_from_keras(keras_network, MSE(), spec)
    of_model = MODELS.functional_model_from_keras(keras_network(), MSE(), spec)
    for one, other in zip(of_function.initial_weights[0], of_model.initial_weights[0], strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_compiled_keras_model_is_taken(keras_network, spec):
    network = keras_network()
    network.compile(loss="mse")
    assert len(MODELS.functional_model_from_keras(network, MSE(), spec).initial_weights[0]) == 4


def test_a_keras_model_that_is_not_built_is_taken(spec):
    network = keras.Sequential([keras.layers.Dense(2)])
    trainable, _ = MODELS.functional_model_from_keras(network, MSE(), spec).initial_weights
    assert [weight.shape for weight in trainable] == [(3, 2), (2,)]


def test_the_loss_may_be_a_function(keras_network, spec, labels):
    def loss(y_true, y_pred, sample_weight=None):
        assert sample_weight is None
        return tf.reduce_sum(y_pred - y_true)

    model = MODELS.functional_model_from_keras(keras_network(), loss, spec)
    assert float(model.loss(labels + 1, labels)) == 4.0


def test_layers_may_share_weights(spec, features):
    dense = keras.layers.Dense(3, kernel_initializer="ones")
    model = MODELS.functional_model_from_keras(sequential(dense, dense), MSE(), spec)
    assert len(model.initial_weights[0]) == 2
    predictions = model.predict_on_batch(model.initial_weights, features)
    np.testing.assert_allclose(predictions[:, :1], 3 * features.sum(1, keepdims=True), rtol=1e-5)


def test_weights_that_are_not_trained_are_kept_apart(spec):
    frozen = keras.layers.Dense(2, trainable=False)
    model = MODELS.functional_model_from_keras(
        sequential(frozen, keras.layers.Dense(1)), MSE(), spec
    )
    trainable, non_trainable = model.initial_weights
    assert [weight.shape for weight in trainable] == [(2, 1), (1,)]
    assert [weight.shape for weight in non_trainable] == [(3, 2), (2,)]


def test_dropout_draws_anew_at_each_call_of_training(spec):
    model = MODELS.functional_model_from_keras(
        sequential(keras.layers.Dropout(0.5, seed=1)), MSE(), spec
    )
    assert model.initial_weights == ((), ())

    @tff.tensorflow.computation(tff.TensorType(np.float32, [None, 3]))
    def draws(x):
        drawn = [model.predict_on_batch(model.initial_weights, x) for _ in range(2)]
        return *drawn, model.predict_on_batch(model.initial_weights, x, training=False)

    ones = np.ones((50, 3), np.float32)
    first, second, inferred = draws(ones)
    assert set(np.unique(first)) == {0.0, 2.0}
    assert (first != second).any()
    np.testing.assert_array_equal(inferred, ones)


def test_named_inputs_reach_the_inputs_of_their_names(labels):
    inputs = {name: keras.Input((1,), name=name) for name in ("b", "a")}
    network = keras.Model(inputs, inputs["b"] - 10 * inputs["a"])
    column = tf.TensorSpec([None, 1])
    model = MODELS.functional_model_from_keras(
        network, MSE(), (collections.OrderedDict(a=column, b=column), column)
    )
    x = collections.OrderedDict(a=labels, b=2 * labels)
    predictions = model.predict_on_batch(model.initial_weights, x)
    np.testing.assert_allclose(predictions, -8 * labels)


@marks.SLOW_ON_REFERENCE
@pytest.mark.usefixtures("engine")
def test_it_trains_as_the_model_of_from_keras_model(keras_network, spec, features, labels):
    data = [tf.data.Dataset.from_tensor_slices((features, labels)).batch(3)] * 2
    sgd = tff.learning.optimizers.build_sgdm(0.05)
    functional = tff.learning.algorithms.build_weighted_fed_avg(
        MODELS.functional_model_from_keras(keras_network(), MSE(), spec, METRICS), sgd
    )
    of_variables = tff.learning.algorithms.build_weighted_fed_avg(
        lambda: MODELS.from_keras_model(
            keras_network(), MSE(), spec, metrics={"error": keras.metrics.MeanAbsoluteError()}
        ),
        sgd,
    )
    left, left_metrics = functional.next(functional.initialize(), data)
    right, right_metrics = of_variables.next(of_variables.initialize(), data)
    for one, other in zip(
        left.global_model_weights.trainable, right.global_model_weights.trainable, strict=True
    ):
        np.testing.assert_allclose(one, other, rtol=1e-5)
    assert left_metrics["client_work"]["train"]["error"] == pytest.approx(
        right_metrics["client_work"]["train"]["error"], rel=1e-5
    )


@pytest.fixture
def fails(keras_network, spec, golden, request):
    """Checks the class and the text of the error for some arguments in place of good ones."""

    def check(expected, **arguments):
        good = {"keras_model": keras_network(), "loss_fn": MSE(), "input_spec": spec}
        with pytest.raises(expected) as caught:
            MODELS.functional_model_from_keras(**{**good, **arguments})
        assert isinstance(caught.value, errors.FederatedError)
        golden.check(request.node.name, str(caught.value))

    return check


def test_batch_normalization(fails):
    network = sequential(keras.layers.BatchNormalization(name="normalize"), keras.layers.Dense(1))
    fails(errors.KerasFunctionalModelError, keras_model=network)


def test_regularization(fails):
    network = sequential(keras.layers.Dense(1, kernel_regularizer=keras.regularizers.L2(0.1)))
    fails(errors.KerasFunctionalModelError, keras_model=network)


def test_a_variable_that_keras_does_not_list(fails):
    hidden = tf.Variable(2.0, name="hidden")
    network = sequential(keras.layers.Lambda(lambda x: x * hidden))
    fails(errors.KerasFunctionalModelError, keras_model=network)


def test_no_keras_model(fails):
    fails(ValueError, keras_model=3)


def test_a_function_that_makes_no_keras_model(fails):
    fails(TypeError, keras_model=dict)


@pytest.mark.parametrize(
    "loss", [3, MSE, lambda output: output], ids=["number", "class", "function of one"]
)
def test_no_loss(fails, loss):
    fails(TypeError, loss_fn=loss)


def test_a_loss_for_each_example(fails):
    fails(ValueError, loss_fn=MSE(reduction=None))


def test_features_of_another_shape(fails, spec):
    network = sequential(keras.layers.Dense(1, name="dense"))
    fails(ValueError, keras_model=network, input_spec=(tf.TensorSpec([None, 4]), spec[1]))


def test_an_input_spec_without_labels(fails, spec):
    fails(ValueError, input_spec=spec[:1])


def test_weights_of_another_number(keras_network, spec, features):
    model = MODELS.functional_model_from_keras(keras_network(), MSE(), spec)
    with pytest.raises(Exception, match="trainable weights: expected 4, got 1"):
        model.predict_on_batch((model.initial_weights[0][:1], ()), features)
