"""Programs cut into rounds: in which phase each call is made."""

from __future__ import annotations

import numpy as np
import pytest

from tensorflow_federated.compiler import call_dominant, normal_forms, rounds
from tensorflow_federated.core import errors, intrinsics, ir, traversal
from tensorflow_federated.core.computations import ConcreteComputation
from tensorflow_federated.core.placements import CLIENTS, SERVER
from tensorflow_federated.core.tracing import federated_computation
from tensorflow_federated.core.types import FederatedType
from tensorflow_federated.jax import portable_computation

AT_SERVER = FederatedType(np.int32, SERVER)
AT_CLIENTS = FederatedType(np.int32, CLIENTS)


@portable_computation(np.int32, np.int32)
def add(x, y):
    return x + y


@portable_computation
def seven():
    return np.int32(7)


def cut(computation: ConcreteComputation) -> rounds.Round:
    return rounds.cut_round(normal_forms.to_simple(computation.node))


def calls(function: ir.Lambda) -> list[str]:
    """What a function calls, in order."""
    bindings, _ = call_dominant.open_lambda(function)
    return [str(bound.function) for _, bound in bindings if isinstance(bound, ir.Call)]


@federated_computation(AT_SERVER, AT_CLIENTS)
def one_of_each(state, data):
    sent = intrinsics.federated_map(add, (state, state))
    late = intrinsics.federated_map(add, (state, state))
    received = intrinsics.federated_broadcast(sent)
    moved = intrinsics.federated_map(add, (data, received))
    total = intrinsics.federated_sum(moved)
    return intrinsics.federated_map(add, (late, total)), sent


def test_each_call_is_made_in_its_phase():
    parts = cut(one_of_each)
    assert calls(parts.prepare) == ["federated_zip_at_server", "federated_apply"]
    assert calls(parts.broadcast) == ["federated_broadcast"]
    assert calls(parts.work) == ["federated_zip_at_clients", "federated_map"]
    assert calls(parts.aggregate) == ["federated_sum"]
    assert calls(parts.finish) == ["federated_zip_at_server", "federated_apply"] * 2


def test_the_functions_fit_and_are_well_formed(golden):
    parts = vars(cut(one_of_each))
    for function in parts.values():
        traversal.check_ir(function, unique_names=True)
    lines = [f"{name}: {function.type_signature}" for name, function in parts.items()]
    golden.check("types of the functions", "\n".join(lines))


def test_what_the_server_computes_reaches_the_clients_by_being_sent():
    @federated_computation(AT_SERVER, AT_CLIENTS)
    def placed(state, data):
        value = intrinsics.federated_value(seven(), CLIENTS)
        moved = intrinsics.federated_map(add, (data, value))
        return state, intrinsics.federated_sum(moved)

    parts = cut(placed)
    assert calls(parts.prepare) == ["comp#seven", "federated_value_at_server"]
    assert calls(parts.broadcast) == ["federated_broadcast"]


def test_a_constant_at_the_clients_is_not_sent():
    @federated_computation(AT_SERVER, AT_CLIENTS)
    def constant(state, data):
        value = intrinsics.federated_value(np.int32(7), CLIENTS)
        return state, intrinsics.federated_sum(intrinsics.federated_map(add, (data, value)))

    parts = cut(constant)
    assert calls(parts.broadcast) == []
    assert calls(parts.work)[0] == "federated_value_at_clients"


def test_what_an_aggregation_starts_from_is_kept():
    @federated_computation(AT_SERVER, AT_CLIENTS)
    def fold(state, data):
        return state, intrinsics.federated_aggregate(data, seven(), add, add, lambda x: x)

    parts = cut(fold)
    assert calls(parts.prepare) == ["comp#seven"]
    assert str(parts.prepare.type_signature.result) == (
        "<intrinsic_args_from_before_comp=<>,intermediate_state=<int32@SERVER,int32>>"
    )


def test_all_that_takes_another_round_is_told():
    @federated_computation(AT_SERVER, AT_CLIENTS)
    def twice(state, data):
        first = intrinsics.federated_broadcast(intrinsics.federated_sum(data))
        second = intrinsics.federated_broadcast(intrinsics.federated_max(data))
        moved = intrinsics.federated_map(add, (first, second))
        return state, intrinsics.federated_min(moved)

    with pytest.raises(errors.CommunicationError) as raised:
        cut(twice)
    assert raised.value.problems == (
        "federated_broadcast: sends what comes from `federated_sum`",
        "federated_broadcast: sends what comes from `federated_max`",
    )
