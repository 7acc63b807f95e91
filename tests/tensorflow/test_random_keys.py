"""Random keys inside TensorFlow: each draw of a client is another key, the same on every engine."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

import tensorflow_federated as tff
from tensorflow_federated.core import local_intrinsics
from tensorflow_federated.execution import random_keys


@tff.tensorflow.computation((np.int64, [2]), (np.int64, [2]))
def together(first, second):
    return tf.stack([first, second])


@tff.federated_computation(np.int32)
def draw_twice(x):
    return x, together(local_intrinsics.random_key(), local_intrinsics.random_key())


CLIENTS = tff.FederatedType(np.int32, tff.CLIENTS)
KEYS = random_keys.all_client_keys(seed=0, invocation=0, draw_count=2, client_count=3)


def test_a_client_draws_two_keys(engine):
    drawn = tff.federated_computation(lambda x: tff.federated_map(draw_twice, x), CLIENTS)
    assert [keys.tolist() for _, keys in drawn([1, 2, 3])] == KEYS.tolist()


def test_a_compiled_step_draws_the_same_keys(engine):
    total = tff.federated_computation(
        lambda x: tff.federated_sum(tff.federated_map(draw_twice, x)[1]), CLIENTS
    )
    with np.errstate(over="ignore"):
        np.testing.assert_array_equal(total([1, 2, 3]), KEYS.sum(axis=0))
