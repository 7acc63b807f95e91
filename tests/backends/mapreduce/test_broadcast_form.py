"""`BroadcastForm`: from computations and back, and by hand."""

from __future__ import annotations

import collections
from typing import Any

import numpy as np
import pytest

import tensorflow_federated as tff

mapreduce = tff.backends.mapreduce

AT_SERVER = tff.FederatedType(np.int32, tff.SERVER)
AT_CLIENTS = tff.FederatedType(np.int32, tff.CLIENTS)
PAIR_AT_SERVER = tff.FederatedType(collections.OrderedDict(a=np.int32, b=np.int32), tff.SERVER)


@tff.jax.computation(np.int32, np.int32)
def add(x, y):
    return x + y


@tff.federated_computation(AT_SERVER, AT_CLIENTS)
def add_to_each(server_data, client_data):
    return tff.federated_map(add, (tff.federated_broadcast(server_data), client_data))


@tff.federated_computation(AT_SERVER, AT_CLIENTS)
def unchanged(server_data, client_data):
    del server_data
    return client_data


@tff.federated_computation(PAIR_AT_SERVER, AT_CLIENTS)
def two_broadcasts(server_data, client_data):
    return tff.federated_zip(
        collections.OrderedDict(
            x=tff.federated_broadcast(server_data.a),
            y=client_data,
            z=tff.federated_broadcast(tff.federated_map(add, (server_data.a, server_data.b))),
        )
    )


SENDING: dict[str, tuple[Any, Any]] = {
    "one broadcast": (add_to_each, 10),
    "no broadcast": (unchanged, 10),
    "two broadcasts": (two_broadcasts, {"a": 1, "b": 2}),
}


@pytest.mark.parametrize("name", SENDING)
def test_the_computation_of_a_form_does_the_same(name, engine):
    original, server_data = SENDING[name]
    form = mapreduce.get_broadcast_form_for_computation(original)
    again = mapreduce.get_computation_for_broadcast_form(form)
    assert str(again.type_signature) == str(original.type_signature)
    assert repr(again(server_data, [1, 2])) == repr(original(server_data, [1, 2]))


@pytest.mark.parametrize("name", SENDING)
def test_the_parts_by_hand_do_the_same(name, engine):
    original, server_data = SENDING[name]
    form = mapreduce.get_broadcast_form_for_computation(original)
    context = form.compute_server_context(server_data)
    by_hand = [form.client_processing(context, x) for x in [1, 2]]
    assert repr(by_hand) == repr(original(server_data, [1, 2]))


@pytest.mark.parametrize("name", SENDING)
def test_a_form_has_these_parts(name, golden):
    lines: list[str] = []
    mapreduce.get_broadcast_form_for_computation(SENDING[name][0]).summary(lines.append)
    golden.check(f"form of: {name}", "\n".join(lines))


def test_a_value_for_all_clients_becomes_one_of_each(engine):
    @tff.federated_computation(AT_SERVER, AT_CLIENTS)
    def only_sent(server_data, client_data):
        return tff.federated_broadcast(server_data)

    form = mapreduce.get_broadcast_form_for_computation(only_sent)
    again = mapreduce.get_computation_for_broadcast_form(form)
    assert str(again.type_signature.result) == "{int32}@CLIENTS"
    assert again(7, [1, 2]) == [7, 7]


def test_a_form_knows_the_names_of_the_parameters():
    form = mapreduce.get_broadcast_form_for_computation(add_to_each)
    assert (form.server_data_label, form.client_data_label) == ("server_data", "client_data")


def test_a_program_can_be_changed_first():
    form = mapreduce.get_broadcast_form_for_computation(
        add_to_each, tff_internal_preprocessing=lambda node: unchanged.to_building_block()
    )
    assert str(form.compute_server_context.type_signature) == "(int32 -> <>)"


@tff.federated_computation(AT_SERVER, AT_CLIENTS)
def total_for_all(server_data, client_data):
    return tff.federated_broadcast(tff.federated_sum(client_data))


@tff.federated_computation(AT_SERVER, AT_CLIENTS)
def at_the_server(server_data, client_data):
    return server_data


@tff.federated_computation(AT_SERVER)
def one_parameter(server_data):
    return tff.federated_broadcast(server_data)


@tff.federated_computation(AT_CLIENTS, AT_CLIENTS)
def clients_alone(server_data, client_data):
    return client_data


REFUSED: dict[str, tuple[Any, type[Exception]]] = {
    "aggregation": (total_for_all, ValueError),
    "result at the server": (at_the_server, TypeError),
    "one parameter": (one_parameter, TypeError),
    "clients alone": (clients_alone, TypeError),
    "no computation": (None, TypeError),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_a_broadcast_form_refuses(name, golden):
    computation, cls = REFUSED[name]
    with pytest.raises(cls) as raised:
        mapreduce.get_broadcast_form_for_computation(computation)
    golden.check(f"no form: {name}", f"{type(raised.value).__qualname__}: {raised.value}")


def double() -> tff.Computation:
    return tff.jax.computation(lambda x: 2 * x, np.int32)


BROKEN: dict[str, dict[str, Any]] = {
    "a part is no computation": {"compute_server_context": None},
    "a part is federated": {"client_processing": add_to_each},
    "client_processing takes one argument": {"client_processing": double()},
    "client_processing takes another context": {
        "client_processing": tff.jax.computation(lambda c, x: x, np.float32, np.int32)
    },
    "compute_server_context takes nothing": {
        "compute_server_context": tff.jax.computation(lambda: np.int32(1))
    },
    "a label is no string": {"server_data_label": 1, "client_data_label": 2},
}


@pytest.mark.parametrize("law", BROKEN)
def test_parts_that_do_not_fit_are_refused(law, golden):
    given = {"compute_server_context": double(), "client_processing": add, **BROKEN[law]}
    with pytest.raises(TypeError) as raised:
        mapreduce.BroadcastForm(**given)
    golden.check(law, f"{type(raised.value).__qualname__}: {raised.value}")
