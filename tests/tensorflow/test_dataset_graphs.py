"""What is known of a dataset from the graph that it is written to."""

from __future__ import annotations

import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tensorflow_federated.core import types
from tensorflow_federated.tensorflow import dataset_graphs, datasets

RANGE = tf.data.Dataset.range
TENSORS = tf.data.Dataset.from_tensors
SLICES = tf.data.Dataset.from_tensor_slices
COUNTER = tf.Variable(0, dtype=tf.int64)
GENERATOR = tf.random.Generator.from_seed(1)
MUTABLE_TABLE: Any = tf.lookup.experimental.MutableHashTable(tf.int64, tf.int64, -1)


@pytest.fixture(autouse=True)
def no_global_seed():
    """Shuffles and draws without a seed have none from elsewhere."""
    tf.random.set_seed(None)


def add_random(x):
    return x + tf.random.uniform([], 0, 2**40, tf.int64)


def nested(change: Callable[..., Any]) -> tf.data.Dataset:
    return RANGE(2).flat_map(lambda _: RANGE(3).map(change))


def in_any_order() -> tf.data.Options:
    options = tf.data.Options()
    options.deterministic = False
    return options


def is_known_to_repeat(dataset: tf.data.Dataset) -> bool:
    """Whether the dataset is read once for all."""
    element_type = types.to_type(dataset.element_spec)
    return datasets.read(dataset, element_type) is datasets.read(dataset, element_type)


REPEATS = {
    "range": lambda: RANGE(8),
    "map": lambda: RANGE(8).map(lambda x: x + 1).repeat(2),
    "images": lambda: SLICES(np.ones((4, 2, 3), np.float32)).map(lambda x: tf.reshape(x, [-1])),
    "seeded shuffle": lambda: RANGE(8).shuffle(8, seed=3).repeat(2),
    "seed 0": lambda: RANGE(8).shuffle(8, seed=0),
    "one order": lambda: RANGE(8).shuffle(8, seed=3, reshuffle_each_iteration=False).repeat(2),
    "cache": lambda: RANGE(8).shuffle(8, seed=1).cache(),
    "parallel map": lambda: RANGE(8).map(lambda x: x + 1, num_parallel_calls=2),
    "stateless draw": lambda: RANGE(8).map(
        lambda x: tf.random.stateless_uniform([], [1, x], 0, 99, tf.int64)
    ),
    "choice": lambda: tf.data.Dataset.choose_from_datasets(
        [RANGE(5), RANGE(5)], RANGE(2).repeat(3)
    ),
    "many": lambda: (
        tf.data.Dataset.zip((RANGE(9), RANGE(9).concatenate(RANGE(9))))
        .enumerate()
        .filter(lambda i, pair: i < 7)
        .take(6)
        .skip(1)
        .shard(2, 0)
        .map(lambda i, pair: pair[0] + tf.cast(i, tf.int64))
        .prefetch(2)
    ),
}


@pytest.mark.parametrize("build", REPEATS.values(), ids=REPEATS)
def test_what_depends_on_nothing_else_repeats(build):
    assert is_known_to_repeat(build())


DIFFERS = {
    "shuffle": lambda: RANGE(8).shuffle(8),
    "shuffle in a function": lambda: RANGE(2).flat_map(lambda _: RANGE(8).shuffle(8)),
    "seeded shuffle in a function": lambda: RANGE(2).flat_map(lambda _: RANGE(8).shuffle(8, 1)),
    "draw": lambda: RANGE(8).map(add_random),
    "draw in an inner map": lambda: nested(add_random),
    "draw in a branch": lambda: RANGE(8).map(
        lambda x: tf.cond(x > 2, lambda: add_random(x), lambda: x)
    ),
    "draw in a tf.function": lambda: RANGE(8).map(lambda x: tf.function(add_random)(x)),
    "generator of random numbers": lambda: RANGE(8).map(
        lambda x: x + GENERATOR.uniform([], 0, 9, tf.int64)
    ),
    "random dataset": lambda: tf.data.Dataset.random().take(3),
    "seeded random dataset": lambda: tf.data.Dataset.random(seed=3).take(3),
    "samples": lambda: tf.data.Dataset.sample_from_datasets([RANGE(5), RANGE(5)]),
    "variable": lambda: RANGE(3).map(lambda x: x + COUNTER),
    "variable in an inner map": lambda: nested(lambda x: x + COUNTER),
    "table": lambda: RANGE(3).map(MUTABLE_TABLE.lookup),
    "clock": lambda: RANGE(3).map(lambda _: tf.timestamp()),
    "Python": lambda: RANGE(3).map(lambda x: tf.reshape(tf.py_function(int, [x], tf.int64), [])),
    "Python said to be pure": lambda: RANGE(3).map(
        lambda x: tf.reshape(tf.numpy_function(np.copy, [x], tf.int64, stateful=False), [])
    ),
    "Python generator": lambda: tf.data.Dataset.from_generator(
        lambda: iter(range(4)), output_signature=tf.TensorSpec([], tf.int32)
    ),
    "map in any order": lambda: RANGE(8).map(
        lambda x: x + 1, num_parallel_calls=2, deterministic=False
    ),
    "interleave in any order": lambda: RANGE(8).interleave(
        lambda x: RANGE(x), num_parallel_calls=2, deterministic=False
    ),
    "options in any order": lambda: (
        RANGE(8).map(lambda x: x + 1, num_parallel_calls=2).with_options(in_any_order())
    ),
}


@pytest.mark.parametrize("build", DIFFERS.values(), ids=DIFFERS)
def test_what_may_depend_on_something_else_is_read_each_time(build):
    assert not is_known_to_repeat(build())


@pytest.mark.parametrize(
    "build",
    [
        lambda path: tf.data.TextLineDataset(path),
        lambda path: TENSORS(path).flat_map(tf.data.TextLineDataset),
        lambda path: TENSORS(path).map(tf.io.read_file),
    ],
    ids=["lines", "lines in a function", "contents"],
)
def test_a_file_is_read_each_time(build, tmp_path: pathlib.Path):
    path = tmp_path / "file.txt"
    path.write_bytes(b"before")
    dataset = build(str(path))
    found = []
    for content in (b"before", b"after"):
        path.write_bytes(content)
        found.extend(datasets.convert(dataset, types.TensorType(np.str_)).elements())
    assert found == [b"before", b"after"]


def test_a_variable_is_read_each_time():
    dataset = RANGE(1).map(lambda x: x + COUNTER)
    found = []
    for value in (3, 5):
        COUNTER.assign(value)
        found.extend(datasets.convert(dataset, types.TensorType(np.int64)).elements())
    assert found == [3, 5]


def shared_shuffle() -> tf.data.Dataset:
    shuffled = RANGE(10).shuffle(10, seed=1)
    return tf.data.Dataset.zip((shuffled, shuffled.map(lambda x: x), shuffled.batch(2)))


def test_a_shuffle_that_is_used_twice_stays_one():
    def pairs(dataset):
        return [tf.nest.map_structure(np.ndarray.tolist, each) for each in arrays(dataset)]

    def arrays(dataset):
        return [tf.nest.map_structure(np.asarray, each) for each in dataset.as_numpy_iterator()]

    built, dataset = shared_shuffle(), shared_shuffle()
    expected = pairs(built)
    assert any(first != second for first, second, _ in expected)
    assert pairs(datasets.fresh(dataset)) == expected
    assert pairs(datasets.fresh(dataset)) == expected


def test_a_dataset_without_a_written_form_is_told_apart():
    graph, is_closed = dataset_graphs.write(RANGE(3).map(add_random))
    assert graph is not None
    assert not is_closed
