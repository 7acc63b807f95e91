"""Checks and conversions of gradients."""

from __future__ import annotations

import collections

import numpy as np
import pytest
import tensorflow as tf

import tensorflow_federated as tff

check = tff.learning.optimizers.check_weights_gradients_match


def floats(values):
    return np.array(values, np.float32)


@pytest.mark.parametrize(
    ("weights", "gradients"),
    [
        (floats([1.0]), floats([2.0])),
        ([np.float32(1.0)], [None]),
        ({"a": np.float32(1.0), "b": np.float32(2.0)}, {"b": np.float32(1.0), "a": None}),
        ([tf.constant([1.0])], [tf.constant([2.0])]),
    ],
    ids=["array", "none", "names in another order", "tensors"],
)
def test_matching_gradients_pass(weights, gradients):
    check(weights, gradients)


@pytest.mark.parametrize(
    ("name", "weights", "gradients"),
    [
        ("shape", [tf.constant(1.0)], [tf.constant([1.0])]),
        ("dtype", [tf.constant(1.0)], [tf.constant(1.0, tf.float64)]),
        ("length", [np.float32(1.0)], [np.float32(1.0), np.float32(1.0)]),
        ("names", {"a": np.float32(1.0)}, {"b": np.float32(1.0)}),
        ("structure for an array", np.float32(1.0), [np.float32(1.0)]),
        (
            "several problems",
            collections.OrderedDict(a=np.float32(1.0), b=[np.float32(1.0)]),
            collections.OrderedDict(a=floats([1.0]), b=[np.float64(1.0)]),
        ),
    ],
)
def test_each_mismatch_has_its_message(name, weights, gradients, golden):
    with pytest.raises(ValueError, match="do not match") as raised:
        check(weights, gradients)
    golden.check(name, str(raised.value))


def test_indexed_slices_become_dense():
    slices = tf.IndexedSlices(tf.ones([2, 2]), tf.constant([1, 1]), tf.constant([3, 2]))
    dense = tff.learning.optimizers.handle_indexed_slices_gradients([slices, None])
    np.testing.assert_array_equal(dense[0], [[0, 0], [2, 2], [0, 0]])
    assert dense[1] is None


def test_an_optimizer_takes_indexed_slices():
    # Source: TFF 0.87, the case `indexed_slices`.
    optimizer = tff.learning.optimizers.build_sgdm(0.1)
    slices = tf.IndexedSlices(tf.ones([1, 2]), tf.constant([1]), tf.constant([3, 2]))
    state = optimizer.initialize(tf.TensorSpec([3, 2], tf.float32))
    _, weights = optimizer.next(state, tf.ones([3, 2]), slices)
    np.testing.assert_allclose(weights, [[1, 1], [0.9, 0.9], [1, 1]], rtol=1e-6)
