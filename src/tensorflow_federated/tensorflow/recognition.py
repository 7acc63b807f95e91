"""Pipelines of the usual form, read from the graph that a dataset is written to."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tensorflow_federated.tensorflow import pipelines, row_functions
from tensorflow_federated.tensorflow.pipelines import Stage
from tensorflow_federated.tensorflow.row_functions import RowFunction

# A range of more numbers is not made into an array.
_LONGEST_RANGE = 1_000_000
# They are no numbers, or lie in bytes in another way.
_NOT_ARRAYS = frozenset({"int4", "resource", "uint4", "variant"})


@dataclasses.dataclass(frozen=True)
class Pipeline:
    """A pipeline that gives rows of its source.

    Attributes:
      leaves: the source: an array for each component, with the rows along its first axis.
      stages: what is done to the order of the rows.
      maps: what is done to each row, one after the other.
    """

    leaves: tuple[np.ndarray, ...]
    stages: tuple[Stage, ...]
    maps: tuple[RowFunction, ...]

    @property
    def is_batched(self) -> bool:
        """Whether its elements are batches."""
        return any(isinstance(stage, pipelines.Batch) for stage in self.stages)

    @property
    def row_shapes(self) -> tuple[tuple[int, ...], ...]:
        """The shape of a row of each component of its elements."""
        if not self.maps:
            return tuple(leaf.shape[1:] for leaf in self.leaves)
        return self.maps[-1].result_shapes


class _UnknownError(Exception):
    """It is no pipeline of the usual form."""


def recognise(graph: bytes) -> Pipeline | None:
    """Reads a pipeline.

    Args:
      graph: a dataset, written, that needs no state from outside.

    Returns:
      The pipeline; None if it is not of the usual form.
    """
    graph_def = tf.compat.v1.GraphDef.FromString(graph)
    result = next((node for node in graph_def.node if node.op == "_Retval"), None)
    if result is None:
        return None
    try:
        return _Reader(graph_def).pipeline(result.input[0])
    except _UnknownError:
        return None


class _Reader:
    """Follows a graph from a dataset to its source."""

    def __init__(self, graph_def: Any) -> None:
        self._nodes = {node.name: node for node in graph_def.node}
        self._functions = {each.signature.name: each for each in graph_def.library.function}
        self._has_options = any(node.op == "OptionsDataset" for node in graph_def.node)

    def pipeline(self, name: str) -> Pipeline:
        """The pipeline of the dataset that a node makes."""
        node = self._node(name)
        inputs = [each for each in node.input if not each.startswith("^")]
        if node.op in _SOURCES:
            constants = [self._constant(each) for each in inputs]
            return Pipeline(_SOURCES[node.op](node, constants), (), ())
        if node.op not in _STAGES and node.op not in _UNCHANGED and node.op not in _MAPS:
            raise _UnknownError
        before = self.pipeline(inputs[0])
        if node.op in _UNCHANGED:
            return before
        if "Parallel" in node.op and not self._keeps_order(node):
            raise _UnknownError
        if node.op in _MAPS:
            captured = inputs[1 : len(inputs) - (node.op != "MapDataset")]
            return self._mapped(before, node, [self._constant(each) for each in captured])
        numbers = [self._constant(each) for each in inputs[1:] if not self._is_resource(each)]
        stage = _STAGES[node.op](node, numbers)
        if isinstance(stage, pipelines.Batch) and before.is_batched:
            raise _UnknownError
        return dataclasses.replace(before, stages=(*before.stages, stage))

    def _mapped(self, before: Pipeline, node: Any, captured: Sequence[np.ndarray]) -> Pipeline:
        function = self._functions.get(node.attr["f"].func.name)
        if function is None:
            raise _UnknownError
        row_function = row_functions.read(
            function, self._functions, captured, before.row_shapes, before.is_batched
        )
        if row_function is None:
            raise _UnknownError
        return dataclasses.replace(before, maps=(*before.maps, row_function))

    def _keeps_order(self, node: Any) -> bool:
        wanted = node.attr["deterministic"].s
        return wanted == b"true" or (wanted == b"default" and not self._has_options)

    def _node(self, name: str) -> Any:
        node = self._nodes.get(name.partition(":")[0])
        if node is None:
            raise _UnknownError
        return node

    def _is_resource(self, name: str) -> bool:
        # Where a shuffle or a cache keeps its state; a dataset is used as if it had none yet.
        return self._node(name).attr["dtype"].type == tf.resource.as_datatype_enum

    def _constant(self, name: str) -> np.ndarray:
        node = self._node(name)
        if node.op != "Const":
            raise _UnknownError
        tensor = node.attr["value"].tensor
        dtype = tf.as_dtype(tensor.dtype)
        if dtype == tf.string:
            return np.asarray(tf.io.parse_tensor(tensor.SerializeToString(), tf.string).numpy())
        if dtype.name in _NOT_ARRAYS:
            raise _UnknownError
        if tensor.tensor_content:
            # Without a copy; it cannot be written to.
            shape = [each.size for each in tensor.tensor_shape.dim]
            return np.frombuffer(tensor.tensor_content, dtype.as_numpy_dtype).reshape(shape)
        return tf.make_ndarray(tensor)


def _slices(node: Any, constants: list[np.ndarray]) -> tuple[np.ndarray, ...]:
    if node.attr["is_files"].b:
        raise _UnknownError
    return tuple(constants)


def _whole(node: Any, constants: list[np.ndarray]) -> tuple[np.ndarray, ...]:
    del node
    return tuple(constant[np.newaxis] for constant in constants)


def _range(node: Any, constants: list[np.ndarray]) -> tuple[np.ndarray, ...]:
    start, stop, step = (int(constant) for constant in constants)
    if not step or len(range(start, stop, step)) > _LONGEST_RANGE:
        raise _UnknownError
    dtype = tf.as_dtype(node.attr["output_types"].list.type[0])
    return (np.arange(start, stop, step, dtype=np.int64).astype(dtype.as_numpy_dtype),)


def _batch(node: Any, numbers: list[np.ndarray]) -> Stage:
    del node
    return pipelines.Batch(int(numbers[0]), bool(numbers[-1]))


def _cache(node: Any, numbers: list[np.ndarray]) -> Stage:
    del node
    if numbers[0] != b"":
        raise _UnknownError
    return pipelines.Cache()


def _shard(node: Any, numbers: list[np.ndarray]) -> Stage:
    if node.attr["require_non_empty"].b:
        raise _UnknownError
    return pipelines.Shard(int(numbers[0]), int(numbers[1]))


def _shuffle(node: Any, numbers: list[np.ndarray]) -> Stage:
    buffer, seed, seed2 = (int(number) for number in numbers[:3])
    if buffer < 1:
        raise _UnknownError
    return pipelines.Shuffle(buffer, seed, seed2, node.attr["reshuffle_each_iteration"].b)


_SOURCES: Mapping[str, Callable[[Any, list[np.ndarray]], tuple[np.ndarray, ...]]] = {
    "RangeDataset": _range,
    "TensorDataset": _whole,
    "TensorSliceDataset": _slices,
}
_STAGES: Mapping[str, Callable[[Any, list[np.ndarray]], Stage]] = {
    "BatchDatasetV2": _batch,
    "CacheDatasetV2": _cache,
    "ParallelBatchDataset": _batch,
    "RepeatDataset": lambda _, numbers: pipelines.Repeat(int(numbers[0])),
    "ShardDataset": _shard,
    "ShuffleDatasetV3": _shuffle,
    "SkipDataset": lambda _, numbers: pipelines.Skip(int(numbers[0])),
    "TakeDataset": lambda _, numbers: pipelines.Take(int(numbers[0])),
}
_MAPS = frozenset({"MapDataset", "ParallelMapDatasetV2"})
_UNCHANGED = frozenset({"OptionsDataset", "PrefetchDataset"})
