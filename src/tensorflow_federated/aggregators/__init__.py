"""Aggregators: how the clients' values become one value at the server."""

from __future__ import annotations

from tensorflow_federated.aggregators import queries
from tensorflow_federated.aggregators.clipping import clipping_factory, zeroing_factory
from tensorflow_federated.aggregators.concatenation import concat_factory
from tensorflow_federated.aggregators.differential_privacy import DifferentiallyPrivateFactory
from tensorflow_federated.aggregators.factory import (
    AggregationFactory,
    UnweightedAggregationFactory,
    WeightedAggregationFactory,
)
from tensorflow_federated.aggregators.means import MeanFactory, UnweightedMeanFactory
from tensorflow_federated.aggregators.measurements import add_measurements
from tensorflow_federated.aggregators.quantiles import PrivateQuantileEstimationProcess
from tensorflow_federated.aggregators.quantized_sums import secure_quantized_sum
from tensorflow_federated.aggregators.sampling import (
    UnweightedReservoirSamplingFactory,
    federated_sample,
)
from tensorflow_federated.aggregators.secure_sums import SecureModularSumFactory, SecureSumFactory
from tensorflow_federated.aggregators.sums import SumFactory
from tensorflow_federated.aggregators.weighting import as_weighted_aggregator
from tensorflow_federated.core import namespaces as _namespaces

__all__ = [
    "AggregationFactory",
    "DifferentiallyPrivateFactory",
    "MeanFactory",
    "PrivateQuantileEstimationProcess",
    "SecureModularSumFactory",
    "SecureSumFactory",
    "SumFactory",
    "UnweightedAggregationFactory",
    "UnweightedMeanFactory",
    "UnweightedReservoirSamplingFactory",
    "WeightedAggregationFactory",
    "add_measurements",
    "as_weighted_aggregator",
    "clipping_factory",
    "concat_factory",
    "federated_sample",
    "queries",
    "secure_quantized_sum",
    "zeroing_factory",
]

_BY_HAND = (
    "take `tff.aggregators.MeanFactory()` or `SumFactory()`, or write a subclass of "
    "`tff.aggregators.UnweightedAggregationFactory`."
)
_REMOVED: dict[str, str] = dict.fromkeys(
    (
        "DiscreteFourierTransformFactory",
        "EncodedSumFactory",
        "HadamardTransformFactory",
    ),
    _BY_HAND,
)

__getattr__, __dir__ = _namespaces.module_functions("tff.aggregators", __all__, removed=_REMOVED)
