"""Skellam noise: the difference of two Poisson numbers, which are whole.

Importing this module imports TensorFlow, which draws Poisson numbers.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from tensorflow_federated import tensorflow
from tensorflow_federated.core.computations import ConcreteComputation
from tensorflow_federated.core.types import Type

# Together with a key it makes another key.
_OTHER = 0x9E3779B97F4A7C15 - 2**64


def build_draw(key_type: Type, stddev_type: Type, size: int) -> ConcreteComputation:
    """Builds the computation that draws noise.

    Type: ``(<key,stddev> -> int32[size])``, of mean 0 and the given standard deviation.

    Args:
      key_type: int64[2].
      stddev_type: float32.
      size: how many numbers.
    """

    def draw(key: Any, stddev: Any) -> tf.Tensor:
        rate = tf.square(tf.cast(stddev, tf.float64)) / 2.0
        first, second = (
            tf.random.stateless_poisson([size], tf.bitwise.bitwise_xor(key, mask), rate, tf.int32)
            for mask in (tf.constant(0, tf.int64), tf.constant(_OTHER, tf.int64))
        )
        return first - second

    return tensorflow.computation(draw, key_type, stddev_type)
