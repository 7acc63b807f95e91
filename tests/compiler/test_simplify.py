"""Simplifications: what they take away, and what they must not touch."""

from __future__ import annotations

import numpy as np

from tensorflow_federated.compiler import call_dominant, simplify
from tensorflow_federated.core import intrinsics, ir
from tensorflow_federated.core.placements import CLIENTS, SERVER
from tensorflow_federated.core.tracing import federated_computation
from tensorflow_federated.core.types import FederatedType
from tensorflow_federated.jax import portable_computation

INT_CLIENTS = FederatedType(np.int32, CLIENTS)
INT_SERVER = FederatedType(np.int32, SERVER)


@portable_computation(np.int32)
def double(x):
    return x * 2


def normalized(function, *specs) -> ir.Lambda:
    return call_dominant.to_call_dominant(federated_computation(function, *specs).node)


def test_what_nothing_needs_is_removed_with_all_that_only_it_needs():
    def program(x):
        double(double(x))
        return x

    assert str(simplify.remove_unused_bindings(normalized(program, np.int32))) == "(arg -> arg)"


def test_unused_calls_inside_functions_are_removed():
    def work(x):
        double(x)
        return double(x)

    mapped = normalized(
        lambda x: intrinsics.federated_map(federated_computation(work, np.int32), x), INT_CLIENTS
    )
    assert str(simplify.remove_unused_bindings(mapped)).count("comp#double") == 1


def test_equal_calls_are_not_merged():
    program = normalized(lambda x: (double(x), double(x)), np.int32)
    simplified = simplify.merge_maps(
        simplify.drop_identities(simplify.remove_unused_bindings(program))
    )
    assert str(simplified).count("comp#double") == 2


def test_the_map_of_the_identity_is_dropped():
    program = normalized(lambda x: intrinsics.federated_map(lambda y: y, x), INT_CLIENTS)
    assert str(simplify.drop_identities(program)) == "(arg -> arg)"


def test_what_follows_a_dropped_map_takes_its_argument():
    def program(x):
        same = intrinsics.federated_map(lambda y: y, intrinsics.federated_map(double, x))
        return intrinsics.federated_sum(same)

    assert str(simplify.drop_identities(normalized(program, INT_CLIENTS))) == (
        "(arg -> (let v=federated_map(<comp#double,arg>),v_2=federated_sum(v) in v_2))"
    )


def test_a_map_over_a_map_becomes_one():
    program = normalized(
        lambda x: intrinsics.federated_map(double, intrinsics.federated_map(double, x)),
        INT_CLIENTS,
    )
    assert str(simplify.merge_maps(program)) == (
        "(arg -> (let v_1=federated_map(<(arg_1 -> (let v_2=comp#double(arg_1),"
        "v_3=comp#double(v_2) in v_3)),arg>) in v_1))"
    )


def test_maps_at_the_server_are_merged_too():
    program = normalized(
        lambda x: intrinsics.federated_map(double, intrinsics.federated_map(double, x)), INT_SERVER
    )
    assert str(simplify.merge_maps(program)).count("federated_apply") == 1


def test_a_map_whose_result_is_used_twice_stays():
    def program(x):
        inner = intrinsics.federated_map(double, x)
        return inner, intrinsics.federated_map(double, inner)

    assert str(simplify.merge_maps(normalized(program, INT_CLIENTS))).count("federated_map") == 2
