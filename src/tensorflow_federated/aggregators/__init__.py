"""Aggregators: how the clients' values become one value at the server."""

from tensorflow_federated.aggregators.factory import AggregationFactory as AggregationFactory
from tensorflow_federated.aggregators.factory import (
    UnweightedAggregationFactory as UnweightedAggregationFactory,
)
from tensorflow_federated.aggregators.factory import (
    WeightedAggregationFactory as WeightedAggregationFactory,
)
from tensorflow_federated.aggregators.means import MeanFactory as MeanFactory
from tensorflow_federated.aggregators.means import UnweightedMeanFactory as UnweightedMeanFactory
from tensorflow_federated.aggregators.sums import SumFactory as SumFactory
from tensorflow_federated.aggregators.weighting import (
    as_weighted_aggregator as as_weighted_aggregator,
)
