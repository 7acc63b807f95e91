"""Keras metrics as functions of their sums."""

from __future__ import annotations

import collections
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tensorflow_federated.core import errors
from tensorflow_federated.learning import descriptions

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
      which it does not use. `finalize` makes the values of the metrics of a state.

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
        import tensorflow as tf
    except ModuleNotFoundError as error:
        raise errors.missing_extra("tensorflow", _NAME) from error

    # The metrics' own variables are never used, but must not belong to a graph.
    with tf.init_scope():
        metrics = _constructed(metrics_constructor)
        start = _for_each(
            metrics, lambda metric: tuple(np.array(v.numpy()) for v in metric.variables)
        )

    @tf.function
    def initialize() -> Any:
        return tf.nest.map_structure(tf.constant, start)

    @tf.function
    def update(state: Any, labels: Any, batch_output: Any, sample_weight: Any = None) -> Any:
        del sample_weight
        predictions = batch_output.predictions
        return _for_each(
            metrics,
            lambda metric, sums: tuple(
                metric.stateless_update_state(list(sums), labels, predictions)
            ),
            state,
        )

    @tf.function
    def finalize(state: Any) -> Any:
        return _for_each(metrics, lambda metric, sums: metric.stateless_result(list(sums)), state)

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


def _constructed(constructor: Any) -> Any:
    """The metrics, made: one, or an `OrderedDict` of several."""
    import keras

    given = constructor
    if isinstance(constructor, Mapping):
        wrong = [
            f"metrics_constructor[{name!r}]: expected a function without arguments, got "
            f"{descriptions.described(each)}"
            for name, each in constructor.items()
            if isinstance(each, keras.metrics.Metric) or not callable(each)
        ]
        if wrong:
            raise _no_metrics(wrong)
        made: Any = collections.OrderedDict((name, make()) for name, make in constructor.items())
    elif callable(given) and not isinstance(given, keras.metrics.Metric):
        made = given()
        if isinstance(made, Mapping):
            made = collections.OrderedDict(made)
    else:
        raise _no_metrics([f"metrics_constructor: got {descriptions.described(given)}"])
    named = made if isinstance(made, collections.OrderedDict) else {None: made}
    wrong = [
        f"metrics_constructor{'' if name is None else f'[{name!r}]'}: makes "
        f"{descriptions.described(metric)}"
        for name, metric in named.items()
        if not isinstance(metric, keras.metrics.Metric)
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
            fix="report such a metric with `tff.learning.models.from_keras_model`.",
        )
    return made


def _no_metrics(problems: list[str]) -> errors.ModelError:
    return errors.ModelError(
        f"{_NAME} needs functions that make Keras metrics.",
        problems=problems,
        fix="give an `OrderedDict` of names and classes of metrics, for example "
        "`collections.OrderedDict(error=keras.metrics.MeanAbsoluteError)`.",
    )
