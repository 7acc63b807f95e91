"""Aggregators: how the clients' values become one value at the server."""

from __future__ import annotations

from tensorflow_federated.aggregators import queries
from tensorflow_federated.aggregators.clipping import clipping_factory, zeroing_factory
from tensorflow_federated.aggregators.concatenation import concat_factory
from tensorflow_federated.aggregators.differential_privacy import DifferentiallyPrivateFactory
from tensorflow_federated.aggregators.encoded_sums import EncodedSumFactory
from tensorflow_federated.aggregators.factory import (
    AggregationFactory,
    UnweightedAggregationFactory,
    WeightedAggregationFactory,
)
from tensorflow_federated.aggregators.means import MeanFactory, UnweightedMeanFactory
from tensorflow_federated.aggregators.measurements import add_measurements
from tensorflow_federated.aggregators.quantiles import PrivateQuantileEstimationProcess
from tensorflow_federated.aggregators.quantized_sums import secure_quantized_sum
from tensorflow_federated.aggregators.rotations import (
    DiscreteFourierTransformFactory,
    HadamardTransformFactory,
)
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
    "DiscreteFourierTransformFactory",
    "EncodedSumFactory",
    "HadamardTransformFactory",
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

_DISCRETIZED = (
    "take `tff.learning.ddp_secure_aggregator(...)`, which rounds at random, or "
    "`tff.aggregators.EncodedSumFactory.quantize_above_threshold(...)`."
)
_REMOVED: dict[str, str] = dict.fromkeys(
    ("DeterministicDiscretizationFactory", "StochasticDiscretizationFactory"), _DISCRETIZED
)

__getattr__, __dir__ = _namespaces.module_functions("tff.aggregators", __all__, removed=_REMOVED)
