"""`tff.aggregators.as_weighted_aggregator`."""

from __future__ import annotations

import collections

import numpy as np
import pytest

import tensorflow_federated as tff


@pytest.mark.parametrize(
    ("weight_type", "weights"),
    [
        (np.float32, [5.0, 0.0]),
        (np.int32, [1, 2]),
        (collections.OrderedDict(a=np.int32), [{"a": 1}, {"a": 2}]),
    ],
    ids=["float", "integer", "structure"],
)
def test_weights_of_any_type_are_ignored(engine, weight_type, weights):
    aggregator = tff.aggregators.as_weighted_aggregator(tff.aggregators.SumFactory())
    process = aggregator.create(tff.to_type(np.float32), tff.to_type(weight_type))
    assert process.is_weighted
    assert process.next(process.initialize(), [1.0, 2.5], weights).result == 3.5
