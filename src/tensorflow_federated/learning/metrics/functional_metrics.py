"""Keras metrics as functions of their sums."""

from __future__ import annotations

import collections
import functools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tensorflow_federated.core import errors
from tensorflow_federated.learning import descriptions
from tensorflow_federated.learning.metrics import class_accuracies, metric_calls

_NAME = "`tff.learning.metrics.create_functional_metric_fns`"


@errors.boundary
def create_functional_metric_fns(
    metrics_constructor: Any,
) -> tuple[Callable[[], Any], Callable[..., Any], Callable[[Any], Any]]:
    """Makes functions without variables of Keras metrics, as functional models need them.

    Args:
      metrics_constructor: a function without arguments that makes a `keras.metrics.Metric`, or an
        `OrderedDict` of names and metrics; or an `OrderedDict` of names and functions that make
        one metric each. The class of a metric is such a function.

    Returns:
      Three functions: `initialize`, without arguments, makes the state before any example: for each
      metric the tuple of its variables' values. `update` makes the next state of a state, the
      labels, a `tff.learning.models.BatchOutput` with `predictions`, and weights of the examples,
      which it does not use. `finalize` makes the values of the metrics of a state. With Keras on
      JAX they are functions on JAX arrays, otherwise of TensorFlow.

    Raises:
      ModelError: if no Keras metrics are made.
      ModelValueError: if a metric makes its variables at its first update only.

    Examples:
      >>> import keras
      >>> import tensorflow as tf
      >>> import tensorflow_federated as tff
      >>> initialize, update, finalize = tff.learning.metrics.create_functional_metric_fns(
      ...     collections.OrderedDict(accuracy=keras.metrics.Accuracy)
      ... )
      >>> output = tff.learning.models.BatchOutput(predictions=tf.constant([0.0, 1.0]))
      >>> state = update(initialize(), tf.constant([1.0, 1.0]), output)
      >>> float(finalize(state)["accuracy"])
      0.5
    """
    try:
        import keras
    except ModuleNotFoundError as error:
        raise errors.missing_extra("tensorflow", _NAME) from error
    if keras.backend.backend() == "jax":
        made = _constructed(metrics_constructor)
        # An array of JAX keeps its 64 bits where one of NumPy would not.
        start = _for_each(made, lambda metric: tuple(v.value for v in metric.variables))
        return _functions(lambda: start, functools.partial(_same, made))
    import tensorflow as tf

    # The metrics' own variables are never used, but must not belong to a graph.
    with tf.init_scope():
        made = _constructed(metrics_constructor)
        # A variable may share its memory with the array that it gives.
        start = _for_each(made, lambda metric: tuple(np.array(v.numpy()) for v in metric.variables))

    def initialize() -> Any:
        return tf.nest.map_structure(tf.constant, start)

    find_metrics = functools.partial(_same, made)
    if any(map(metric_calls.is_legacy, _by_name(made).values())):
        from tensorflow_federated.learning.metrics import legacy_metrics

        make = functools.partial(_constructed, metrics_constructor)
        find_metrics = functools.partial(legacy_metrics.made, make)
    _, update, finalize = _functions(initialize, find_metrics)
    return tf.function(initialize), tf.function(update), tf.function(finalize)


def _same(metrics: Any) -> Any:
    return metrics


def _functions(
    initialize: Callable[[], Any], find_metrics: Callable[[], Any]
) -> tuple[Callable[[], Any], Callable[..., Any], Callable[[Any], Any]]:
    """The three functions.

    Args:
      initialize: the first of them.
      find_metrics: gives the metrics, whenever they are used.
    """

    def update(state: Any, labels: Any, batch_output: Any, sample_weight: Any = None) -> Any:
        del sample_weight
        predictions = batch_output.predictions
        return _for_each(
            find_metrics(),
            lambda metric, sums: metric_calls.updated(metric, sums, labels, predictions),
            state,
        )

    def finalize(state: Any) -> Any:
        return _for_each(find_metrics(), metric_calls.result, state)

    return initialize, update, finalize


def is_built(metric: Any) -> bool:
    """Whether a Keras metric has all its variables, and makes none at its first update."""
    built = getattr(metric, "built", True) and getattr(metric, "_built", True)
    return bool(built and metric.variables)


def _for_each(metrics: Any, fn: Callable[..., Any], *states: Any) -> Any:
    """Calls a function with each metric, or the only one, and what the states hold for it."""
    if not isinstance(metrics, collections.OrderedDict):
        return fn(metrics, *states)
    return collections.OrderedDict(
        (name, fn(metric, *(state[name] for state in states))) for name, metric in metrics.items()
    )


def _by_name(metrics: Any) -> dict[Any, Any]:
    return metrics if isinstance(metrics, collections.OrderedDict) else {None: metrics}


def _constructed(constructor: Any) -> Any:
    """The metrics, made: one, or an `OrderedDict` of several."""
    given = constructor
    if isinstance(constructor, Mapping):
        wrong = [
            f"metrics_constructor[{name!r}]: expected a function without arguments, got "
            f"{descriptions.described(each)}"
            for name, each in constructor.items()
            if metric_calls.is_metric(each) or not callable(each)
        ]
        if wrong:
            raise _no_metrics(wrong)
        made = _each_called(constructor)
    elif callable(given) and not metric_calls.is_metric(given):
        made = given()
        if isinstance(made, Mapping):
            made = collections.OrderedDict(made)
    else:
        raise _no_metrics([f"metrics_constructor: got {descriptions.described(given)}"])
    named = _by_name(made)
    wrong = [
        f"metrics_constructor{'' if name is None else f'[{name!r}]'}: makes "
        f"{descriptions.described(metric)}"
        for name, metric in named.items()
        if not metric_calls.is_metric(metric)
    ]
    wrong += [
        f"metrics_constructor: the name {name!r} is no string"
        for name in named
        if name is not None and not isinstance(name, str)
    ]
    if wrong:
        raise _no_metrics(wrong)
    unbuilt = [
        f"{metric.name}: makes variables at its first update"
        for metric in named.values()
        if not is_built(metric)
    ]
    if unbuilt:
        raise errors.ModelValueError(
            f"{_NAME} needs metrics whose variables are there when they are made.",
            problems=unbuilt,
            fix="report such a metric with `tff.learning.models.from_keras_model` or "
            "`functional_model_from_keras`, which know what the model predicts.",
        )
    for metric in named.values():
        class_accuracies.prepared(metric)
    return made


def _each_called(constructors: Mapping[str, Callable[[], Any]]) -> Any:
    return collections.OrderedDict((name, make()) for name, make in constructors.items())


def _no_metrics(problems: list[str]) -> errors.ModelError:
    return errors.ModelError(
        f"{_NAME} needs functions that make Keras metrics.",
        problems=problems,
        fix="give an `OrderedDict` of names and classes of metrics, for example "
        "`collections.OrderedDict(error=keras.metrics.MeanAbsoluteError)`.",
    )
