"""Models that own their variables: the interface that a hand-written model fills in."""

from __future__ import annotations

import abc
import collections
from collections.abc import Callable
from typing import Any, NamedTuple

from tensorflow_federated.core import containers

MetricFinalizers = collections.OrderedDict[str, Callable[[Any], Any]]
"""For each metric, the function that makes its value of the sum of what the clients report."""


class BatchOutput(NamedTuple):
    """What a forward pass on one batch gives.

    Attributes:
      loss: the loss that training makes smaller, a scalar tensor of a float dtype.
      predictions: what the model predicts for the examples of the batch; for metrics only.
      num_examples: the number of examples in the batch, a scalar integer. Where it is None, it is
        the size of the first dimension of `predictions`.

    Examples:
      >>> BatchOutput(loss=0.5, num_examples=20)
      BatchOutput(loss=0.5, predictions=None, num_examples=20)
    """

    loss: Any = None
    predictions: Any = None
    num_examples: Any = None


containers.register_container("learning.BatchOutput", BatchOutput)


class VariableModel(abc.ABC):
    """A model whose weights and counters are TensorFlow variables.

    A federated algorithm is given a function that makes such a model, not a model. It calls that
    function, sets the weights to those that the server sent, calls `forward_pass` on each batch of
    a client, and reads what `report_local_unfinalized_metrics` says at the end.

    All methods may be called while TensorFlow traces a graph; each may be a `tf.function`. The
    variables are made in the constructor, and nowhere else. Every client starts with the counters,
    and with any variable that the model does not list, as the constructor made them.

    Examples:
      A linear model of one weight that reports the sum of its losses:

      >>> import numpy as np
      >>> import tensorflow as tf
      >>> import tensorflow_federated as tff
      >>> class Linear(tff.learning.models.VariableModel):
      ...     def __init__(self):
      ...         self._weight = tf.Variable([[0.0]], name="weight")
      ...         self._loss_sum = tf.Variable(0.0, trainable=False, name="loss_sum")
      ...
      ...     trainable_variables = property(lambda self: [self._weight])
      ...     non_trainable_variables = property(lambda self: [])
      ...     local_variables = property(lambda self: [self._loss_sum])
      ...     input_spec = property(
      ...         lambda self: (tf.TensorSpec([None, 1]), tf.TensorSpec([None, 1]))
      ...     )
      ...
      ...     def predict_on_batch(self, batch_input, training=True):
      ...         return batch_input @ self._weight
      ...
      ...     def forward_pass(self, batch_input, training=True):
      ...         x, y = batch_input
      ...         predictions = self.predict_on_batch(x, training)
      ...         loss = tf.reduce_mean((predictions - y) ** 2)
      ...         self._loss_sum.assign_add(loss)
      ...         return tff.learning.models.BatchOutput(loss, predictions, tf.shape(y)[0])
      ...
      ...     def report_local_unfinalized_metrics(self):
      ...         return collections.OrderedDict(loss_sum=self._loss_sum)
      ...
      ...     def metric_finalizers(self):
      ...         return collections.OrderedDict(loss_sum=lambda total: total)
      ...
      ...     def reset_metrics(self):
      ...         self._loss_sum.assign(0.0)
      >>> sgd = tff.learning.optimizers.build_sgdm(learning_rate=0.5)
      >>> process = tff.learning.algorithms.build_weighted_fed_avg(Linear, sgd)
      >>> client_data = [[(np.float32([[1.0]]), np.float32([[3.0]]))]]
      >>> state, metrics = process.next(process.initialize(), client_data)
      >>> process.get_model_weights(state).trainable
      [array([[3.]], dtype=float32)]
      >>> metrics["client_work"]["train"]["loss_sum"]
      np.float32(9.0)
    """

    @property
    @abc.abstractmethod
    def trainable_variables(self) -> Any:
        """The weights that training changes: sent to the clients, their changes averaged."""

    @property
    @abc.abstractmethod
    def non_trainable_variables(self) -> Any:
        """The weights that training leaves alone: sent to the clients, and not sent back."""

    @property
    @abc.abstractmethod
    def local_variables(self) -> Any:
        """The variables behind the metrics: they start anew at each client and stay there."""

    @property
    @abc.abstractmethod
    def input_spec(self) -> Any:
        """The form of a batch: a structure of `tf.TensorSpec`, as of a `dataset.element_spec`."""

    @abc.abstractmethod
    def forward_pass(self, batch_input: Any, training: bool = True) -> BatchOutput:
        """Computes the loss of a batch and counts for the metrics.

        Args:
          batch_input: a batch of the form of `input_spec`.
          training: whether the weights are being trained, rather than evaluated.

        Returns:
          The loss, the predictions and the number of examples.
        """

    @abc.abstractmethod
    def predict_on_batch(self, batch_input: Any, training: bool = True) -> Any:
        """Predicts.

        Args:
          batch_input: the features of a batch, without its labels.
          training: whether the weights are being trained, rather than evaluated.

        Returns:
          The predictions.
        """

    @abc.abstractmethod
    def report_local_unfinalized_metrics(self) -> collections.OrderedDict[str, Any]:
        """Reports what a client counted, in a form that can be added up over the clients.

        Returns:
          For each metric a tensor, or a structure of tensors, of sums.
        """

    @abc.abstractmethod
    def metric_finalizers(self) -> MetricFinalizers:
        """Says how the sums of all clients become the values of the metrics.

        Returns:
          For each metric of `report_local_unfinalized_metrics`, a function from the sum of the
          clients' reports to the value. It uses no variable of the model.
        """

    @abc.abstractmethod
    def reset_metrics(self) -> None:
        """Sets the counters back.

        It is called for a client whose training went to infinity or NaN: its update counts for
        nothing, and so do its metrics.
        """
