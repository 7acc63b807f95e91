"""Federated reconstruction as programs until 2023 wrote it."""

# The models here are written as users wrote them, and the stubs of TensorFlow are narrow.

from __future__ import annotations

import collections
import functools
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import tensorflow_federated as tff

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*is a name of an older generation:FutureWarning"),
    pytest.mark.filterwarnings("ignore:.*was given a Keras optimizer:FutureWarning"),
]

SPEC = collections.OrderedDict(x=tf.TensorSpec([None, 1]), y=tf.TensorSpec([None, 1]))


def model_fn():
    """Predicts ``g x + l x``."""
    shared = tf.keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")
    own = tf.keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")
    inputs = tf.keras.Input([1])
    return tff.learning.reconstruction.from_keras_model(
        keras_model=tf.keras.Model(inputs, tf.keras.layers.Add()([shared(inputs), own(inputs)])),
        global_layers=[shared],
        local_layers=[own],
        input_spec=SPEC,
    )


def loss_fn():
    return tf.keras.losses.MeanSquaredError()


def metrics_fn():
    return [tf.keras.metrics.MeanAbsoluteError(name="error")]


def batch(label, count=1):
    ones = np.ones([count, 1], np.float32)
    return collections.OrderedDict(x=ones, y=label * ones)


@pytest.fixture(scope="module")
def process() -> Any:
    with pytest.warns(FutureWarning):
        return tff.learning.reconstruction.build_training_process(
            model_fn=model_fn,
            loss_fn=loss_fn,
            metrics_fn=metrics_fn,
            server_optimizer_fn=lambda: tf.keras.optimizers.SGD(1.0),
            client_optimizer_fn=lambda: tf.keras.optimizers.SGD(0.25),
            reconstruction_optimizer_fn=functools.partial(tf.keras.optimizers.SGD, 0.25),
        )


@pytest.fixture(scope="module")
def evaluate() -> Any:
    with pytest.warns(FutureWarning):
        return tff.learning.reconstruction.build_federated_evaluation(
            model_fn,
            loss_fn=loss_fn,
            metrics_fn=metrics_fn,
            reconstruction_optimizer_fn=functools.partial(tf.keras.optimizers.SGD, 0.25),
        )


def test_a_round_gives_a_pair(process):
    state, metrics = process.next(process.initialize(), [[batch(8.0), batch(8.0)]])
    # A step on the first batch makes the local variable 4; one on the second halves what is left.
    assert isinstance(state, tff.learning.framework.ServerState)
    assert state.model.trainable == [2.0]
    assert process.get_model_weights(state).trainable == [2.0]
    assert list(metrics) == ["broadcast", "aggregation", "train"]
    assert metrics["train"] == {"error": 4.0, "loss": 16.0}


def test_the_loss_is_the_mean_over_examples(process, evaluate):
    # Two batches come after reconstruction from none: one example with the error 8, three with 0.
    data = [[batch(0.0), batch(8.0), batch(0.0), batch(0.0, 3)]]
    weights = process.initialize().model
    assert evaluate(weights, data)["eval"]["loss"] == pytest.approx(64.0 / 4)


def test_evaluation_is_a_computation_without_a_state(evaluate):
    weights = tff.learning.models.ModelWeights([np.float32([[2.0]])], [])
    metrics = evaluate(weights, [[batch(6.0), batch(6.0)]])
    assert list(metrics) == ["broadcast", "eval"]
    assert list(metrics["eval"].items()) == [("loss", 4.0), ("error", 2.0)]


def test_an_unweighted_aggregation_takes_uniform_clients():
    with pytest.raises(ValueError, match="UNIFORM"):
        tff.learning.reconstruction.build_training_process(
            model_fn,
            loss_fn=loss_fn,
            aggregation_factory=tff.aggregators.UnweightedMeanFactory(),
        )


def test_the_names_are_those_of_today():
    older = tff.learning.reconstruction
    assert older.Model is tff.learning.models.ReconstructionModel
    first, second = older.build_dataset_split_fn(recon_epochs=2)(tf.data.Dataset.range(1))
    assert (len(list(first)), len(list(second))) == (2, 1)
    assert older.simple_dataset_split_fn([1]) == ([1], [1])
    model = model_fn()
    assert older.get_global_variables(model).trainable == model.global_trainable_variables
    assert older.get_local_variables(model).trainable == model.local_trainable_variables
    assert older.ClientOutput(1, 2, 3).client_weight == 2
