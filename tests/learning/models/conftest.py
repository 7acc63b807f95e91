"""Models that several tests use, and a context to run computations in."""

# The models here are written as users write them, and the stubs of TensorFlow and Keras are narrow.

from __future__ import annotations

import collections
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tensorflow_federated.core import contexts as context_stack
from tensorflow_federated.execution import contexts
from tensorflow_federated.learning import models, optimizers
from tensorflow_federated.learning.local_steps.descent import TunedDescent
from tensorflow_federated.learning.models import local_loops

SPEC = (tf.TensorSpec([None, 3], tf.float32), tf.TensorSpec([None, 1], tf.float32))
FEATURES = np.arange(12, dtype=np.float32).reshape(4, 3) / 10
LABELS = np.array([[1.0], [0.5], [0.0], [2.0]], np.float32)


@pytest.fixture(autouse=True)
def _local_context():
    with context_stack.install(contexts.create_local_context(seed=0)):
        yield


@pytest.fixture
def spec() -> Any:
    """The form of the batches of `features` and `labels`."""
    return SPEC


@pytest.fixture
def features() -> np.ndarray:
    """The features of four examples."""
    return FEATURES


@pytest.fixture
def labels() -> np.ndarray:
    """Their labels."""
    return LABELS


@pytest.fixture
def keras_network():
    """Makes a Keras model of two dense layers whose weights are known."""

    def make() -> tf.keras.Model:
        dense = tf.keras.layers.Dense
        return tf.keras.Sequential(
            [
                tf.keras.Input((3,)),
                dense(2, kernel_initializer="ones", bias_initializer="ones"),
                dense(1, kernel_initializer="ones"),
            ]
        )

    return make


class Delegating(models.VariableModel):
    """Hides from the library that a model is made by Keras, so that its variables are used."""

    def __init__(self, model: models.VariableModel) -> None:
        self._model = model

    trainable_variables = property(lambda self: self._model.trainable_variables)
    non_trainable_variables = property(lambda self: self._model.non_trainable_variables)
    local_variables = property(lambda self: self._model.local_variables)
    input_spec = property(lambda self: self._model.input_spec)

    def forward_pass(self, batch_input, training=True):
        return self._model.forward_pass(batch_input, training)

    def predict_on_batch(self, batch_input, training=True):
        return self._model.predict_on_batch(batch_input, training)

    def report_local_unfinalized_metrics(self):
        return self._model.report_local_unfinalized_metrics()

    def metric_finalizers(self):
        return self._model.metric_finalizers()

    def reset_metrics(self):
        self._model.reset_metrics()


@pytest.fixture
def on_variables():
    """From a model function to one whose models the library runs on their variables."""
    return lambda model_fn: lambda: Delegating(model_fn())


class Training:
    """Trains a model on one client's batches, with computations called one by one."""

    def __init__(self, model_fn: Any, optimizer: Any = None) -> None:
        self.optimizer = optimizer or optimizers.build_sgdm(0.1)
        self.spec = local_loops.describe_model(model_fn)
        self.loop = local_loops.build_train_loop(self.spec, TunedDescent(self.optimizer))

    def run(self, batches: Any, weights: Any = None, key: tuple[int, int] = (1, 2)) -> Any:
        """What a client sends after training on the batches."""
        weights = self.spec.initial_weights() if weights is None else weights
        hparams = collections.OrderedDict(learning_rate=np.float32(0.1))
        state = self.loop.initialize(weights, hparams, np.array(key))
        for batch in batches:
            state = self.loop.step(state, batch)
        return self.loop.finish(weights, state)


@pytest.fixture
def training() -> type[Training]:
    """Makes the training of a model: `training(model_fn).run(batches)`."""
    return Training


class Evaluation:
    """Evaluates a model on one client's batches, with computations called one by one."""

    def __init__(self, model_fn: Any) -> None:
        self.spec = local_loops.describe_model(model_fn)
        self.loop = local_loops.build_eval_loop(self.spec)

    def run(self, batches: Any, weights: Any = None, key: tuple[int, int] = (1, 2)) -> Any:
        """The unfinalized metrics of a client."""
        weights = self.spec.initial_weights() if weights is None else weights
        state = self.loop.initialize(weights, np.array(key))
        for batch in batches:
            state = self.loop.step(state, batch)
        return self.loop.finish(state)


@pytest.fixture
def evaluation() -> type[Evaluation]:
    """Makes the evaluation of a model: `evaluation(model_fn).run(batches)`."""
    return Evaluation
