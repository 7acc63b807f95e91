"""The data of the clients of a chunk, end to end in tensors, and that of one client in the graph.

For an input of a client step its leaves are passed one after the other. A tensor gets a leading
dimension of clients. A sequence is the columns of all clients end to end, and where each client's
elements start.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tensorflow_federated.core.types import SequenceType, TensorType, Type
from tensorflow_federated.execution import aligned_arrays, sequences
from tensorflow_federated.execution import leaves as tensor_leaves
from tensorflow_federated.tensorflow import graph_sequences, layouts, type_specs


def specs(type_signature: Type) -> list[tf.TensorSpec]:
    """The specs of the tensors in which all clients' values of one input are passed."""
    result: list[tf.TensorSpec] = []
    for leaf in tensor_leaves.leaf_types(type_signature):
        if isinstance(leaf, SequenceType):
            result.extend(graph_sequences.column_specs(leaf.element))
            result.append(tf.TensorSpec([None], tf.int64))
        else:
            (spec,) = type_specs.flat_specs(leaf)
            result.append(tf.TensorSpec([None, *spec.shape], spec.dtype))
    return result


def of_client(type_signature: Type, parts: Iterator[tf.Tensor], client: tf.Tensor) -> Any:
    """The value of one client, in the graph, out of tensors of `specs`."""
    leaves: list[Any] = []
    for leaf in tensor_leaves.leaf_types(type_signature):
        if isinstance(leaf, SequenceType):
            columns = [next(parts) for _ in graph_sequences.column_specs(leaf.element)]
            starts = next(parts)
            leaves.append(
                graph_sequences.from_columns(
                    columns, starts[client], starts[client + 1], leaf.element
                )
            )
        else:
            leaves.append(next(parts)[client])
    return tensor_leaves.unflatten(leaves, type_signature)


def tensors(values: Sequence[Any], type_signature: Type) -> list[tf.Tensor] | None:
    """The values of all clients for one input, as tensors of `specs`.

    Args:
      values: the canonical value of each client.
      type_signature: their type.

    Returns:
      The tensors; None if a sequence has no columns.
    """
    of_clients = [tensor_leaves.flatten(value, type_signature) for value in values]
    result: list[tf.Tensor] = []
    for index, leaf in enumerate(tensor_leaves.leaf_types(type_signature)):
        of_leaf = [each[index] for each in of_clients]
        if isinstance(leaf, SequenceType):
            columns = [sequence.columns() for sequence in of_leaf]
            present = [each for each in columns if each is not None]
            if len(present) < len(columns):
                return None
            result.extend(_laid_out(present, leaf.element))
        else:
            assert isinstance(leaf, TensorType)
            result.append(
                layouts.to_tensor(_stacked(of_leaf, leaf), type_specs.to_tf_dtype(leaf.dtype))
            )
    return result


def _stacked(values: Sequence[Any], tensor_type: TensorType) -> np.ndarray:
    sizes = [size or 0 for size in tensor_type.shape or ()]
    stacked = aligned_arrays.empty([len(values), *sizes], tensor_leaves.array_dtype(tensor_type))
    for client, value in enumerate(values):
        stacked[client] = value
    return stacked


def _laid_out(columns: Sequence[sequences.Columns], element_type: Type) -> list[tf.Tensor]:
    """The columns of all clients end to end; those of before if they are the same arrays again."""
    arrays = [
        array
        for each in columns
        for array in (*each.leaves, each.offsets, each.rows)
        if array is not None
    ]
    return layouts.CACHE.get(element_type, arrays, lambda: _end_to_end(columns, element_type))


def _end_to_end(columns: Sequence[sequences.Columns], element_type: Type) -> list[tf.Tensor]:
    result: list[tf.Tensor] = []
    for index, spec in enumerate(type_specs.flat_specs(element_type)):
        # Of a batch the first size is unknown, and no other.
        sizes = [size for size in spec.shape if size is not None]
        result.append(layouts.to_tensor(_joined(columns, index, sizes, spec.dtype), spec.dtype))
    if sequences.is_batched(element_type):
        ends, rows = [np.zeros(1, np.int64)], 0
        for each in columns:
            assert each.offsets is not None
            ends.append(each.offsets[1:] + rows)
            rows += each.row_count
        result.append(tf.constant(np.concatenate(ends), tf.int64))
    starts = [0, *itertools.accumulate(len(each) for each in columns)]
    return [*result, tf.constant(starts, tf.int64)]


def _joined(
    columns: Sequence[sequences.Columns], index: int, sizes: Sequence[int], dtype: tf.DType
) -> np.ndarray:
    """One leaf of all clients, row after row, copied once."""
    row_count = sum(each.row_count for each in columns)
    array_dtype = np.dtype(object) if dtype == tf.string else np.dtype(dtype.as_numpy_dtype)
    joined = aligned_arrays.empty([row_count, *sizes], array_dtype)
    end = 0
    for each in columns:
        start, end = end, end + each.row_count
        leaf = each.leaves[index]
        if each.rows is None:
            joined[start:end] = leaf[: end - start]
        else:
            np.take(leaf, each.rows, axis=0, out=joined[start:end], mode="clip")
    return joined
