"""The ways to make a model: all make the same network of two dense layers. A new one is a row."""

# The models here are written as users write them, and the stubs of TensorFlow and Keras are narrow.

from __future__ import annotations

import collections
import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np
import tensorflow as tf

import tensorflow_federated as tff

from . import conftest

MODELS = tff.learning.models
SPEC = conftest.SPEC
WEIGHTS = (
    np.float32([[0.5, -0.25], [0.1, 0.3], [-0.2, 0.4]]),
    np.float32([0.1, 0.2]),
    np.float32([[0.7], [-0.6]]),
    np.float32([0.05]),
)


def forward(weights, x):
    kernel, bias, last, offset = weights
    return (x @ kernel + bias) @ last + offset


def keras_model(kind="sequential"):
    initial = [keras.initializers.Constant(weight) for weight in WEIGHTS]
    layers = [
        keras.layers.Dense(2, kernel_initializer=initial[0], bias_initializer=initial[1]),
        keras.layers.Dense(1, kernel_initializer=initial[2], bias_initializer=initial[3]),
    ]
    if kind == "sequential":
        return keras.Sequential([keras.Input((3,)), *layers])
    if kind == "functional":
        inputs = keras.Input((3,))
        return keras.Model(inputs, layers[1](layers[0](inputs)))
    return Subclassed(layers)


class Subclassed(keras.Model):
    """Its variables are made when it is first called."""

    def __init__(self, layers):
        super().__init__()
        self.first, self.second = layers

    def call(self, inputs):
        return self.second(self.first(inputs))


def of_keras(kind):
    return MODELS.from_keras_model(
        keras_model(kind),
        keras.losses.MeanSquaredError(),
        SPEC,
        metrics=[keras.metrics.MeanAbsoluteError()],
    )


class ByHand(MODELS.VariableModel):
    """A model with variables, as a user writes one."""

    def __init__(self):
        self._weights = [tf.Variable(weight) for weight in WEIGHTS]
        self._error = tf.Variable(0.0, trainable=False)
        self._count = tf.Variable(0.0, trainable=False)

    trainable_variables = property(lambda self: self._weights)
    non_trainable_variables = property(lambda self: [])
    local_variables = property(lambda self: [self._error, self._count])
    input_spec = property(lambda self: SPEC)

    def predict_on_batch(self, batch_input, training=True):
        kernel, bias, last, offset = self._weights
        return (batch_input @ kernel + bias) @ last + offset

    def forward_pass(self, batch_input, training=True):
        x, y = batch_input
        predictions = self.predict_on_batch(x, training)
        self._error.assign_add(tf.reduce_sum(tf.abs(predictions - y)))
        self._count.assign_add(tf.cast(tf.shape(y)[0], tf.float32))
        loss = tf.reduce_mean((predictions - y) ** 2)
        return MODELS.BatchOutput(loss, predictions, tf.shape(y)[0])

    def report_local_unfinalized_metrics(self):
        return collections.OrderedDict(mean_absolute_error=[self._error, self._count])

    def metric_finalizers(self):
        return collections.OrderedDict(
            mean_absolute_error=tf.function(lambda sums: sums[0] / sums[1])
        )

    def reset_metrics(self):
        for counter in (self._error, self._count):
            counter.assign(0.0)


def functional_of_keras():
    return MODELS.functional_model_from_keras(
        keras_model(),
        keras.losses.MeanSquaredError(),
        SPEC,
        collections.OrderedDict(mean_absolute_error=keras.metrics.MeanAbsoluteError),
    )


def functional_in_tensorflow():
    @tf.function
    def predict(model_weights, x, training=True):
        (kernel, bias, last, offset), _ = model_weights
        return (x @ kernel + bias) @ last + offset

    def update(state, labels, batch_output, sample_weight=None):
        error = tf.reduce_sum(tf.abs(batch_output.predictions - labels))
        (total, count) = state["mean_absolute_error"]
        examples = tf.cast(tf.shape(labels)[0], tf.float32)
        return collections.OrderedDict(mean_absolute_error=[total + error, count + examples])

    return MODELS.FunctionalModel(
        initial_weights=(WEIGHTS, ()),
        predict_on_batch_fn=predict,
        loss_fn=lambda output, label, sample_weight=None: tf.reduce_mean((output - label) ** 2),
        metrics_fns=(
            lambda: collections.OrderedDict(mean_absolute_error=[0.0, 0.0]),
            update,
            lambda state: collections.OrderedDict(
                (name, total / count) for name, (total, count) in state.items()
            ),
        ),
        input_spec=SPEC,
    )


def functional_in_jax():
    return MODELS.FunctionalModel(
        initial_weights=(list(WEIGHTS), []),
        predict_on_batch_fn=jax.jit(lambda weights, x, training: forward(weights[0], x)),
        loss_fn=lambda output, label, sample_weight=None: jnp.mean((output - label) ** 2),
        metrics_fns=tff.learning.metrics.create_mean_metric_fns(
            {"mean_absolute_error": lambda y, output: jnp.abs(output.predictions - y)[:, 0]}
        ),
        input_spec=SPEC,
    )


def of_functional():
    return MODELS.model_from_functional(
        functional_in_tensorflow(), [keras.metrics.MeanAbsoluteError]
    )


@functools.cache
def saved(make, folder):
    model = make()
    is_functional = isinstance(model, MODELS.FunctionalModel)
    (MODELS.save_functional_model if is_functional else MODELS.save)(model, folder)
    return is_functional


def loaded(make):
    def load(folder):
        path = folder / make.__name__
        return (MODELS.load_functional_model if saved(make, path) else MODELS.load)(path)

    return load


def sequential():
    return of_keras("sequential")


VARIABLE = {
    "by hand": ByHand,
    "Sequential": sequential,
    "functional Keras": lambda: of_keras("functional"),
    "subclassed Keras": lambda: of_keras("subclassed"),
    "model_from_functional": of_functional,
}
FUNCTIONAL = {
    "functional_model_from_keras": functional_of_keras,
    "FunctionalModel in TensorFlow": functional_in_tensorflow,
    "FunctionalModel in JAX": functional_in_jax,
}
LOADED = {
    "loaded, by hand": ByHand,
    "loaded Sequential": sequential,
    "loaded model_from_functional": of_functional,
    "loaded functional_model_from_keras": functional_of_keras,
    "loaded FunctionalModel in TensorFlow": functional_in_tensorflow,
    "loaded FunctionalModel in JAX": functional_in_jax,
}
NAMES = (*VARIABLE, *FUNCTIONAL, *LOADED)


def maker(name: str, folder: Any) -> Callable[[], Any]:
    """What makes a model of a row; those that are loaded are saved in the folder first."""
    if name in LOADED:
        load = loaded(LOADED[name])
        load(folder)
        return functools.partial(load, folder)
    return {**VARIABLE, **FUNCTIONAL}[name]


def cohort(seed: int) -> list[list[Any]]:
    """The batches of some clients, of which some have none."""
    generator = np.random.default_rng(seed)
    return [
        [
            (
                generator.standard_normal((size, 3)).astype(np.float32),
                generator.standard_normal((size, 1)).astype(np.float32),
            )
            for size in (4, 4, 1 + number % 4)[: number % 4]
        ]
        for number in range(21)
    ]
