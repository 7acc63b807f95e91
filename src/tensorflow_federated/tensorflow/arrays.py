"""Canonical values, which are numpy arrays, as eager tensors and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from tensorflow_federated.core.types import SequenceType, TensorType, Type
from tensorflow_federated.execution import leaves as tensor_leaves
from tensorflow_federated.tensorflow import datasets, type_specs


def to_tensors(value: Any, type_signature: Type | None) -> list[tf.Tensor]:
    """The flat tensors of a canonical value; none for no parameter."""
    if type_signature is None:
        return []
    leaves = tensor_leaves.flatten(value, type_signature)
    types_of_leaves = tensor_leaves.leaf_types(type_signature)
    return [_to_tensor(leaf, kind) for leaf, kind in zip(leaves, types_of_leaves, strict=True)]


def from_tensors(tensors: Sequence[tf.Tensor], type_signature: Type) -> Any:
    """The canonical value that flat tensors carry; the inverse of `to_tensors`."""
    types_of_leaves = tensor_leaves.leaf_types(type_signature)
    return tensor_leaves.unflatten(
        [_from_tensor(tensor, kind) for tensor, kind in zip(tensors, types_of_leaves, strict=True)],
        type_signature,
    )


def _to_tensor(leaf: Any, leaf_type: Type) -> tf.Tensor:
    if isinstance(leaf_type, SequenceType):
        return type_specs.to_variant(datasets.from_sequence(leaf), leaf_type.element)
    assert isinstance(leaf_type, TensorType)
    return tf.constant(leaf, type_specs.to_tf_dtype(leaf_type.dtype))


def _from_tensor(tensor: tf.Tensor, leaf_type: Type) -> Any:
    if isinstance(leaf_type, SequenceType):
        structure = type_specs.element_structure(leaf_type.element)
        dataset = tf.data.experimental.from_variant(tensor, structure)
        return datasets.convert(dataset, leaf_type.element)
    return tensor.numpy()
