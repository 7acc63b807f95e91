"""Keras models of every kind train as Keras trains them: one client's round is one `fit`."""

# The models here are written as users write them, and the stubs of TensorFlow and Keras are narrow.

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from tests.learning.models import keras_layers
from tests.learning.models.keras_layers import Row

import tensorflow_federated as tff
from tensorflow_federated.core import contexts as context_stack
from tensorflow_federated.execution import contexts

layers, losses = keras.layers, keras.losses
ROWS, X, Y = keras_layers.ROWS, keras_layers.X, keras_layers.Y
dense, stack = keras_layers.dense, keras_layers.stack
RATE = 0.1
QUICK = ("BatchNormalization", "a layer that adds to the loss", "dicts of inputs and outputs")


def data_of(row):
    return tf.data.Dataset.from_tensor_slices((row.x, row.y)).batch(2)


def process_of(row):
    data = data_of(row)

    def model_fn():
        return tff.learning.models.from_keras_model(
            row.make(), row.loss(), data.element_spec, loss_weights=row.weights
        )

    sgd = tff.learning.optimizers.build_sgdm(RATE)
    return tff.learning.algorithms.build_weighted_fed_avg(model_fn, sgd)


def check_it_trains_as_keras(row, atol=1e-5):
    data, process = data_of(row), process_of(row)
    state = process.initialize()
    network = row.make()
    process.get_model_weights(state).assign_weights_to(network)
    output = process.next(state, [data])
    network.compile(keras.optimizers.SGD(RATE), row.loss(), loss_weights=row.weights)
    network.fit(data, shuffle=False, verbose=0)
    found = process.get_model_weights(output.state)
    assert len(found.trainable) == len(network.trainable_weights)
    for weight, expected in zip(found.trainable, network.trainable_weights, strict=True):
        np.testing.assert_allclose(weight, expected.numpy(), atol=atol)
    return process, state, output


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[] if name in QUICK else [pytest.mark.slow]) for name in ROWS],
)
def test_a_round_of_one_client_is_a_fit(name):
    process, state, output = check_it_trains_as_keras(ROWS[name])
    before, after = map(process.get_model_weights, (state, output.state))
    for weight, expected in zip(after.non_trainable, before.non_trainable, strict=True):
        # Moving averages and counters of the clients stay there.
        np.testing.assert_array_equal(weight, expected)


@pytest.mark.slow
def test_mixed_precision():
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        check_it_trains_as_keras(Row(lambda: stack(dense(3, activation="relu"), dense())), 0.02)
    finally:
        keras.config.set_dtype_policy(policy)


def test_a_model_without_trainable_weights_is_trained_and_evaluated():
    row = Row(lambda: stack(dense(trainable=False)))
    process = process_of(row)
    state = process.initialize()
    output = process.next(state, [data_of(row)])
    weights = process.get_model_weights(output.state)
    assert not weights.trainable
    network = row.make()
    weights.assign_weights_to(network)
    loss = np.mean((network.predict(X, verbose=0) - Y) ** 2)
    np.testing.assert_allclose(output.metrics["client_work"]["train"]["loss"], loss, rtol=1e-5)


RANDOM_LAYERS = {
    "Dropout": lambda: layers.Dropout(0.2),
    "GaussianNoise": lambda: layers.GaussianNoise(1.0),
}


@pytest.fixture(
    scope="module",
    params=[
        "from_keras_model",
        pytest.param("functional_model_from_keras", marks=pytest.mark.slow),
    ],
)
def random_process(request):
    """Reports the loss of each client, which is that of its first and only batch."""
    element_spec = data_of(Row(dense)).element_spec

    def network():
        noise = [make() for make in RANDOM_LAYERS.values()]
        return stack(*noise, dense(kernel_initializer="ones"))

    def model_fn():
        return tff.learning.models.from_keras_model(
            network(), losses.MeanSquaredError(), element_spec
        )

    model = model_fn
    if request.param != "from_keras_model":
        model = tff.learning.models.functional_model_from_keras(
            network,
            losses.MeanSquaredError(),
            element_spec,
            {"error": keras.metrics.MeanSquaredError},
        )
    sgd = tff.learning.optimizers.build_sgdm(RATE)
    return tff.learning.algorithms.build_weighted_fed_avg(
        model, sgd, metrics_aggregator=tff.learning.metrics.finalize_then_sample
    )


def losses_in_two_rounds(process, seed):
    """Two clients of the same data begin twice from the same weights: what is random differs."""
    found = []
    with context_stack.install(contexts.create_local_context(seed=seed)):
        state = process.initialize()
        for _ in range(2):
            metrics = process.next(state, [data_of(Row(dense)).take(1)] * 2).metrics
            train = metrics["client_work"]["train"]
            found.extend(np.asarray(train["loss" if "loss" in train else "error"]).tolist())
    return found


def test_what_is_random_differs_by_client_and_round_and_repeats_with_the_seed(random_process):
    found = losses_in_two_rounds(random_process, 3)
    assert len(set(found)) == 4
    assert losses_in_two_rounds(random_process, 3) == found
    assert not set(losses_in_two_rounds(random_process, 4)) & set(found)


METRICS = {
    "AUC": (lambda: keras.metrics.AUC(num_thresholds=10), (0, 1)),
    "Precision": (lambda: keras.metrics.Precision(thresholds=[0.3, 0.7]), (0, 1)),
    "MeanIoU": (lambda: keras.metrics.MeanIoU(num_classes=2), (0, 1)),
    "R2Score": (keras.metrics.R2Score, (0.0, 1.0)),
    "F1Score": (lambda: keras.metrics.F1Score(threshold=0.5), (0.0, 1.0)),
}


def of_probabilities(make_metrics):
    def model_fn():
        network = stack(dense(activation="sigmoid", kernel_initializer="ones"))
        return tff.learning.models.from_keras_model(
            network,
            losses.BinaryCrossentropy(),
            data_of(Row(stack, X, HITS)).element_spec,
            metrics=make_metrics(),
        )

    return model_fn


HITS = (Y > 0).astype(np.float32)


@pytest.mark.slow
def test_metrics_of_several_variables_are_those_of_keras():
    def make_metrics():
        return {name: make() for name, (make, _) in METRICS.items()}

    process = tff.learning.algorithms.build_fed_eval(of_probabilities(make_metrics))
    halves = [data_of(Row(stack, X[part], HITS[part])) for part in (slice(0, 4), slice(4, 6))]
    output = process.next(process.initialize(), halves)
    found = output.metrics["client_work"]["eval"]["current_round_metrics"]
    network = stack(dense(activation="sigmoid", kernel_initializer="ones"))
    for name, metric in make_metrics().items():
        metric.update_state(HITS, network(X))
        np.testing.assert_allclose(found[name], metric.result(), rtol=1e-5, err_msg=name)


def test_a_functional_model_has_metrics_that_make_their_variables_late():
    network = stack(dense(activation="sigmoid", kernel_initializer="ones"))
    model = tff.learning.models.functional_model_from_keras(
        network,
        losses.BinaryCrossentropy(),
        data_of(Row(stack, X, HITS)).element_spec,
        {"r2": keras.metrics.R2Score, "f1": lambda: keras.metrics.F1Score(threshold=0.5)},
    )
    output = tff.learning.models.BatchOutput(predictions=network(X))
    state = model.update_metrics_state(model.initialize_metrics_state(), HITS, output)
    found = model.finalize_metrics(state)
    for name, metric in (
        ("r2", keras.metrics.R2Score()),
        ("f1", keras.metrics.F1Score(threshold=0.5)),
    ):
        metric.update_state(HITS, network(X))
        np.testing.assert_allclose(found[name], metric.result(), rtol=1e-5)
