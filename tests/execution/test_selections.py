"""Selections: the slices that each client gets, on every engine."""

from __future__ import annotations

import collections

import jax.numpy as jnp
import numpy as np
import pytest

import tensorflow_federated as tff
from tensorflow_federated.core import errors, intrinsics, local_intrinsics, portable
from tensorflow_federated.core.placements import CLIENTS, SERVER
from tensorflow_federated.core.tracing import federated_computation
from tensorflow_federated.core.types import FederatedType
from tensorflow_federated.jax import portable_computation

pytestmark = pytest.mark.usefixtures("engine")

INT_SERVER = FederatedType(np.int32, SERVER)
TABLE = FederatedType((np.float32, [4]), SERVER)
VALUES = [1.0, 10.0, 100.0, 1000.0]
KEYS = [[0, 1], [2, 3], [3, 3]]
SLICES = [[1.0, 10.0], [100.0, 1000.0], [1000.0, 1000.0]]


def keys_type(count):
    return FederatedType((np.int32, [count]), CLIENTS)


@portable_computation(np.float32, np.int32)
def scale(value, key):
    xp = portable.namespace_of(value, key)
    return value * xp.cast(key, np.float32)


@tff.jax.computation((np.float32, [4]), np.int32)
def jax_row(table, key):
    return table[key]


@tff.jax.computation((np.float32, [4]), np.int32)
def jax_pair(table, key):
    return collections.OrderedDict(row=jnp.stack([table[key], table[key]]), key=key)


def selection(select_fn, select=intrinsics.federated_select, count=2):
    return federated_computation(
        lambda keys, size, table: select(keys, size, table, select_fn),
        keys_type(count),
        INT_SERVER,
        TABLE,
    )


@pytest.mark.parametrize(
    "select", [intrinsics.federated_select, intrinsics.federated_secure_select]
)
def test_every_client_gets_the_slices_of_its_keys(select):
    assert selection(jax_row, select)(KEYS, 4, VALUES) == SLICES


def test_slices_of_portable_functions():
    def program(keys, size, value):
        return intrinsics.federated_select(keys, size, value, scale)

    computation = federated_computation(
        program, keys_type(2), INT_SERVER, FederatedType(np.float32, SERVER)
    )
    assert computation([[1, 2], [0, 3]], 4, 2.5) == [[2.5, 5.0], [0.0, 7.5]]


def test_slices_of_python_functions_of_values():
    computation = selection(lambda table, key: (key, jax_row(table, key)))
    assert computation([[1, 0]], 4, VALUES) == [[(1, 10.0), (0, 1.0)]]


def test_slices_of_a_server_structure():
    def program(keys, size, table):
        value = collections.OrderedDict(table=table, size=size)
        return intrinsics.federated_select(
            keys, size, value, lambda both, key: (both.size, jax_row(both.table, key))
        )

    computation = federated_computation(program, keys_type(1), INT_SERVER, TABLE)
    assert computation([[1], [2]], 4, VALUES) == [[(4, 10.0)], [(4, 100.0)]]


def test_slices_of_structures_keep_their_containers():
    first, second = selection(jax_pair)([[1, 0]], 4, VALUES)[0]
    assert isinstance(first, collections.OrderedDict)
    assert (first["row"].tolist(), first["key"]) == ([10.0, 10.0], 1)
    assert (second["row"].tolist(), second["key"]) == ([1.0, 1.0], 0)


def test_slices_can_be_worked_on_at_the_clients():
    def program(keys, size, table):
        rows = intrinsics.federated_select(keys, size, table, jax_row)
        return intrinsics.federated_sum(local_intrinsics.sequence_sum(rows))

    computation = federated_computation(program, keys_type(2), INT_SERVER, TABLE)
    assert computation(KEYS, 4, VALUES) == sum(sum(row) for row in SLICES)


def test_a_client_can_have_no_keys():
    assert selection(jax_row, count=0)([[], []], 4, VALUES) == [[], []]


def test_there_can_be_no_clients():
    assert selection(jax_row)([], 4, VALUES) == []


def test_keys_that_all_clients_have():
    def program(keys, size, table, x):
        rows = intrinsics.federated_select(keys, size, table, jax_row)
        return intrinsics.federated_map(lambda pair: pair[0], intrinsics.federated_zip([rows, x]))

    same = FederatedType((np.int32, [2]), CLIENTS, all_equal=True)
    computation = federated_computation(
        program, same, INT_SERVER, TABLE, FederatedType(np.int32, CLIENTS)
    )
    assert computation([0, 2], 4, VALUES, [1, 2]) == [[1.0, 100.0], [1.0, 100.0]]


@pytest.mark.parametrize(("keys", "size"), [([[0, 4]], 4), ([[-1, 0]], 4), ([[0, 1], [1, 2]], 2)])
def test_a_key_out_of_range_is_an_error(keys, size):
    with pytest.raises((errors.SelectionKeyError, errors.ClientError), match="client_keys: expect"):
        selection(jax_row)(keys, size, VALUES)
