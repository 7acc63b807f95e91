"""The orders of `tf.data.Dataset.shuffle`, without TensorFlow."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from tensorflow_federated.tensorflow import shuffles


def seeds_of(seed: int) -> tuple[int, int]:
    tf.random.set_seed(None)
    return tf.compat.v1.get_seed(seed)


def integers(dataset: tf.data.Dataset) -> list[int]:
    return [int(element) for element in dataset]


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(st.integers(0, 300), st.integers(1, 400), st.integers(0, 2**31 - 1))
def test_one_order_is_that_of_tensorflow(count, buffer, seed):
    numbers = shuffles.random_numbers(*seeds_of(seed), count)
    dataset = tf.data.Dataset.range(count).shuffle(
        buffer, seed=seed, reshuffle_each_iteration=False
    )
    assert shuffles.order(count, buffer, numbers).tolist() == integers(dataset)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 60), st.integers(1, 80), st.integers(0, 2**31 - 1), st.integers(1, 5))
def test_each_iteration_has_the_order_of_tensorflow(count, buffer, seed, epochs):
    dataset = tf.data.Dataset.range(count).shuffle(buffer, seed=seed)
    for first, second in itertools.islice(shuffles.iteration_seeds(*seeds_of(seed)), epochs):
        numbers = shuffles.random_numbers(first, second, count)
        assert shuffles.order(count, buffer, numbers).tolist() == integers(dataset)


def test_random_numbers_are_those_of_the_paper():
    # Known answers of the authors' library Random123 for philox4x32_10: counter and key are 0; all
    # bits of the key and of the upper counter are 1 in the second, whose lower counter is 0 here.
    assert shuffles.random_numbers(0, 0, 4).tolist() == [
        0x6627E8D5,
        0xE169C58D,
        0xBC57AC4C,
        0x9B00DBD8,
    ]


def test_more_numbers_begin_with_the_same():
    few, many = (shuffles.random_numbers(5, -7, count) for count in (3, 11))
    np.testing.assert_array_equal(few, many[:3])
