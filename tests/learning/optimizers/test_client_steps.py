"""Optimizers in the steps of clients and at the server: models of TensorFlow and of JAX."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import tensorflow as tf
from tests.learning.optimizers.registry import ROWS

import tensorflow_federated as tff

OPTIMIZERS = tff.learning.optimizers
FEATURES = np.array([[1.0, 2.0], [0.5, -1.0], [3.0, 0.0], [-1.0, 1.0]], np.float32)
LABELS = np.array([[1.0], [2.0], [-1.0], [0.5]], np.float32)
BATCH_SIZE = 2
GRADIENT = np.array([[2.0], [-0.5]], np.float32)


def start():
    return np.array([[0.5], [-0.5]], np.float32)


def tensorflow_model():
    """Linear regression with the loss ``mean((x w - y) ** 2) / 2``."""

    @tf.function
    def predict(weights, x, training):
        del training
        return tf.matmul(x, weights[0][0])

    return tff.learning.models.FunctionalModel(
        initial_weights=([start()], []),
        predict_on_batch_fn=predict,
        loss_fn=lambda output, label, weight=None: tf.reduce_mean(tf.square(output - label)) / 2,
        input_spec=(tf.TensorSpec([None, 2], tf.float32), tf.TensorSpec([None, 1], tf.float32)),
    )


def jax_model():
    """The same model in JAX."""
    return tff.learning.models.FunctionalModel(
        initial_weights=([start()], []),
        predict_on_batch_fn=jax.jit(lambda weights, x, training: x @ weights[0][0]),
        loss_fn=lambda output, label, weight=None: jnp.mean(jnp.square(output - label)) / 2,
        input_spec=((np.float32, [None, 2]), (np.float32, [None, 1])),
    )


MODELS = {"tensorflow": tensorflow_model, "jax": jax_model}


def batches():
    return [
        (FEATURES[index : index + BATCH_SIZE], LABELS[index : index + BATCH_SIZE])
        for index in range(0, len(FEATURES), BATCH_SIZE)
    ]


def stepped_by(optimizer):
    """The weights after the two batches of the client, stepped eagerly."""
    weights = [start()]
    state = optimizer.initialize(weights)
    for features, labels in batches():
        error = features @ np.asarray(weights[0]) - labels
        state, weights = optimizer.next(state, weights, [features.T @ error / len(features)])
    return np.asarray(weights[0])


def average(model: Any, client: Any, server: Any = None):
    """The weights after one round of one client."""
    process = tff.learning.algorithms.build_weighted_fed_avg(model, client, server)
    dataset = tf.data.Dataset.from_tensor_slices((FEATURES, LABELS)).batch(BATCH_SIZE)
    output = process.next(process.initialize(), [dataset])
    return process.get_model_weights(output.state).trainable[0]


def stepped_at_the_server(optimizer):
    """The weights after one step of the server's, against a gradient."""
    weights_type = tff.StructWithPythonType(
        [("trainable", [tff.TensorType(np.float32, [2, 1])]), ("non_trainable", [])],
        tff.learning.models.ModelWeights,
    )
    process = tff.learning.templates.build_apply_optimizer_finalizer(optimizer, weights_type)
    weights = tff.learning.models.ModelWeights([start()], [])
    return process.next(process.initialize(), weights, [GRADIENT]).result.trainable[0]


# A model is traced for each row and framework: a few rows are enough while developing.
QUICK = (("momentum", "tensorflow"), ("adam", "jax"))
CLIENT_ROWS = [
    pytest.param(name, framework, marks=() if (name, framework) in QUICK else pytest.mark.slow)
    for name in ROWS
    for framework in MODELS
]


@pytest.mark.parametrize(("name", "framework"), CLIENT_ROWS)
def test_clients_step_as_the_optimizer_does_eagerly(name, framework):
    row = ROWS[name]
    trained = average(MODELS[framework](), row.build())
    np.testing.assert_allclose(trained, stepped_by(row.build()), rtol=1e-5, atol=1e-6)


def test_every_engine_steps_alike(row, engine):
    optimizer, weights = row.build(), start()
    _, expected = optimizer.next(optimizer.initialize(weights), weights, GRADIENT)
    np.testing.assert_allclose(stepped_at_the_server(row.build()), expected, rtol=1e-6)


class InTensorFlow(OPTIMIZERS.Optimizer):
    """Gradient descent as users of TFF write it."""

    def initialize(self, specs):
        return {"velocity": tf.nest.map_structure(lambda s: tf.zeros(s.shape, s.dtype), specs)}

    def next(self, state, weights, gradients):
        velocity = tf.nest.map_structure(lambda v, g: 0.5 * v + g, state["velocity"], gradients)
        weights = tf.nest.map_structure(lambda w, v: w - 0.1 * v, weights, velocity)
        return {"velocity": velocity}, weights


def momentum():
    return ROWS["momentum"].build()


def scheduled(schedule_fn):
    return OPTIMIZERS.schedule_learning_rate(momentum(), schedule_fn)


OF_ONE_FRAMEWORK = {
    "written in TensorFlow": ("tensorflow", InTensorFlow, momentum),
    "scheduled in TensorFlow": (
        "tensorflow",
        lambda: scheduled(lambda step: 0.1 / (1.0 + tf.cast(step, tf.float32))),
        lambda: scheduled(lambda step: 0.1 / (1.0 + step)),
    ),
    "scheduled with an if": (
        "tensorflow",
        lambda: scheduled(lambda step: 0.1 if step < 1 else 0.05),
        lambda: scheduled(lambda step: 0.1 / (1.0 + step)),
    ),
    "scheduled in JAX": (
        "jax",
        lambda: scheduled(lambda step: 0.1 / (1.0 + jnp.asarray(step, jnp.float32))),
        lambda: scheduled(lambda step: 0.1 / (1.0 + step)),
    ),
    "optax": (
        "jax",
        lambda: OPTIMIZERS.from_optax(optax.sgd(0.1)),
        lambda: OPTIMIZERS.build_sgdm(0.1),
    ),
}


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow if name == "scheduled in JAX" else ())
        for name in OF_ONE_FRAMEWORK
    ],
)
def test_an_optimizer_of_one_framework_steps_models_of_it(name):
    framework, build, alike = OF_ONE_FRAMEWORK[name]
    trained = average(MODELS[framework](), build())
    np.testing.assert_allclose(trained, stepped_by(alike()), rtol=1e-6)


@pytest.mark.parametrize("name", OF_ONE_FRAMEWORK)
def test_the_server_takes_an_optimizer_of_any_framework(name, engine):
    _, build, _ = OF_ONE_FRAMEWORK[name]
    np.testing.assert_allclose(stepped_at_the_server(build()), start() - 0.1 * GRADIENT, rtol=1e-6)


@pytest.mark.parametrize("name", OF_ONE_FRAMEWORK)
def test_an_optimizer_of_another_framework_than_the_model_is_refused(name, golden):
    framework, build, _ = OF_ONE_FRAMEWORK[name]
    other = MODELS["jax" if framework == "tensorflow" else "tensorflow"]()
    with pytest.raises(TypeError, match="optimizer") as raised:
        tff.learning.algorithms.build_weighted_fed_avg(other, build())
    golden.check(name, str(raised.value))


@pytest.mark.parametrize("framework", ["tensorflow", pytest.param("jax", marks=pytest.mark.slow)])
def test_a_portable_schedule_steps_models_of_both(framework):
    def build():
        return scheduled(lambda step: 0.1 * 0.5**step)

    trained = average(MODELS[framework](), build())
    np.testing.assert_allclose(trained, stepped_by(build()), rtol=1e-6)
