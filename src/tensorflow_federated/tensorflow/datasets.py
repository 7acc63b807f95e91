"""Datasets of TensorFlow as sequences.

A dataset is used afresh each time, as if it had just been built: a shuffle with a seed gives the
same order in every round, however often the dataset was read before. TensorFlow itself goes on
drawing from the seed.
"""

from __future__ import annotations

import functools
import threading
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from tensorflow_federated.core import errors, types
from tensorflow_federated.core.types import SequenceType, Type
from tensorflow_federated.execution import leaves as tensor_leaves
from tensorflow_federated.execution import sequences
from tensorflow_federated.tensorflow import dataset_graphs, type_specs

# The size of one batch of all elements: more than any dataset has.
_ALL = 1 << 40
# How many bytes of columns are kept between the uses of a dataset.
_ROOM = 512 * 2**20


def convert(dataset: tf.data.Dataset, element_type: Type) -> sequences.Sequence:
    """The sequence of a dataset, which is read when its elements are asked for.

    Args:
      dataset: the dataset.
      element_type: the type that its elements are to have.

    Returns:
      The sequence; it keeps the dataset.

    Raises:
      TypeMismatchError: if the elements are of another type.
    """
    actual = types.to_type(dataset.element_spec)
    if not element_type.is_assignable_from(actual):
        raise errors.TypeMismatchError(
            "the elements of a dataset are not of the type that is needed.",
            problems=[f"dataset: expected {element_type}*, got {actual}*"],
            fix="check `dataset.element_spec`: names, order, dtypes and shapes have to fit.",
        )
    return sequences.Sequence.from_dataset(
        dataset, element_type, load=lambda: read(dataset, element_type)
    )


def fresh(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """A dataset that starts as this one did when it was built.

    Args:
      dataset: the dataset.

    Returns:
      The dataset itself where nothing in it goes on from one reading to the next, or where it
      cannot be copied.
    """
    graph, _ = dataset_graphs.write(dataset)
    return _restored(dataset, graph)


def _restored(dataset: tf.data.Dataset, graph: bytes | None) -> tf.data.Dataset:
    renewed = None if graph is None else dataset_graphs.with_new_generators(graph)
    if renewed is None:
        return dataset
    copied = tf.raw_ops.DatasetFromGraph(graph_def=renewed)
    return tf.data.experimental.from_variant(copied, dataset.element_spec)


def read(dataset: tf.data.Dataset, element_type: Type) -> sequences.Sequence:
    """Reads a whole dataset, afresh, into columns where the element type allows it.

    Args:
      dataset: the dataset.
      element_type: the type of its elements.

    Returns:
      A sequence of columns or of elements.
    """
    kept = _kept.get(dataset, element_type)
    if kept is not None:
        return kept
    graph, is_closed = dataset_graphs.write(dataset)
    sequence = _read(_restored(dataset, graph), element_type)
    if graph is not None and is_closed and dataset_graphs.repeats(graph):
        _kept.put(dataset, element_type, sequence)
    return sequence


def _read(dataset: tf.data.Dataset, element_type: Type) -> sequences.Sequence:
    if sequences.is_batched(element_type) or sequences.is_stacked(element_type):
        columns = _read_columns(type_specs.to_variant(dataset, element_type), element_type)
        if columns is not None:
            return columns
        dataset = fresh(dataset)
    return sequences.Sequence.from_elements(
        [_to_canonical(element, element_type) for element in dataset], element_type
    )


class _KeptColumns:
    """The columns of datasets that give the same each time, while these live and room is left."""

    def __init__(self, room: int) -> None:
        self._room = room
        self._columns: weakref.WeakKeyDictionary[
            tf.data.Dataset, dict[Type, sequences.Sequence]
        ] = weakref.WeakKeyDictionary()
        self._lock = threading.Lock()

    def get(self, dataset: tf.data.Dataset, element_type: Type) -> sequences.Sequence | None:
        """What was kept, or None."""
        with self._lock:
            return self._columns.get(dataset, {}).get(element_type)

    def put(
        self, dataset: tf.data.Dataset, element_type: Type, sequence: sequences.Sequence
    ) -> None:
        """Keeps the columns of a dataset, if it has columns and there is room."""
        with self._lock:
            taken = sum(
                _size(each) for by_type in self._columns.values() for each in by_type.values()
            )
            if 0 < _size(sequence) <= self._room - taken:
                self._columns.setdefault(dataset, {})[element_type] = sequence


def _size(sequence: sequences.Sequence) -> int:
    """How many bytes the columns take; 0 where there are none."""
    columns = sequence.columns()
    return 0 if columns is None else sum(leaf.nbytes for leaf in columns.leaves)


_kept = _KeptColumns(room=_ROOM)


def _read_columns(variant: tf.Tensor, element_type: Type) -> sequences.Sequence | None:
    if sequences.is_stacked(element_type):
        columns = [column.numpy() for column in _stacking_reader(element_type)(variant)]
        return sequences.Sequence.from_columns(tuple(columns), None, element_type)
    rows, splits = _joining_reader(element_type)(variant)
    offsets = [split.numpy() for split in splits]
    if any(not np.array_equal(offsets[0], other) for other in offsets[1:]):
        return None
    columns = tuple(column.numpy() for column in rows)
    return sequences.Sequence.from_columns(columns, offsets[0], element_type)


@functools.lru_cache(maxsize=256)
def _stacking_reader(element_type: Type) -> Callable[[tf.Tensor], list[tf.Tensor]]:
    """Reads elements of known shapes in one call: one tensor for each leaf."""

    def stack(dataset: tf.data.Dataset) -> list[tf.Tensor]:
        batches = iter(dataset.batch(_ALL).with_options(_options()))
        batch = batches.get_next_as_optional()
        return tf.cond(
            batch.has_value(),
            lambda: type_specs.flatten_element(batch.get_value(), element_type),
            lambda: [
                tf.zeros([0, *spec.shape], spec.dtype)
                for spec in type_specs.flat_specs(element_type)
            ],
        )

    return _reader(element_type, stack)


@functools.lru_cache(maxsize=256)
def _joining_reader(
    element_type: Type,
) -> Callable[[tf.Tensor], tuple[list[tf.Tensor], list[tf.Tensor]]]:
    """Reads batches of any size in one call: for each leaf all rows, and where batches start."""
    specs = type_specs.flat_specs(element_type)

    def join(dataset: tf.data.Dataset) -> tuple[list[tf.Tensor], list[tf.Tensor]]:
        batches = iter(dataset.ragged_batch(_ALL).with_options(_options()))
        batch = batches.get_next_as_optional()

        def all_rows() -> tuple[list[tf.Tensor], list[tf.Tensor]]:
            columns = type_specs.flatten_element(batch.get_value(), element_type)
            return [each.values for each in columns], [each.row_splits for each in columns]

        return tf.cond(
            batch.has_value(),
            all_rows,
            lambda: (
                [tf.zeros([0, *spec.shape[1:]], spec.dtype) for spec in specs],
                [tf.zeros([1], tf.int64) for _ in specs],
            ),
        )

    return _reader(element_type, join)


def _reader(element_type: Type, read_all: Callable[[tf.data.Dataset], Any]) -> Callable[..., Any]:
    def of_variant(variant: tf.Tensor) -> Any:
        structure = type_specs.element_structure(element_type)
        return read_all(tf.data.experimental.from_variant(variant, structure))

    signature = [tf.TensorSpec([], tf.variant)]
    function = tf.function(of_variant, input_signature=signature, autograph=False)
    return function.get_concrete_function()


def _options() -> tf.data.Options:
    """Keeps TensorFlow from fusing a map with the batch, which makes room for all of `_ALL`."""
    options = tf.data.Options()
    options.experimental_optimization.apply_default_optimizations = False
    options.experimental_optimization.map_and_batch_fusion = False
    return options


def _to_canonical(element: Any, element_type: Type) -> Any:
    leaves = type_specs.flatten_element(element, element_type)
    types_of_leaves = tensor_leaves.leaf_types(element_type)
    return tensor_leaves.unflatten(
        [
            convert(leaf, leaf_type.element)
            if isinstance(leaf_type, SequenceType)
            else leaf.numpy()
            for leaf, leaf_type in zip(leaves, types_of_leaves, strict=True)
        ],
        element_type,
    )


def from_sequence(sequence: sequences.Sequence) -> tf.data.Dataset:
    """A dataset of the elements of a sequence, in the containers of its element type.

    Args:
      sequence: the sequence; if it was made from a dataset, that is used, afresh.

    Returns:
      The dataset.
    """
    if sequence.dataset is not None:
        return fresh(sequence.dataset)
    element_type = sequence.element_type
    columns = sequence.columns()
    if columns is None:
        return _from_elements(sequence)
    leaves = [
        tf.constant(leaf, spec.dtype)
        for leaf, spec in zip(columns.leaves, type_specs.flat_specs(element_type), strict=True)
    ]
    if columns.offsets is None:
        rows = tf.data.Dataset.from_tensor_slices(tuple(leaves))
        return rows.map(lambda *row: _packed(element_type, row))
    bounds = tf.data.Dataset.from_tensor_slices((columns.offsets[:-1], columns.offsets[1:]))
    specs = type_specs.flat_specs(element_type)
    return bounds.map(
        lambda start, end: _packed(
            element_type,
            [
                tf.ensure_shape(leaf[start:end], spec.shape)
                for leaf, spec in zip(leaves, specs, strict=True)
            ],
        )
    )


def _from_elements(sequence: sequences.Sequence) -> tf.data.Dataset:
    element_type = sequence.element_type
    signature = tuple(type_specs.flat_specs(element_type))

    def rows() -> Any:
        for element in sequence.elements():
            yield tuple(tensor_leaves.flatten(element, element_type))

    dataset = tf.data.Dataset.from_generator(rows, output_signature=signature)
    return dataset.map(lambda *row: _packed(element_type, row))


def _packed(element_type: Type, leaves: Any) -> Any:
    return type_specs.unflatten(element_type, leaves, type_specs.pack_element)
