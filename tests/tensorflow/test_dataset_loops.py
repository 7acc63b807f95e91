"""Functions that read a dataset do the same in loops, without one."""

from __future__ import annotations

import collections
import gc
from typing import Any

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
import tensorflow as tf

from tensorflow_federated.core.types import to_type
from tensorflow_federated.tensorflow import dataset_loops, loops
from tensorflow_federated.tensorflow.graph_sequences import ColumnSequence

ELEMENT = to_type(collections.OrderedDict(y=(np.int32, [None]), x=(np.float32, [None, 2])))
SPEC = collections.OrderedDict(y=tf.TensorSpec([None], tf.int32), x=tf.TensorSpec([None, 2]))
SIZES = [3, 1, 4, 2]
LABELS = np.arange(10, dtype=np.int32)
FEATURES = np.linspace(-1, 2, 20, dtype=np.float32).reshape(10, 2)
OFFSETS = np.cumsum([0, *SIZES])


def batches(first: int, last: int) -> tf.data.Dataset:
    """Batches `first` to `last`, the latter excluded, as TensorFlow has them."""

    def elements():
        for start, end in zip(OFFSETS[first:last], OFFSETS[first + 1 : last + 1], strict=True):
            yield collections.OrderedDict(y=LABELS[start:end], x=FEATURES[start:end])

    return tf.data.Dataset.from_generator(elements, output_signature=SPEC)


def columns(first: tf.Tensor, last: tf.Tensor) -> ColumnSequence:
    leaves = (tf.constant(LABELS), tf.constant(FEATURES))
    return ColumnSequence(leaves, tf.constant(OFFSETS, tf.int64), first, last, ELEMENT)


def fold(dataset):
    return dataset.reduce(np.float32(1), lambda total, batch: total * 2 + tf.reduce_sum(batch["x"]))


def loop(dataset):
    total, count = tf.constant(0.0), tf.constant(0)
    for batch in dataset:
        total = total * 2 + tf.reduce_sum(batch["x"])
        count += tf.shape(batch["y"])[0]
    return total, count


def loop_that_breaks(dataset):
    total = tf.constant(0)
    for batch in dataset:
        if tf.reduce_sum(batch["y"]) > 5:
            break
        total += tf.reduce_sum(batch["y"])
    return total


def loop_that_skips(dataset):
    total = tf.constant(0)
    for batch in dataset:
        if tf.shape(batch["y"])[0] == 1:
            continue
        total += tf.reduce_sum(batch["y"])
    return total


def loop_that_counts(dataset):
    total = tf.constant(0, tf.int64)
    for number, batch in enumerate(dataset):
        total += number * tf.reduce_sum(tf.cast(batch["y"], tf.int64))
    return total


def counted_from(dataset):
    return dataset.enumerate(5).reduce(np.int64(0), lambda total, pair: total * 2 + pair[0])


def loop_in_a_function(dataset):
    @tf.function
    def inner(weight, data):
        return loop(data)[0] * weight

    return inner(tf.constant(3.0), dataset)


def two_loops_that_depend_on_each_other(dataset):
    mean = (
        dataset.reduce(np.float32(0), lambda total, batch: total + tf.reduce_sum(batch["x"])) / 20
    )
    return dataset.reduce(
        tf.zeros([2]), lambda total, batch: total + tf.reduce_sum((batch["x"] - mean) ** 2, axis=0)
    )


def epochs_in_python(dataset):
    total = tf.constant(0.0)
    for _ in range(3):
        for batch in dataset:
            total = total / 2 + tf.reduce_sum(batch["x"])
    return total


def repeated(dataset):
    return fold(dataset.repeat(2).map(lambda batch: {"x": batch["x"] + 1}).prefetch(2).repeat(2))


def a_part(dataset):
    return fold(dataset.skip(1).take(2)), fold(dataset.take(-1)), fold(dataset.skip(9))


def scanned(dataset):
    def number(count, batch):
        return count + 1, collections.OrderedDict(x=batch["x"] * count)

    return fold(dataset.scan(np.float32(1), number))


def taken_while(dataset):
    few = dataset.map(lambda batch: (batch["y"], batch["x"])).take_while(
        lambda y, x: tf.reduce_sum(y) < 9
    )
    return few.reduce(np.float32(0), lambda total, batch: total - tf.reduce_sum(batch[1]))


def filtered(dataset):
    large = dataset.filter(lambda batch: tf.shape(batch["y"])[0] > 1)
    return fold(large), fold(large.take(1)), fold(large.skip(1)), fold(large.repeat(2).skip(3))


def mapped_and_filtered(dataset):
    weighted = dataset.map(lambda batch: {"x": batch["x"] + 5, "y": batch["y"]})
    large = weighted.filter(lambda batch: tf.shape(batch["y"])[0] > 1)
    return large.reduce(
        (np.float32(1), np.int64(0)),
        lambda state, batch: (state[0] * 2 + tf.reduce_sum(batch["x"]), state[1] + 1),
    )


def halves(dataset):
    even = dataset.enumerate().filter(lambda index, _: index % 2 == 0).map(lambda _, batch: batch)
    odd = dataset.enumerate().filter(lambda index, _: index % 2 > 0).map(lambda _, batch: batch)
    return fold(even.repeat(2).take(3)), fold(odd.repeat(3)), fold(even.take(0)), fold(odd.skip(-1))


def a_part_of_what_is_repeated(dataset):
    numbered = (
        dataset.take(3)
        .repeat(2)
        .enumerate()
        .map(lambda index, batch: {"x": batch["x"] * tf.cast(index, tf.float32)})
    )
    some = dataset.take_while(lambda batch: tf.reduce_sum(batch["y"]) < 9).repeat(2).take(5)
    return (
        fold(dataset.repeat(3).take(5)),
        fold(numbered.take(5).repeat(2).take(8)),
        fold(some),
        fold(dataset.repeat(2).take(-1).skip(1)),
        fold(dataset.repeat(0)),
    )


def a_state_that_grows(dataset):
    return dataset.reduce(
        np.zeros([0], np.int32), lambda seen, batch: tf.concat([seen, batch["y"]], 0)
    )


def captured(dataset):
    factor = tf.reduce_sum(dataset.reduce(np.int32(0), lambda total, batch: total + batch["y"][0]))
    return dataset.map(lambda batch: batch["y"] * factor).reduce(
        np.int32(0), lambda total, each: total + tf.reduce_sum(each)
    )


def loop_inside_the_body(dataset):
    total = tf.constant(0)
    for batch in dataset:
        for label in batch["y"]:
            if label % 2 == 0:
                total += label
    return total


def checked(dataset):
    total = tf.constant(0)
    for batch in dataset:
        tf.debugging.assert_less(batch["y"], 100)
        total += tf.reduce_sum(batch["y"])
    return total


VARIABLE = tf.Variable(0.0)
VECTOR = tf.Variable([1.0, 2.0])


def on_variables(dataset):
    VARIABLE.assign(2.0)
    VECTOR.assign([1.0, 2.0])

    @tf.function
    def train(data, rate):
        for batch in data:
            with tf.GradientTape() as tape:
                loss = tf.reduce_sum((tf.linalg.matvec(batch["x"], VECTOR) - VARIABLE) ** 2)
            VECTOR.assign_sub(rate * tape.gradient(loss, VECTOR))
            VARIABLE.assign_add(tf.reduce_mean(VECTOR))

    train(dataset, 0.01)
    middle = tf.identity(VARIABLE)
    VARIABLE.assign(7.0)
    train(dataset, 0.02)
    return middle, VARIABLE + 0, VECTOR + 0


KNOWN = [
    fold,
    loop,
    loop_that_breaks,
    loop_that_skips,
    loop_that_counts,
    counted_from,
    loop_in_a_function,
    two_loops_that_depend_on_each_other,
    epochs_in_python,
    repeated,
    a_part,
    scanned,
    taken_while,
    filtered,
    halves,
    mapped_and_filtered,
    a_part_of_what_is_repeated,
    a_state_that_grows,
    captured,
    loop_inside_the_body,
    checked,
    on_variables,
]


def traced(fn):
    converted = tf.autograph.to_graph(fn)
    function = tf.function(lambda dataset: tf.nest.flatten(converted(dataset)), autograph=False)
    return function.get_concrete_function(tf.data.DatasetSpec(SPEC))


def in_loops(concrete, make_loop) -> Any:
    """What a function gives of batches `first` to `last`, in a loop over three clients."""

    @tf.function(autograph=False, input_signature=[tf.TensorSpec([], tf.int64)] * 2)
    def run(first, last):
        def client(number, *_):
            given = [columns(first, last), *concrete.captured_inputs]
            results = dataset_loops.call(concrete, given, make_loop)
            assert results is not None
            return [number + 1, *results]

        specs = [tf.TensorSpec(each.shape, each.dtype) for each in concrete.outputs]
        zeros = [tf.zeros([size or 0 for size in spec.shape], spec.dtype) for spec in specs]
        return make_loop(
            lambda number, *_: number < 3,
            client,
            [tf.constant(0), *zeros],
            [tf.TensorSpec([], tf.int32), *specs],
        )[1:]

    return run


SLOW = (epochs_in_python, a_part, scanned, filtered, halves, a_part_of_what_is_repeated)


@pytest.mark.parametrize(
    ("fn", "make_loop"),
    [
        # From function to function they take turns in the quick tests, which leave out some.
        pytest.param(
            fn,
            make_loop,
            marks=() if (turn + which) % 2 and fn not in SLOW else pytest.mark.slow,
        )
        for turn, fn in enumerate(KNOWN)
        for which, make_loop in enumerate([loops.in_one_thread, loops.of_graph])
    ],
)
def test_a_function_gives_in_loops_what_it_gives_of_a_dataset(fn, make_loop):
    concrete = traced(fn)
    assert dataset_loops.is_known(concrete)
    run = in_loops(concrete, make_loop)
    run.get_concrete_function()
    # What was traced on the way has to live as long as what was made of it.
    gc.collect()
    for first, last in [(0, 4), (1, 3), (2, 2)]:
        expected = concrete(batches(first, last))
        for found, wanted in zip(run(first, last), expected, strict=True):
            assert found.dtype == wanted.dtype
            np.testing.assert_allclose(found, wanted, rtol=1e-6)


STEPS = {
    "map": lambda d, n: d.map(lambda batch: {"x": batch["x"] / 2 + n, "y": batch["y"]}),
    "filter": lambda d, n: d.filter(lambda batch: tf.shape(batch["y"])[0] % 3 != n % 3),
    "drop all": lambda d, n: d.filter(lambda batch: tf.shape(batch["y"])[0] > 99),
    "take": lambda d, n: d.take(n),
    "skip": lambda d, n: d.skip(n),
    "repeat": lambda d, n: d.repeat(abs(n) % 4),
    "number": lambda d, n: d.enumerate(n).map(
        lambda index, batch: {"x": batch["x"] + tf.cast(index, tf.float32), "y": batch["y"]}
    ),
    "every other": lambda d, n: (
        d.enumerate().filter(lambda index, _: index % 2 == n % 2).map(lambda _, batch: batch)
    ),
    "take while": lambda d, n: d.take_while(lambda batch: tf.reduce_sum(batch["x"]) < 3.0 * n + 2),
    "scan": lambda d, n: d.scan(
        np.float32(n), lambda state, batch: (state + 1, {**batch, "x": batch["x"] * state})
    ),
}


@pytest.mark.slow
@hypothesis.given(
    st.lists(st.tuples(st.sampled_from(sorted(STEPS)), st.integers(-1, 5)), max_size=7)
)
@hypothesis.settings(max_examples=40, deadline=None, derandomize=True)
def test_any_chain_gives_in_loops_what_it_gives_of_a_dataset(chain):
    def fn(dataset):
        for name, number in chain:
            dataset = STEPS[name](dataset, number)
        return dataset.reduce(
            (np.float32(1), np.int64(0)),
            lambda state, batch: (state[0] * 0.7 + tf.reduce_sum(batch["x"]), state[1] + 1),
        )

    concrete = tf.function(fn, autograph=False).get_concrete_function(tf.data.DatasetSpec(SPEC))
    run = in_loops(concrete, loops.of_graph)
    for first, last in [(0, 4), (2, 2)]:
        for found, wanted in zip(run(first, last), concrete(batches(first, last)), strict=True):
            np.testing.assert_allclose(found, wanted, rtol=1e-5)


def shuffled(dataset):
    return fold(dataset.shuffle(10, seed=1))


def batched_anew(dataset):
    return fold(dataset.unbatch().batch(2))


def with_random_numbers(dataset):
    return fold(dataset.map(lambda batch: {"x": batch["x"] + tf.random.uniform([], seed=1)}))


def with_an_iterator(dataset):
    total = tf.constant(0)
    for batch in iter(dataset):
        total += tf.reduce_sum(batch["y"])
    return total


def without_end(dataset):
    return fold(dataset.repeat().take(9))


def joined(dataset):
    return fold(dataset.concatenate(dataset))


def given_on(dataset):
    return tf.data.experimental.to_variant(dataset.map(lambda batch: batch["x"]))


@pytest.mark.parametrize(
    "fn",
    [
        shuffled,
        batched_anew,
        with_random_numbers,
        with_an_iterator,
        without_end,
        joined,
        given_on,
    ],
)
def test_a_function_that_does_more_with_its_dataset_keeps_it(fn):
    concrete = traced(fn)
    assert not dataset_loops.is_known(concrete)
    with tf.Graph().as_default():
        sequence = columns(tf.constant(0, tf.int64), tf.constant(4, tf.int64))
        assert dataset_loops.call(concrete, [sequence], loops.of_graph) is None
