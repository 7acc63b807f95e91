"""Noise from a key: published vectors, an independent inverse, moments, and all frameworks."""

from __future__ import annotations

import statistics

import numpy as np
import pytest

from tensorflow_federated.aggregators import gaussian_noise
from tensorflow_federated.core.types import TensorType
from tensorflow_federated.jax import portable_computation

# Philox4x32-10 of the known-answer tests of Random123: counter, key, words.
VECTORS = {
    "zeros": ([0] * 4, [0] * 2, ["6627e8d5", "e169c58d", "bc57ac4c", "9b00dbd8"]),
    "ones": (
        [0xFFFFFFFF] * 4,
        [0xFFFFFFFF] * 2,
        ["408f276d", "41c83b0e", "a20bc7c6", "6d5451fd"],
    ),
    "pi": (
        [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
        [0xA4093822, 0x299F31D0],
        ["d16cfe09", "94fdcceb", "5001e420", "24126ea1"],
    ),
}


@pytest.mark.parametrize("name", VECTORS)
def test_the_words_are_those_of_philox(name):
    counter, key, expected = VECTORS[name]
    words = gaussian_noise.philox(tuple(map(np.int64, counter)), tuple(map(np.int64, key)))
    assert [f"{int(word):08x}" for word in words] == expected


def test_the_inverse_is_that_of_the_normal_distribution():
    uniform = np.array([2.0**-54, 1e-9, 0.02, 0.0749, 0.0751, 0.3, 0.5, 0.8, 0.93, 1 - 1e-12])
    expected = [statistics.NormalDist().inv_cdf(x) for x in uniform]
    np.testing.assert_allclose(gaussian_noise.inverse_normal(uniform), expected, rtol=1e-14)


def test_the_moments_are_those_of_normal_numbers():
    drawn = gaussian_noise.NoiseSource(np.int64([-5, 2**60])).normal([100, 1000])
    deviations = np.sqrt(np.array([1, 2, 15, 96]) / drawn.size)
    moments = [np.mean(drawn**power) for power in (1, 2, 3, 4)]
    assert (abs(np.array(moments) - [0, 1, 0, 3]) < 4 * deviations).all()
    assert abs(np.mean(drawn[1:] * drawn[:-1])) < 4 / np.sqrt(drawn.size)


def test_every_draw_and_every_word_of_the_key_changes_the_noise():
    keys = [[0, 0], [1, 0], [0, 1], [2**32, 0], [0, 2**32], [-1, 0]]
    drawn = set()
    for key in keys:
        source = gaussian_noise.NoiseSource(np.int64(key))
        drawn.update(float(source.normal([])) for _ in range(3))
    assert len(drawn) == 3 * len(keys)


def noise(key):
    return gaussian_noise.NoiseSource(key).like(np.zeros([3, 5], np.float64), np.float32(2))


def test_frameworks_draw_the_same():
    import jax
    import tensorflow as tf

    key = np.int64([7, -8])
    expected = noise(key)
    np.testing.assert_allclose(noise(tf.constant(key)).numpy(), expected, rtol=1e-12)
    with jax.enable_x64(True):
        np.testing.assert_allclose(jax.jit(noise)(key), expected, rtol=1e-12)


def test_noise_is_a_portable_function():
    computation = portable_computation(noise, TensorType(np.int64, [2]))
    assert str(computation.type_signature) == "(int64[2] -> float64[3,5])"
    np.testing.assert_allclose(computation([7, -8]), noise(np.int64([7, -8])), rtol=1e-12)
