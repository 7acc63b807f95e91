"""Random keys of JAX in types, arguments, results and states."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tensorflow_federated as tff

KEY = tff.TensorType(np.uint32, [2])


def test_the_type_of_a_key_is_that_of_its_data():
    key = jax.random.key(0)
    assert tff.to_type(key.dtype) == KEY
    assert str(tff.to_type({"keys": jax.ShapeDtypeStruct((3,), key.dtype)})) == "<keys=uint32[3,2]>"
    assert str(tff.to_type(jax.random.key(0, impl="rbg").dtype)) == "uint32[4]"


@pytest.mark.parametrize("make", [jax.random.key, jax.random.PRNGKey])
def test_a_key_leaves_as_its_data(engine, make):
    computation = tff.jax.computation(lambda seed: {"key": make(seed)}, np.int32)
    assert str(computation.type_signature) == "(int32 -> <key=uint32[2]>)"
    np.testing.assert_array_equal(computation(5)["key"], jax.random.key_data(jax.random.key(5)))


@pytest.mark.parametrize(
    "key",
    [jax.random.key(3), jax.random.PRNGKey(3), np.array([0, 3], np.uint32)],
    ids=["typed", "data", "numpy"],
)
def test_a_key_may_be_given(engine, key):
    draw = tff.jax.computation(lambda key: jax.random.normal(key, [2]), KEY)
    np.testing.assert_array_equal(draw(key), jax.random.normal(jax.random.key(3), [2]))


def test_the_data_can_be_made_a_key_again(engine):
    @tff.jax.computation(KEY)
    def split(data):
        first, second = jax.random.split(jax.random.wrap_key_data(data))
        return first, second

    assert str(split.type_signature.result) == "<uint32[2],uint32[2]>"
    expected = jax.random.key_data(jax.random.split(jax.random.key(7)))
    np.testing.assert_array_equal(split(jax.random.key(7)), expected)


def test_several_keys_are_one_array(engine):
    computation = tff.jax.computation(lambda key: jax.random.split(key, 3), KEY)
    assert str(computation.type_signature.result) == "uint32[3,2]"
    typed = tff.jax.computation(lambda: jax.random.split(jax.random.key(0), 3))
    np.testing.assert_array_equal(typed(), computation(jax.random.key(0)))


def test_a_key_may_be_part_of_a_function(engine):
    key = jax.random.key(11)
    draw = tff.jax.computation(lambda x: x + jax.random.uniform(key), np.float32)
    assert draw(1.0) == 1 + jax.random.uniform(key)


def test_a_key_goes_into_an_inner_computation(engine):
    draw = tff.jax.computation(lambda key: jax.random.uniform(key), KEY)
    outer = tff.jax.computation(lambda seed: draw(jax.random.key(seed)), np.int32)
    assert outer(4) == jax.random.uniform(jax.random.key(4))


def test_a_key_may_be_a_constant_of_a_program(engine):
    @tff.federated_computation
    def program():
        return tff.federated_value(jax.random.key(9), tff.SERVER)

    assert str(program.type_signature) == "( -> uint32[2]@SERVER)"
    np.testing.assert_array_equal(program(), [0, 9])


def test_a_computation_without_types_takes_a_key(engine):
    fold = tff.jax.computation(lambda key: jax.random.fold_in(key, 1))
    np.testing.assert_array_equal(
        fold(jax.random.key(2)), jax.random.key_data(jax.random.fold_in(jax.random.key(2), 1))
    )


@tff.jax.computation(KEY, np.int32)
def noise(key, client):
    return jax.random.normal(jax.random.fold_in(key, client))


@tff.jax.computation(KEY)
def advanced(key):
    return jax.random.split(key, 1)[0]


@tff.federated_computation(
    tff.FederatedType(KEY, tff.SERVER), tff.FederatedType(np.int32, tff.CLIENTS)
)
def draw_at_clients(key, clients):
    drawn = tff.federated_map(noise, (tff.federated_broadcast(key), clients))
    return tff.federated_map(advanced, key), drawn


def test_each_client_draws_from_a_seed_and_its_index(engine):
    key, drawn = draw_at_clients(jax.random.key(0), [0, 1, 2])
    assert len(set(drawn)) == 3
    expected = [jax.random.normal(jax.random.fold_in(jax.random.key(0), i)) for i in range(3)]
    np.testing.assert_array_equal(drawn, np.array(expected))
    _, again = draw_at_clients(jax.random.key(0), [0, 1, 2])
    assert again == drawn
    _, next_round = draw_at_clients(key, [0, 1, 2])
    assert not set(next_round) & set(drawn)


def test_the_state_of_a_process_may_hold_a_key(engine):
    initialize = tff.federated_computation(
        lambda: tff.federated_eval(
            tff.jax.computation(lambda: (jax.random.key(0), jnp.float32(0))), tff.SERVER
        )
    )

    @tff.jax.computation(KEY, np.float32)
    def step(key, total):
        key, own = jax.random.split(key)
        return key, total + jax.random.uniform(own)

    @tff.federated_computation(initialize.type_signature.result)
    def next_fn(state):
        return tff.federated_map(step, state)

    process = tff.templates.IterativeProcess(initialize, next_fn)
    state = process.initialize()
    totals = []
    for _ in range(3):
        state = process.next(state)
        totals.append(state[1])
    assert totals == sorted(set(totals))
