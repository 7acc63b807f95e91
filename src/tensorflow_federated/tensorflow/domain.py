"""Local programs inside a TensorFlow graph: the values of a program are symbolic tensors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tensorflow_federated.core.local_computations import LocalComputation
from tensorflow_federated.core.types import SequenceType, TensorType, Type
from tensorflow_federated.execution import leaves as tensor_leaves
from tensorflow_federated.execution import random_keys
from tensorflow_federated.tensorflow import (
    dataset_loops,
    graph_sequences,
    loops,
    tracing,
    type_specs,
)
from tensorflow_federated.tensorflow.graph_sequences import (
    ColumnSequence,
    GraphSequence,
    MappedSequence,
    Step,
)


class GraphDomain:
    """Carries a local program out on symbolic tensors; see `execution.local_programs.Domain`."""

    def __init__(self, keys: tf.Tensor | None, loop: loops.Loop = loops.of_graph) -> None:
        """Makes a domain.

        Args:
          keys: the random keys of a client, int64[draws, 2]; None where there is no client.
          loop: makes the loops.
        """
        self._keys = keys
        self._loop = loop
        self._call = loops.copied if loop is loops.in_one_thread else None

    def literal(self, value: Any, type_signature: Type) -> tf.Tensor:
        """A constant of the graph."""
        assert isinstance(type_signature, TensorType)
        return tf.constant(value, type_specs.to_tf_dtype(type_signature.dtype))

    def call(self, computation: LocalComputation, argument: Any) -> Any:
        """Makes a local computation part of the graph."""
        function_type = computation.type_signature
        called = self._call_in_loops(computation, argument)
        if called is None:
            tensors: list[tf.Tensor] = []
            if function_type.parameter is not None:
                tensors = to_flat_tensors(argument, function_type.parameter)
            called = tracing.call_flat(computation, tensors, self._call)
        return from_flat_tensors(called, function_type.result)

    def _call_in_loops(
        self, computation: LocalComputation, argument: Any
    ) -> list[tf.Tensor] | None:
        """Makes a computation that reads columns part of the graph, without a dataset of them."""
        function_type = computation.type_signature
        if computation.backend != tracing.NAME or function_type.parameter is None:
            return None
        leaves = tensor_leaves.flatten(argument, function_type.parameter)
        if not any(isinstance(leaf, ColumnSequence) for leaf in leaves):
            return None
        if not all(isinstance(leaf, (ColumnSequence, tf.Tensor)) for leaf in leaves):
            return None
        concrete = computation.function.concrete
        results = dataset_loops.call(concrete, [*leaves, *concrete.captured_inputs], self._loop)
        if results is None:
            return None
        return type_specs.with_shapes(results, type_specs.flat_specs(function_type.result))

    def sequence_map(
        self, fn: Callable[[Any], Any], sequence: GraphSequence, sequence_type: Type
    ) -> GraphSequence:
        """Maps when the elements are read."""
        assert isinstance(sequence_type, SequenceType)
        return MappedSequence(sequence, fn, sequence_type.element)

    def sequence_reduce(
        self, step: Step, zero: Any, sequence: GraphSequence, zero_type: Type
    ) -> Any:
        """Folds in a loop of the graph."""
        return sequence.reduce(step, zero, zero_type, self._loop)

    def sequence_sum(self, sequence: GraphSequence, element_type: Type) -> Any:
        """Adds up in a loop of the graph."""
        return sequence.reduce(
            lambda state, element: add(state, element, element_type),
            zeros(element_type),
            element_type,
            self._loop,
        )

    def sequence_of_keys(self, keys: tf.Tensor, max_key: tf.Tensor) -> GraphSequence:
        """The keys as a column; the graph fails if one is out of range."""
        is_offered = tf.reduce_all((keys >= 0) & (keys < max_key))
        problem = "client_keys: expected keys that are at least 0 and less than max_key, got"
        check = tf.debugging.Assert(is_offered, [problem, keys, "for the max_key", max_key])
        with tf.control_dependencies([] if check is None else [check]):
            checked = tf.identity(keys)
        last = tf.shape(checked, tf.int64)[0]
        return ColumnSequence((checked,), None, tf.zeros([], tf.int64), last, TensorType(np.int32))

    def random_key(self, number: int) -> tf.Tensor:
        """The key that this client gets at a draw of the program."""
        if self._keys is None:
            raise random_keys.no_client()
        return self._keys[number]


def add(left: Any, right: Any, type_signature: Type) -> Any:
    """Adds two values leaf by leaf."""
    pairs = zip(
        tensor_leaves.flatten(left, type_signature),
        tensor_leaves.flatten(right, type_signature),
        strict=True,
    )
    return tensor_leaves.unflatten([x + y for x, y in pairs], type_signature)


def zeros(type_signature: Type) -> Any:
    """A value of zeros; unknown dimensions are empty."""
    return tensor_leaves.unflatten(
        [
            tf.zeros([size or 0 for size in spec.shape], spec.dtype)
            for spec in type_specs.flat_specs(type_signature)
        ],
        type_signature,
    )


def to_flat_tensors(value: Any, type_signature: Type) -> list[tf.Tensor]:
    """The flat tensors that carry a value of the domain."""
    leaves = tensor_leaves.flatten(value, type_signature)
    types_of_leaves = tensor_leaves.leaf_types(type_signature)
    return [
        type_specs.to_variant(leaf.to_dataset(), leaf_type.element)
        if isinstance(leaf_type, SequenceType)
        else leaf
        for leaf, leaf_type in zip(leaves, types_of_leaves, strict=True)
    ]


def from_flat_tensors(tensors: Sequence[tf.Tensor], type_signature: Type) -> Any:
    """The value of the domain that flat tensors carry; the inverse of `to_flat_tensors`."""
    types_of_leaves = tensor_leaves.leaf_types(type_signature)
    return tensor_leaves.unflatten(
        [
            graph_sequences.DatasetSequence(
                graph_sequences.from_variant(tensor, leaf_type.element), leaf_type.element
            )
            if isinstance(leaf_type, SequenceType)
            else tensor
            for tensor, leaf_type in zip(tensors, types_of_leaves, strict=True)
        ],
        type_signature,
    )
