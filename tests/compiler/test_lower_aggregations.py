"""Means, extremes and reductions as sums, folds and collections: the programs that come out."""

from __future__ import annotations

import collections

import numpy as np
import pytest

from tensorflow_federated.compiler import call_dominant, lower_aggregations
from tensorflow_federated.core import intrinsics, traversal
from tensorflow_federated.core.placements import CLIENTS
from tensorflow_federated.core.tracing import federated_computation
from tensorflow_federated.core.types import FederatedType
from tensorflow_federated.jax import portable_computation

PAIRS = FederatedType(collections.OrderedDict(a=np.float32, b=(np.float32, [2])), CLIENTS)
WEIGHTS = FederatedType(np.int32, CLIENTS)


@portable_computation(np.int32, np.int32)
def add(x, y):
    return x + y


def lowered(lower, function, *specs):
    program = call_dominant.to_call_dominant(federated_computation(function, *specs).node)
    after = lower(program)
    traversal.check_ir(after, unique_names=True)
    assert program.type_signature.is_assignable_from(after.type_signature)
    return str(after)


@pytest.mark.parametrize(
    ("lower", "function", "specs"),
    [
        pytest.param(
            lower_aggregations.lower_means,
            lambda x: intrinsics.federated_mean(x),
            [PAIRS],
            id="mean",
        ),
        pytest.param(
            lower_aggregations.lower_means,
            lambda x, w: intrinsics.federated_mean(x, w),
            [PAIRS, WEIGHTS],
            id="weighted mean",
        ),
        pytest.param(
            lower_aggregations.lower_means,
            lambda x: intrinsics.federated_mean(x, 2.0),
            [PAIRS],
            id="mean with one weight for all",
        ),
        pytest.param(
            lower_aggregations.lower_extremes,
            lambda x: intrinsics.federated_max(x),
            [PAIRS],
            id="maximum",
        ),
        pytest.param(
            lower_aggregations.lower_extremes,
            lambda x: intrinsics.federated_min(x),
            [WEIGHTS],
            id="minimum",
        ),
        pytest.param(
            lower_aggregations.lower_reductions,
            lambda x: intrinsics.federated_reduce(x, 7, add),
            [WEIGHTS],
            id="reduction",
        ),
    ],
)
def test_the_program(lower, function, specs, request, golden):
    name = request.node.callspec.id
    golden.check(name, lowered(lower, function, *specs))


def test_a_program_without_aggregations_stays_as_it_is():
    program = call_dominant.to_call_dominant(federated_computation(lambda x: x, PAIRS).node)
    assert str(lower_aggregations.lower_means(program)) == str(program)
