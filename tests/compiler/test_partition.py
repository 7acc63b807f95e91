"""Plans: how many steps a program becomes, and what is in each."""

from __future__ import annotations

import collections

import numpy as np
import pytest

from tensorflow_federated.compiler import compilation, plan
from tensorflow_federated.core import errors, intrinsics, local_intrinsics
from tensorflow_federated.core.placements import CLIENTS, SERVER
from tensorflow_federated.core.tracing import federated_computation
from tensorflow_federated.core.types import FederatedType, SequenceType, StructType
from tensorflow_federated.jax import portable_computation

INT_CLIENTS = FederatedType(np.int32, CLIENTS)
INT_SERVER = FederatedType(np.int32, SERVER)
FLOAT_CLIENTS = FederatedType(np.float32, CLIENTS)


@portable_computation(np.int32)
def double(x):
    return x * 2


@portable_computation(np.int32, np.int32)
def add(x, y):
    return x + y


def plan_of(function, *specs) -> plan.Plan:
    return compilation.compile_computation(federated_computation(function, *specs).node, check=True)


def kinds(compiled: plan.Plan) -> list[str]:
    return [type(step).__name__.removesuffix("Step") for step in compiled.steps]


def names(slots) -> list[str]:
    return [slot.name for slot in slots]


def averaging(state, data):
    """The shape of federated averaging, on numbers."""
    weights = intrinsics.federated_broadcast(intrinsics.federated_map(double, state.weights))
    update = intrinsics.federated_map(add, (weights, data))
    total = intrinsics.federated_sum(update)
    new = intrinsics.federated_map(add, (state.weights, total))
    return intrinsics.federated_zip(collections.OrderedDict(weights=new, round=state.round))


STATE = FederatedType([("weights", np.int32), ("round", np.int32)], SERVER)


def test_federated_averaging_is_server_client_server():
    assert kinds(plan_of(averaging, STATE, INT_CLIENTS)) == ["Server", "Client", "Server"]


def test_clients_are_sent_what_they_need_and_no_more():
    compiled = plan_of(averaging, STATE, INT_CLIENTS)
    step = compiled.steps[1]
    assert isinstance(step, plan.ClientStep)
    assert [str(slot.type) for slot in step.broadcast] == ["int32"]
    assert names(step.inputs) == ["data"]
    assert step.kept == ()


def test_the_identity_takes_no_steps():
    compiled = plan_of(lambda x: x, collections.OrderedDict(a=INT_SERVER, b=INT_CLIENTS))
    assert compiled.steps == ()
    assert [parameter.path for parameter in compiled.parameters] == [(0,), (1,)]


def test_a_sum_takes_one_client_step():
    compiled = plan_of(lambda x: intrinsics.federated_sum(x), INT_CLIENTS)
    assert kinds(compiled) == ["Client"]


def test_a_mean_takes_a_client_step_and_a_division():
    compiled = plan_of(lambda x: intrinsics.federated_mean(x), FLOAT_CLIENTS)
    assert kinds(compiled) == ["Client", "Server"]


def test_many_aggregates_share_one_step():
    def program(x):
        return (
            intrinsics.federated_sum(x),
            intrinsics.federated_sum(intrinsics.federated_map(double, x)),
        )

    compiled = plan_of(program, INT_CLIENTS)
    assert kinds(compiled) == ["Client"]
    (step,) = compiled.steps
    assert isinstance(step, plan.ClientStep)
    assert [aggregate.kind for aggregate in step.aggregates] == ["sum", "sum"]


def test_a_broadcast_of_a_sum_starts_a_second_client_step():
    def program(x):
        total = intrinsics.federated_broadcast(intrinsics.federated_sum(x))
        return intrinsics.federated_sum(intrinsics.federated_map(add, (x, total)))

    compiled = plan_of(program, INT_CLIENTS)
    assert kinds(compiled) == ["Client", "Client"]


def test_what_later_work_of_clients_needs_is_kept():
    def program(x):
        doubled = intrinsics.federated_map(double, x)
        total = intrinsics.federated_broadcast(intrinsics.federated_sum(doubled))
        return intrinsics.federated_sum(intrinsics.federated_map(add, (doubled, total)))

    first, second = plan_of(program, INT_CLIENTS).steps
    assert isinstance(first, plan.ClientStep)
    assert isinstance(second, plan.ClientStep)
    assert names(first.kept) == names(second.inputs)
    assert len(first.kept) == 1


def test_work_of_clients_is_done_when_it_is_needed_first():
    def program(x, y):
        doubled = intrinsics.federated_map(double, y)
        total = intrinsics.federated_broadcast(intrinsics.federated_sum(x))
        return intrinsics.federated_sum(intrinsics.federated_map(add, (doubled, total)))

    first, second = plan_of(program, INT_CLIENTS, INT_CLIENTS).steps
    assert isinstance(first, plan.ClientStep)
    assert isinstance(second, plan.ClientStep)
    assert first.kept == ()
    assert str(second.body).count("comp#double") == 1


def test_server_work_that_only_results_need_joins_a_step_that_is_there():
    def program(s, x):
        return intrinsics.federated_map(double, s), intrinsics.federated_map(
            double, intrinsics.federated_sum(x)
        )

    assert kinds(plan_of(program, INT_SERVER, INT_CLIENTS)) == ["Client", "Server"]


def test_a_broadcast_is_held_by_the_server():
    compiled = plan_of(lambda x: intrinsics.federated_broadcast(x), INT_SERVER)
    assert compiled.steps == ()
    assert isinstance(compiled.result, plan.Output)
    assert compiled.result.placement == CLIENTS
    assert compiled.result.all_equal


def test_a_zip_at_the_clients_of_server_values_is_made_for_each_client():
    def program(x):
        sent = intrinsics.federated_broadcast(x)
        return intrinsics.federated_map(add, (sent, sent))

    compiled = plan_of(program, INT_SERVER)
    (step,) = compiled.steps
    assert isinstance(step, plan.ClientStep)
    assert names(step.broadcast) == [compiled.parameters[0].slot.name]
    assert len(step.kept) == 1


def test_unplaced_work_is_done_at_the_server_and_sent():
    def program(x):
        one = double(1)
        return intrinsics.federated_sum(
            intrinsics.federated_map(federated_computation(lambda v: add(v, v), np.int32), x)
        ), one

    assert kinds(plan_of(program, INT_CLIENTS)) == ["Server", "Client"]


def test_an_aggregate_is_a_fold_from_a_server_value():
    def program(x):
        return intrinsics.federated_aggregate(x, 0, add, add, double)

    zero, step = plan_of(program, INT_CLIENTS).steps
    assert isinstance(zero, plan.ServerStep)
    assert isinstance(step, plan.ClientStep)
    (aggregate,) = step.aggregates
    assert aggregate.kind == "fold"
    assert aggregate.zero == zero.outputs[0].name
    assert aggregate.report is not None
    assert str(aggregate.report.type_signature) == "(int32 -> int32)"


def test_a_sequence_is_reduced_at_the_clients():
    def program(x):
        return intrinsics.federated_sum(local_intrinsics.sequence_reduce(x, 0, add))

    (step,) = plan_of(program, FederatedType(SequenceType(np.int32), CLIENTS)).steps
    assert isinstance(step, plan.ClientStep)
    (data,) = names(step.inputs)
    assert f".{data},0,comp#add>) in <v>))" in str(step.body)


def test_evaluation_at_the_clients_is_client_work():
    seven = portable_computation(lambda: np.int32(7))
    compiled = plan_of(lambda: intrinsics.federated_sum(intrinsics.federated_eval(seven, CLIENTS)))
    assert kinds(compiled) == ["Client"]


def test_a_random_key_cannot_be_drawn_at_the_server():
    draw = federated_computation(lambda: local_intrinsics.random_key())
    with pytest.raises(errors.PlacementError, match="random_key"):
        plan_of(lambda: intrinsics.federated_eval(draw, SERVER))


def test_result_and_parameter_types_are_those_of_the_computation():
    computation = federated_computation(averaging, STATE, INT_CLIENTS)
    compiled = compilation.compile_computation(computation.node)
    assert compiled.parameter_type == computation.type_signature.parameter
    assert compiled.result_type == computation.type_signature.result


def test_a_structure_without_placements_is_one_parameter():
    compiled = plan_of(lambda x: x, StructType([np.int32, np.float32]))
    assert [parameter.path for parameter in compiled.parameters] == [()]
