"""Keras models as the older generations took them: without a loss, by a batch, compiled."""

# The stubs of TensorFlow and Keras are narrow.

from __future__ import annotations

import collections

import numpy as np
import pytest
import tensorflow as tf

import tensorflow_federated as tff

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*is a name of an older generation:FutureWarning"),
    pytest.mark.filterwarnings("ignore:.*was given a Keras optimizer:FutureWarning"),
]

PIXELS = np.random.default_rng(0).random((6, 4, 4, 1), np.float32)
LABELS = np.int32([[0], [1], [2], [0], [1], [2]])
SCCE = tf.keras.losses.SparseCategoricalCrossentropy


def convolutional():
    return tf.keras.Sequential(
        [
            tf.keras.layers.InputLayer(shape=(4, 4, 1)),
            tf.keras.layers.Conv2D(2, 2, activation="relu"),
            tf.keras.layers.MaxPooling2D(2),
            tf.keras.layers.Flatten(),
            tf.keras.layers.Dense(3, activation="softmax"),
        ]
    )


class Subclassed(tf.keras.Model):
    def __init__(self):
        super().__init__()
        initializer = tf.random_normal_initializer()
        self.flatten = tf.keras.layers.Flatten()
        self.hidden = tf.keras.layers.Dense(4, "relu", kernel_initializer=initializer)
        self.last = tf.keras.layers.Dense(3, "softmax", kernel_initializer=initializer)

    def call(self, inputs):
        return self.last(self.hidden(self.flatten(inputs)))


def functional():
    initializer = tf.random_uniform_initializer()
    inputs = tf.keras.layers.Input((4, 4, 1))
    flat = tf.keras.layers.Flatten()(inputs)
    hidden = tf.keras.layers.Dense(4, "relu", kernel_initializer=initializer)(flat)
    outputs = tf.keras.layers.Dense(3, "softmax", kernel_initializer=initializer)(hidden)
    return tf.keras.Model(inputs, outputs, name="network")


def sgd(rate):
    return lambda: tf.keras.optimizers.SGD(learning_rate=rate)


def build(model_fn):
    return tff.learning.build_federated_averaging_process(
        model_fn=model_fn, client_optimizer_fn=sgd(0.02), server_optimizer_fn=sgd(1.0)
    )


@pytest.fixture(
    params=[pytest.param(convolutional, marks=pytest.mark.slow), Subclassed, functional]
)
def make(request):
    return request.param


def test_without_a_loss_weights_are_drawn_and_training_says_what_is_missing(make, golden):
    process = build(
        lambda: tff.learning.from_keras_model(
            keras_model=make(), input_spec=tf.TensorSpec([None, 4, 4, 1])
        )
    )
    one, two = process.initialize(), process.initialize()
    assert np.any(one.model.trainable[0] != two.model.trainable[0])
    with pytest.raises(ValueError, match="has no loss") as caught:
        process.next(one, [[PIXELS]])
    golden.check("without a loss", str(caught.value))


def test_with_a_loss_it_trains(make):
    spec = (tf.TensorSpec([None, 4, 4, 1]), tf.TensorSpec([None, 1], tf.int32))
    process = build(lambda: tff.learning.from_keras_model(make(), input_spec=spec, loss=SCCE()))
    tf.keras.utils.set_random_seed(1)
    state, losses = process.initialize(), []
    for _ in range(20):
        state, metrics = process.next(state, [[(PIXELS, LABELS)] * 5] * 2)
        losses.append(metrics["train"]["loss"])
    assert losses[-1] < losses[0]


def test_weights_go_into_a_keras_model():
    process = build(
        lambda: tff.learning.from_keras_model(
            keras_model=functional(), input_spec=tf.TensorSpec([None, 4, 4, 1])
        )
    )
    weights = process.initialize().model
    keras_model = functional()
    tff.learning.assign_weights_to_keras_model(keras_model, weights)
    for found, expected in zip(keras_model.get_weights(), weights.trainable, strict=True):
        np.testing.assert_array_equal(found, expected)


def compiled(**options):
    keras_model = functional()
    keras_model.compile(
        **{
            "optimizer": tf.keras.optimizers.SGD(0.05),
            "loss": SCCE(),
            "metrics": [tf.keras.metrics.SparseCategoricalAccuracy()],
            **options,
        }
    )
    return keras_model


@pytest.mark.parametrize(
    "options",
    [
        {},
        pytest.param(
            {"loss": "sparse_categorical_crossentropy", "metrics": ["accuracy"]},
            marks=pytest.mark.slow,
        ),
    ],
)
def test_a_compiled_model_brings_loss_metrics_and_optimizer(options):
    batch = collections.OrderedDict(x=PIXELS, y=LABELS)
    process = tff.learning.build_federated_averaging_process(
        lambda: tff.learning.from_compiled_keras_model(compiled(**options), batch)
    )
    state = process.initialize()
    keras_model = functional()
    tff.learning.assign_weights_to_keras_model(keras_model, state.model)
    keras_model.compile(tf.keras.optimizers.SGD(0.05), SCCE(), metrics=["accuracy"])
    history = keras_model.fit(PIXELS, LABELS, batch_size=6, epochs=2, shuffle=False, verbose=0)
    state, metrics = process.next(state, [[batch, batch]])
    for found, expected in zip(state.model.trainable, keras_model.get_weights(), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-5)
    np.testing.assert_allclose(
        metrics["train"]["loss"], np.mean(history.history["loss"]), rtol=1e-5
    )


def test_the_order_of_the_first_years_is_model_batch_loss():
    batch = {"x": PIXELS, "y": LABELS}
    model = tff.learning.from_keras_model(functional(), batch, SCCE())
    assert {name: spec.shape[0] for name, spec in model.input_spec.items()} == {
        "x": None,
        "y": None,
    }
    assert model.forward_pass({"x": PIXELS, "y": LABELS}).num_examples == 6


@pytest.mark.parametrize("form", ["one metric", "several", "a class and its configuration"])
def test_metrics_are_aggregated_over_clients(form):
    variables_type = tff.FederatedType([np.float32, np.float32], tff.CLIENTS)
    metric = tf.keras.metrics.Mean()

    @tff.federated_computation(variables_type)
    def aggregate(variables):
        aggregated = tff.learning.federated_aggregate_keras_metric
        if form == "one metric":
            return aggregated(metric, variables)
        if form == "several":
            return tuple(aggregated([metric, metric], [variables, variables]))
        return aggregated(tf.keras.metrics.Mean, metric.get_config(), variables)

    result = aggregate([(3.0, 1.0), (5.0, 3.0)])
    assert result == ((2.0, 2.0) if form == "several" else 2.0)


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        (
            "not compiled",
            lambda: tff.learning.from_compiled_keras_model(functional(), (PIXELS, LABELS)),
        ),
        (
            "compiled with weights of losses",
            lambda: tff.learning.from_compiled_keras_model(
                compiled(loss=[SCCE()], loss_weights=[0.5]), (PIXELS, LABELS)
            ),
        ),
        ("no Keras model", lambda: tff.learning.from_keras_model(3, input_spec=None)),
        (
            "evaluation without a loss",
            lambda: tff.learning.build_federated_evaluation(
                lambda: tff.learning.from_keras_model(
                    functional(), input_spec=tf.TensorSpec([None, 4, 4, 1])
                )
            ),
        ),
    ],
)
def test_mistakes(golden, name, wrong):
    with pytest.raises((TypeError, ValueError)) as caught:
        wrong()
    golden.check(name, str(caught.value))
