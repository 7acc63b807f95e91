"""Functional models as models with variables, which is what algorithms train and evaluate.

Importing this module imports TensorFlow and Keras.
"""

from __future__ import annotations

import abc
import collections
from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf

from tensorflow_federated.core import containers, errors, trees
from tensorflow_federated.learning import descriptions
from tensorflow_federated.learning.models import batches, frameworks, from_keras, keras_model
from tensorflow_federated.learning.models.functional import FunctionalModel
from tensorflow_federated.learning.models.variable import BatchOutput, VariableModel

_NAME = "`tff.learning.models.model_from_functional`"


class FunctionalVariables(VariableModel):
    """A functional model with variables for its weights; subclasses keep the metrics."""

    def __init__(self, functional_model: FunctionalModel) -> None:
        """Makes the variables of the weights.

        Args:
          functional_model: the model.
        """
        self._functional = functional_model
        self._input_spec = from_keras.checked_input_spec(functional_model.input_spec)
        trainable, non_trainable = functional_model.initial_weights
        self._trainable = trees.map_structure(tf.Variable, trainable)
        self._non_trainable = trees.map_structure(
            lambda value: tf.Variable(value, trainable=False), non_trainable
        )
        self._key: tf.Variable | None = None
        if functional_model.takes_key:
            # By this name it is known as the state of a generator: each client starts with its own.
            self._key = tf.Variable(
                tf.zeros([2], tf.int64), trainable=False, name="seed_generator_state"
            )

    @property
    def functional_model(self) -> FunctionalModel:
        """The functional model."""
        return self._functional

    @property
    def trainable_variables(self) -> Any:
        return self._trainable

    @property
    def non_trainable_variables(self) -> Any:
        return self._non_trainable

    @property
    def input_spec(self) -> Any:
        return self._input_spec

    def predict_on_batch(self, batch_input: Any, training: bool = True) -> Any:
        weights = (
            trees.map_structure(tf.convert_to_tensor, self._trainable),
            trees.map_structure(tf.convert_to_tensor, self._non_trainable),
        )
        if self._key is None or not training:
            return self._functional.predict_on_batch(weights, batch_input, training)
        key = tf.convert_to_tensor(self._key)
        self._key.assign_add([0, 1])
        return self._functional.predict_on_batch(weights, batch_input, training, key)

    def forward_pass(self, batch_input: Any, training: bool = True) -> BatchOutput:
        features, labels = batches.split(batch_input)
        predictions = self.predict_on_batch(features, training)
        loss = self._functional.loss(predictions, labels)
        num_examples = tf.shape(tf.nest.flatten(predictions)[0])[0]
        output = BatchOutput(loss, predictions, num_examples)
        self.count(labels, output)
        return output

    @abc.abstractmethod
    def count(self, labels: Any, output: BatchOutput) -> None:
        """Takes a batch into the metrics.

        Args:
          labels: the labels of the batch.
          output: what the model made of it.
        """


class WithOwnMetrics(FunctionalVariables):
    """A functional model that reports the metrics that it brings."""

    def __init__(self, functional_model: FunctionalModel) -> None:
        """Makes the variables of the model.

        Args:
          functional_model: the model.

        Raises:
          ModelError: if its metrics have no names.
        """
        super().__init__(functional_model)
        start = functional_model.initialize_metrics_state()
        if not isinstance(start, collections.OrderedDict):
            raise errors.ModelError(
                "the metrics of the functional model have no names.",
                problems=[
                    f"state of the metrics: got an object of the class `{type(start).__name__}`"
                ],
                signature="<name=sums of the metric,...>",
                fix="give `metrics_constructor` an `OrderedDict` of names and metrics.",
            )
        self._state: Any = trees.map_structure(
            lambda value: tf.Variable(value, trainable=False), start
        )

    @property
    def metrics_state(self) -> Any:
        """The variables of the metrics, in the structure of their state."""
        return self._state

    @property
    def local_variables(self) -> list[tf.Variable]:
        return trees.leaves(self._state)

    def count(self, labels: Any, output: BatchOutput) -> None:
        state = self.report_local_unfinalized_metrics()
        updated = self._functional.update_metrics_state(state, labels, output)
        _assign(self._state, updated)

    def report_local_unfinalized_metrics(self) -> collections.OrderedDict[str, Any]:
        return trees.map_structure(tf.convert_to_tensor, self._state)

    def metric_finalizers(self) -> Any:
        """One function that finalizes all metrics: a functional model has no finer ones."""
        return self._functional.finalize_metrics

    def reset_metrics(self) -> None:
        _assign(self._state, self._functional.initialize_metrics_state())


class WithKerasMetrics(FunctionalVariables):
    """A functional model that reports its loss and Keras metrics."""

    def __init__(
        self, functional_model: FunctionalModel, metrics: collections.OrderedDict[str, Any]
    ) -> None:
        """Makes the variables of the model.

        Args:
          functional_model: the model.
          metrics: the Keras metrics by name, new ones.
        """
        super().__init__(functional_model)
        self._loss = keras_model.LossMetric()
        self._metrics = metrics
        for metric in metrics.values():
            from_keras.ensure_metric_built(metric, self._input_spec, self._predictions)

    @property
    def local_variables(self) -> list[tf.Variable]:
        return [
            frameworks.to_framework_variable(variable)
            for metric in (self._loss, *self._metrics.values())
            for variable in metric.variables
        ]

    def count(self, labels: Any, output: BatchOutput) -> None:
        self._loss.update_state(output.loss, output.num_examples)
        for metric in self._metrics.values():
            metric.update_state(labels, output.predictions)

    def report_local_unfinalized_metrics(self) -> collections.OrderedDict[str, Any]:
        return collections.OrderedDict(
            (name, [tf.convert_to_tensor(variable.value) for variable in metric.variables])
            for name, metric in self._named()
        )

    def metric_finalizers(self) -> collections.OrderedDict[str, Callable[[Any], Any]]:
        return collections.OrderedDict(
            (name, keras_model.to_finalizer(metric)) for name, metric in self._named()
        )

    def reset_metrics(self) -> None:
        for _, metric in self._named():
            metric.reset_state()

    def _predictions(self) -> Any:
        features, _ = batches.split(self._input_spec)
        predict = tf.function(
            lambda x: self._functional.predict_on_batch(self._functional.initial_weights, x, False)
        )
        return predict.get_concrete_function(features).structured_outputs

    def _named(self) -> list[tuple[str, Any]]:
        return [("loss", self._loss), *self._metrics.items()]


def with_keras_metrics(
    functional_model: FunctionalModel, metric_constructors: Sequence[Callable[[], Any]]
) -> WithKerasMetrics:
    """See `functional.model_from_functional`."""
    metrics: collections.OrderedDict[str, Any] = collections.OrderedDict()
    if containers.unpack(metric_constructors) is None:
        raise _no_constructors(f"got {descriptions.described(metric_constructors)}")
    for index, construct in enumerate(metric_constructors):
        if isinstance(construct, keras.metrics.Metric) or not callable(construct):
            raise _no_constructors(f"[{index}]: got {descriptions.described(construct)}")
        metric = construct()
        if not isinstance(metric, keras.metrics.Metric):
            raise _no_constructors(f"[{index}]: makes {descriptions.described(metric)}")
        if metric.name in ("loss", *metrics):
            raise errors.ModelValueError(
                "each metric needs a name of its own.",
                problems=[f"metric_constructors[{index}]: {metric.name!r} is taken"],
                fix="give it another name: `lambda: Metric(name=...)`.",
            )
        metrics[metric.name] = metric
    return WithKerasMetrics(functional_model, metrics)


def _no_constructors(problem: str) -> errors.ModelError:
    separator = "" if problem.startswith("[") else ": "
    return errors.ModelError(
        f"{_NAME} needs functions that make Keras metrics.",
        problems=[f"metric_constructors{separator}{problem}"],
        fix="give the classes, for example `[keras.metrics.MeanAbsoluteError]`.",
    )


def _assign(variables: Any, values: Any) -> None:
    for variable, value in zip(trees.leaves(variables), trees.leaves(values), strict=True):
        variable.assign(value)
