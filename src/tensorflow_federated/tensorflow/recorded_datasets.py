"""Datasets that remember what is done to them, and are built when somebody asks for more.

`ClientData` hands them out. `dataset.repeat(5).shuffle(100).batch(20).map(fn)` on one of them takes
microseconds, as nothing is built: the engine works the elements out on the client's arrays. To
everybody else it is a dataset like any other: whatever is not known here is asked of the dataset of
TensorFlow that the same calls make.
"""

from __future__ import annotations

import collections
import dataclasses
import functools
import threading
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from tensorflow_federated.tensorflow import (
    dataset_graphs,
    function_keys,
    pipelines,
    recognition,
)
from tensorflow_federated.tensorflow.pipeline_columns import ElementSpec, Store
from tensorflow_federated.tensorflow.recognition import Pipeline
from tensorflow_federated.tensorflow.row_functions import RowFunction

_Build = Callable[[tf.data.Dataset], tf.data.Dataset]

# How many functions of `Dataset.map` are remembered.
_MOST_FUNCTIONS = 256
_building = threading.RLock()


@dataclasses.dataclass(frozen=True)
class Recording:
    """What is known of a recorded dataset without building it.

    Attributes:
      store: the arrays that its examples are rows of.
      rows: int64: these rows, in order; None for all.
      pipeline: what is done with them.
      spec: the spec of its elements.
      client_id: the client whose examples they are, if they are one's.
    """

    store: Store
    rows: np.ndarray | None
    pipeline: Pipeline
    spec: ElementSpec
    client_id: str | None


def of_client(
    examples: Any,
    client_id: str | None = None,
    rows: np.ndarray | None = None,
    owner: Any = None,
) -> tf.data.Dataset:
    """The dataset of a client's examples.

    Args:
      examples: a structure of arrays, with the examples along the first axis; nobody writes into
        them any more.
      client_id: the client, for messages.
      rows: int64: the rows of the arrays that are the client's examples; None for all.
      owner: what all datasets over the same arrays have in common, and outlives them; None if there
        is no such object.

    Returns:
      What `tf.data.Dataset.from_tensor_slices` makes of these rows: lazily, where that is possible.
    """
    structure, store, spec = _stored(examples, owner)
    build = functools.partial(_slices, structure, rows)
    if spec is None or not tf.executing_eagerly() or not _is_supported():
        return build()
    return _recorded(structure, store, spec, rows, client_id)


def recording_of(dataset: tf.data.Dataset) -> Recording | None:
    """What is known of a dataset without building it; None if that is nothing."""
    return dataset.recording if isinstance(dataset, RecordedDataset) else None


def client_id_of(dataset: tf.data.Dataset) -> str | None:
    """The client whose examples a dataset was made of, where that is known."""
    current: Any = dataset
    while not isinstance(current, RecordedDataset):
        inputs = getattr(current, "_inputs", list)()
        if len(inputs) != 1:
            return None
        [current] = inputs
    return current.recording.client_id


_stores: weakref.WeakKeyDictionary[Any, tuple[Any, Store, ElementSpec]] = (
    weakref.WeakKeyDictionary()
)


def _stored(examples: Any, owner: Any) -> tuple[Any, Store, ElementSpec | None]:
    if owner is not None:
        found = _stores.get(owner)
        if found is not None:
            return found
    leaves = tf.nest.flatten(examples)
    specs = [_row_spec(leaf) for leaf in leaves]
    store = Store(tuple(leaves))
    if not leaves or None in specs or len({len(leaf) for leaf in leaves}) != 1:
        return examples, store, None
    spec = ElementSpec.of(tf.nest.pack_sequence_as(examples, specs))
    if owner is not None:
        _stores[owner] = examples, store, spec
    return examples, store, spec


def _row_spec(leaf: Any) -> tf.TensorSpec | None:
    if not isinstance(leaf, np.ndarray) or not leaf.ndim:
        return None
    if leaf.dtype == object:
        return tf.TensorSpec(leaf.shape[1:], tf.string)
    if leaf.dtype.kind not in "biufcV":
        return None
    return tf.TensorSpec(leaf.shape[1:], tf.as_dtype(leaf.dtype))


def _slices(examples: Any, rows: np.ndarray | None) -> tf.data.Dataset:
    if rows is not None:
        examples = tf.nest.map_structure(lambda leaf: leaf[rows], examples)
    return tf.data.Dataset.from_tensor_slices(examples)


def _recorded(
    examples: Any,
    store: Store,
    spec: ElementSpec,
    rows: np.ndarray | None,
    client_id: str | None,
) -> RecordedDataset:
    pipeline = Pipeline(store.leaves, (), ())
    recording = Recording(store, rows, pipeline, spec, client_id)
    return RecordedDataset(recording, None, lambda _: _slices(examples, rows))


class RecordedDataset(tf.data.Dataset):
    """A `tf.data.Dataset` that is built when somebody asks for what only a built one has."""

    # `tf.data.Dataset` makes itself of a tensor, which there is none of yet: its `__init__` is not
    # called, and the three attributes that it would set are properties here.

    def __init__(self, recording: Recording, before: RecordedDataset | None, build: Any) -> None:
        """Remembers how to build the dataset.

        Args:
          recording: what is known of it.
          before: the dataset that it is made of; None for the first one.
          build: makes it of that, built.
        """
        self.recording = recording
        self._before = before
        self._build: Callable[[Any], tf.data.Dataset] = build
        self._built: tf.data.Dataset | None = None

    @property
    def client_id(self) -> str | None:
        """The client whose examples these are."""
        return self.recording.client_id

    @property
    def element_spec(self) -> Any:
        return self.recording.spec.structure

    def built(self) -> tf.data.Dataset:
        """The dataset of TensorFlow."""
        with _building:
            built = self._built
            if built is None:
                # Not in the graph of whoever asks, which may be gone when the next one does.
                with tf.init_scope():
                    before = None if self._before is None else self._before.built()
                    built = self._built = self._build(before)
            return built

    @property
    def _variant_tensor(self) -> Any:
        return tf.data.experimental.to_variant(self.built())

    @property
    def _graph_attr(self) -> Any:
        return self.built()._graph  # type: ignore[attr-defined]

    @property
    def _options_attr(self) -> Any:
        return self.built()._options_attr  # type: ignore[attr-defined]

    def _inputs(self) -> list[Any]:
        return self.built()._inputs()  # type: ignore[attr-defined]

    def _functions(self) -> list[Any]:
        return self.built()._functions()  # type: ignore[attr-defined]

    def batch(self, batch_size: Any, drop_remainder: Any = False, *args: Any, **kwargs: Any) -> Any:
        def build(before: tf.data.Dataset) -> tf.data.Dataset:
            return before.batch(batch_size, drop_remainder, *args, **kwargs)

        # `num_parallel_calls` and `deterministic`: nothing here is out of order.
        is_known = not args and kwargs.keys() <= {"name"} and isinstance(drop_remainder, bool)
        if not is_known or not _is_integer(batch_size, 1) or self.recording.pipeline.is_batched:
            return super().batch(batch_size, drop_remainder, *args, **kwargs)
        size = int(batch_size)
        spec = self.recording.spec.batched(size if drop_remainder else None)
        return self._after(pipelines.Batch(size, drop_remainder), build, spec)

    def repeat(self, count: Any = None, name: Any = None) -> Any:
        if count is not None and not _is_integer(count, -1):
            return super().repeat(count, name)
        stage = pipelines.Repeat(-1 if count is None else int(count))
        return self._after(stage, lambda before: before.repeat(count, name))

    def take(self, count: Any, name: Any = None) -> Any:
        if not _is_integer(count, -1):
            return super().take(count, name)
        return self._after(pipelines.Take(int(count)), lambda before: before.take(count, name))

    def skip(self, count: Any, name: Any = None) -> Any:
        if not _is_integer(count, -1):
            return super().skip(count, name)
        return self._after(pipelines.Skip(int(count)), lambda before: before.skip(count, name))

    def shard(self, num_shards: Any, index: Any, name: Any = None) -> Any:
        if (
            not _is_integer(num_shards, 1)
            or not _is_integer(index, 0)
            or int(index) >= int(num_shards)
        ):
            return super().shard(num_shards, index, name)
        stage = pipelines.Shard(int(num_shards), int(index))
        return self._after(stage, lambda before: before.shard(num_shards, index, name))

    def cache(self, filename: Any = "", name: Any = None) -> Any:
        if filename != "":
            return super().cache(filename, name)
        return self._after(pipelines.Cache(), lambda before: before.cache("", name))

    def prefetch(self, buffer_size: Any, name: Any = None) -> Any:
        if buffer_size is not None and not _is_integer(buffer_size, -1):
            return super().prefetch(buffer_size, name)
        size = tf.data.AUTOTUNE if buffer_size is None else buffer_size
        return self._after(None, lambda before: before.prefetch(size, name))

    def shuffle(
        self,
        buffer_size: Any,
        seed: Any = None,
        reshuffle_each_iteration: bool = True,
        name: Any = None,
    ) -> Any:
        is_known = _is_integer(buffer_size, 1) and isinstance(reshuffle_each_iteration, bool)
        if not is_known or not (seed is None or _is_integer(seed, 0)):
            return super().shuffle(buffer_size, seed, reshuffle_each_iteration, name)
        # Now, as `tf.random.set_seed` may say something else when the dataset is built.
        first, second = (each or 0 for each in tf.compat.v1.get_seed(seed))
        stage = pipelines.Shuffle(int(buffer_size), first, second, reshuffle_each_iteration)
        return self._after(stage, functools.partial(_shuffled, stage))

    def map(self, map_func: Any, num_parallel_calls: Any = None, *args: Any, **kwargs: Any) -> Any:
        def build(before: tf.data.Dataset) -> tf.data.Dataset:
            return before.map(map_func, num_parallel_calls, *args, **kwargs)

        in_order = kwargs.get("deterministic", True) in (None, True)
        is_known = not args and in_order and kwargs.keys() <= {"deterministic", "name"}
        traced = self._traced(map_func) if is_known else None
        if traced is None:
            return super().map(map_func, num_parallel_calls, *args, **kwargs)
        row_function, spec = traced
        pipeline = self.recording.pipeline
        pipeline = dataclasses.replace(pipeline, maps=(*pipeline.maps, row_function))
        return self._recorded(pipeline, build, spec)

    def _after(
        self, stage: pipelines.Stage | None, build: _Build, spec: ElementSpec | None = None
    ) -> Any:
        """This dataset with a stage more."""
        pipeline = self.recording.pipeline
        if stage is not None:
            pipeline = dataclasses.replace(pipeline, stages=(*pipeline.stages, stage))
        return self._recorded(pipeline, build, spec or self.recording.spec)

    def _recorded(self, pipeline: Pipeline, build: _Build, spec: ElementSpec) -> Any:
        if not tf.executing_eagerly():
            return build(self.built())
        recording = dataclasses.replace(self.recording, pipeline=pipeline, spec=spec)
        return RecordedDataset(recording, self, build)

    def _traced(self, map_func: Any) -> tuple[RowFunction, ElementSpec] | None:
        """What a function does with rows, and what elements it gives; None if it is TensorFlow's.

        It is traced for the first of all clients, and remembered for the others.
        """
        recording = self.recording
        if not tf.executing_eagerly():
            return None
        try:
            key = function_keys.key_of(map_func), recording.spec, recording.pipeline.is_batched
        except function_keys.UnknownKeyError:
            return None
        with _building:
            if key in _traced:
                _traced.move_to_end(key)
                return _traced[key]
            mapped = self.built().map(map_func)
            traced = _traced[key] = _row_function(mapped)
            if len(_traced) > _MOST_FUNCTIONS:
                _traced.popitem(last=False)
            return traced


_traced: collections.OrderedDict[Any, tuple[RowFunction, ElementSpec] | None]
_traced = collections.OrderedDict()


def _row_function(mapped: tf.data.Dataset) -> tuple[RowFunction, ElementSpec] | None:
    """The last map of a dataset."""
    flat: list[Any] = tf.nest.flatten(mapped.element_spec)
    if not all(isinstance(spec, tf.TensorSpec) for spec in flat):
        return None
    graph, is_closed = dataset_graphs.write(mapped)
    pipeline = recognition.recognise(graph) if graph is not None and is_closed else None
    if pipeline is None or not pipeline.maps:
        return None
    return pipeline.maps[-1], ElementSpec.of(mapped.element_spec)


def _shuffled(stage: pipelines.Shuffle, before: tf.data.Dataset) -> tf.data.Dataset:
    specs: list[Any] = tf.nest.flatten(before.element_spec)
    variant = tf.raw_ops.ShuffleDatasetV3(
        input_dataset=tf.data.experimental.to_variant(before),
        buffer_size=stage.buffer,
        seed=stage.seed,
        seed2=stage.seed2,
        seed_generator=tf.raw_ops.DummySeedGenerator(),
        reshuffle_each_iteration=stage.reshuffles,
        output_types=[spec.dtype for spec in specs],
        output_shapes=[spec.shape for spec in specs],
    )
    return tf.data.experimental.from_variant(variant, before.element_spec)


def _is_integer(value: Any, least: int) -> bool:
    is_integer = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    return is_integer and least <= int(value) < 2**63


@functools.cache
def _is_supported() -> bool:
    """Whether TensorFlow takes a dataset that is built late."""
    examples = np.arange(3)
    try:
        structure, store, spec = _stored(examples, None)
        assert spec is not None
        dataset = _recorded(structure, store, spec, None, None).repeat(2).filter(lambda x: x < 1)
        return [int(each) for each in dataset] == [0, 0]
    except (AttributeError, NotImplementedError, TypeError, ValueError):
        return False
