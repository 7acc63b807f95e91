"""`DistributeAggregateForm`, put together by hand: what fits, and what does not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tensorflow_federated as tff

mapreduce = tff.backends.mapreduce

AT_SERVER = tff.FederatedType(np.int32, tff.SERVER)
AT_CLIENTS = tff.FederatedType(np.int32, tff.CLIENTS)
FOR_ALL = tff.FederatedType(np.int32, tff.CLIENTS, all_equal=True)
TYPE = tff.FunctionType([AT_SERVER, AT_CLIENTS], (AT_SERVER, AT_SERVER))


@tff.jax.computation(np.int32, np.int32)
def add(x, y):
    return x + y


@tff.federated_computation(AT_SERVER)
def prepare(state):
    return [state], [state]


@tff.federated_computation([AT_SERVER])
def send(values):
    return [tff.federated_broadcast(values[0])]


@tff.federated_computation(AT_CLIENTS, [FOR_ALL])
def work(data, received):
    return [tff.federated_map(add, (data, received[0]))]


@tff.federated_computation([AT_SERVER], [AT_CLIENTS])
def aggregate(kept, updates):
    del kept
    return [tff.federated_sum(updates[0])]


@tff.federated_computation([AT_SERVER], [AT_SERVER])
def finish(kept, totals):
    return tff.federated_map(add, (kept[0], totals[0])), totals[0]


def parts() -> dict[str, Any]:
    return {
        "type_signature": TYPE,
        "server_prepare": prepare,
        "server_to_client_broadcast": send,
        "client_work": work,
        "client_to_server_aggregation": aggregate,
        "server_result": finish,
    }


def test_the_parts_make_up_a_computation(engine):
    form = mapreduce.DistributeAggregateForm(**parts())
    round_of = mapreduce.get_computation_for_distribute_aggregate_form(form)
    assert round_of.type_signature == TYPE
    assert round_of(10, [1, 2]) == (33, 23)


def test_a_form_keeps_its_parts():
    given = parts()
    form = mapreduce.DistributeAggregateForm(**given)
    assert isinstance(form, tff.TypedObject)
    assert {name: getattr(form, name) for name in given} == given


def test_the_summary_has_a_line_for_each_part(golden):
    lines: list[str] = []
    mapreduce.DistributeAggregateForm(**parts()).summary(lines.append)
    golden.check("summary", "\n".join(lines))


@tff.federated_computation(AT_SERVER)
def prepare_one(state):
    return state


@tff.federated_computation(AT_SERVER)
def prepare_and_send(state):
    return [tff.federated_broadcast(state)], [state]


@tff.federated_computation([AT_SERVER])
def compute_and_send(values):
    return [tff.federated_broadcast(tff.federated_map(add, (values[0], values[0])))]


@tff.federated_computation([AT_SERVER, AT_SERVER])
def send_in_another_order(values):
    first, second = tff.federated_broadcast(values[0]), tff.federated_broadcast(values[1])
    return [second, first]


@tff.federated_computation([AT_SERVER], [AT_CLIENTS])
def aggregate_and_add(kept, updates):
    return [tff.federated_map(add, (kept[0], tff.federated_sum(updates[0])))]


@tff.federated_computation([AT_SERVER], [AT_SERVER])
def finish_with_another_state(kept, totals):
    return tff.federated_value(1.0, tff.SERVER), totals[0]


@tff.federated_computation(tff.FederatedType(np.float32, tff.CLIENTS), [FOR_ALL])
def work_on_floats(data, received):
    return [received[0]]


BROKEN: dict[str, tuple[dict[str, Any], type[Exception]]] = {
    "a part is no computation": ({"client_work": lambda data, received: data}, TypeError),
    "a part is local": ({"client_work": add}, TypeError),
    "server_prepare returns one value": ({"server_prepare": prepare_one}, TypeError),
    "server_prepare sends": ({"server_prepare": prepare_and_send}, TypeError),
    "the broadcast computes": ({"server_to_client_broadcast": compute_and_send}, ValueError),
    "the broadcast changes the order": (
        {"server_to_client_broadcast": send_in_another_order},
        ValueError,
    ),
    "client_work takes other data": ({"client_work": work_on_floats}, TypeError),
    "the aggregation computes": ({"client_to_server_aggregation": aggregate_and_add}, ValueError),
    "server_result returns another state": (
        {"server_result": finish_with_another_state},
        TypeError,
    ),
    "the whole is of another type": (
        {"type_signature": tff.FunctionType([AT_SERVER, FOR_ALL], [AT_SERVER, AT_SERVER, FOR_ALL])},
        TypeError,
    ),
}


@pytest.mark.parametrize("law", BROKEN)
def test_parts_that_do_not_fit_are_refused(law, golden):
    changed, cls = BROKEN[law]
    with pytest.raises(cls) as raised:
        mapreduce.DistributeAggregateForm(**{**parts(), **changed})
    golden.check(law, f"{type(raised.value).__qualname__}: {raised.value}")
