"""Models that are functions of their weights."""

from __future__ import annotations

import collections
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from tensorflow_federated.core import containers, errors, trees
from tensorflow_federated.learning import descriptions
from tensorflow_federated.learning.models import from_keras

if TYPE_CHECKING:
    from tensorflow_federated.learning.models.variable import BatchOutput, VariableModel

_NAME = "`tff.learning.models.FunctionalModel`"

MetricsState = Any
"""A structure of tensors, the sums behind the metrics; an `OrderedDict` by the metrics' names."""


def _no_metrics() -> MetricsState:
    return collections.OrderedDict()


def _update_no_metrics(
    state: MetricsState, labels: Any, batch_output: Any, sample_weight: Any = None
) -> MetricsState:
    del labels, batch_output, sample_weight
    return state


def _finalize_no_metrics(state: MetricsState) -> collections.OrderedDict[str, Any]:
    return state


NO_METRICS = (_no_metrics, _update_no_metrics, _finalize_no_metrics)


class FunctionalModel:
    """A model that holds no variables: its weights are arguments of its functions.

    A federated algorithm that is given such a model reports the model's own metrics, and nothing
    when it has none. `model_from_functional` makes a model with variables of it, and with Keras
    metrics.

    Examples:
      A linear model; a gradient step on it is a function of its weights:

      >>> import numpy as np
      >>> import tensorflow as tf
      >>> import tensorflow_federated as tff
      >>> @tf.function
      ... def predict(model_weights, x, training):
      ...     (kernel,), _ = model_weights
      ...     return tf.matmul(x, kernel)
      >>> model = tff.learning.models.FunctionalModel(
      ...     initial_weights=([np.zeros([1, 1], np.float32)], []),
      ...     predict_on_batch_fn=predict,
      ...     loss_fn=lambda output, label, sample_weight: tf.reduce_mean((output - label) ** 2),
      ...     input_spec=(tf.TensorSpec([None, 1]), tf.TensorSpec([None, 1])),
      ... )
      >>> x, y = np.float32([[1.0]]), np.float32([[3.0]])
      >>> float(model.loss(model.predict_on_batch(model.initial_weights, x), y))
      9.0
      >>> sgd = tff.learning.optimizers.build_sgdm(learning_rate=0.5)
      >>> process = tff.learning.algorithms.build_weighted_fed_avg(model, sgd)
      >>> state, metrics = process.next(process.initialize(), [[(x, y)]])
      >>> process.get_model_weights(state).trainable
      [array([[3.]], dtype=float32)]

    Differs from TFF: `predict_on_batch` and the other methods also run outside of graphs.
    """

    def __init__(
        self,
        *,
        initial_weights: tuple[Any, Any],
        predict_on_batch_fn: Callable[[Any, Any, bool], Any],
        loss_fn: Callable[[Any, Any, Any], Any],
        metrics_fns: tuple[
            Callable[[], MetricsState],
            Callable[[MetricsState, Any, Any, Any], MetricsState],
            Callable[[MetricsState], Any],
        ] = NO_METRICS,
        input_spec: Any,
    ) -> None:
        """Puts a model together.

        Args:
          initial_weights: a pair of the trainable and the non-trainable weights, each a structure
            (mostly a sequence) of arrays or numbers.
          predict_on_batch_fn: a `tf.function` of weights like `initial_weights`, the features of a
            batch, and whether the weights are being trained; returns the predictions, a tensor or
            a structure whose first tensor they are.
          loss_fn: a function of what `predict_on_batch_fn` returns, the labels, and weights of the
            examples or None; returns the loss of the batch, a scalar.
          metrics_fns: three functions: one without arguments that makes the first state of the
            metrics; one of a state, the labels, a `tff.learning.models.BatchOutput` and weights of
            the examples or None, that makes the next state; one that makes the values of the
            metrics of a state. `tff.learning.metrics.create_functional_metric_fns` gives all three.
          input_spec: the form of a batch: a pair of the features and the labels, or a mapping with
            the names `x` and `y`, of `tf.TensorSpec`s.

        Raises:
          ModelError: if `initial_weights` is no pair, or what has to be a function is none.
          ValueMustNotBeTFError: if a weight is a tensor or a variable.
          CallableNotTensorFlowFunctionError: if `predict_on_batch_fn` is no `tf.function`.
        """
        self._initial_weights = _checked_weights(initial_weights)
        self._predict_on_batch_fn = _checked_tf_function(predict_on_batch_fn)
        _check_callable(loss_fn, "loss_fn")
        self._loss_fn = loss_fn
        _check_metrics_fns(metrics_fns)
        self._initialize_metrics, self._update_metrics, self._finalize_metrics = metrics_fns
        self._input_spec = input_spec

    @property
    def initial_weights(self) -> tuple[Any, Any]:
        """The pair of the trainable and the non-trainable weights that training starts with."""
        return self._initial_weights

    @property
    def input_spec(self) -> Any:
        """The form of a batch: features and labels."""
        return self._input_spec

    def predict_on_batch(
        self, model_weights: tuple[Any, Any], x: Any, training: bool = True
    ) -> Any:
        """Predicts.

        Args:
          model_weights: the pair of the trainable and the non-trainable weights.
          x: the features of a batch.
          training: whether the weights are being trained, rather than evaluated.

        Returns:
          The predictions.
        """
        return self._predict_on_batch_fn(model_weights, x, training)

    def loss(self, output: Any, label: Any, sample_weight: Any = None) -> Any:
        """Computes the loss of a batch.

        Args:
          output: what `predict_on_batch` returned.
          label: the labels of the batch.
          sample_weight: the weights of the examples; the loss function decides if None.

        Returns:
          A scalar tensor.
        """
        return self._loss_fn(output, label, sample_weight)

    def initialize_metrics_state(self) -> MetricsState:
        """Makes the state of the metrics before any example."""
        return self._initialize_metrics()

    def update_metrics_state(
        self,
        state: MetricsState,
        labels: Any,
        batch_output: BatchOutput,
        sample_weight: Any = None,
    ) -> MetricsState:
        """Takes a batch into the metrics.

        Args:
          state: the state before; it is not changed.
          labels: the labels of the batch.
          batch_output: what the model made of the batch, with `predictions`.
          sample_weight: the weights of the examples.

        Returns:
          The state after.
        """
        return self._update_metrics(state, labels, batch_output, sample_weight)

    def finalize_metrics(self, state: MetricsState) -> Any:
        """Computes the values of the metrics, by name, of a state."""
        return self._finalize_metrics(state)


@errors.boundary
def model_from_functional(
    functional_model: FunctionalModel, metric_constructors: Sequence[Callable[[], Any]] = ()
) -> VariableModel:
    """Makes a model with variables of a functional one.

    Its metrics are `loss`, the mean over examples, and the given Keras metrics under their own
    names; the metrics of `functional_model` are left out. Call it inside the function that a
    federated algorithm is given.

    Args:
      functional_model: the model; its initial weights are those of the variables.
      metric_constructors: functions without arguments that make `keras.metrics.Metric`s.

    Returns:
      The model.

    Raises:
      ModelError: if an argument is not of its kind.
      ModelValueError: if two metrics have one name, or the model's `input_spec` has no features
        and labels.

    Examples:
      >>> import numpy as np
      >>> import tensorflow as tf
      >>> import tensorflow_federated as tff
      >>> functional_model = tff.learning.models.FunctionalModel(
      ...     initial_weights=([np.ones([1, 1], np.float32)], []),
      ...     predict_on_batch_fn=tf.function(lambda weights, x, training: x @ weights[0][0]),
      ...     loss_fn=lambda output, label, sample_weight: tf.reduce_mean((output - label) ** 2),
      ...     input_spec=(tf.TensorSpec([None, 1]), tf.TensorSpec([None, 1])),
      ... )
      >>> def model_fn():
      ...     return tff.learning.models.model_from_functional(
      ...         functional_model, [tf.keras.metrics.MeanAbsoluteError]
      ...     )
      >>> process = tff.learning.algorithms.build_fed_eval(model_fn)
      >>> client_data = [[(np.float32([[1.0], [2.0]]), np.float32([[1.0], [4.0]]))]]
      >>> _, metrics = process.next(process.initialize(), client_data)
      >>> metrics = metrics["client_work"]["eval"]["current_round_metrics"]
      >>> float(metrics["loss"]), float(metrics["mean_absolute_error"])
      (2.0, 1.0)
    """
    if not isinstance(functional_model, FunctionalModel):
        raise errors.ModelError(
            "`tff.learning.models.model_from_functional` needs a functional model.",
            problems=[f"functional_model: got {descriptions.described(functional_model)}"],
            fix="give a `tff.learning.models.FunctionalModel`.",
        )
    from_keras.check_framework("`tff.learning.models.model_from_functional`")
    from tensorflow_federated.learning.models import functional_variables

    return functional_variables.with_keras_metrics(functional_model, metric_constructors)


def _checked_weights(weights: Any) -> tuple[Any, Any]:
    elements = containers.unpack(weights)
    if elements is None or len(elements) != 2:
        got = descriptions.described(weights) if elements is None else f"{len(elements)} elements"
        raise errors.ModelError(
            f"{_NAME} needs trainable and non-trainable weights.",
            problems=[f"initial_weights: expected a pair, got {got}"],
            signature="(trainable, non_trainable)",
            fix="write `initial_weights=([kernel, bias], [])` if all are trainable.",
        )
    tensorflow = sys.modules.get("tensorflow")
    foreign = [
        f"initial_weights: got {descriptions.with_article(type(leaf).__name__)}"
        for leaf in trees.leaves(weights)
        if tensorflow is not None
        and (tensorflow.is_tensor(leaf) or isinstance(leaf, tensorflow.Variable))
    ]
    if foreign:
        raise errors.ValueMustNotBeTFError(
            f"{_NAME} needs initial weights that are arrays.",
            problems=foreign,
            fix="take their values: `tensor.numpy()`.",
        )
    (_, trainable), (_, non_trainable) = elements
    return trainable, non_trainable


def _checked_tf_function(fn: Any) -> Any:
    if not hasattr(fn, "get_concrete_function"):
        raise errors.CallableNotTensorFlowFunctionError(
            f"{_NAME} needs a `tf.function` that predicts.",
            problems=[f"predict_on_batch_fn: got {descriptions.described(fn)}"],
            signature="(model_weights, x, training) -> predictions",
            fix="decorate it with `@tf.function`.",
        )
    return fn


def _check_callable(fn: Any, parameter: str) -> None:
    if not callable(fn):
        raise errors.ModelError(
            f"{_NAME} cannot call what it is given.",
            problems=[f"{parameter}: expected a function, got {descriptions.described(fn)}"],
            fix="give a function.",
        )


def _check_metrics_fns(metrics_fns: Any) -> None:
    elements = containers.unpack(metrics_fns)
    if elements is None or len(elements) != 3:
        raise errors.ModelError(
            f"{_NAME} needs three functions for its metrics.",
            problems=[f"metrics_fns: got {descriptions.described(metrics_fns)}"],
            signature="(initialize, update, finalize)",
            fix="give what `tff.learning.metrics.create_functional_metric_fns` returns, or leave "
            "it out.",
        )
    for index, (_, fn) in enumerate(elements):
        _check_callable(fn, f"metrics_fns[{index}]")
