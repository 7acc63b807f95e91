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

__getattr__, __dir__ = _namespaces.module_functions("tff.aggregators", __all__)
