"""The forms in which metrics are finalized and aggregated."""

from __future__ import annotations

import collections
from collections.abc import Callable
from typing import Any, Protocol, TypeAlias

from tensorflow_federated.core.types import StructType

MetricFinalizersType: TypeAlias = "collections.OrderedDict[str, Callable[[Any], Any]]"
"""For each metric, the function from its unfinalized value to the number that is reported.

A function of TensorFlow (`tf.function` or not), of JAX (`jax.jit` or not), plain arithmetic, or a
`tff.tensorflow.computation` or `tff.jax.computation`; each metric may have another. A function that
both frameworks can trace is TensorFlow's, where that is installed.
"""

FunctionalMetricFinalizersType: TypeAlias = (
    "Callable[[collections.OrderedDict[str, Any]], collections.OrderedDict[str, Any]]"
)
"""One function from the unfinalized values of all metrics to the numbers that are reported."""

AnyMetricFinalizers: TypeAlias = "MetricFinalizersType | FunctionalMetricFinalizersType"
"""Finalizers in either form."""


class MetricsAggregatorType(Protocol):
    """Builds the computation that brings the clients' unfinalized metrics to the server.

    `tff.learning.metrics.sum_then_finalize` is one.
    """

    def __call__(
        self,
        metric_finalizers: AnyMetricFinalizers,
        local_unfinalized_metrics_type: StructType,
        /,
    ) -> Any:
        """Builds the computation.

        Args:
          metric_finalizers: the finalizers of the model.
          local_unfinalized_metrics_type: the type of one client's unfinalized metrics.

        Returns:
          A computation of the type ``({unfinalized}@CLIENTS -> finalized@SERVER)``.
        """
        ...
