"""Signs and uniform numbers from keys."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tensorflow as tf

from tensorflow_federated.aggregators import random_draws

KEY = np.int64([5, -7])


def test_signs_are_fair_and_independent():
    drawn = random_draws.signs(KEY, 40_000)
    assert drawn.dtype == np.float32
    assert abs(drawn.mean()) < 4 / np.sqrt(40_000)
    assert abs((drawn[:-1] * drawn[1:]).mean()) < 4 / np.sqrt(40_000)


def test_uniform_numbers_fill_the_interval():
    drawn = np.sort(random_draws.uniform(KEY, [40_000]))
    # The statistic of Kolmogorov and Smirnov; 1.95 is passed once in a thousand.
    distance = np.abs(drawn - (np.arange(40_000) + 0.5) / 40_000).max()
    assert distance * np.sqrt(40_000) < 1.95


@pytest.mark.parametrize("to_array", [tf.constant, jnp.asarray], ids=["tensorflow", "jax"])
def test_they_are_the_same_in_every_framework(to_array):
    with jax.enable_x64(True):
        key = to_array(KEY)
        signs, uniform = random_draws.signs(key, 50, 2), random_draws.uniform(key, [3, 5], 1)
    np.testing.assert_array_equal(np.asarray(signs), random_draws.signs(KEY, 50, 2))
    np.testing.assert_array_equal(np.asarray(uniform), random_draws.uniform(KEY, [3, 5], 1))


@pytest.mark.parametrize("other", [([5, -6], 0), ([4, -7], 0), ([5, -7], 1)])
def test_other_keys_and_streams_give_other_numbers(other):
    key, stream = other
    first, second = (
        random_draws.uniform(KEY, [100]),
        random_draws.uniform(np.int64(key), [100], stream),
    )
    assert not np.isin(first, second).any()
