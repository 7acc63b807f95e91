"""Metrics of learning: what clients report, how it is summed and finalized."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tensorflow_federated.core import errors as _errors
from tensorflow_federated.learning.metrics import counters as _counters
from tensorflow_federated.learning.metrics.keras_finalizer import create_keras_metric_finalizer
from tensorflow_federated.learning.metrics.metric_types import (
    FunctionalMetricFinalizersType,
    MetricFinalizersType,
    MetricsAggregatorType,
)
from tensorflow_federated.learning.metrics.summation import sum_then_finalize
from tensorflow_federated.learning.metrics.summation_process import SumThenFinalizeFactory

if TYPE_CHECKING:
    NumBatchesCounter: Any
    NumExamplesCounter: Any

__all__ = [
    "FunctionalMetricFinalizersType",
    "MetricFinalizersType",
    "MetricsAggregatorType",
    "NumBatchesCounter",
    "NumExamplesCounter",
    "SumThenFinalizeFactory",
    "create_keras_metric_finalizer",
    "sum_then_finalize",
]


def __getattr__(name: str) -> Any:
    # These two are Keras classes: Keras is loaded when one of them is first asked for.
    if name in _counters.__all__:
        return getattr(_counters, name)
    if name.startswith("__"):
        raise AttributeError(name)
    raise _errors.unknown_name("tff.learning.metrics", name, __all__)
