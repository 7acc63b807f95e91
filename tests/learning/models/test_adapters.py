"""Each way to make a model is a row here, and does what every model does.

The oracle is the same network by hand in NumPy: two dense layers and the mean squared error.
"""

# The models here are written as users write them, and the stubs of TensorFlow and Keras are narrow.

from __future__ import annotations

import collections
import functools

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest
import tensorflow as tf

import tensorflow_federated as tff

from . import conftest

MODELS = tff.learning.models
SPEC, FEATURES, LABELS = conftest.SPEC, conftest.FEATURES, conftest.LABELS
WEIGHTS = (
    np.float32([[0.5, -0.25], [0.1, 0.3], [-0.2, 0.4]]),
    np.float32([0.1, 0.2]),
    np.float32([[0.7], [-0.6]]),
    np.float32([0.05]),
)
CLIENTS = (
    ((FEATURES, LABELS), (FEATURES[:2] + 1, LABELS[:2])),
    ((FEATURES[1:] * 2, LABELS[1:]),),
)
RATE = 0.1
ROUNDS = 2


def forward(weights, x):
    kernel, bias, last, offset = weights
    return (x @ kernel + bias) @ last + offset


def loss_of(weights, x, y):
    return np.mean((forward(weights, x) - y) ** 2)


def gradients_of(weights, x, y):
    kernel, bias, last, _ = weights
    upstream = 2 * (forward(weights, x) - y) / len(x)
    inner = upstream @ last.T
    return (x.T @ inner, inner.sum(0), (x @ kernel + bias).T @ upstream, upstream.sum(0))


def averaged(weights):
    """Federated averaging, weighted by the number of examples, by hand."""
    for _ in range(ROUNDS):
        total, changes = 0, [np.zeros_like(weight) for weight in weights]
        for batches in CLIENTS:
            local, count = weights, 0
            for x, y in batches:
                gradients = gradients_of(local, x, y)
                local = [w - RATE * g for w, g in zip(local, gradients, strict=True)]
                count += len(x)
            total += count
            changes = [
                c + count * (old - new) for c, old, new in zip(changes, weights, local, strict=True)
            ]
        weights = [w - change / total for w, change in zip(weights, changes, strict=True)]
    return weights


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
# Tracing graphs that were read from bytes takes seconds.
QUICK = ("loaded Sequential",)
ROWS = [
    *VARIABLE,
    *FUNCTIONAL,
    *QUICK,
    *(pytest.param(name, marks=pytest.mark.slow) for name in LOADED if name not in QUICK),
]


class Trained:
    """A row, and what two rounds of federated averaging make of it."""

    def __init__(self, name, folder):
        if name in LOADED:
            load = loaded(LOADED[name])
            load(folder)  # So that it is saved.
            make = functools.partial(load, folder)
        else:
            make = {**VARIABLE, **FUNCTIONAL}[name]
        self.make = make
        self.model = make()
        self.is_functional = isinstance(self.model, MODELS.FunctionalModel)
        sgd = tff.learning.optimizers.build_sgdm(RATE)
        given = self.model if self.is_functional else make
        self.process = tff.learning.algorithms.build_weighted_fed_avg(given, sgd)
        self.initial = self.process.initialize()
        self.state = self.initial
        data = [list(batches) for batches in CLIENTS]
        for _ in range(ROUNDS):
            self.state, self.metrics = self.process.next(self.state, data)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module", params=ROWS)
def row(request, folder):
    return Trained(request.param, folder)


def weights_of(row, state):
    return row.process.get_model_weights(state)


def test_its_batches_are_those_of_its_input_spec(row):
    assert tff.to_type(row.model.input_spec).is_equivalent_to(tff.to_type(SPEC))


def test_its_weights_start_as_they_are_given(row):
    for weight, expected in zip(weights_of(row, row.initial).trainable, WEIGHTS, strict=True):
        np.testing.assert_array_equal(weight, expected)


def test_two_rounds_of_averaging_are_those_by_hand(row):
    for weight, expected in zip(
        weights_of(row, row.state).trainable, averaged(WEIGHTS), strict=True
    ):
        assert weight.dtype == np.float32
        np.testing.assert_allclose(weight, expected, atol=1e-5)


def test_its_metrics_are_those_by_hand(row):
    before = weights_of(row, row.initial).trainable
    process = row.process
    data = [[(FEATURES, LABELS)]]
    _, metrics = process.next(row.initial, data)
    error = np.mean(np.abs(forward(before, FEATURES) - LABELS))
    train = metrics["client_work"]["train"]
    np.testing.assert_allclose(train["mean_absolute_error"], error, rtol=1e-5)


def test_it_predicts_with_trained_weights(row):
    predicted = tff.learning.predict(row.process, row.state, FEATURES)
    np.testing.assert_allclose(predicted, forward(averaged(WEIGHTS), FEATURES), atol=1e-5)


def test_its_state_is_saved_and_goes_on(row, tmp_path):
    row.state.save(tmp_path / "round.state")
    read = tff.learning.load_state(tmp_path / "round.state", process=row.process)
    assert type(read) is type(row.state)
    for got, expected in zip(
        weights_of(row, read).trainable, weights_of(row, row.state).trainable, strict=True
    ):
        np.testing.assert_array_equal(got, expected)


def test_its_loss_and_gradients_are_those_by_hand(row):
    model = row.model
    expected = gradients_of(WEIGHTS, FEATURES, LABELS)
    if not row.is_functional:
        variables = model.trainable_variables
        with tf.GradientTape() as tape:
            output = model.forward_pass((FEATURES, LABELS), training=True)
        loss, gradients = output.loss, tape.gradient(output.loss, list(variables))
        with tf.GradientTape() as tape:
            predictions = model.predict_on_batch(FEATURES, training=True)
            loss = tf.reduce_mean((predictions - LABELS) ** 2)
        for got, each in zip(tape.gradient(loss, list(variables)), expected, strict=True):
            np.testing.assert_allclose(got, each, atol=1e-5)
        np.testing.assert_allclose(output.predictions, forward(WEIGHTS, FEATURES), rtol=1e-5)
        assert int(output.num_examples) == len(FEATURES)
    elif model.framework == "tensorflow":
        weights = [tf.convert_to_tensor(weight) for weight in model.initial_weights[0]]
        with tf.GradientTape() as tape:
            tape.watch(weights)
            packed = type(model.initial_weights[0])(weights)
            loss = model.loss(model.predict_on_batch((packed, ()), FEATURES), LABELS)
        gradients = tape.gradient(loss, weights)
    else:
        loss, gradients = jax.value_and_grad(
            lambda weights: model.loss(model.predict_on_batch((weights, []), FEATURES), LABELS)
        )(list(model.initial_weights[0]))
    np.testing.assert_allclose(loss, loss_of(WEIGHTS, FEATURES, LABELS), rtol=1e-5)
    for got, each in zip(gradients, expected, strict=True):
        np.testing.assert_allclose(got, each, atol=1e-5)


def test_its_weights_go_out_and_in(row):
    if row.is_functional:
        weights = weights_of(row, row.initial)
        state = row.process.set_model_weights(row.state, weights)
        back = weights_of(row, state)
    else:
        made = row.make()
        changed = MODELS.ModelWeights([weight + 1 for weight in WEIGHTS], [])
        changed.assign_weights_to(made)
        back = MODELS.ModelWeights.from_model(made).convert_variables_to_arrays()
        weights = changed
    for got, expected in zip(back.trainable, weights.trainable, strict=True):
        np.testing.assert_array_equal(got, expected)
