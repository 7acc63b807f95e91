"""Aggregators: how the clients' values become one value at the server."""

from __future__ import annotations

from tensorflow_federated.aggregators.factory import (
    AggregationFactory,
    UnweightedAggregationFactory,
    WeightedAggregationFactory,
)
from tensorflow_federated.aggregators.means import MeanFactory, UnweightedMeanFactory
from tensorflow_federated.aggregators.sums import SumFactory
from tensorflow_federated.aggregators.weighting import as_weighted_aggregator
from tensorflow_federated.core import namespaces as _namespaces

__all__ = [
    "AggregationFactory",
    "MeanFactory",
    "SumFactory",
    "UnweightedAggregationFactory",
    "UnweightedMeanFactory",
    "WeightedAggregationFactory",
    "as_weighted_aggregator",
]

_BY_HAND = (
    "take `tff.aggregators.MeanFactory()` or `SumFactory()`, or write a subclass of "
    "`tff.aggregators.UnweightedAggregationFactory`."
)
_REMOVED: dict[str, str] = dict.fromkeys(
    (
        "DifferentiallyPrivateFactory",
        "DiscreteFourierTransformFactory",
        "EncodedSumFactory",
        "HadamardTransformFactory",
        "PrivateQuantileEstimationProcess",
        "SecureModularSumFactory",
        "SecureSumFactory",
        "UnweightedReservoirSamplingFactory",
        "add_measurements",
        "clipping_factory",
        "concat_factory",
        "federated_sample",
        "secure_quantized_sum",
        "zeroing_factory",
    ),
    _BY_HAND,
)

__getattr__, __dir__ = _namespaces.module_functions("tff.aggregators", __all__, removed=_REMOVED)
