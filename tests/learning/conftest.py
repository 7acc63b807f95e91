"""The clients, models and expected numbers that the tests of learning share."""

from __future__ import annotations

import collections
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tensorflow_federated as tff

CLIENT_SIZES = (0, 1, 19, 20, 21, 500)
NUM_FEATURES = 5
NUM_LABELS = 3
BATCH_SIZE = 20


@pytest.fixture(scope="session")
def client_arrays() -> list[tuple[np.ndarray, np.ndarray]]:
    """Features and labels of clients of 0, 1, 19, 20, 21 and 500 examples."""
    generator = np.random.default_rng(20)
    centres = generator.standard_normal((NUM_LABELS, NUM_FEATURES))
    clients = []
    for size in CLIENT_SIZES:
        labels = generator.integers(0, NUM_LABELS, size=(size, 1)).astype(np.int32)
        noise = 0.8 * generator.standard_normal((size, NUM_FEATURES))
        clients.append(((centres[labels[:, 0]] + noise).astype(np.float32), labels))
    return clients


@pytest.fixture(scope="session")
def to_dataset() -> Callable[..., Any]:
    """Makes a dataset of batches of the arrays of one client."""
    import tensorflow as tf

    def make(features: np.ndarray, labels: np.ndarray) -> tf.data.Dataset:
        element: Any = collections.OrderedDict(x=features, y=labels)
        return tf.data.Dataset.from_tensor_slices(element).batch(BATCH_SIZE)

    return make


@pytest.fixture(scope="session")
def clients(client_arrays, to_dataset) -> list[Any]:
    """The datasets of the clients."""
    return [to_dataset(*arrays) for arrays in client_arrays]


@pytest.fixture(scope="session")
def keras_model_fn(clients) -> Callable[[], tff.learning.models.VariableModel]:
    """A function that makes a softmax regression in Keras."""
    import keras

    def model_fn() -> tff.learning.models.VariableModel:
        keras_model = keras.Sequential(
            [
                keras.layers.InputLayer(shape=(NUM_FEATURES,)),
                keras.layers.Dense(NUM_LABELS, kernel_initializer="zeros"),
                keras.layers.Softmax(),
            ]
        )
        return tff.learning.models.from_keras_model(
            keras_model,
            input_spec=clients[0].element_spec,
            loss=keras.losses.SparseCategoricalCrossentropy(),
            metrics=[keras.metrics.SparseCategoricalAccuracy()],
        )

    return model_fn


@pytest.fixture(scope="session")
def variable_model_fn() -> Callable[[], tff.learning.models.VariableModel]:
    """The same softmax regression, written by hand with variables."""
    import tensorflow as tf

    class SoftmaxRegression(tff.learning.models.VariableModel):
        def __init__(self) -> None:
            shape = (NUM_FEATURES, NUM_LABELS)
            self._weights = tf.Variable(lambda: tf.zeros(shape), name="weights")
            self._bias = tf.Variable(lambda: tf.zeros(NUM_LABELS), name="bias")
            self._num_examples = tf.Variable(lambda: tf.zeros([]), trainable=False)
            self._loss_sum = tf.Variable(lambda: tf.zeros([]), trainable=False)
            self._num_correct = tf.Variable(lambda: tf.zeros([]), trainable=False)

        @property
        def trainable_variables(self):
            return [self._weights, self._bias]

        @property
        def non_trainable_variables(self):
            return []

        @property
        def local_variables(self):
            return [self._num_examples, self._loss_sum, self._num_correct]

        @property
        def input_spec(self):
            return collections.OrderedDict(
                x=tf.TensorSpec([None, NUM_FEATURES], tf.float32),
                y=tf.TensorSpec([None, 1], tf.int32),
            )

        @tf.function
        def predict_on_batch(self, batch_input, training=True):
            del training
            return tf.nn.softmax(tf.matmul(batch_input, self._weights) + self._bias)

        @tf.function
        def forward_pass(self, batch_input, training=True):
            probabilities = self.predict_on_batch(batch_input["x"], training)
            labels = tf.reshape(batch_input["y"], [-1])
            hits = tf.reduce_sum(tf.one_hot(labels, NUM_LABELS) * tf.math.log(probabilities), 1)
            loss = -tf.reduce_mean(hits)
            predictions = tf.argmax(probabilities, 1, output_type=tf.int32)
            num_examples = tf.cast(tf.size(labels), tf.float32)
            self._num_examples.assign_add(num_examples)
            self._loss_sum.assign_add(loss * num_examples)
            self._num_correct.assign_add(
                tf.reduce_sum(tf.cast(tf.equal(predictions, labels), tf.float32))
            )
            return tff.learning.models.BatchOutput(
                loss=loss, predictions=predictions, num_examples=tf.shape(batch_input["x"])[0]
            )

        @tf.function
        def report_local_unfinalized_metrics(self):
            return collections.OrderedDict(
                num_examples=[self._num_examples],
                loss=[self._loss_sum, self._num_examples],
                accuracy=[self._num_correct, self._num_examples],
            )

        def metric_finalizers(self):
            return collections.OrderedDict(
                num_examples=tf.function(func=lambda x: x[0]),
                loss=tf.function(func=lambda x: x[0] / x[1]),
                accuracy=tf.function(func=lambda x: x[0] / x[1]),
            )

        @tf.function
        def reset_metrics(self):
            for variable in self.local_variables:
                variable.assign(tf.zeros_like(variable))

    return SoftmaxRegression


@pytest.fixture(scope="session")
def weights_type() -> tff.StructWithPythonType:
    """The type of the weights of both models."""
    return tff.StructWithPythonType(
        [
            (
                "trainable",
                [
                    tff.TensorType(np.float32, [NUM_FEATURES, NUM_LABELS]),
                    tff.TensorType(np.float32, [NUM_LABELS]),
                ],
            ),
            ("non_trainable", []),
        ],
        tff.learning.models.ModelWeights,
    )
