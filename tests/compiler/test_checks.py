"""What a program aggregates, and how: by what is applied to data, not by what is written down."""

from __future__ import annotations

import numpy as np
import pytest

from tensorflow_federated.compiler import checks
from tensorflow_federated.core import intrinsics
from tensorflow_federated.core.placements import CLIENTS, SERVER
from tensorflow_federated.core.tracing import federated_computation
from tensorflow_federated.core.types import FederatedType, FunctionType
from tensorflow_federated.jax import portable_computation

INT_CLIENTS = FederatedType(np.int32, CLIENTS)
INT_SERVER = FederatedType(np.int32, SERVER)


@portable_computation(np.int32, np.int32)
def add(x, y):
    return x + y


@portable_computation(np.int32)
def same(x):
    return x


def node_of(function, *specs):
    return federated_computation(function, *specs).node


SUMS = {
    "federated_secure_sum": lambda x: intrinsics.federated_secure_sum(x, 3),
    "federated_secure_sum_bitwidth": lambda x: intrinsics.federated_secure_sum_bitwidth(x, 3),
    "federated_secure_modular_sum": lambda x: intrinsics.federated_secure_modular_sum(x, 3),
}
IN_THE_OPEN = {
    "federated_aggregate": lambda x: intrinsics.federated_aggregate(x, 0, add, add, same),
    "federated_collect": lambda x: intrinsics.federated_collect(x),
    "federated_max": lambda x: intrinsics.federated_max(x),
    "federated_min": lambda x: intrinsics.federated_min(x),
    "federated_reduce": lambda x: intrinsics.federated_reduce(x, 0, add),
    "federated_sum": lambda x: intrinsics.federated_sum(x),
}


@pytest.mark.parametrize("uri", SUMS)
def test_secure_sums_are_secure(uri):
    node = node_of(SUMS[uri], INT_CLIENTS)
    assert checks.secure_aggregations(node) == [uri]
    assert checks.unsecure_aggregations(node) == []


@pytest.mark.parametrize("uri", IN_THE_OPEN)
def test_other_aggregations_are_not_secure(uri):
    node = node_of(IN_THE_OPEN[uri], INT_CLIENTS)
    assert checks.secure_aggregations(node) == []
    assert checks.unsecure_aggregations(node) == [uri]


def test_each_is_told_once_in_the_order_of_use():
    def program(x):
        return [
            intrinsics.federated_sum(x),
            intrinsics.federated_max(x),
            intrinsics.federated_sum(x),
        ]

    assert checks.unsecure_aggregations(node_of(program, INT_CLIENTS)) == [
        "federated_sum",
        "federated_max",
    ]


def test_an_aggregation_in_a_function_that_is_given_to_another_counts():
    total = federated_computation(lambda x: intrinsics.federated_sum(x), INT_CLIENTS)
    apply = federated_computation(lambda f, x: f(x), [total.type_signature, INT_CLIENTS])
    assert checks.unsecure_aggregations(node_of(lambda x: apply(total, x), INT_CLIENTS)) == [
        "federated_sum"
    ]


def test_an_aggregation_behind_the_identity_counts():
    function_type = FunctionType(INT_CLIENTS, INT_SERVER)
    identity = federated_computation(lambda f: f, function_type)
    total = federated_computation(lambda x: intrinsics.federated_sum(x), INT_CLIENTS)
    node = node_of(lambda x: identity(total)(x), INT_CLIENTS)
    assert checks.unsecure_aggregations(node) == ["federated_sum"]


def test_an_aggregation_whose_result_nothing_needs_does_not_count():
    def program(x):
        intrinsics.federated_sum(x)
        return intrinsics.federated_secure_sum(x, 3)

    assert checks.unsecure_aggregations(node_of(program, INT_CLIENTS)) == []


def test_an_aggregation_that_is_given_and_not_used_does_not_count():
    total = federated_computation(lambda x: intrinsics.federated_sum(x), INT_CLIENTS)
    ignore = federated_computation(lambda f, x: x, [total.type_signature, INT_CLIENTS])
    assert checks.unsecure_aggregations(node_of(lambda x: ignore(total, x), INT_CLIENTS)) == []


def test_an_aggregation_of_nothing_does_not_count():
    node = node_of(lambda x: intrinsics.federated_sum(x), FederatedType([], CLIENTS))
    assert checks.unsecure_aggregations(node) == []


def test_a_secure_selection_is_no_aggregation_but_needs_a_protocol():
    def program(keys, size, table):
        return intrinsics.federated_secure_select(keys, size, table, lambda value, key: key)

    keys = FederatedType((np.int32, [1]), CLIENTS)
    node = node_of(program, keys, INT_SERVER, INT_SERVER)
    assert checks.secure_aggregations(node) == []
    assert checks.secure_intrinsics(node) == ["federated_secure_select"]


def test_a_program_that_is_no_function_can_be_asked():
    call = node_of(lambda x: intrinsics.federated_sum(x), INT_CLIENTS).result
    assert checks.unsecure_aggregations(call) == ["federated_sum"]
