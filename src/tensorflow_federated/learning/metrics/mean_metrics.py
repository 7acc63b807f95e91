"""Means over examples, as functional models report them."""

from __future__ import annotations

import collections
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tensorflow_federated.core import errors, portable
from tensorflow_federated.learning import descriptions

_NAME = "`tff.learning.metrics.create_mean_metric_fns`"

_DTYPE = np.dtype(np.float32)


@errors.boundary
def create_mean_metric_fns(
    value_fns: Mapping[str, Callable[[Any, Any], Any]],
) -> tuple[Callable[[], Any], Callable[..., Any], Callable[[Any], Any]]:
    """Makes the functions of metrics that are means over examples, for functional models.

    A metric is ``sum_i w_i v_i / sum_i w_i`` over all examples i of all clients, with the weights
    `sample_weight`, or 1; 0 where there are no examples. Clients report both sums, as float32.

    Args:
      value_fns: for each metric a function of the labels of a batch and of a
        `tff.learning.models.BatchOutput`, that returns v: a number, or a bool, for each example, or
        one for the whole batch, as its loss is. In TensorFlow or in JAX, as the model is.

    Returns:
      Three functions, the `metrics_fns` of a `tff.learning.models.FunctionalModel`.

    Raises:
      ModelError: if `value_fns` is no mapping from names to functions.

    Examples:
      >>> import jax.numpy as jnp
      >>> import tensorflow_federated as tff
      >>> initialize, update, finalize = tff.learning.metrics.create_mean_metric_fns(
      ...     {
      ...         "loss": lambda labels, output: output.loss,
      ...         "accuracy": lambda labels, output: output.predictions.argmax(axis=1) == labels,
      ...     }
      ... )
      >>> predictions = jnp.array([[1.0, 0.0], [2.0, 1.0]])
      >>> output = tff.learning.models.BatchOutput(0.5, predictions, num_examples=2)
      >>> state = update(initialize(), jnp.array([0, 1]), output)
      >>> {name: float(value) for name, value in finalize(state).items()}
      {'loss': 0.5, 'accuracy': 0.5}

    Differs from TFF: it is not there, where metrics are of Keras.
    """
    problems = (
        [
            f"value_fns[{name!r}]: got {descriptions.described(fn)}"
            for name, fn in value_fns.items()
            if not (callable(fn) and isinstance(name, str))
        ]
        if isinstance(value_fns, Mapping)
        else [f"value_fns: got {descriptions.described(value_fns)}"]
    )
    if problems:
        raise errors.ModelError(
            f"{_NAME} needs functions by name.",
            problems=problems,
            signature="(labels, batch_output) -> a value for each example",
            fix="give a dict, for example `{'loss': lambda labels, output: output.loss}`.",
        )
    fns = collections.OrderedDict(value_fns)

    def initialize() -> Any:
        return collections.OrderedDict((name, [np.zeros((), _DTYPE)] * 2) for name in fns)

    def update(state: Any, labels: Any, batch_output: Any, sample_weight: Any = None) -> Any:
        return collections.OrderedDict(
            (name, _added(state[name], fn(labels, batch_output), batch_output, sample_weight))
            for name, fn in fns.items()
        )

    def finalize(state: Any) -> Any:
        return collections.OrderedDict((name, _mean(*state[name])) for name in fns)

    return initialize, update, finalize


def _added(sums: Any, values: Any, batch_output: Any, sample_weight: Any) -> list[Any]:
    """The sums with the values of a batch."""
    total, weight = sums
    xp = portable.namespace_of(values, batch_output.predictions)
    values = xp.cast(xp.asarray(values), _DTYPE)
    if not xp.shape_of(values):
        counted = batch_output.num_examples if sample_weight is None else sample_weight
        in_batch = xp.sum(xp.cast(xp.asarray(counted), _DTYPE))
        return [total + values * in_batch, weight + in_batch]
    values = xp.reshape(values, [-1])
    if sample_weight is None:
        return [total + xp.sum(values), weight + xp.sum(xp.ones_like(values))]
    weights = xp.reshape(xp.cast(xp.asarray(sample_weight), _DTYPE), [-1])
    return [total + xp.sum(values * weights), weight + xp.sum(weights)]


def _mean(total: Any, weight: Any) -> Any:
    xp = portable.namespace_of(total, weight)
    is_empty = weight == 0.0
    return xp.where(
        is_empty, xp.zeros_like(total), total / xp.where(is_empty, weight + 1.0, weight)
    )
