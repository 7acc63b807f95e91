"""Pipelines whose elements are worked out without running them."""

from __future__ import annotations

import collections
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tensorflow_federated.core import types
from tensorflow_federated.execution import leaves as tensor_leaves
from tensorflow_federated.tensorflow import (
    dataset_graphs,
    dataset_objects,
    datasets,
    pipelines,
    recognition,
    recorded_datasets,
    type_specs,
)

SEED = (87654321, 5)  # What TensorFlow makes of `seed=5` without a global seed.


@pytest.fixture(autouse=True)
def no_global_seed():
    tf.random.set_seed(None)


def source(count: int) -> Any:
    return collections.OrderedDict(
        y=np.arange(count, dtype=np.int32),
        x=np.arange(6 * count, dtype=np.float32).reshape(count, 2, 3),
        name=np.array([b"n%d" % i for i in range(count)], object),
    )


def flattened(element):
    if isinstance(element, tuple):
        element = element[0]
    shape = [-1, 6] if element["x"].shape.rank == 3 else [6]
    return {"x": tf.reshape(element["x"], shape), "z": (element["y"], element["name"])}


def scaled(element):
    pixels = tf.cast(element["x"], tf.float32) / 255.0
    return {**element, "x": (1.0 - pixels) * 3.0}


def renamed(element):
    return collections.OrderedDict(b=element["x"], a=element["name"], c=element["y"])


MAPS = {"flattened": flattened, "scaled": scaled, "renamed": renamed}
STAGES = st.one_of(
    st.tuples(st.just("batch"), st.integers(1, 7), st.booleans()),
    st.tuples(st.just("repeat"), st.integers(0, 3)),
    st.tuples(st.just("repeat, take"), st.sampled_from([-1, 4]), st.integers(0, 30)),
    st.tuples(st.just("take"), st.integers(-1, 20)),
    st.tuples(st.just("skip"), st.integers(-1, 9)),
    st.tuples(st.just("shard"), st.integers(1, 3)),
    st.tuples(st.just("cache")),
    st.tuples(st.just("prefetch"), st.integers(0, 3)),
    st.tuples(st.just("shuffle"), st.integers(1, 30), st.integers(0, 9), st.booleans()),
    st.tuples(st.just("map"), st.sampled_from(sorted(MAPS))),
)


def apply(dataset: tf.data.Dataset, stages: list[Any]) -> tf.data.Dataset:
    is_batched = has_map = False
    for name, *arguments in stages:
        match name:
            case "batch" if not is_batched:
                dataset, is_batched = dataset.batch(arguments[0], arguments[1]), True
            case "repeat, take":
                dataset = dataset.repeat(arguments[0]).take(arguments[1])
            case "shard":
                dataset = dataset.shard(arguments[0], arguments[0] - 1)
            case "shuffle":
                dataset = dataset.shuffle(
                    arguments[0], seed=arguments[1], reshuffle_each_iteration=arguments[2]
                )
            case "map" if not has_map:
                dataset, has_map = dataset.map(MAPS[arguments[0]]), True
            case "repeat" | "take" | "skip" | "prefetch" | "cache":
                dataset = getattr(dataset, name)(*arguments)
    return dataset


def iterated(dataset: tf.data.Dataset) -> list[Any]:
    options = tf.data.Options()
    options.experimental_optimization.apply_default_optimizations = False
    elements = dataset.with_options(options).as_numpy_iterator()
    return [[_listed(leaf) for leaf in tf.nest.flatten(element)] for element in elements]


def read(dataset: tf.data.Dataset) -> list[Any]:
    """The elements as the engine reads them, with the leaves in the order of `tf.nest`."""
    element_type = types.to_type(dataset.element_spec)
    flat: list[Any] = tf.nest.flatten(dataset.element_spec)
    positions = tf.nest.pack_sequence_as(dataset.element_spec, list(range(len(flat))))
    order = np.argsort(type_specs.flatten_element(positions, element_type))
    elements = datasets.convert(dataset, element_type).elements()
    return [
        [_listed(leaves[index]) for index in order]
        for leaves in (tensor_leaves.flatten(element, element_type) for element in elements)
    ]


def _listed(leaf: Any) -> Any:
    return np.asarray(leaf, object if isinstance(leaf, bytes) else None).tolist()


@pytest.mark.slow
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 23), st.lists(STAGES, max_size=6))
def test_elements_are_those_of_iteration(count, stages):
    expected = iterated(apply(tf.data.Dataset.from_tensor_slices(source(count)), stages))
    assert read(apply(tf.data.Dataset.from_tensor_slices(source(count)), stages)) == expected
    assert read(apply(recorded_datasets.of_client(source(count)), stages)) == expected


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 12), st.lists(STAGES, max_size=6))
def test_a_recorded_dataset_iterates_as_the_ordinary_one(count, stages):
    expected = iterated(apply(tf.data.Dataset.from_tensor_slices(source(count)), stages))
    recorded = apply(recorded_datasets.of_client(source(count)), stages)
    assert iterated(recorded) == expected


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 23), st.lists(STAGES, max_size=6))
def test_rows_are_counted_before_they_are_read(count, stages):
    for first in (tf.data.Dataset.from_tensor_slices, recorded_datasets.of_client):
        dataset = apply(first(source(count)), stages)
        sequence = datasets.convert(dataset, types.to_type(dataset.element_spec))
        counted = sequence.known_row_count
        if counted is not None:
            columns = sequence.columns()
            assert columns is not None
            assert counted == columns.row_count


@pytest.mark.parametrize(
    ("stages", "rows"),
    [
        ((), 23),
        ((pipelines.Batch(5, False),), 23),
        ((pipelines.Batch(5, True), pipelines.Skip(1)), 15),
        ((pipelines.Repeat(2), pipelines.Shuffle(9, 0, 0, True), pipelines.Batch(5, False)), 46),
        ((pipelines.Batch(5, False), pipelines.Shard(2, 0)), 13),
        ((pipelines.Batch(5, False), pipelines.Repeat(3), pipelines.Take(7)), None),
        ((pipelines.Repeat(-1), pipelines.Take(7)), None),
    ],
)
def test_the_rows_of_pipelines(stages, rows):
    assert pipelines.row_count(23, stages) == rows


RANGE = tf.data.Dataset.range
RECOGNISED = {
    "slices": lambda: tf.data.Dataset.from_tensor_slices((np.ones((3, 2)), [b"a", b"b", b"c"])),
    "one element": lambda: tf.data.Dataset.from_tensors({"a": np.ones(2)}),
    "range": lambda: RANGE(2, 9, 3, output_type=tf.int32),
    "tutorial": lambda: (
        RANGE(30)
        .repeat(5)
        .shuffle(100, seed=1)
        .batch(20)
        .map(lambda x: {"x": tf.reshape(x, [-1, 1])})
        .prefetch(10)
    ),
    "parallel": lambda: (
        RANGE(30).batch(20, num_parallel_calls=2).map(tf.negative, num_parallel_calls=2)
    ),
    "map before batch": lambda: RANGE(7).map(lambda x: tf.expand_dims(x, 0)).batch(3),
    "unseeded shuffle": lambda: RANGE(7).shuffle(7),
}


@pytest.mark.parametrize("build", RECOGNISED.values(), ids=RECOGNISED)
def test_the_usual_form_is_recognised(build):
    graph, is_closed = dataset_graphs.write(build())
    assert is_closed
    assert graph is not None
    assert recognition.recognise(graph) is not None


OTHERS = {
    "batches of batches": lambda: RANGE(9).batch(2).batch(2),
    "filter": lambda: RANGE(9).filter(lambda x: x > 2),
    "zip": lambda: tf.data.Dataset.zip((RANGE(3), RANGE(3))),
    "sum over a batch": lambda: RANGE(9).batch(3).map(tf.reduce_sum),
    "in any order": lambda: RANGE(9).map(tf.negative, 2, deterministic=False),
    "a long range": lambda: RANGE(10**9).take(3),
}


@pytest.mark.parametrize("build", OTHERS.values(), ids=OTHERS)
def test_other_forms_are_left_to_tensorflow(build):
    graph, _ = dataset_graphs.write(build())
    assert graph is not None
    assert recognition.recognise(graph) is None


@settings(max_examples=30, deadline=None)
@given(
    st.integers(0, 9),
    st.lists(STAGES.filter(lambda stage: stage[0] not in ("map", "repeat, take")), max_size=5),
)
def test_objects_tell_the_same_as_graphs(count, stages):
    dataset = apply(tf.data.Dataset.from_tensor_slices(source(count)), stages)
    graph, _ = dataset_graphs.write(dataset)
    assert graph is not None
    by_graph, by_objects = recognition.recognise(graph), dataset_objects.recognise(dataset)
    assert by_graph is not None
    assert by_objects is not None
    assert by_objects.stages == by_graph.stages
    for ours, other in zip(by_objects.leaves, by_graph.leaves, strict=True):
        np.testing.assert_array_equal(ours, other)


def test_an_object_of_another_form_is_left_to_its_graph():
    assert dataset_objects.recognise(RANGE(3).map(tf.negative)) is None
    dataset: Any = tf.data.Dataset.from_tensor_slices([1, 2]).batch(2)
    dataset._batch_size = 2
    assert dataset_objects.recognise(dataset) is None
    del dataset._batch_size
    assert dataset_objects.recognise(dataset) is None


def test_orders_of_seeded_pipelines_are_kept():
    stages = (pipelines.Shuffle(10, *SEED, True), pipelines.Batch(4, False))
    assert pipelines.order_of(30, stages) is pipelines.order_of(30, stages)


def test_orders_without_seed_are_drawn_anew():
    stages = (pipelines.Shuffle(100, 0, 0, True),)
    first, second = pipelines.order_of(100, stages), pipelines.order_of(100, stages)
    assert first.rows is not None
    assert second.rows is not None
    assert first.rows.tolist() != second.rows.tolist()
    assert sorted(first.rows) == sorted(second.rows) == list(range(100))


def test_one_order_without_seed_is_the_same_in_each_epoch():
    stages = (pipelines.Shuffle(50, 0, 0, False), pipelines.Repeat(2))
    rows = pipelines.order_of(50, stages).rows
    assert rows is not None
    assert rows[:50].tolist() == rows[50:].tolist() != list(range(50))


@pytest.mark.parametrize(
    "stages",
    [
        (pipelines.Repeat(-1),),
        (pipelines.Shuffle(3, *SEED, True), pipelines.Repeat(-1), pipelines.Batch(2, False)),
        (pipelines.Take(2), pipelines.Repeat(-1), pipelines.Skip(3)),
    ],
)
def test_a_pipeline_without_end_says_so(stages):
    with pytest.raises(pipelines.EndlessError):
        pipelines.order_of(5, stages)
    assert pipelines.order_of(0, stages).count == 0
