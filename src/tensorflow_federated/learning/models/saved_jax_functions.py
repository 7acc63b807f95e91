"""Functional models of JAX as exported functions, and back.

Importing this module imports JAX.
"""

from __future__ import annotations

import collections
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tensorflow_federated import jax as jax_backend
from tensorflow_federated.core import trees, type_inference, type_trees, types
from tensorflow_federated.core.computations import Computation
from tensorflow_federated.core.types import TensorType, Type
from tensorflow_federated.jax import application, structures
from tensorflow_federated.learning.models import batches, functional, jax_models, jax_passes
from tensorflow_federated.learning.models.functional import FunctionalModel
from tensorflow_federated.learning.models.variable import BatchOutput

Content = collections.OrderedDict[str, Any]

_KEY_TYPE = TensorType(np.uint32, [2])


def to_content(model: FunctionalModel) -> Content:
    """Exports the functions of a model.

    An exported function has no derivative, so those that training needs are exported beside it.

    Args:
      model: a model of JAX.

    Returns:
      What is to be saved.

    Raises:
      WireError: if a function cannot be exported.
    """
    spec = jax_models.describe_model(model)
    features, labels = batches.split(spec.batch_type)
    weights_type = type_inference.infer_type(model.initial_weights)
    weights = _in_form(model.initial_weights, weights_type)
    keys = [_KEY_TYPE] if model.takes_key else []

    def prediction(training: bool) -> Callable[..., Any]:
        def predict(weights: Any, x: Any, *keys: Any) -> Any:
            key = jax_passes.to_key(keys[0]) if keys else None
            return model.predict_on_batch(weights, x, training, key)

        return predict

    def loss(output: Any, label: Any) -> Any:
        return model.loss(output, label)

    def update(state: Any, label: Any, loss: Any, predictions: Any, num_examples: Any) -> Any:
        return model.update_metrics_state(
            state, label, BatchOutput(loss, predictions, num_examples)
        )

    predicted = _exported(prediction(True), weights_type, features, *keys)
    output_type = predicted.type_signature.result
    lost = _exported(loss, output_type, labels)
    loss_type = lost.type_signature.result
    metrics: list[Any] = []
    state_type = spec.metrics_type
    if trees.leaves(model.initialize_metrics_state()):
        state = _in_form(model.initialize_metrics_state(), state_type)
        updated = _exported(
            update, state_type, labels, loss_type, output_type, TensorType(np.int32)
        )
        metrics = [state, updated, jax_backend.computation(model.finalize_metrics, state_type)]
    return collections.OrderedDict(
        weights=weights,
        batch=_exported(lambda batch: batch, spec.batch_type),
        predict_training=predicted,
        predict_gradient=_exported(
            _pullback(prediction(True)), weights_type, features, *keys, output_type
        ),
        predict=_exported(prediction(False), weights_type, features, *keys),
        loss=lost,
        loss_gradient=_exported(_pullback(loss), output_type, labels, loss_type),
        metrics=metrics,
    )


def _in_form(values: Any, type_signature: Type) -> Any:
    """Arrays of NumPy in the containers and of the dtypes of a type."""
    leaves = iter(trees.leaves(values))
    return type_trees.build(
        type_signature,
        lambda leaf: np.asarray(next(leaves), leaf.dtype),  # pyright: ignore
    )


def _exported(fn: Callable[..., Any], *parameter_types: Type) -> Computation:
    """A computation of one list of arguments, so that it is called the same way for any number."""

    def call(arguments: Any) -> Any:
        return fn(*arguments)

    return jax_backend.computation(call, types.to_type(list(parameter_types)))


def _pullback(fn: Callable[..., Any]) -> Callable[..., Any]:
    """The function from arguments and the gradients of the result to those of the first argument.

    Those of what has no gradients, as whole numbers, are left out.
    """

    def pull(*arguments: Any) -> Any:
        first, *others = arguments[:-1]
        leaves = trees.leaves(first)
        moving = [index for index, leaf in enumerate(leaves) if _has_gradient(leaf)]

        def moved(values: Any) -> Any:
            given = list(leaves)
            for index, value in zip(moving, values, strict=True):
                given[index] = value
            result = trees.leaves(fn(trees.pack_like(first, given), *others))
            return [each for each in result if _has_gradient(each)]

        _, pulled = jax.vjp(moved, [leaves[index] for index in moving])
        upstream = [each for each in trees.leaves(arguments[-1]) if _has_gradient(each)]
        return pulled(upstream)[0]

    return pull


def _has_gradient(array: Any) -> bool:
    return jnp.issubdtype(jnp.result_type(array), jnp.inexact)


def from_content(content: Mapping[str, Any]) -> FunctionalModel:
    """Makes a model of what `to_content` gave."""
    takes_key = len(content["predict"].type_signature.parameter) > 2
    predict_training = _differentiable(content["predict_training"], content["predict_gradient"])

    def predict(model_weights: Any, x: Any, training: bool = True) -> Any:
        if training:
            return predict_training(tuple(model_weights), x)
        return _call(content["predict"], tuple(model_weights), x)

    def predict_with_key(model_weights: Any, x: Any, training: bool = True, key: Any = None) -> Any:
        data = jnp.zeros(2, jnp.uint32) if key is None else jax.random.key_data(key)
        if training:
            return predict_training(tuple(model_weights), x, data)
        return _call(content["predict"], tuple(model_weights), x, data)

    loss_of = _differentiable(content["loss"], content["loss_gradient"])

    def loss(output: Any, label: Any, sample_weight: Any = None) -> Any:
        functional.check_no_sample_weight(sample_weight)
        return loss_of(output, label)

    metrics_fns: Any = functional.NO_METRICS
    if content["metrics"]:
        state, updated, finalized = content["metrics"]

        def initialize() -> Any:
            return trees.map_structure(jnp.asarray, state)

        def update(state: Any, labels: Any, batch_output: Any, sample_weight: Any = None) -> Any:
            functional.check_no_sample_weight(sample_weight)
            loss, predictions, num_examples = batch_output
            return _call(updated, state, labels, loss, predictions, num_examples)

        def finalize(state: Any) -> Any:
            return application.InliningContext().invoke(finalized, state)

        metrics_fns = (initialize, update, finalize)
    return FunctionalModel(
        initial_weights=tuple(content["weights"]),
        predict_on_batch_fn=jax.jit(
            predict_with_key if takes_key else predict,
            static_argnums=2,
        ),
        loss_fn=loss,
        metrics_fns=metrics_fns,
        input_spec=content["batch"].type_signature.result,
    )


def _call(computation: Any, *arguments: Any) -> Any:
    """Calls an exported function on arrays or tracers, in the containers of its types."""
    return application.InliningContext().invoke(computation, list(arguments))


def _differentiable(computation: Computation, gradient: Computation) -> Callable[..., Any]:
    """An exported function, whose derivative in its first argument is another one."""
    result_type: Any = computation.type_signature.result

    def call(first: Any, *others: Any) -> Any:
        def rebuilt(leaves: Any, others: Any) -> Any:
            return trees.leaves(_call(computation, trees.pack_like(first, leaves), *others))

        @jax.custom_vjp
        def run(leaves: Any, others: Any) -> Any:
            return rebuilt(leaves, others)

        def forward(leaves: Any, others: Any) -> Any:
            return rebuilt(leaves, others), (leaves, others)

        def backward(kept: Any, upstream: Any) -> Any:
            leaves, others = kept
            given = structures.to_containers(_canonical(upstream, result_type), result_type)
            pulled = iter(_call(gradient, trees.pack_like(first, leaves), *others, given))
            found = [next(pulled) if _has_gradient(leaf) else None for leaf in leaves]
            return found, None

        run.defvjp(forward, backward)
        leaves = [jnp.asarray(leaf) for leaf in trees.leaves(first)]
        results = run(leaves, others)
        return structures.to_containers(_canonical(results, result_type), result_type)

    return call


def _canonical(leaves: Any, type_signature: Type) -> Any:
    """Flat arrays as the nested tuples that carry a value of a type."""
    remaining = iter(leaves)

    def build(part: Type) -> Any:
        if isinstance(part, types.StructType):
            return tuple(build(each) for each in part.children())
        value = next(remaining)
        if getattr(value, "dtype", None) == jax.dtypes.float0:
            return jnp.zeros(value.shape, part.dtype)  # pyright: ignore
        return value

    return build(type_signature)
