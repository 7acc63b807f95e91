"""A model of Keras 2 with its losses and metrics, as a model of this package.

Importing this module imports TensorFlow; models of Keras 2 come from the package `tf_keras`, which
is `tf.keras` where TF_USE_LEGACY_KERAS=1 is set.
"""

from __future__ import annotations

import collections
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tensorflow as tf

from tensorflow_federated.core import errors
from tensorflow_federated.learning import metrics as learning_metrics
from tensorflow_federated.learning.metrics import counters
from tensorflow_federated.learning.models import batches
from tensorflow_federated.learning.models.variable import (
    BatchOutput,
    MetricFinalizers,
    VariableModel,
)


def ensure_built(keras_model: Any, specs: Any) -> None:
    """Makes the variables of a model that would make them when it is first called.

    Args:
      keras_model: the model.
      specs: the form of a batch, checked.

    Raises:
      ModelValueError: if the model cannot be called on features of that form.
    """
    if keras_model.built:
        return
    features, _ = batches.split(specs)
    try:
        with tf.init_scope():
            tf.function(keras_model.__call__).get_concrete_function(features)
    except Exception as error:
        raise errors.ModelValueError(
            f"the variables of the Keras model {keras_model.name!r} cannot be made.",
            problems=[f"input_spec: {specs}", f"Keras: {error!s:.400}"],
            fix="give the `input_spec` of the batches that the model is to read, or call the model "
            "on one batch before.",
        ) from error


class LegacyKerasModel(VariableModel):
    """A model of Keras 2, its losses and its metrics; made by `from_keras_model`."""

    def __init__(
        self,
        keras_model: Any,
        losses: Sequence[Callable[[Any, Any], Any]],
        loss_weights: Sequence[float],
        loss_names: Sequence[str] | None,
        input_spec: Any,
        metrics: Mapping[str, Any],
    ) -> None:
        """Wraps a model; the arguments are those of `keras_model.KerasModel`."""
        self._keras_model = keras_model
        self._losses = list(losses)
        self._loss_weights = list(loss_weights)
        self._loss_names = loss_names
        self._input_spec = input_spec
        self._metrics: collections.OrderedDict[str, Any] = collections.OrderedDict(metrics)
        counting = counters.of_keras_2()
        self._metrics["loss"] = _mean()
        self._metrics.setdefault("num_examples", counting["NumExamplesCounter"]())
        self._metrics.setdefault("num_batches", counting["NumBatchesCounter"]())

    @property
    def keras_model(self) -> Any:
        """The Keras model."""
        return self._keras_model

    def to_compiled_keras(self) -> Any:
        """The Keras model, compiled with its losses and with plain SGD."""
        one = len(self._losses) == 1 and self._loss_names is None
        names = self._loss_names
        losses = dict(zip(names, self._losses, strict=True)) if names else self._losses
        weights = dict(zip(names, self._loss_weights, strict=True)) if names else self._loss_weights
        self._keras_model.compile(
            optimizer="sgd",
            loss=self._losses[0] if one else losses,
            loss_weights=None if one else weights,
        )
        return self._keras_model

    @property
    def trainable_variables(self) -> list[tf.Variable]:
        return self._keras_model.trainable_variables

    @property
    def non_trainable_variables(self) -> list[tf.Variable]:
        return self._keras_model.non_trainable_variables

    @property
    def local_variables(self) -> list[tf.Variable]:
        return [variable for metric in self._metrics.values() for variable in metric.variables]

    @property
    def input_spec(self) -> Any:
        return self._input_spec

    def forward_pass(self, batch_input: Any, training: bool = True) -> BatchOutput:
        inputs, labels = batches.split(batch_input)
        predictions = self.predict_on_batch(inputs, training)
        num_examples = tf.shape(tf.nest.flatten(inputs)[0])[0]
        loss = self._loss(labels, predictions)
        for name, metric in self._metrics.items():
            if name == "loss":
                metric.update_state(loss, tf.cast(num_examples, tf.float32))
            else:
                metric.update_state(labels, predictions)
        added = [tf.cast(each, loss.dtype) for each in self._keras_model.losses]
        return BatchOutput(tf.add_n([loss, *added]), predictions, num_examples)

    def predict_on_batch(self, batch_input: Any, training: bool = True) -> Any:
        return self._keras_model(batch_input, training=training)

    def report_local_unfinalized_metrics(self) -> collections.OrderedDict[str, Any]:
        return collections.OrderedDict(
            (name, [tf.convert_to_tensor(variable) for variable in metric.variables])
            for name, metric in self._metrics.items()
        )

    def metric_finalizers(self) -> MetricFinalizers:
        return collections.OrderedDict(
            (name, learning_metrics.create_keras_metric_finalizer(metric))
            for name, metric in self._metrics.items()
        )

    def reset_metrics(self) -> None:
        for metric in self._metrics.values():
            metric.reset_state()

    def _loss(self, labels: Any, predictions: Any) -> Any:
        if len(self._losses) == 1 and self._loss_names is None:
            return self._losses[0](labels, predictions)
        names = self._loss_names
        if names is None and isinstance(predictions, Mapping):
            names = list(predictions)
        outputs: Any = range(len(self._losses)) if names is None else names
        return tf.add_n(
            [
                loss(labels[output], predictions[output]) * weight
                for loss, weight, output in zip(
                    self._losses, self._loss_weights, outputs, strict=True
                )
            ]
        )


def _mean() -> Any:
    import tf_keras

    return tf_keras.metrics.Mean(name="loss", dtype=tf.float32)
