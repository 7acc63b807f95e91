"""Local programs inside a TensorFlow graph: the values of a program are symbolic tensors."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
import tensorflow as tf

from tensorflow_federated.core.local_computations import LocalComputation
from tensorflow_federated.core.types import SequenceType, TensorType, Type
from tensorflow_federated.execution import leaves as tensor_leaves
from tensorflow_federated.execution import random_keys, sequences
from tensorflow_federated.tensorflow import loops, tracing, type_specs

Step = Callable[[Any, Any], Any]


class GraphSequence(Protocol):
    """A sequence in a graph."""

    @property
    def element_type(self) -> Type:
        """The type of every element."""
        ...

    def reduce(self, step: Step, zero: Any, zero_type: Type, loop: loops.Loop) -> Any:
        """Folds `step(state, element)` over the elements; `loop` makes the loop, if one is made."""
        ...

    def to_dataset(self) -> tf.data.Dataset:
        """The sequence as a dataset, for computations that take one."""
        ...


@dataclasses.dataclass(frozen=True)
class ColumnSequence:
    """Some consecutive elements of columns: elements `first` to `last`, the latter excluded.

    Attributes:
      leaves: one tensor for each leaf of the element type, rows of all elements end to end.
      offsets: int64 tensor: element i is the rows `offsets[i]:offsets[i+1]`; None: element i is
        row i.
      first: the first element, an int64 scalar.
      last: one more than the last element.
      element_type: the type of every element.
    """

    leaves: tuple[tf.Tensor, ...]
    offsets: tf.Tensor | None
    first: tf.Tensor
    last: tf.Tensor
    element_type: Type

    def element(self, index: tf.Tensor) -> list[tf.Tensor]:
        """The leaves of one element."""
        if self.offsets is None:
            rows = [leaf[index] for leaf in self.leaves]
        else:
            start, end = self.offsets[index], self.offsets[index + 1]
            rows = [leaf[start:end] for leaf in self.leaves]
        return type_specs.with_shapes(rows, type_specs.flat_specs(self.element_type))

    def reduce(self, step: Step, zero: Any, zero_type: Type, loop: loops.Loop) -> Any:
        """Folds over the elements in one loop of the graph."""

        def turn(index: tf.Tensor, *state: tf.Tensor) -> tuple[tf.Tensor, ...]:
            element = tensor_leaves.unflatten(self.element(index), self.element_type)
            stepped = step(tensor_leaves.unflatten(state, zero_type), element)
            return (index + 1, *tensor_leaves.flatten(stepped, zero_type))

        _, *state = loop(
            lambda index, *_: index < self.last,
            turn,
            [self.first, *tensor_leaves.flatten(zero, zero_type)],
            [tf.TensorSpec([], tf.int64), *type_specs.flat_specs(zero_type)],
        )
        return tensor_leaves.unflatten(state, zero_type)

    def to_dataset(self) -> tf.data.Dataset:
        """A dataset that slices the columns."""
        return tf.data.Dataset.range(self.first, self.last).map(
            lambda index: type_specs.unflatten(
                self.element_type, self.element(index), type_specs.pack_element
            )
        )


@dataclasses.dataclass(frozen=True)
class DatasetSequence:
    """The elements of a dataset."""

    dataset: tf.data.Dataset
    element_type: Type

    def reduce(self, step: Step, zero: Any, zero_type: Type, loop: loops.Loop) -> Any:
        """Folds over the elements in TensorFlow's own executor."""
        del loop

        def turn(state: Any, element: Any) -> Any:
            leaves = type_specs.flatten_element(element, self.element_type)
            stepped = step(
                tensor_leaves.unflatten(state, zero_type),
                tensor_leaves.unflatten(leaves, self.element_type),
            )
            return tuple(tensor_leaves.flatten(stepped, zero_type))

        has_end = tf.debugging.assert_none_equal(
            self.dataset.cardinality(),
            tf.constant(tf.data.INFINITE_CARDINALITY, tf.int64),
            message="a dataset that has no end cannot be read to its end; take a part of it first",
        )
        with tf.control_dependencies([has_end]):
            start = [tf.identity(leaf) for leaf in tensor_leaves.flatten(zero, zero_type)]
        state = self.dataset.reduce(tuple(start), turn)
        return tensor_leaves.unflatten(state, zero_type)

    def to_dataset(self) -> tf.data.Dataset:
        """The dataset itself."""
        return self.dataset


@dataclasses.dataclass(frozen=True)
class MappedSequence:
    """A function applied to each element of another sequence, when it is read."""

    source: GraphSequence
    fn: Callable[[Any], Any]
    element_type: Type

    def reduce(self, step: Step, zero: Any, zero_type: Type, loop: loops.Loop) -> Any:
        """Folds over the mapped elements; none of them is kept."""
        return self.source.reduce(
            lambda state, element: step(state, self.fn(element)), zero, zero_type, loop
        )

    def to_dataset(self) -> tf.data.Dataset:
        """A mapped dataset."""
        source_type = self.source.element_type
        own = type_specs.element_structure(source_type)
        spread = isinstance(own, tuple) and not hasattr(own, "_fields")

        def mapped(*arguments: Any) -> Any:
            element = arguments if spread else arguments[0]
            leaves = type_specs.flatten_element(element, source_type)
            result = self.fn(tensor_leaves.unflatten(leaves, source_type))
            return type_specs.unflatten(
                self.element_type,
                tensor_leaves.flatten(result, self.element_type),
                type_specs.pack_element,
            )

        return self.source.to_dataset().map(mapped)


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
        tensors: list[tf.Tensor] = []
        if function_type.parameter is not None:
            tensors = to_flat_tensors(argument, function_type.parameter)
        called = tracing.call_flat(computation, tensors, self._call)
        return from_flat_tensors(called, function_type.result)

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
            DatasetSequence(_from_variant(tensor, leaf_type.element), leaf_type.element)
            if isinstance(leaf_type, SequenceType)
            else tensor
            for tensor, leaf_type in zip(tensors, types_of_leaves, strict=True)
        ],
        type_signature,
    )


def _from_variant(tensor: tf.Tensor, element_type: Type) -> tf.data.Dataset:
    return tf.data.experimental.from_variant(tensor, type_specs.element_structure(element_type))


def column_specs(element_type: Type) -> list[tf.TensorSpec]:
    """The specs of the tensors that columns are passed in: the leaves, then the offsets if any."""
    specs = type_specs.flat_specs(element_type)
    if sequences.is_batched(element_type):
        leaves = [tf.TensorSpec([None, *spec.shape[1:]], spec.dtype) for spec in specs]
        return [*leaves, tf.TensorSpec([None], tf.int64)]
    return [tf.TensorSpec([None, *spec.shape], spec.dtype) for spec in specs]


def from_columns(
    tensors: Sequence[tf.Tensor], first: tf.Tensor, last: tf.Tensor, element_type: Type
) -> ColumnSequence:
    """The sequence whose columns are passed in tensors of `column_specs`."""
    if sequences.is_batched(element_type):
        return ColumnSequence(tuple(tensors[:-1]), tensors[-1], first, last, element_type)
    return ColumnSequence(tuple(tensors), None, first, last, element_type)
