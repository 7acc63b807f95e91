"""Functional models of TensorFlow as graphs, and back.

Importing this module imports TensorFlow.
"""

from __future__ import annotations

import collections
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from tensorflow_federated import tensorflow as tensorflow_backend
from tensorflow_federated.core import trees, type_inference, types
from tensorflow_federated.core.computations import Computation
from tensorflow_federated.core.types import TensorType, Type
from tensorflow_federated.learning.models import (
    batches,
    from_keras,
    functional,
    saved_calls,
)
from tensorflow_federated.learning.models.functional import FunctionalModel
from tensorflow_federated.learning.models.variable import BatchOutput

Content = collections.OrderedDict[str, Any]

_KEY_TYPE = TensorType(np.int64, [2])


def to_content(model: FunctionalModel) -> Content:
    """Traces the functions of a model.

    Of a graph that was read from bytes TensorFlow does not know all derivatives, so those that
    training needs are traced beside it.

    Args:
      model: a model of TensorFlow.

    Returns:
      What is to be saved.

    Raises:
      WireError: if a function does more than compute.
    """
    batch_type = types.to_type(model.input_spec)
    features, labels = batches.split(batch_type)
    weights = trees.map_structure(_to_array, model.initial_weights)
    weights_type = type_inference.infer_type(weights)
    keys = [_KEY_TYPE] if model.takes_key else []

    def prediction(training: bool) -> Callable[..., Any]:
        def predict(weights: Any, x: Any, *keys: Any) -> Any:
            return model.predict_on_batch(weights, x, training, *keys)

        return predict

    def loss(output: Any, label: Any) -> Any:
        return model.loss(output, label)

    def update(state: Any, label: Any, loss: Any, predictions: Any, num_examples: Any) -> Any:
        return model.update_metrics_state(
            state, label, BatchOutput(loss, predictions, num_examples)
        )

    predicted = _traced(prediction(True), weights_type, features, *keys)
    output_type = predicted.type_signature.result
    lost = _traced(loss, output_type, labels)
    loss_type = lost.type_signature.result
    state = trees.map_structure(_to_array, model.initialize_metrics_state())
    metrics: list[Any] = []
    if trees.leaves(state):
        state_type = type_inference.infer_type(state)
        updated = _traced(update, state_type, labels, loss_type, output_type, TensorType(np.int32))
        metrics = [state, updated, _traced(model.finalize_metrics, state_type)]
    return collections.OrderedDict(
        weights=weights,
        batch=_traced(lambda batch: batch, batch_type),
        predict_training=predicted,
        predict_gradient=_traced(
            _pullback(prediction(True)), weights_type, features, *keys, output_type
        ),
        predict=_traced(prediction(False), weights_type, features, *keys),
        loss=lost,
        loss_gradient=_traced(_pullback(loss), output_type, labels, loss_type),
        metrics=metrics,
    )


def _to_array(value: Any) -> np.ndarray:
    # Of the dtype that TensorFlow gives a number of Python.
    return np.asarray(tf.convert_to_tensor(value))


def _traced(fn: Callable[..., Any], *parameter_types: Type) -> Computation:
    """A computation of one list of arguments, so that it is called the same way for any number."""

    def call(arguments: Any) -> Any:
        return fn(*arguments)

    return tensorflow_backend.computation(call, types.to_type(list(parameter_types)))


def _pullback(fn: Callable[..., Any]) -> Callable[..., Any]:
    """The function from arguments and the gradients of the result to those of the first argument.

    Those of what has no gradients, as whole numbers, are left out.
    """

    def pull(*arguments: Any) -> Any:
        first, *others = arguments[:-1]
        moving = [leaf for leaf in trees.leaves(first) if leaf.dtype.is_floating]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(moving)
            results = trees.leaves(fn(first, *others))
        pairs = [
            pair
            for pair in zip(results, trees.leaves(arguments[-1]), strict=True)
            if pair[0].dtype.is_floating
        ]
        return tape.gradient(
            [result for result, _ in pairs],
            moving,
            [upstream for _, upstream in pairs],
            unconnected_gradients=tf.UnconnectedGradients.ZERO,
        )

    return pull


def from_content(content: Mapping[str, Any]) -> FunctionalModel:
    """Makes a model of what `to_content` gave."""
    takes_key = len(content["predict"].type_signature.parameter) > 2
    predict_training = saved_calls.differentiable(
        _called(content["predict_training"]), _called(content["predict_gradient"])
    )
    loss_of = saved_calls.differentiable(
        _called(content["loss"]), _called(content["loss_gradient"])
    )
    predict_only = _called(content["predict"])

    @tf.function(autograph=False)
    def predict(model_weights: Any, x: Any, training: bool = True) -> Any:
        return (predict_training if training else predict_only)(tuple(model_weights), x)

    @tf.function(autograph=False)
    def predict_with_key(model_weights: Any, x: Any, training: bool = True, key: Any = None) -> Any:
        key = tf.random.uniform([2], 0, 2**31 - 1, tf.int64) if key is None else key
        return (predict_training if training else predict_only)(tuple(model_weights), x, key)

    def loss(output: Any, label: Any, sample_weight: Any = None) -> Any:
        functional.check_no_sample_weight(sample_weight)
        return loss_of(output, label)

    metrics_fns: Any = functional.NO_METRICS
    if content["metrics"]:
        state, updated, finalized = content["metrics"]

        def update(state: Any, labels: Any, batch_output: Any, sample_weight: Any = None) -> Any:
            functional.check_no_sample_weight(sample_weight)
            loss, predictions, num_examples = batch_output
            return _called(updated)(state, labels, loss, predictions, num_examples)

        metrics_fns = (
            lambda: trees.map_structure(tf.convert_to_tensor, state),
            update,
            lambda state: _called(finalized)(state),
        )
    return FunctionalModel(
        initial_weights=tuple(content["weights"]),
        predict_on_batch_fn=predict_with_key if takes_key else predict,
        loss_fn=loss,
        metrics_fns=metrics_fns,
        input_spec=from_keras.to_specs(content["batch"].type_signature.result),
    )


def _called(computation: Computation) -> Callable[..., Any]:
    @tf.autograph.experimental.do_not_convert
    def call(*arguments: Any) -> Any:
        return saved_calls.called(computation, [list(arguments)])

    return call
