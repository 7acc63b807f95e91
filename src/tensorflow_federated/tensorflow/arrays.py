"""Canonical values, which are numpy arrays, as eager tensors and back."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from tensorflow_federated.core.types import SequenceType, TensorType, Type
from tensorflow_federated.execution import leaves as tensor_leaves
from tensorflow_federated.tensorflow import datasets, type_specs

# How many types keep what converts their values: more than a program uses by turns.
_MOST_CONVERTERS = 1024


def to_tensors(value: Any, type_signature: Type | None) -> list[tf.Tensor]:
    """The flat tensors of a canonical value; none for no parameter."""
    if type_signature is None:
        return []
    leaves = tensor_leaves.flatten(value, type_signature)
    return [convert(leaf) for convert, leaf in zip(_to_each(type_signature), leaves, strict=True)]


def from_tensors(tensors: Sequence[tf.Tensor], type_signature: Type) -> Any:
    """The canonical value that flat tensors carry; the inverse of `to_tensors`."""
    converters = _from_each(type_signature)
    return tensor_leaves.unflatten(
        [convert(tensor) for convert, tensor in zip(converters, tensors, strict=True)],
        type_signature,
    )


@functools.lru_cache(maxsize=_MOST_CONVERTERS)
def _to_each(type_signature: Type) -> list[Callable[[Any], tf.Tensor]]:
    return [_to_tensor(leaf) for leaf in tensor_leaves.leaf_types(type_signature)]


def _to_tensor(leaf_type: Type) -> Callable[[Any], tf.Tensor]:
    if isinstance(leaf_type, SequenceType):
        element = leaf_type.element
        return lambda leaf: type_specs.to_variant(datasets.from_sequence(leaf), element)
    assert isinstance(leaf_type, TensorType)
    dtype = type_specs.to_tf_dtype(leaf_type.dtype)
    return lambda leaf: tf.constant(leaf, dtype)


@functools.lru_cache(maxsize=_MOST_CONVERTERS)
def _from_each(type_signature: Type) -> list[Callable[[tf.Tensor], Any]]:
    return [_from_tensor(leaf) for leaf in tensor_leaves.leaf_types(type_signature)]


def _from_tensor(leaf_type: Type) -> Callable[[tf.Tensor], Any]:
    if not isinstance(leaf_type, SequenceType):
        return lambda tensor: tensor.numpy()
    element = leaf_type.element
    structure = type_specs.element_structure(element)
    return lambda tensor: datasets.convert(
        tf.data.experimental.from_variant(tensor, structure), element
    )
