"""Sending Different Data to Particular Clients, in JAX: federated select of rows and of slices."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tensorflow_federated as tff

ROWS_TYPE = tff.TensorType(np.float32, [None, 2])
KEYS_PER_CLIENT = 2
CLIENT_DATA_TYPE = tff.TensorType(np.int32, [3])

get_size = tff.jax.computation(lambda x: jnp.int32(x.shape[0]))
select_fn = tff.jax.computation(lambda rows, index: rows[index])


@tff.jax.computation(CLIENT_DATA_TYPE)
def keys_for_client(client_data):
    """The first two of the three numbers that a client knows are the rows that it asks for."""
    return client_data[:KEYS_PER_CLIENT]


@tff.jax.computation(tff.TensorType(np.float32, [2]), tff.TensorType(np.float32, [2]))
def ten_times_and_add(total, row):
    return 10 * total + row


@tff.federated_computation(tff.SequenceType(tff.TensorType(np.float32, [2])))
def concatenate(rows):
    return tff.sequence_reduce(rows, np.zeros(2, np.float32), ten_times_and_add)


@tff.federated_computation(
    tff.FederatedType(ROWS_TYPE, tff.SERVER), tff.FederatedType(CLIENT_DATA_TYPE, tff.CLIENTS)
)
def broadcast_based_on_client_data(rows_at_server, client_data):
    keys_at_clients = tff.federated_map(keys_for_client, client_data)
    max_key = tff.federated_map(get_size, rows_at_server)
    rows_at_clients = tff.federated_select(keys_at_clients, max_key, rows_at_server, select_fn)
    return tff.federated_map(concatenate, rows_at_clients)


@tff.jax.computation(tff.TensorType(np.uint32, [2]), np.int32, np.int32)
def get_random_key(seed, client, max_key):
    own = jax.random.fold_in(seed, client)
    return jax.random.randint(own, [1], 0, max_key)


@tff.jax.computation(tff.TensorType(np.float32, [2]), tff.TensorType(np.float32, [2]))
def last(_, row):
    return row


@tff.federated_computation(tff.SequenceType(tff.TensorType(np.float32, [2])))
def get_last_element(rows):
    return tff.sequence_reduce(rows, np.zeros(2, np.float32), last)


@tff.federated_computation(
    tff.FederatedType(ROWS_TYPE, tff.SERVER),
    tff.FederatedType(tff.TensorType(np.uint32, [2]), tff.SERVER),
    tff.FederatedType(np.int32, tff.CLIENTS),
)
def broadcast_random_element(rows_at_server, seed, clients):
    max_key_at_server = tff.federated_map(get_size, rows_at_server)
    keys = tff.federated_map(
        get_random_key,
        (tff.federated_broadcast(seed), clients, tff.federated_broadcast(max_key_at_server)),
    )
    rows = tff.federated_select(keys, max_key_at_server, rows_at_server, select_fn)
    return tff.federated_map(get_last_element, rows)


ROWS = np.array([[1, 2], [3, 4], [5, 6]], np.float32)


def test_type_signatures():
    assert str(keys_for_client.type_signature) == "(int32[3] -> int32[2])"
    assert str(broadcast_based_on_client_data.type_signature) == (
        "(<rows_at_server=float32[?,2]@SERVER,client_data={int32[3]}@CLIENTS>"
        " -> {float32[2]}@CLIENTS)"
    )


def test_each_client_gets_the_rows_it_asks_for_in_its_order(engine):
    result = broadcast_based_on_client_data(ROWS, [[0, 1, 9], [1, 2, 9], [2, 0, 9]])
    np.testing.assert_array_equal(result, [[13, 24], [35, 46], [51, 62]])


def test_the_server_may_have_any_number_of_rows(engine):
    rows = np.arange(20, dtype=np.float32).reshape(10, 2)
    (result,) = broadcast_based_on_client_data(rows, [[9, 0, 0]])
    np.testing.assert_array_equal(result, [180, 191])


def test_a_row_that_is_not_there_is_an_error(engine):
    with pytest.raises((RuntimeError, ValueError), match="expected keys from 0 to 2, got 3"):
        broadcast_based_on_client_data(ROWS, [[0, 3, 0]])


def test_each_client_gets_a_row_at_random(engine):
    drawn = broadcast_random_element(ROWS, jax.random.key(1), list(range(20)))
    assert len(drawn) == 20
    chosen = {tuple(row) for row in drawn}
    assert chosen == {tuple(row) for row in ROWS}
    again = broadcast_random_element(ROWS, jax.random.key(1), list(range(20)))
    np.testing.assert_array_equal(drawn, again)


def test_parts_of_a_model_are_sent_and_trained(engine):
    """Each client asks for the rows of an embedding that its own words need."""
    table_type = tff.TensorType(np.float32, [5, 3])
    words_type = tff.TensorType(np.int32, [2])
    row = tff.jax.computation(lambda table, word: (word, table[word]), table_type, np.int32)
    step = tff.jax.computation(
        lambda update, part: update.at[part[0]].add(-0.5 * part[1]),
        table_type,
        row.type_signature.result,
    )
    add = tff.jax.computation(lambda table, update: table + update, table_type, table_type)

    @tff.federated_computation(
        tff.FederatedType(table_type, tff.SERVER), tff.FederatedType(words_type, tff.CLIENTS)
    )
    def next_fn(table, words):
        size = tff.federated_value(5, tff.SERVER)
        parts = tff.federated_select(words, size, table, row)

        def update_of(own_parts):
            return tff.sequence_reduce(own_parts, np.zeros([5, 3], np.float32), step)

        updates = tff.federated_map(
            tff.federated_computation(update_of, parts.type_signature.member), parts
        )
        return tff.federated_map(add, (table, tff.federated_sum(updates)))

    table = np.ones([5, 3], np.float32)
    result = next_fn(table, [[0, 1], [1, 4]])
    np.testing.assert_array_equal(result[:, 0], [0.5, 0.0, 1.0, 1.0, 0.5])
