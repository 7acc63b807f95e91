"""Local programs of federated ones."""

from __future__ import annotations

import collections

import numpy as np
import pytest

import tensorflow_federated as tff
from tensorflow_federated.core import traversal
from tensorflow_federated.core.computations import ConcreteComputation

mapreduce = tff.backends.mapreduce

AT_SERVER = tff.FederatedType(np.int32, tff.SERVER)
AT_CLIENTS = tff.FederatedType(np.int32, tff.CLIENTS)


@tff.jax.computation(np.int32)
def square(x):
    return x * x


@tff.jax.computation
def seven():
    return 7


@tff.federated_computation(AT_SERVER, AT_SERVER)
def at_server(x, y):
    squared = tff.federated_map(square, x)
    return collections.OrderedDict(a=squared, b=tff.federated_zip((y, squared)))


@tff.federated_computation(AT_CLIENTS)
def at_clients(x):
    constant = tff.federated_value(3, tff.CLIENTS)
    return tff.federated_zip((tff.federated_map(square, x), constant))


@tff.federated_computation
def without_argument():
    return tff.federated_eval(seven, tff.SERVER)


@tff.federated_computation(tff.FederatedType(tff.SequenceType(np.int32), tff.CLIENTS))
def of_sequences(x):
    return tff.sequence_sum(tff.sequence_map(square, x))


@tff.federated_computation(np.int32)
def unplaced(x):
    return square(square(x)), x


LOCAL = {
    "at the server": (
        at_server,
        (2, 5),
        "(<x=int32,y=int32> -> <a=int32,b=<int32,int32>>)",
        collections.OrderedDict(a=4, b=(5, 4)),
    ),
    "at the clients": (at_clients, (2,), "(int32 -> <int32,int32>)", (4, 3)),
    "without argument": (without_argument, (), "( -> int32)", 7),
    "of sequences": (of_sequences, ([1, 2, 3],), "(int32* -> int32)", 14),
    "unplaced": (unplaced, (2,), "(int32 -> <int32,int32>)", (16, 2)),
    "local already": (square, (3,), "(int32 -> int32)", 9),
}


@pytest.mark.parametrize("name", LOCAL)
def test_a_program_at_one_place_becomes_local(name, engine):
    computation, arguments, type_signature, expected = LOCAL[name]
    node = mapreduce.consolidate_and_extract_local_processing(computation.to_building_block(), None)
    assert str(node.type_signature) == type_signature
    traversal.check_ir(node, unique_names=True)
    assert ConcreteComputation(node)(*arguments) == expected


def test_what_the_result_does_not_need_may_communicate(engine):
    @tff.federated_computation(AT_CLIENTS)
    def with_an_unused_sum(x):
        tff.federated_sum(x)
        return tff.federated_map(square, x)

    node = mapreduce.consolidate_and_extract_local_processing(
        with_an_unused_sum.to_building_block(), None
    )
    assert ConcreteComputation(node)(3) == 9


REFUSED = {
    "aggregation": (tff.federated_computation(tff.federated_sum, AT_CLIENTS), TypeError),
    "broadcast": (tff.federated_computation(tff.federated_broadcast, AT_SERVER), TypeError),
    "communication on the way": (
        tff.federated_computation(
            lambda x: tff.federated_map(square, tff.federated_sum(tff.federated_broadcast(x))),
            AT_SERVER,
        ),
        ValueError,
    ),
    "two places": (
        tff.federated_computation(lambda x, y: (x, y), AT_SERVER, AT_CLIENTS),
        TypeError,
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_program_that_communicates_is_refused(name, golden):
    computation, cls = REFUSED[name]
    with pytest.raises(cls) as raised:
        mapreduce.consolidate_and_extract_local_processing(computation.to_building_block(), None)
    golden.check(name, f"{type(raised.value).__qualname__}: {raised.value}")


def test_a_local_program_is_made_of_a_program():
    with pytest.raises(TypeError, match="made of the program of a function"):
        mapreduce.consolidate_and_extract_local_processing(square, None)


def test_a_program_without_placement_is_normalized():
    node = mapreduce.parse_tff_to_tf(unplaced.to_building_block(), None)
    assert str(node) == "(arg -> (let v=comp#square(arg),v_1=comp#square(v) in <v_1,arg>))"


def test_a_placement_is_not_parsed(golden):
    with pytest.raises(TypeError) as raised:
        mapreduce.parse_tff_to_tf(at_server.to_building_block(), None)
    golden.check("placement", f"{type(raised.value).__qualname__}: {raised.value}")


def test_a_first_state_is_made_locally(engine):
    initialize = mapreduce.get_state_initialization_computation(without_argument)
    assert str(initialize.type_signature) == "( -> int32)"
    assert initialize() == 7


REFUSED_AS_INITIALIZATION = {
    "two values": tff.federated_computation(lambda: (without_argument(), without_argument())),
    "at the clients": tff.federated_computation(lambda: tff.federated_value(3, tff.CLIENTS)),
    "an argument": tff.federated_computation(lambda x: x, AT_SERVER),
    "no placement": seven,
    "no computation": 7,
}


@pytest.mark.parametrize("name", REFUSED_AS_INITIALIZATION)
def test_a_first_state_is_one_value_at_the_server(name, golden):
    with pytest.raises(TypeError) as raised:
        mapreduce.get_state_initialization_computation(REFUSED_AS_INITIALIZATION[name])
    golden.check(f"first state: {name}", f"{type(raised.value).__qualname__}: {raised.value}")
