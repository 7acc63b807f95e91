"""Datasets as sequences, in and out of computations."""

# The stubs of TensorFlow that pyright brings know less than what TensorFlow takes.

from __future__ import annotations

import collections
import gc
import weakref

import numpy as np
import pytest
import tensorflow as tf

from tensorflow_federated.core import errors, types
from tensorflow_federated.execution import sequences
from tensorflow_federated.tensorflow import computation, datasets

BATCH = types.to_type(
    collections.OrderedDict(
        y=types.TensorType(np.int32, [None]), x=types.TensorType(np.float32, [None, 2])
    )
)


def examples(count: int) -> tf.data.Dataset:
    """Examples whose keys are not in the order of the alphabet."""
    return tf.data.Dataset.from_tensor_slices(
        collections.OrderedDict(
            y=np.arange(count, dtype=np.int32),
            x=np.arange(2 * count, dtype=np.float32).reshape(count, 2),
        )
    )


def integers(values) -> list[int]:
    return [int(value) for value in values]


@pytest.mark.parametrize(("count", "offsets"), [(5, [0, 2, 4, 5]), (4, [0, 2, 4]), (0, [0])])
def test_batches_become_columns(count, offsets):
    columns = datasets.convert(examples(count).batch(2), BATCH).columns()
    assert columns is not None
    assert columns.offsets is not None
    assert columns.offsets.tolist() == offsets
    np.testing.assert_array_equal(columns.leaves[0], np.arange(count))
    np.testing.assert_array_equal(columns.leaves[1].reshape(-1), np.arange(2 * count))
    assert [leaf.dtype for leaf in columns.leaves] == [np.int32, np.float32]


def test_batches_of_a_known_size_become_columns():
    columns = datasets.convert(examples(4).batch(2, drop_remainder=True), BATCH).columns()
    assert columns is not None
    assert columns.offsets is not None
    assert columns.offsets.tolist() == [0, 2, 4]
    assert columns.leaves[1].shape == (4, 2)


@pytest.mark.parametrize("count", [3, 0])
def test_single_examples_become_stacked_columns(count):
    dataset = examples(count)
    element_type = types.to_type(dataset.element_spec)
    columns = datasets.convert(dataset, element_type).columns()
    assert columns is not None
    assert columns.offsets is None
    assert columns.leaves[0].tolist() == list(range(count))
    assert columns.leaves[1].shape == (count, 2)


def test_strings_become_columns_of_bytes():
    dataset = tf.data.Dataset.from_tensor_slices(["a", "bc", "d"]).batch(2)
    columns = datasets.convert(dataset, types.TensorType(np.str_, [None])).columns()
    assert columns is not None
    assert columns.leaves[0].tolist() == [b"a", b"bc", b"d"]


def test_elements_of_unknown_inner_shape_stay_elements():
    dataset = tf.data.Dataset.range(1, 3).map(lambda n: tf.zeros([n, n + 1]))
    element_type = types.TensorType(np.float32, [None, None])
    sequence = datasets.convert(dataset, element_type)
    assert sequence.columns() is None
    assert [element.shape for element in sequence.elements()] == [(1, 2), (2, 3)]


def test_leaves_of_different_length_stay_elements():
    dataset = tf.data.Dataset.range(1, 3).map(lambda n: (tf.zeros([n]), tf.ones([2 * n])))
    element_type = types.to_type(dataset.element_spec)
    sequence = datasets.convert(dataset, element_type)
    assert sequence.columns() is None
    shapes = [tuple(leaf.shape for leaf in element) for element in sequence.elements()]
    assert shapes == [((1,), (2,)), ((2,), (4,))]


def test_another_element_type_is_refused_before_reading():
    def explode(x):
        raise AssertionError("the dataset was read")

    dataset = tf.data.Dataset.range(3).map(
        lambda x: tf.ensure_shape(tf.py_function(explode, [x], tf.int64), [])
    )
    with pytest.raises(TypeError) as caught:
        datasets.convert(dataset, BATCH)
    assert isinstance(caught.value, errors.TypeMismatchError)
    assert caught.value.problems == ("dataset: expected <y=int32[?],x=float32[?,2]>*, got int64*",)


def test_a_seeded_shuffle_repeats_at_each_use():
    dataset = tf.data.Dataset.range(20).shuffle(20, seed=1)
    built = tf.data.Dataset.range(20).shuffle(20, seed=1)
    first_pass = integers(built)
    assert integers(built) != first_pass
    for _ in range(2):
        sequence = datasets.convert(dataset, types.TensorType(np.int64))
        assert integers(sequence.elements()) == first_pass
        integers(dataset)


def test_a_seeded_shuffle_differs_between_the_epochs_of_one_use():
    dataset = tf.data.Dataset.range(20).shuffle(20, seed=1).repeat(2)
    values = integers(datasets.convert(dataset, types.TensorType(np.int64)).elements())
    assert sorted(values[:20]) == sorted(values[20:]) == list(range(20))
    assert values[:20] != values[20:]


def test_a_shuffle_without_seed_differs_between_uses():
    dataset = tf.data.Dataset.range(50).shuffle(50)
    first, second = (
        integers(datasets.convert(dataset, types.TensorType(np.int64)).elements()) for _ in range(2)
    )
    assert first != second


def test_a_computation_gets_the_dataset_afresh():
    dataset = tf.data.Dataset.range(20).shuffle(20, seed=1)

    @computation(types.SequenceType(np.int64))
    def digits(data):
        return data.reduce(tf.constant(0, tf.int64), lambda total, x: total * 3 + x)

    first = digits(dataset)
    integers(dataset)
    assert digits(dataset) == first


def test_a_generator_can_be_read_again():
    spec = tf.TensorSpec([], tf.int32)
    dataset = tf.data.Dataset.from_generator(lambda: iter(range(4)), output_signature=spec)
    for _ in range(2):
        sequence = datasets.convert(dataset, types.TensorType(np.int32))
        assert integers(sequence.elements()) == [0, 1, 2, 3]


@pytest.mark.parametrize(
    "sequence",
    [
        sequences.Sequence.from_columns(
            (np.arange(3, dtype=np.int32), np.zeros((3, 2), np.float32)),
            np.array([0, 2, 3]),
            BATCH,
        ),
        sequences.Sequence.from_elements(
            [
                (np.arange(2, dtype=np.int32), np.zeros((2, 2), np.float32)),
                (np.arange(2, 3, dtype=np.int32), np.zeros((1, 2), np.float32)),
            ],
            BATCH,
        ),
        datasets.convert(examples(3).batch(2), BATCH),
    ],
    ids=["columns", "elements", "dataset"],
)
def test_a_sequence_becomes_a_dataset(sequence):
    dataset = datasets.from_sequence(sequence)
    assert list(dataset.element_spec) == ["y", "x"]
    assert [element["y"].numpy().tolist() for element in dataset] == [[0, 1], [2]]
    assert [element["x"].shape[0] for element in dataset] == [2, 1]


def test_elements_that_fit_no_columns_become_a_dataset():
    element_type = types.TensorType(np.float32, [None, None])
    sequence = sequences.Sequence.from_elements(
        [np.zeros((1, 2), np.float32), np.zeros((2, 3), np.float32)], element_type
    )
    assert [each.shape.as_list() for each in datasets.from_sequence(sequence)] == [[1, 2], [2, 3]]


@pytest.mark.usefixtures("engine")
def test_a_dataset_comes_out_of_a_computation():
    fn = computation(lambda n: tf.data.Dataset.range(n).map(lambda x: {"x": x * 2}), np.int64)
    assert str(fn.type_signature) == "(int64 -> <x=int64>*)"
    assert [element["x"] for element in fn(3)] == [0, 2, 4]


@pytest.mark.usefixtures("engine")
def test_lists_of_batches_go_in():
    @computation(types.SequenceType(BATCH))
    def total(data):
        result = 0.0
        for batch in data:
            result += tf.reduce_sum(batch["x"]) + tf.cast(tf.size(batch["y"]), tf.float32)
        return result

    ones = np.ones((2, 2), np.float32)
    batches = [{"y": np.int32([1, 2]), "x": ones}, {"y": np.int32([3]), "x": ones[:1]}]
    assert total(batches) == 9.0
    assert total(examples(3).batch(2)) == 18.0
    assert total([]) == 0.0


@pytest.mark.usefixtures("engine")
def test_a_dataset_in_other_containers_than_the_type_goes_in():
    element_type = types.to_type(collections.OrderedDict(b=np.int32, a=np.int32))
    fn = computation(
        lambda data: data.reduce(0, lambda total, each: total * 10 + each["b"] - each["a"]),
        types.SequenceType(element_type),
    )
    assert fn(tf.data.Dataset.from_tensors((np.int32(5), np.int32(2)))) == 3
    assert fn(tf.data.Dataset.from_tensors({"b": np.int32(5), "a": np.int32(2)})) == 3


def read_twice(dataset: tf.data.Dataset) -> tuple[int, list[int]]:
    """How often the columns were read anew in two uses, and what was read last."""
    element_type = types.to_type(dataset.element_spec)
    first, second = (datasets.read(dataset, element_type) for _ in range(2))
    return 1 if first is second else 2, integers(second.elements())


@pytest.mark.parametrize(
    "dataset",
    [
        tf.data.Dataset.range(8),
        tf.data.Dataset.range(8).map(lambda x: x + 1).repeat(2),
        tf.data.Dataset.range(8).shuffle(8, seed=3).repeat(2),
    ],
)
def test_what_repeats_is_read_once(dataset):
    assert read_twice(dataset)[0] == 1


@pytest.mark.parametrize(
    "dataset",
    [
        tf.data.Dataset.range(8).shuffle(8),
        tf.data.Dataset.range(2).flat_map(lambda _: tf.data.Dataset.range(8).shuffle(8)),
        tf.data.Dataset.range(8).map(lambda x: x + tf.random.uniform([], 0, 9, tf.int64)),
        tf.data.Dataset.random().take(3),
        tf.data.Dataset.from_generator(
            lambda: iter(range(4)), output_signature=tf.TensorSpec([], tf.int32)
        ),
    ],
)
def test_what_may_differ_is_read_each_time(dataset):
    assert read_twice(dataset)[0] == 2


def test_what_was_read_goes_with_its_dataset():
    dataset = tf.data.Dataset.range(8)
    sequence = weakref.ref(datasets.read(dataset, types.TensorType(np.int64)))
    gc.collect()
    assert sequence() is not None
    del dataset
    gc.collect()
    assert sequence() is None
