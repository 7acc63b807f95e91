"""Sums of canonical values."""

from __future__ import annotations

import numpy as np
import pytest

import tensorflow_federated as tff
from tensorflow_federated.core import errors
from tensorflow_federated.execution import sums

VECTORS = tff.FederatedType(tff.TensorType(np.float32, [None]), tff.CLIENTS)


def test_structures_are_added_leaf_by_leaf():
    x, y = (np.int32(1), (np.ones(2),)), (np.int32(2), (np.full(2, 3.0),))
    total, (vector,) = sums.add(x, y)
    assert total == 3
    assert vector.tolist() == [4.0, 4.0]


@pytest.mark.parametrize("sizes", [(3, 1), (3, 2)])
def test_values_of_different_sizes_are_never_spread(sizes):
    with pytest.raises(errors.TypeMismatchError, match="different shapes"):
        sums.add(*(np.ones(size) for size in sizes))


def test_clients_of_different_sizes_are_refused():
    total = tff.federated_computation(lambda x: tff.federated_sum(x), VECTORS)
    assert total([np.ones(3, np.float32)] * 2).tolist() == [2.0, 2.0, 2.0]
    with pytest.raises(errors.FederatedError, match="different shapes"):
        total([np.ones(3, np.float32), np.ones(1, np.float32)])
