"""A reservoir: a sample of bounded size, of which every client is a member equally likely.

Every client brings a random number, and the clients with the largest numbers stay. Which ones these
are depends neither on the order in which reservoirs are merged nor on how many there are.

Importing this module imports TensorFlow, whose tensors may have an unknown number of rows.
"""

from __future__ import annotations

import collections
from typing import Any

import numpy as np
import tensorflow as tf

from tensorflow_federated import tensorflow
from tensorflow_federated.core import type_trees, types
from tensorflow_federated.core.computations import ConcreteComputation
from tensorflow_federated.core.types import StructWithPythonType, TensorType, Type

_NO_SEED = -1


def type_of(member_type: Type) -> StructWithPythonType:
    """The type of a reservoir of members of a type.

    The members' leaves are stacked: they have one more dimension, of unknown size, in front.
    `random_seed` stays -1: the numbers are keyed by the seed of the execution context.

    Args:
      member_type: tensors, or structures of them.

    Returns:
      ``<random_seed=int64[2],random_values=int32[?],samples=members>``
    """

    def stacked(leaf: Type) -> Type:
        assert isinstance(leaf, TensorType)
        return TensorType(leaf.dtype, (None, *(leaf.shape or ())))

    return types.StructWithPythonType(
        [
            ("random_seed", TensorType(np.int64, [2])),
            ("random_values", TensorType(np.int32, [None])),
            ("samples", type_trees.map_leaves(member_type, stacked)),
        ],
        collections.OrderedDict,
    )


def build_empty(member_type: Type) -> ConcreteComputation:
    """Builds the computation of the type ``( -> reservoir)`` that makes one without members."""

    def empty() -> Any:
        return collections.OrderedDict(
            random_seed=tf.fill([2], tf.constant(_NO_SEED, tf.int64)),
            random_values=tf.zeros([0], tf.int32),
            samples=type_trees.structure_from_tensor_type_tree(_no_rows, member_type),
        )

    return tensorflow.computation(empty)


def _no_rows(leaf: TensorType) -> tf.Tensor:
    dtype = tf.string if leaf.dtype.kind in "USO" else tf.as_dtype(leaf.dtype)
    return tf.zeros([0, *(leaf.shape or ())], dtype)


def build_draw(key_type: Type) -> ConcreteComputation:
    """Builds the computation of the type ``(key -> int32)``: the number that a client brings."""

    def draw(key: Any) -> tf.Tensor:
        # A key is made of random bits.
        return tf.bitcast(key, tf.int32)[0, 0]

    return tensorflow.computation(draw, key_type)


def build_count_non_finite(member_type: Type) -> ConcreteComputation:
    """Builds the computation that tells the leaves that hold NaN or infinite numbers.

    Type: ``(member -> flags)``, with an int64 0 or 1 for each leaf.
    """

    def count(member: Any) -> Any:
        return tf.nest.map_structure(_is_non_finite, member)

    return tensorflow.computation(count, member_type)


def _is_non_finite(leaf: tf.Tensor) -> tf.Tensor:
    if not leaf.dtype.is_floating:
        return tf.zeros([], tf.int64)
    return tf.cast(tf.reduce_any(tf.logical_not(tf.math.is_finite(leaf))), tf.int64)


def build_accumulate(member_type: Type, number_type: Type, size: int) -> ConcreteComputation:
    """Builds the computation that adds a member.

    Type: ``(<reservoir,<number,member>> -> reservoir)``

    Args:
      member_type: the type of a member.
      number_type: the type of the number that it brings.
      size: how many members stay.
    """

    def accumulate(reservoir: Any, numbered: Any) -> Any:
        number, member = numbered
        one = collections.OrderedDict(
            random_seed=reservoir["random_seed"],
            random_values=number[tf.newaxis],
            samples=tf.nest.map_structure(lambda leaf: leaf[tf.newaxis], member),
        )
        return _merged(reservoir, one, size)

    numbered_type = types.in_container([(None, number_type), (None, member_type)], tuple)
    return tensorflow.computation(accumulate, type_of(member_type), numbered_type)


def build_merge(member_type: Type, size: int) -> ConcreteComputation:
    """Builds the computation of the type ``(<reservoir,reservoir> -> reservoir)``."""
    reservoir_type = type_of(member_type)
    return tensorflow.computation(lambda a, b: _merged(a, b, size), reservoir_type, reservoir_type)


def _merged(a: Any, b: Any, size: int) -> Any:
    """The members with the largest numbers, in their order; of equal ones the first."""
    numbers = tf.concat([a["random_values"], b["random_values"]], 0)
    _, chosen = tf.math.top_k(numbers, tf.minimum(tf.size(numbers), size))
    kept = tf.sort(chosen)

    def rows(x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        return tf.gather(tf.concat([x, y], 0), kept)

    return collections.OrderedDict(
        random_seed=a["random_seed"],
        random_values=tf.gather(numbers, kept),
        samples=tf.nest.map_structure(rows, a["samples"], b["samples"]),
    )


def build_report(member_type: Type) -> ConcreteComputation:
    """Builds the computation of the type ``(reservoir -> reservoir)``."""
    return tensorflow.computation(lambda reservoir: reservoir, type_of(member_type))
