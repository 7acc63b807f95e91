"""Keras metrics of both generations as functions of the values of their variables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def is_metric(candidate: Any) -> bool:
    """Whether it is a metric of Keras 3 or Keras 2."""
    import keras

    return isinstance(candidate, keras.metrics.Metric) or is_legacy(candidate)


def is_legacy(candidate: Any) -> bool:
    """Whether it is a metric of Keras 2, as the package `tf_keras` has it."""
    # The models import the metrics.
    from tensorflow_federated.learning.models import frameworks

    is_object = hasattr(candidate, "update_state") and not isinstance(candidate, type)
    return is_object and frameworks.is_legacy_keras(candidate)


def updated(metric: Any, values: Sequence[Any], labels: Any, predictions: Any) -> tuple[Any, ...]:
    """The values of a metric's variables after one more batch.

    Args:
      metric: the metric; one of Keras 2 was made by `legacy_metrics.made`.
      values: the values of its variables before.
      labels: as the metric takes them.
      predictions: as the metric takes them.
    """
    if not is_legacy(metric):
        return tuple(metric.stateless_update_state(list(values), labels, predictions))
    from tensorflow_federated.learning.metrics import legacy_metrics

    legacy_metrics.assign(metric, values)
    metric.update_state(labels, predictions)
    return tuple(variable.value() for variable in metric.variables)


def result(metric: Any, values: Sequence[Any]) -> Any:
    """The value of a metric whose variables have certain values.

    Args:
      metric: the metric; one of Keras 2 was made by `legacy_metrics.made`.
      values: the values of its variables.
    """
    if not is_legacy(metric):
        return metric.stateless_result(list(values))
    from tensorflow_federated.learning.metrics import legacy_metrics

    legacy_metrics.assign(metric, values)
    return metric.result()
