"""Pipelines read from the Python objects that `tf.data` builds: a short cut past their graphs.

Writing a dataset as a graph copies all its data. The objects hold the same in attributes that are
TensorFlow's own, so nothing here is relied upon: whatever looks different from what is expected is
left to `recognition`, which reads the graph.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from tensorflow_federated.tensorflow import pipelines
from tensorflow_federated.tensorflow.pipelines import Stage
from tensorflow_federated.tensorflow.recognition import Pipeline

_MODULE = "tensorflow.python.data.ops."


class _UnknownError(Exception):
    """An object is not as expected."""


def recognise(dataset: tf.data.Dataset) -> Pipeline | None:
    """Reads a pipeline without maps.

    Args:
      dataset: the dataset.

    Returns:
      The pipeline; None if it is none that can be read so.
    """
    stages: list[Stage] = []
    current: Any = dataset
    try:
        while (name := _name(current)) != "_TensorSliceDataset":
            if name not in _STAGES:
                return None
            stage = _STAGES[name](current)
            if stage is not None:
                stages.append(stage)
            current = current._input_dataset
        leaves = tuple(_array(tensor) for tensor in current._tensors)
    except (AttributeError, _UnknownError):
        return None
    flat: list[Any] = tf.nest.flatten(current.element_spec)
    if [_row(leaf) for leaf in leaves] != [(spec.dtype.name, spec.shape) for spec in flat]:
        return None
    if sum(isinstance(stage, pipelines.Batch) for stage in stages) > 1:
        return None
    return Pipeline(leaves, tuple(reversed(stages)), ())


def _name(dataset: Any) -> str:
    cls = type(dataset)
    return cls.__name__ if cls.__module__.startswith(_MODULE) else ""


def _row(leaf: np.ndarray) -> tuple[str, tuple[int, ...]]:
    return "string" if leaf.dtype == object else leaf.dtype.name, leaf.shape[1:]


def _array(tensor: Any) -> np.ndarray:
    if not isinstance(tensor, tf.Tensor) or not tensor.shape.rank or not hasattr(tensor, "numpy"):
        raise _UnknownError
    if tensor.dtype in (tf.variant, tf.resource):
        raise _UnknownError
    try:
        # The tensor's own memory, which is never written to.
        array = np.frombuffer(memoryview(tensor), tensor.dtype.as_numpy_dtype)  # type: ignore[arg-type]
    except (BufferError, TypeError, ValueError):
        return tensor.numpy()
    return array.reshape(tuple(tensor.shape))  # type: ignore[arg-type]


def _integer(tensor: Any) -> int:
    if not isinstance(tensor, tf.Tensor) or tensor.dtype != tf.int64 or tensor.shape.rank != 0:
        raise _UnknownError
    return int(tensor)


def _batch(dataset: Any) -> Stage:
    size = _integer(dataset._batch_size)
    return pipelines.Batch(size, bool(dataset._drop_remainder))


def _shuffle(dataset: Any) -> Stage:
    reshuffles = dataset._reshuffle_each_iteration
    buffer = _integer(dataset._buffer_size)
    if not isinstance(reshuffles, bool) or buffer < 1:
        raise _UnknownError
    seed, seed2 = _integer(dataset._seed), _integer(dataset._seed2)
    return pipelines.Shuffle(buffer, seed, seed2, reshuffles)


def _cache(dataset: Any) -> Stage:
    if dataset._filename.numpy() != b"":
        raise _UnknownError
    return pipelines.Cache()


_STAGES: Mapping[str, Callable[[Any], Stage | None]] = {
    "CacheDataset": _cache,
    "_BatchDataset": _batch,
    "_PrefetchDataset": lambda _: None,
    "_RepeatDataset": lambda dataset: pipelines.Repeat(_integer(dataset._count)),
    "_ShardDataset": lambda dataset: pipelines.Shard(
        _integer(dataset._num_shards), _integer(dataset._index)
    ),
    "_ShuffleDataset": _shuffle,
    "_SkipDataset": lambda dataset: pipelines.Skip(_integer(dataset._count)),
    "_TakeDataset": lambda dataset: pipelines.Take(_integer(dataset._count)),
}
