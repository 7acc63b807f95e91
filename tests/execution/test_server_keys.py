"""Random keys that the server draws: the same on every engine, and drawn nowhere else."""

from __future__ import annotations

import numpy as np
import pytest

import tensorflow_federated as tff
from tensorflow_federated.core import contexts as context_stack
from tensorflow_federated.core import local_intrinsics
from tensorflow_federated.execution import contexts

VALUES = tff.FederatedType(np.int32, tff.CLIENTS)


@tff.federated_computation
def draw():
    return local_intrinsics.server_random_key()


@tff.federated_computation(np.int32)
def draw_for(x):
    del x
    return local_intrinsics.server_random_key()


@tff.federated_computation(VALUES)
def draw_twice(values):
    first = tff.federated_eval(draw, tff.SERVER)
    return first, tff.federated_map(draw_for, tff.federated_sum(values))


def drawn(create, seed):
    with context_stack.install(create(seed=seed)):
        return [[key.tolist() for key in draw_twice([1] * count)] for count in (2, 5)]


def test_a_key_follows_from_seed_call_and_number():
    once = drawn(contexts.create_local_context, 1)
    assert once == drawn(contexts.create_local_context, 1)
    assert once == drawn(contexts.create_reference_context, 1)
    keys = [
        tuple(key)
        for each in (once, drawn(contexts.create_local_context, 2))
        for call in each
        for key in call
    ]
    assert len(set(keys)) == 8


def test_a_client_draws_no_key_of_the_server(engine):
    @tff.federated_computation(VALUES)
    def at_clients(values):
        return tff.federated_map(draw_for, values)

    with pytest.raises(TypeError, match="work of a client"):
        at_clients([1, 2])
