"""Random keys: a function of seed, call, step and position, and of nothing else."""

from __future__ import annotations

import hypothesis
import numpy as np
from hypothesis import strategies as st

from tensorflow_federated.execution import random_keys

COUNTS = st.integers(0, 50)
SERVER_KEY = [6771085506123584179, -3359161662517514422]


@hypothesis.given(st.integers(0, 2**70), st.integers(0, 2**40), COUNTS, COUNTS)
def test_a_key_does_not_depend_on_the_clients_after_it(seed, invocation, count, more):
    few = random_keys.client_keys(seed, invocation, 0, count)
    many = random_keys.client_keys(seed, invocation, 0, count + more)
    np.testing.assert_array_equal(few, many[:count])


def test_keys_are_int64_pairs():
    keys = random_keys.client_keys(1, 2, 3, 4)
    assert keys.shape == (4, 2)
    assert keys.dtype == np.int64


def test_every_coordinate_changes_the_keys():
    places = [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1), (2**32, 0, 0), (0, 2**32, 0)]
    keys = {tuple(key.tolist()) for place in places for key in random_keys.client_keys(*place, 100)}
    assert len(keys) == 100 * len(places)


def test_keys_stay_the_same_in_every_version():
    assert random_keys.client_keys(7, 1, 0, 1).tolist() == [
        [23751027488930731, -4059736574345989901]
    ]


def test_fresh_seeds_differ():
    assert random_keys.fresh_seed() != random_keys.fresh_seed()


def test_keys_of_the_server_are_others_than_those_of_clients():
    servers = {tuple(random_keys.server_key(0, call, n)) for call in range(3) for n in range(3)}
    clients = {
        tuple(key)
        for call in range(3)
        for n in range(3)
        for key in random_keys.client_keys(0, call, n, 9)
    }
    assert len(servers) == 9
    assert not servers & clients


def test_keys_of_the_server_stay_the_same_in_every_version():
    assert random_keys.server_key(7, 1, 0).tolist() == SERVER_KEY
