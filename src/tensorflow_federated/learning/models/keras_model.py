"""A Keras model with its losses and metrics, as a model of this package.

Importing this module imports Keras; `from_keras` does so when it is called.
"""

from __future__ import annotations

import collections
import functools
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras

from tensorflow_federated import jax
from tensorflow_federated.core import containers
from tensorflow_federated.learning.metrics import counters
from tensorflow_federated.learning.models import batches, frameworks
from tensorflow_federated.learning.models.variable import (
    BatchOutput,
    MetricFinalizers,
    VariableModel,
)

Metrics = collections.OrderedDict[str, Any]


class LossMetric(keras.metrics.Mean):
    """The loss of the examples seen so far, each with the same weight."""

    def __init__(self) -> None:
        super().__init__(name="loss", dtype="float32")

    def update_state(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, loss: Any, num_examples: Any
    ) -> None:
        """Adds a batch.

        Args:
          loss: the mean loss of the batch, a scalar.
          num_examples: how many examples it has, a scalar.
        """
        weight: Any = keras.ops.cast(num_examples, self.dtype)
        self.total.assign(self.total + keras.ops.cast(loss, self.dtype) * weight)
        self.count.assign(self.count + weight)


class KerasModel(VariableModel):
    """A Keras model, its losses and its metrics; made by `from_keras_model`.

    All its variables are Keras variables, so that every method also works in a
    `keras.StatelessScope`, on values of the variables that are given there. What it lists are the
    variables of TensorFlow behind them; with Keras on JAX, which has no variables, they themselves.
    """

    def __init__(
        self,
        keras_model: keras.Model,
        losses: Sequence[Callable[[Any, Any], Any]],
        loss_weights: Sequence[float],
        loss_names: Sequence[str] | None,
        input_spec: Any,
        metrics: Metrics,
    ) -> None:
        """Wraps a model.

        Args:
          keras_model: the model, with all its variables made.
          losses: the loss of each output.
          loss_weights: the weight of each loss.
          loss_names: the names of the outputs that the losses are for; None if they are for the
            outputs in order.
          input_spec: the form of a batch: features and labels.
          metrics: the metrics of the user, by the name that they are reported as.
        """
        self._keras_model = keras_model
        self._losses = list(losses)
        self._loss_weights = list(loss_weights)
        self._loss_names = loss_names
        self._input_spec = input_spec
        self._metrics: Metrics = collections.OrderedDict(metrics)
        self._loss_metric = self._metrics["loss"] = LossMetric()
        counting = counters.of_keras_3()
        self._metrics.setdefault("num_examples", counting["NumExamplesCounter"]())
        self._metrics.setdefault("num_batches", counting["NumBatchesCounter"]())
        self.keras_trainable: list[keras.Variable] = list(keras_model.trainable_variables)
        self.keras_non_trainable: list[keras.Variable] = [
            variable
            for variable in keras_model.non_trainable_variables
            if not frameworks.is_seed_state(variable)
        ]
        self.keras_seeds: list[keras.Variable] = [
            variable
            for variable in keras_model.non_trainable_variables
            if frameworks.is_seed_state(variable)
        ]
        self.keras_local: list[keras.Variable] = [
            variable for metric in self._metrics.values() for variable in metric.variables
        ]
        # Inside a stateless scope `variable.value` is no variable, so they are looked up here.
        self._trainable, self._non_trainable, self._local = (
            [frameworks.to_framework_variable(variable) for variable in variables]
            for variables in (self.keras_trainable, self.keras_non_trainable, self.keras_local)
        )

    @property
    def keras_model(self) -> keras.Model:
        """The Keras model."""
        return self._keras_model

    def to_compiled_keras(self) -> keras.Model:
        """The Keras model, compiled with its losses and with plain SGD.

        Its variables are those of this model, which is not to be trained at the same time.
        """
        names = self._loss_names
        one = len(self._losses) == 1 and names is None
        losses = dict(zip(names, self._losses, strict=True)) if names else self._losses
        weights = dict(zip(names, self._loss_weights, strict=True)) if names else self._loss_weights
        self._keras_model.compile(
            optimizer="sgd",
            loss=self._losses[0] if one else losses,
            loss_weights=None if one else weights,
        )
        return self._keras_model

    @property
    def trainable_variables(self) -> list[Any]:
        return self._trainable

    @property
    def non_trainable_variables(self) -> list[Any]:
        return self._non_trainable

    @property
    def local_variables(self) -> list[Any]:
        return self._local

    @property
    def input_spec(self) -> Any:
        return self._input_spec

    def forward_pass(self, batch_input: Any, training: bool = True) -> BatchOutput:
        inputs, labels = batches.split(batch_input)
        predictions = self.predict_on_batch(inputs, training)
        shape: Any = keras.ops.shape(keras.tree.flatten(inputs)[0])
        num_examples = shape[0]
        loss = self.loss_of(labels, predictions)
        self.update_metrics(labels, predictions, loss, num_examples)
        total = loss
        for added in self._keras_model.losses:
            total = total + keras.ops.cast(added, loss.dtype)
        return BatchOutput(total, predictions, num_examples)

    def predict_on_batch(self, batch_input: Any, training: bool = True) -> Any:
        inputs = arrange_inputs(self._keras_model, batch_input)
        return self._keras_model(inputs, training=training)

    def update_metrics(self, labels: Any, predictions: Any, loss: Any, num_examples: Any) -> None:
        """Takes a batch into the metrics.

        Args:
          labels: the labels of the batch.
          predictions: what the model predicts.
          loss: what `loss_of` says of them.
          num_examples: how many examples there are.
        """
        for metric in self._metrics.values():
            if metric is self._loss_metric:
                metric.update_state(loss, num_examples)
            else:
                metric.update_state(labels, predictions)

    def report_local_unfinalized_metrics(self) -> collections.OrderedDict[str, Any]:
        return collections.OrderedDict(
            (name, [frameworks.to_tensor(variable) for variable in metric.variables])
            for name, metric in self._metrics.items()
        )

    def metric_finalizers(self) -> MetricFinalizers:
        return collections.OrderedDict(
            (name, to_finalizer(metric)) for name, metric in self._metrics.items()
        )

    def reset_metrics(self) -> None:
        for metric in self._metrics.values():
            metric.reset_state()

    def loss_of(self, labels: Any, predictions: Any) -> Any:
        """The mean loss of the examples of a batch, without what the layers add.

        Args:
          labels: the labels of the batch.
          predictions: what the model predicts.

        Returns:
          A scalar.
        """
        if len(self._losses) == 1 and self._loss_names is None:
            (loss,) = self._losses
            return loss(labels, predictions)
        names = self._loss_names
        if names is None and isinstance(predictions, Mapping):
            # The order in which Keras numbers the outputs.
            ordered = isinstance(predictions, collections.OrderedDict)
            names = list(predictions) if ordered else sorted(predictions)
        outputs = range(len(self._losses)) if names is None else names
        weighted = [
            loss(labels[output], predictions[output]) * weight
            for loss, weight, output in zip(self._losses, self._loss_weights, outputs, strict=True)
        ]
        return functools.reduce(operator.add, weighted)


def arrange_inputs(keras_model: keras.Model, inputs: Any) -> Any:
    """Puts named inputs into the order in which a functional model has them.

    Keras takes the values of an `OrderedDict` one after the other, whatever their names are.
    """
    own = getattr(keras_model, "input", None)
    if not isinstance(own, Mapping) or not isinstance(inputs, Mapping) or set(own) != set(inputs):
        return inputs
    arranged = [(name, inputs[name]) for name in own]
    return dict(arranged) if type(own) is dict else collections.OrderedDict(arranged)


def to_finalizer(metric: keras.metrics.Metric) -> Callable[[Any], Any]:
    """The function from the values of a metric's variables to the value of the metric.

    With Keras on JAX it is a JAX computation, so that a process can be made of it there.
    """

    def finalize(unfinalized: Any) -> Any:
        """Computes the value of a metric from the sums of its variables."""
        values = [value for _, value in containers.unpack(unfinalized) or []]
        return metric.stateless_result(values)

    return jax.computation(finalize) if frameworks.keras_is_on_jax() else finalize
