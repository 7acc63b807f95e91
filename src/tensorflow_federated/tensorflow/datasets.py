"""Datasets of TensorFlow as sequences.

A dataset is used afresh each time, as if it had just been built: a shuffle with a seed gives the
same order in every round, however often the dataset was read before. TensorFlow itself goes on
drawing from the seed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from tensorflow_federated.core import containers, errors, types
from tensorflow_federated.core.types import SequenceType, Type
from tensorflow_federated.execution import leaves as tensor_leaves
from tensorflow_federated.execution import sequences
from tensorflow_federated.tensorflow import (
    dataset_graphs,
    dataset_objects,
    dataset_options,
    kept_columns,
    pipeline_columns,
    pipelines,
    recognition,
    recorded_datasets,
    type_specs,
)
from tensorflow_federated.tensorflow.pipeline_columns import ElementSpec, Store
from tensorflow_federated.tensorflow.recognition import Pipeline

# How many elements of a known shape are read together: TensorFlow may make room for all of them
# before it reads the first.
_ROWS_AT_A_TIME = 256
_PIPELINE = "pipeline"


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
    actual = _element_spec(dataset).type
    differences = (
        () if actual == element_type else element_type.differences(actual, path="dataset[*]")
    )
    if differences:
        raise errors.TypeMismatchError(
            "the elements of a dataset are not of the type that is needed.",
            problems=differences,
            fix=_batching(element_type, actual)
            or "check `dataset.element_spec`: names, order, dtypes and shapes have to fit.",
        )
    kept = kept_columns.kept.get(element_type, [dataset])
    recognise = _Recognised(dataset)
    return sequences.Sequence.from_dataset(
        dataset,
        element_type,
        load=lambda: read(dataset, element_type, recognise),
        client_id=recorded_datasets.client_id_of(dataset),
        row_count=(lambda: _row_count(recognise(), dataset, element_type))
        if kept is None
        else kept.known_row_count,
    )


def _batching(wanted: Type, actual: Type) -> str | None:
    """How batches become of single elements, or the other way round, if that is what is wrong."""
    if sequences.are_batches_of(wanted, actual):
        return "these are single examples; make batches of them: `dataset.batch(20)`."
    if sequences.are_batches_of(actual, wanted):
        return "these are batches; leave out `dataset.batch(...)`, or add `.unbatch()`."
    return None


class _Recognised:
    """Finds the pipeline of a dataset, once."""

    def __init__(self, dataset: tf.data.Dataset) -> None:
        self._dataset: tf.data.Dataset | None = dataset
        self._pipeline: Pipeline | None = None

    def __call__(self) -> Pipeline | None:
        if self._dataset is not None:
            self._pipeline, self._dataset = _pipeline(self._dataset), None
        return self._pipeline


def _pipeline(dataset: tf.data.Dataset) -> Pipeline | None:
    """The pipeline of a dataset that was recorded, or whose objects are of the usual form."""
    recording = recorded_datasets.recording_of(dataset)
    if recording is not None:
        return recording.pipeline
    return kept_columns.kept.get(_PIPELINE, [dataset]) or dataset_objects.recognise(dataset)


def _row_count(
    pipeline: Pipeline | None, dataset: tf.data.Dataset, element_type: Type
) -> int | None:
    """The rows that a pipeline gives, or its elements that have none; None if that is not known."""
    if pipeline is None:
        return None
    recording = recorded_datasets.recording_of(dataset)
    rows = None if recording is None else recording.rows
    source = len(pipeline.leaves[0]) if rows is None else len(rows)
    count = pipelines.row_count(source, pipeline.stages)
    if count is None or not pipeline.is_batched or sequences.is_batched(element_type):
        return count
    # Full batches of one size are elements of known shapes.
    sizes = [stage.size for stage in pipeline.stages if isinstance(stage, pipelines.Batch)]
    return count // sizes[0]


def _element_spec(dataset: tf.data.Dataset) -> ElementSpec:
    recording = recorded_datasets.recording_of(dataset)
    return ElementSpec.of(dataset.element_spec) if recording is None else recording.spec


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


def read(
    dataset: tf.data.Dataset,
    element_type: Type,
    recognise: Callable[[], Pipeline | None] | None = None,
) -> sequences.Sequence | None:
    """Reads a whole dataset, afresh, into columns where the element type allows it.

    Args:
      dataset: the dataset.
      element_type: the type of its elements.
      recognise: gives its pipeline, if that is known without its graph; None to find it out here.

    Returns:
      A sequence of columns or of elements; None if the dataset has no end.
    """
    recording = recorded_datasets.recording_of(dataset)
    try:
        if recording is not None:
            return _worked_out(recording, element_type)
        return _recognised(dataset, element_type, recognise or (lambda: _pipeline(dataset)))
    except pipelines.EndlessError:
        return None
    except pipelines.UnknownOrderError:
        return _opaque(dataset, element_type)


def _worked_out(
    recording: recorded_datasets.Recording, element_type: Type
) -> sequences.Sequence | None:
    """What a recorded dataset gives."""
    columns = pipeline_columns.columns(
        recording.store, recording.rows, recording.pipeline, recording.spec, element_type
    )
    if columns is None:
        raise pipelines.UnknownOrderError
    return _sequence(columns, element_type, recording.client_id)


def _recognised(
    dataset: tf.data.Dataset, element_type: Type, recognise: Callable[[], Pipeline | None]
) -> sequences.Sequence | None:
    """What a dataset gives, which is recognised if it is of the usual form."""
    kept = kept_columns.kept.get(element_type, [dataset])
    if kept is not None:
        return kept
    pipeline = recognise()
    if pipeline is None:
        graph, is_closed = dataset_graphs.write(dataset)
        pipeline = recognition.recognise(graph) if graph is not None and is_closed else None
        if pipeline is None:
            return _opaque(dataset, element_type, graph, is_closed)
    spec = _element_spec(dataset)
    columns = pipeline_columns.columns(Store(pipeline.leaves), None, pipeline, spec, element_type)
    if columns is None:
        return _opaque(dataset, element_type)
    sequence = _sequence(columns, element_type, recorded_datasets.client_id_of(dataset))
    if pipelines.is_seeded(pipeline.stages):
        kept_columns.keep(dataset, element_type, sequence)
    else:
        kept_columns.keep(dataset, _PIPELINE, pipeline)
    return sequence


def _sequence(
    columns: sequences.Columns, element_type: Type, client_id: str | None
) -> sequences.Sequence:
    return sequences.Sequence.from_columns(
        columns.leaves, columns.offsets, element_type, columns.rows, client_id
    )


def _opaque(
    dataset: tf.data.Dataset,
    element_type: Type,
    graph: bytes | None = None,
    is_closed: bool | None = None,
) -> sequences.Sequence | None:
    """What a dataset gives that only TensorFlow can read."""
    kept = kept_columns.kept.get(element_type, [dataset])
    if kept is not None:
        return kept
    if dataset.cardinality() == tf.data.INFINITE_CARDINALITY:
        return None
    if is_closed is None:
        graph, is_closed = dataset_graphs.write(dataset)
    sequence = _read(_restored(dataset, graph), element_type)
    if graph is not None and is_closed and dataset_graphs.repeats(graph):
        kept_columns.keep(dataset, element_type, sequence)
    return sequence


def _read(dataset: tf.data.Dataset, element_type: Type) -> sequences.Sequence:
    dataset = dataset.with_options(dataset_options.untuned())
    if sequences.is_stacked(element_type) and not _has_composites(element_type):
        return _read_stacked(dataset, element_type)
    sequence = sequences.Sequence.from_elements(
        [_to_canonical(element, element_type) for element in dataset], element_type
    )
    columns = sequence.columns()
    if columns is None:
        return sequence
    # Without the elements, which the columns are a copy of.
    return sequences.Sequence.from_columns(columns.leaves, columns.offsets, element_type)


def _has_composites(element_type: Type) -> bool:
    # A batch of ragged tensors is one that is ragged in one more dimension.
    return any(containers.is_composite(part) for part in types.preorder(element_type))


def _read_stacked(dataset: tf.data.Dataset, element_type: Type) -> sequences.Sequence:
    """Reads elements of known shapes, many at a time."""
    pieces = [
        [leaf.numpy() for leaf in type_specs.flatten_element(batch, element_type)]
        for batch in dataset.batch(_ROWS_AT_A_TIME)
    ]
    if not pieces:
        return sequences.Sequence.from_elements([], element_type)
    columns = tuple(
        column[0] if len(column) == 1 else np.concatenate(column)
        for column in zip(*pieces, strict=True)
    )
    return sequences.Sequence.from_columns(columns, None, element_type)


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
    columns = columns.gathered()
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
