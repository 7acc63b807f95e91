"""One MLP and one CNN, as a user writes them in Keras, in TensorFlow and in JAX.

Keras has one back end in a process. Run as a program, this file prints as JSON what the models of
Keras do on JAX; `test_frameworks_agree` calls the others.
"""

from __future__ import annotations

import collections
import json
import os
import sys
from typing import Any

import numpy as np

if __name__ == "__main__":
    os.environ["KERAS_BACKEND"] = "jax"

import tensorflow_federated as tff

SIDE, NUM_LABELS, NUM_UNITS, NUM_FILTERS = 12, 3, 16, 4
BATCH_SIZE = 8
# The last batches have 7, 3, 8 and 1 examples, and one client has fewer than a batch.
CLIENT_SIZES = (23, 3, 40, 17)
ROUNDS = 10
LEARNING_RATE = 0.1
SHAPES = {
    "mlp": ((SIDE * SIDE, NUM_UNITS), (NUM_UNITS,), (NUM_UNITS, NUM_LABELS), (NUM_LABELS,)),
    "cnn": (
        (3, 3, 1, NUM_FILTERS),
        (NUM_FILTERS,),
        (SIDE // 2 * SIDE // 2 * NUM_FILTERS, NUM_LABELS),
        (NUM_LABELS,),
    ),
}


def initial_weights(network: str) -> list[np.ndarray]:
    generator = np.random.default_rng(1)
    return [
        (generator.standard_normal(shape) / np.sqrt(np.prod(shape[:-1]))).astype(np.float32)
        for shape in SHAPES[network]
    ]


def client_data() -> list[list[Any]]:
    """The clients' batches; the digits of a client are those of a few labels mostly."""
    generator = np.random.default_rng(2)
    centers = generator.standard_normal((NUM_LABELS, SIDE, SIDE))
    clients = []
    for size in CLIENT_SIZES:
        share = generator.dirichlet(np.ones(NUM_LABELS))
        y = generator.choice(NUM_LABELS, size, p=share).astype(np.int32)
        x = (centers[y] + generator.standard_normal((size, SIDE, SIDE))).astype(np.float32)
        starts = range(0, size, BATCH_SIZE)
        clients.append(
            [
                collections.OrderedDict(x=x[i : i + BATCH_SIZE], y=y[i : i + BATCH_SIZE])
                for i in starts
            ]
        )
    return clients


def input_spec() -> Any:
    return collections.OrderedDict(
        x=tff.TensorType(np.float32, [None, SIDE, SIDE]), y=tff.TensorType(np.int32, [None])
    )


def keras_model(network: str) -> Any:
    import keras

    layers = keras.layers
    if network == "mlp":
        hidden = [layers.Flatten(), layers.Dense(NUM_UNITS, activation="relu")]
    else:
        hidden = [
            layers.Reshape((SIDE, SIDE, 1)),
            layers.Conv2D(NUM_FILTERS, 3, padding="same", activation="relu"),
            layers.MaxPool2D(),
            layers.Flatten(),
        ]
    return keras.Sequential([keras.Input((SIDE, SIDE)), *hidden, layers.Dense(NUM_LABELS)])


def of_keras(network: str) -> Any:
    import keras

    def model_fn() -> tff.learning.models.VariableModel:
        return tff.learning.models.from_keras_model(
            keras_model(network),
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            input_spec=input_spec(),
        )

    return model_fn


def tensorflow_scores(network: str, weights: Any, x: Any) -> Any:
    import tensorflow as tf

    first, first_bias, last, last_bias = weights
    if network == "mlp":
        hidden = tf.nn.relu(tf.reshape(x, [-1, SIDE * SIDE]) @ first + first_bias)
    else:
        filtered = tf.nn.relu(tf.nn.conv2d(x[..., None], first, 1, "SAME") + first_bias)
        hidden = tf.reshape(tf.nn.max_pool2d(filtered, 2, 2, "VALID"), [-1, last.shape[0]])
    return hidden @ last + last_bias


def of_tensorflow(network: str) -> Any:
    import tensorflow as tf

    @tf.function
    def predict(model_weights: Any, x: Any, training: bool) -> Any:
        return tensorflow_scores(network, model_weights[0], x)

    def loss(output: Any, label: Any, sample_weight: Any = None) -> Any:
        return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(label, output))

    return functional_model(network, predict, loss)


def of_tensorflow_variables(network: str) -> Any:
    import tensorflow as tf

    class Classifier(tff.learning.models.VariableModel):
        def __init__(self) -> None:
            self._weights = [tf.Variable(each) for each in initial_weights(network)]
            self._sums = [tf.Variable(0.0, trainable=False), tf.Variable(0.0, trainable=False)]

        @property
        def trainable_variables(self) -> Any:
            return self._weights

        @property
        def non_trainable_variables(self) -> Any:
            return []

        @property
        def local_variables(self) -> Any:
            return self._sums

        @property
        def input_spec(self) -> Any:
            return collections.OrderedDict(
                x=tf.TensorSpec([None, SIDE, SIDE]), y=tf.TensorSpec([None], tf.int32)
            )

        @tf.function
        def predict_on_batch(self, batch_input: Any, training: bool = True) -> Any:
            return tensorflow_scores(network, self._weights, batch_input)

        @tf.function
        def forward_pass(self, batch_input: Any, training: bool = True) -> Any:
            scores = self.predict_on_batch(batch_input["x"], training)
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(batch_input["y"], scores)
            self._sums[0].assign_add(tf.reduce_sum(losses))
            self._sums[1].assign_add(tf.cast(tf.size(losses), tf.float32))
            return tff.learning.models.BatchOutput(tf.reduce_mean(losses), scores, tf.size(losses))

        @tf.function
        def report_local_unfinalized_metrics(self) -> Any:
            return collections.OrderedDict(loss=self._sums)

        def metric_finalizers(self) -> Any:
            return collections.OrderedDict(loss=tf.function(lambda sums: sums[0] / sums[1]))

        @tf.function
        def reset_metrics(self) -> None:
            for variable in self._sums:
                variable.assign(0.0)

    return Classifier


def jax_scores(network: str, weights: Any, x: Any) -> Any:
    import jax

    first, first_bias, last, last_bias = weights
    if network == "mlp":
        hidden = jax.nn.relu(x.reshape(-1, SIDE * SIDE) @ first + first_bias)
    else:
        filtered = jax.lax.conv_general_dilated(
            x[..., None], first, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
        windows = jax.nn.relu(filtered + first_bias).reshape(
            -1, SIDE // 2, 2, SIDE // 2, 2, NUM_FILTERS
        )
        hidden = windows.max(axis=(2, 4)).reshape(-1, last.shape[0])
    return hidden @ last + last_bias


def of_jax(network: str) -> Any:
    import jax
    import jax.numpy as jnp

    @jax.jit
    def predict(model_weights: Any, x: Any, training: bool) -> Any:
        return jax_scores(network, model_weights[0], x)

    def loss(output: Any, label: Any, sample_weight: Any = None) -> Any:
        return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(output), label[:, None], axis=1))

    return functional_model(network, predict, loss)


def functional_model(network: str, predict: Any, loss: Any) -> tff.learning.models.FunctionalModel:
    return tff.learning.models.FunctionalModel(
        initial_weights=(initial_weights(network), ()),
        predict_on_batch_fn=predict,
        loss_fn=loss,
        metrics_fns=tff.learning.metrics.create_mean_metric_fns(
            {"loss": lambda labels, output: output.loss}
        ),
        input_spec=input_spec(),
    )


def losses(model: Any, network: str) -> list[float]:
    """The losses of the rounds of training, and that of an evaluation afterwards."""
    sgd = tff.learning.optimizers.build_sgdm(LEARNING_RATE)
    training = tff.learning.algorithms.build_weighted_fed_avg(model, sgd)
    evaluation = tff.learning.algorithms.build_fed_eval(model)
    state, found = training.initialize(), []
    given = training.get_model_weights(state)
    start = tff.learning.models.ModelWeights(
        type(given.trainable)(initial_weights(network)), given.non_trainable
    )
    state = training.set_model_weights(state, start)
    data = client_data()
    for _ in range(ROUNDS):
        state, metrics = training.next(state, data)
        found.append(float(metrics["client_work"]["train"]["loss"]))
    evaluated = evaluation.set_model_weights(
        evaluation.initialize(), training.get_model_weights(state)
    )
    metrics = evaluation.next(evaluated, data).metrics["client_work"]["eval"]
    return [*found, float(metrics["current_round_metrics"]["loss"])]


if __name__ == "__main__":
    print(json.dumps(losses(of_keras(sys.argv[1]), sys.argv[1])))
