"""Sequences inside a TensorFlow graph: what a local program reads one element after the other."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import tensorflow as tf

from tensorflow_federated.core.types import Type
from tensorflow_federated.execution import leaves as tensor_leaves
from tensorflow_federated.execution import sequences
from tensorflow_federated.tensorflow import dataset_options, loops, type_specs

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

    def packed(self, index: tf.Tensor) -> Any:
        """One element as `tf.data` gives it."""
        leaves = self.element(index)
        return type_specs.unflatten(self.element_type, leaves, type_specs.pack_element)

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
        dataset = tf.data.Dataset.range(self.first, self.last).map(self.packed)
        return dataset.with_options(dataset_options.untuned())


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


def from_variant(tensor: tf.Tensor, element_type: Type) -> tf.data.Dataset:
    """The dataset that a tensor carries."""
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
