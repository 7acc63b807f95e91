"""Trains the digits model again, this time written by hand with variables.

`image_classification.py` hands a Keras model to `tff.learning.models.from_keras_model`. A model may
also be a class that owns its variables and says itself what a forward pass is, what a client
reports, and how the sums of all clients' reports become metrics. Everything else, data, rounds and
evaluation, is that program's.

    python examples/custom_model.py --dataset digits --rounds 30
"""

from __future__ import annotations

import collections
from collections.abc import Callable
from typing import Any, NamedTuple

import image_classification
import tensorflow as tf

import tensorflow_federated as tff

NUM_DIGITS = 10


class SoftmaxVariables(NamedTuple):
    """All the variables of the model: two that are learnt, three that count."""

    weights: tf.Variable
    bias: tf.Variable
    num_examples: tf.Variable
    loss_sum: tf.Variable
    num_correct: tf.Variable


def create_variables(num_pixels: int) -> SoftmaxVariables:
    """Makes the variables.

    Initial values are functions: the variables of a federated model are made anew for each client,
    inside a computation that is traced before there is any value.
    """
    return SoftmaxVariables(
        weights=tf.Variable(lambda: tf.zeros([num_pixels, NUM_DIGITS]), name="weights"),
        bias=tf.Variable(lambda: tf.zeros([NUM_DIGITS]), name="bias"),
        num_examples=tf.Variable(lambda: tf.zeros([]), name="num_examples", trainable=False),
        loss_sum=tf.Variable(lambda: tf.zeros([]), name="loss_sum", trainable=False),
        num_correct=tf.Variable(lambda: tf.zeros([]), name="num_correct", trainable=False),
    )


def predict(variables: SoftmaxVariables, images: tf.Tensor) -> tf.Tensor:
    """Returns the probability of each digit: float32[batch,10]."""
    return tf.nn.softmax(tf.matmul(images, variables.weights) + variables.bias)


def forward_pass(
    variables: SoftmaxVariables, batch: collections.OrderedDict[str, tf.Tensor]
) -> tff.learning.models.BatchOutput:
    """Computes the mean loss of a batch and adds to the counters."""
    probabilities = predict(variables, batch["x"])
    predictions = tf.argmax(probabilities, axis=1, output_type=tf.int32)
    labels = tf.reshape(batch["y"], [-1])
    likelihoods = tf.reduce_sum(tf.one_hot(labels, NUM_DIGITS) * probabilities, axis=1)
    losses = -tf.math.log(likelihoods + tf.keras.backend.epsilon())

    variables.num_examples.assign_add(tf.cast(tf.size(labels), tf.float32))
    variables.loss_sum.assign_add(tf.reduce_sum(losses))
    variables.num_correct.assign_add(
        tf.reduce_sum(tf.cast(tf.equal(predictions, labels), tf.float32))
    )
    return tff.learning.models.BatchOutput(
        loss=tf.reduce_mean(losses),
        predictions=predictions,
        num_examples=tf.size(labels),
    )


class DigitModel(tff.learning.models.VariableModel):
    """A softmax regression that reads digits."""

    def __init__(self, num_pixels: int, input_spec: Any):
        """Makes a model of images of `num_pixels` pixels."""
        self._variables = create_variables(num_pixels)
        self._input_spec = input_spec

    @property
    def trainable_variables(self) -> list[tf.Variable]:
        """What is learnt: sent to the clients, and changed by them."""
        return [self._variables.weights, self._variables.bias]

    @property
    def non_trainable_variables(self) -> list[tf.Variable]:
        """What is sent to the clients and not learnt: nothing here."""
        return []

    @property
    def local_variables(self) -> list[tf.Variable]:
        """What never leaves the client as it is: the counters behind the metrics."""
        return [
            self._variables.num_examples,
            self._variables.loss_sum,
            self._variables.num_correct,
        ]

    @property
    def input_spec(self) -> Any:
        """What one batch looks like."""
        return self._input_spec

    @tf.function
    def predict_on_batch(self, batch_input: tf.Tensor, training: bool = True) -> tf.Tensor:
        """Returns the probability of each digit."""
        return predict(self._variables, batch_input)

    @tf.function
    def forward_pass(
        self, batch_input: collections.OrderedDict[str, tf.Tensor], training: bool = True
    ) -> tff.learning.models.BatchOutput:
        """Returns the loss of a batch, and counts."""
        return forward_pass(self._variables, batch_input)

    @tf.function
    def report_local_unfinalized_metrics(self) -> collections.OrderedDict[str, Any]:
        """Returns what a client reports: sums, which the server adds up over the clients."""
        return collections.OrderedDict(
            num_examples=[self._variables.num_examples],
            loss=[self._variables.loss_sum, self._variables.num_examples],
            accuracy=[self._variables.num_correct, self._variables.num_examples],
        )

    def metric_finalizers(self) -> collections.OrderedDict[str, Callable[[Any], Any]]:
        """Returns, for each metric, how the total of the clients' sums becomes one number."""
        return collections.OrderedDict(
            num_examples=tf.function(func=lambda sums: sums[0]),
            loss=tf.function(func=lambda sums: sums[0] / sums[1]),
            accuracy=tf.function(func=lambda sums: sums[0] / sums[1]),
        )

    @tf.function
    def reset_metrics(self) -> None:
        """Sets the counters back to zero."""
        for variable in self.local_variables:
            variable.assign(tf.zeros_like(variable))


def create_model(task: image_classification.Task) -> DigitModel:
    """Makes a model for the images of `task`."""
    return DigitModel(task.num_pixels, task.input_spec)


if __name__ == "__main__":
    image_classification.run(
        create_model, image_classification.parse_arguments(__doc__, "output/custom_model")
    )
