"""Random keys inside JAX: each draw of a client is another key, the same on every engine."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np

import tensorflow_federated as tff
from tensorflow_federated.core import local_intrinsics
from tensorflow_federated.execution import random_keys
from tensorflow_federated.jax import portable_computation


@portable_computation((np.int64, [2]), (np.int64, [2]))
def exchanged(first, second):
    return second, first


@tff.jax.computation(np.int32)
def double(x):
    return jnp.int32(2) * x


@tff.federated_computation(np.int32)
def draw_twice(x):
    return double(x), exchanged(local_intrinsics.random_key(), local_intrinsics.random_key())


def test_a_client_draws_two_keys(engine):
    drawn = tff.federated_computation(
        lambda x: tff.federated_map(draw_twice, x), tff.FederatedType(np.int32, tff.CLIENTS)
    )
    keys = random_keys.all_client_keys(seed=0, invocation=0, draw_count=2, client_count=3)
    assert [
        [first.tolist(), second.tolist()] for _, (second, first) in drawn([1, 2, 3])
    ] == keys.tolist()
