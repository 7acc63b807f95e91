"""One model in each framework that this package has models in, as a user writes it there."""

from __future__ import annotations

import collections
from collections.abc import Callable
from typing import Any

import contestant
import numpy as np
import workload


def build(program: workload.Program, population: workload.Population) -> contestant.RunRound:
    import tensorflow_federated as tff

    process = tff.learning.algorithms.build_weighted_fed_avg(
        MODELS[program.form](program.model),
        client_optimizer_fn=tff.learning.optimizers.build_sgdm(workload.LEARNING_RATE),
        server_optimizer_fn=tff.learning.optimizers.build_sgdm(1.0),
    )
    state = process.initialize()
    clients = tff.simulation.datasets.ClientArrays(
        (population.images, population.labels), offsets=population.offsets
    ).preprocess(tff.simulation.datasets.Preprocessing(batch_size=workload.BATCH_SIZE))

    def run_round(round_number: int) -> None:
        nonlocal state
        chosen = map(str, workload.cohort(program, round_number).tolist())
        state = process.next(state, clients.cohort(chosen)).state

    return run_round


def input_spec() -> Any:
    import tensorflow_federated as tff

    return (
        tff.TensorType(np.float32, [None, *workload.IMAGE]),
        tff.TensorType(np.int32, [None]),
    )


def keras_model(model: str) -> Any:
    import keras

    layers = keras.layers
    if model == "softmax":
        return keras.Sequential(
            [
                keras.Input(workload.IMAGE),
                layers.Flatten(),
                layers.Dense(workload.NUM_LABELS, kernel_initializer="zeros"),
            ]
        )
    return keras.Sequential(
        [
            keras.Input(workload.IMAGE),
            layers.Reshape((*workload.IMAGE, 1)),
            layers.Conv2D(32, 5, padding="same", activation="relu"),
            layers.MaxPool2D(),
            layers.Conv2D(64, 5, padding="same", activation="relu"),
            layers.MaxPool2D(),
            layers.Flatten(),
            layers.Dense(512, activation="relu"),
            layers.Dense(workload.NUM_LABELS),
        ]
    )


def of_keras(model: str) -> Any:
    import keras

    import tensorflow_federated as tff

    def model_fn() -> Any:
        return tff.learning.models.from_keras_model(
            keras_model(model),
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            input_spec=input_spec(),
            metrics=[keras.metrics.SparseCategoricalAccuracy("accuracy")],
        )

    return model_fn


def functional_of_keras(model: str) -> Any:
    import keras

    import tensorflow_federated as tff

    return tff.learning.models.functional_model_from_keras(
        keras_model(model),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        input_spec(),
        collections.OrderedDict(accuracy=keras.metrics.SparseCategoricalAccuracy),
    )


def tensorflow_softmax(weights: dict[str, Any], images: Any) -> Any:
    import tensorflow as tf

    flat = tf.reshape(images, [-1, workload.NUM_PIXELS])
    return tf.matmul(flat, weights["kernel"]) + weights["bias"]


def tensorflow_cnn(weights: dict[str, Any], images: Any) -> Any:
    import tensorflow as tf

    x = tf.reshape(images, [-1, *workload.IMAGE, 1])
    for layer in (1, 2):
        x = tf.nn.conv2d(x, weights[f"kernel_{layer}"], 1, "SAME") + weights[f"bias_{layer}"]
        x = tf.nn.max_pool2d(tf.nn.relu(x), 2, 2, "VALID")
    x = tf.reshape(x, [tf.shape(x)[0], weights["kernel_3"].shape[0]])
    x = tf.nn.relu(tf.matmul(x, weights["kernel_3"]) + weights["bias_3"])
    return tf.matmul(x, weights["kernel_4"]) + weights["bias_4"]


TENSORFLOW_FORWARD = {"softmax": tensorflow_softmax, "cnn": tensorflow_cnn}


def variables_of_tensorflow(model: str) -> Any:
    import tensorflow as tf

    import tensorflow_federated as tff
    from peers import jax_models

    forward = TENSORFLOW_FORWARD[model]

    class Classifier(tff.learning.models.VariableModel):
        def __init__(self) -> None:
            self._weights = {
                name: tf.Variable(tf.constant(value))
                for name, value in jax_models.initial_weights(model).items()
            }
            self._loss = tf.Variable(tf.zeros([]), trainable=False)
            self._correct = tf.Variable(tf.zeros([]), trainable=False)
            self._examples = tf.Variable(tf.zeros([]), trainable=False)

        @property
        def trainable_variables(self) -> Any:
            return list(self._weights.values())

        @property
        def non_trainable_variables(self) -> Any:
            return []

        @property
        def local_variables(self) -> Any:
            return [self._loss, self._correct, self._examples]

        @property
        def input_spec(self) -> Any:
            return (
                tf.TensorSpec([None, *workload.IMAGE]),
                tf.TensorSpec([None], tf.int32),
            )

        @tf.function
        def predict_on_batch(self, batch_input: Any, training: bool = True) -> Any:
            del training
            return forward(self._weights, batch_input)

        @tf.function
        def forward_pass(self, batch_input: Any, training: bool = True) -> Any:
            images, labels = batch_input
            logits = self.predict_on_batch(images, training)
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
            is_right = tf.argmax(logits, axis=1, output_type=tf.int32) == labels
            self._loss.assign_add(tf.reduce_sum(losses))
            self._correct.assign_add(tf.reduce_sum(tf.cast(is_right, tf.float32)))
            self._examples.assign_add(tf.cast(tf.shape(labels)[0], tf.float32))
            return tff.learning.models.BatchOutput(
                tf.reduce_mean(losses), logits, tf.shape(labels)[0]
            )

        @tf.function
        def report_local_unfinalized_metrics(self) -> Any:
            return collections.OrderedDict(
                loss=[self._loss, self._examples], accuracy=[self._correct, self._examples]
            )

        def metric_finalizers(self) -> Any:
            mean = tf.function(lambda sums: sums[0] / sums[1])
            return collections.OrderedDict(loss=mean, accuracy=mean)

        @tf.function
        def reset_metrics(self) -> None:
            for variable in self.local_variables:
                variable.assign(0.0)

    return Classifier


def functions_of_tensorflow(model: str) -> Any:
    import tensorflow as tf

    import tensorflow_federated as tff
    from peers import jax_models

    forward, start = TENSORFLOW_FORWARD[model], jax_models.initial_weights(model)

    @tf.function
    def predict(model_weights: Any, x: Any, training: bool) -> Any:
        del training
        trainable, _ = model_weights
        return forward(dict(zip(start, trainable, strict=True)), x)

    def loss(output: Any, label: Any, sample_weight: Any = None) -> Any:
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(label, output)
        if sample_weight is None:
            return tf.reduce_mean(losses)
        return tf.reduce_sum(losses * sample_weight) / tf.reduce_sum(sample_weight)

    def is_right(labels: Any, output: Any) -> Any:
        return tf.argmax(output.predictions, axis=1, output_type=tf.int32) == labels

    return tff.learning.models.FunctionalModel(
        initial_weights=(list(start.values()), ()),
        predict_on_batch_fn=predict,
        loss_fn=loss,
        metrics_fns=tff.learning.metrics.create_mean_metric_fns(
            {"loss": lambda labels, output: output.loss, "accuracy": is_right}
        ),
        input_spec=(tf.TensorSpec([None, *workload.IMAGE]), tf.TensorSpec([None], tf.int32)),
    )


def functions_of_jax(model: str) -> Any:
    import jax
    import jax.numpy as jnp

    import tensorflow_federated as tff
    from peers import jax_models

    forward = jax_models.FORWARD[model]

    @jax.jit
    def predict(model_weights: Any, x: Any, training: bool) -> Any:
        del training
        trainable, _ = model_weights
        return forward(trainable, x)

    def loss(output: Any, label: Any, sample_weight: Any = None) -> Any:
        losses = jax_models.losses(output, label)
        if sample_weight is None:
            return jnp.mean(losses)
        return jnp.sum(losses * sample_weight) / jnp.sum(sample_weight)

    return tff.learning.models.FunctionalModel(
        initial_weights=(jax_models.initial_weights(model), ()),
        predict_on_batch_fn=predict,
        loss_fn=loss,
        metrics_fns=tff.learning.metrics.create_mean_metric_fns(
            {
                "loss": lambda labels, output: output.loss,
                "accuracy": lambda labels, output: output.predictions.argmax(axis=1) == labels,
            }
        ),
        input_spec=input_spec(),
    )


MODELS: dict[str, Callable[[str], Any]] = {
    "Keras": of_keras,
    "Keras, functional": functional_of_keras,
    "TensorFlow, variables": variables_of_tensorflow,
    "TensorFlow, functional": functions_of_tensorflow,
    "JAX, functional": functions_of_jax,
}


if __name__ == "__main__":
    contestant.serve(build)
