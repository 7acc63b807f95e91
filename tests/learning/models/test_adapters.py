"""Each way to make a model is a row of `adapters.py`, and does what every model does.

The oracle is the same network by hand in NumPy: two dense layers and the mean squared error.
"""

# The models here are written as users write them, and the stubs of TensorFlow and Keras are narrow.

from __future__ import annotations

import jax
import numpy as np
import pytest
import tensorflow as tf

import tensorflow_federated as tff

from . import adapters, conftest
from .adapters import WEIGHTS, forward

MODELS = tff.learning.models
SPEC, FEATURES, LABELS = conftest.SPEC, conftest.FEATURES, conftest.LABELS
CLIENTS = (
    ((FEATURES, LABELS), (FEATURES[:2] + 1, LABELS[:2])),
    ((FEATURES[1:] * 2, LABELS[1:]),),
)
RATE = 0.1
ROUNDS = 2


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


QUICK = (
    "by hand",
    "Sequential",
    "functional_model_from_keras",
    "FunctionalModel in TensorFlow",
    "FunctionalModel in JAX",
)
ROWS = [
    pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in adapters.NAMES
]


class Trained:
    """A row, and what two rounds of federated averaging make of it."""

    def __init__(self, name, folder):
        self.make = make = adapters.maker(name, folder)
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
