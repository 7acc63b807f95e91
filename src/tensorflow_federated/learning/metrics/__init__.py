"""Metrics of learning: what clients report, how it is summed and finalized."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tensorflow_federated.core import namespaces as _namespaces
from tensorflow_federated.learning.metrics import counters as _counters
from tensorflow_federated.learning.metrics.functional_metrics import create_functional_metric_fns
from tensorflow_federated.learning.metrics.keras_finalizer import create_keras_metric_finalizer
from tensorflow_federated.learning.metrics.mean_metrics import create_mean_metric_fns
from tensorflow_federated.learning.metrics.metric_types import (
    FunctionalMetricFinalizersType,
    MetricFinalizersType,
    MetricsAggregatorType,
)
from tensorflow_federated.learning.metrics.sampling import (
    FinalizeThenSampleFactory,
    finalize_then_sample,
)
from tensorflow_federated.learning.metrics.secure_summation import (
    SecureSumFactory,
    secure_sum_then_finalize,
)
from tensorflow_federated.learning.metrics.summation import sum_then_finalize
from tensorflow_federated.learning.metrics.summation_process import SumThenFinalizeFactory
from tensorflow_federated.learning.metrics.value_ranges import (
    create_default_secure_sum_quantization_ranges,
)

if TYPE_CHECKING:
    NumBatchesCounter: Any
    NumExamplesCounter: Any

__all__ = [
    "FinalizeThenSampleFactory",
    "FunctionalMetricFinalizersType",
    "MetricFinalizersType",
    "MetricsAggregatorType",
    "NumBatchesCounter",
    "NumExamplesCounter",
    "SecureSumFactory",
    "SumThenFinalizeFactory",
    "create_default_secure_sum_quantization_ranges",
    "create_functional_metric_fns",
    "create_keras_metric_finalizer",
    "create_mean_metric_fns",
    "finalize_then_sample",
    "secure_sum_then_finalize",
    "sum_then_finalize",
]

# The counters are Keras classes: Keras is loaded when one of them is first asked for.
__getattr__, __dir__ = _namespaces.module_functions(
    "tff.learning.metrics",
    __all__,
    load=lambda name: getattr(_counters, name),
)
