"""Datasets as sequences, in and out of computations."""

# The stubs of TensorFlow that pyright brings know less than what TensorFlow takes.

from __future__ import annotations

import collections
import concurrent.futures
import dataclasses
import gc
import weakref
from typing import Any, NamedTuple

import attrs
import numpy as np
import pytest
import tensorflow as tf

import tensorflow_federated as tff
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


@pytest.mark.parametrize("count", [0, 1, 255, 256, 257, 600])
def test_single_examples_are_all_read_in_order(count):
    dataset = tf.data.Dataset.range(count).map(lambda x: (x, tf.strings.as_string(x)))
    sequence = datasets.convert(dataset, types.to_type(dataset.element_spec))
    columns = sequence.columns()
    assert columns is not None
    assert columns.leaves[0].dtype == np.int64
    assert columns.leaves[0].tolist() == list(range(count))
    assert columns.leaves[1].tolist() == [str(x).encode() for x in range(count)]


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int8", "float16", "bfloat16", "complex64"])
@pytest.mark.parametrize("batched", [False, True])
def test_dtypes_are_kept(dtype, batched):
    dataset = tf.data.Dataset.from_tensor_slices(tf.cast([0, 1, 1], dtype))
    dataset = dataset.batch(2) if batched else dataset
    columns = datasets.convert(dataset, types.to_type(dataset.element_spec)).columns()
    assert columns is not None
    assert columns.leaves[0].dtype == tf.as_dtype(dtype).as_numpy_dtype
    assert (columns.leaves[0] == np.array([0, 1, 1], columns.leaves[0].dtype)).all()


def test_datasets_of_datasets_are_read():
    dataset = tf.data.Dataset.range(5).window(2)
    sequence = datasets.convert(dataset, types.SequenceType(types.TensorType(np.int64)))
    windows = [integers(window.elements()) for window in sequence.elements()]
    assert windows == [[0, 1], [2, 3], [4]]


def with_options_of_its_own(dataset: tf.data.Dataset) -> tf.data.Dataset:
    options = tf.data.Options()
    options.autotune.enabled = True
    options.experimental_optimization.apply_default_optimizations = True
    options.experimental_optimization.map_and_batch_fusion = True
    options.experimental_optimization.map_parallelization = True
    options.threading.private_threadpool_size = 1
    return dataset.with_options(options)


def spans(start, size: int = 5) -> tf.data.Dataset:
    return tf.data.Dataset.range(10 * start, 10 * start + size)


AUTOTUNE = tf.data.AUTOTUNE
PIPELINES = {
    "shuffle, repeat": lambda d: d.shuffle(7, seed=1).repeat(3),
    "repeat, shuffle": lambda d: d.repeat(3).shuffle(7, seed=1),
    "one order": lambda d: d.shuffle(7, seed=1, reshuffle_each_iteration=False).repeat(3),
    "cached order": lambda d: d.shuffle(7, seed=1).cache().repeat(2),
    "tutorial": lambda d: d.repeat(5).shuffle(100, seed=1).batch(20).map(tf.negative).prefetch(10),
    "map, batch": lambda d: d.map(tf.negative, num_parallel_calls=AUTOTUNE).batch(3),
    "full batches": lambda d: d.batch(4, drop_remainder=True).prefetch(AUTOTUNE),
    "filter": lambda d: d.filter(lambda x: x % 3 == 0).map(tf.negative),
    "nothing": lambda d: d.take(0).batch(2),
    "interleave": lambda d: d.interleave(spans, cycle_length=3, block_length=2),
    "parallel interleave": lambda d: d.interleave(spans, num_parallel_calls=AUTOTUNE),
    "samples": lambda d: tf.data.Dataset.sample_from_datasets([d, d.repeat(2)], seed=3),
    "seeded draws": lambda d: d.map(lambda x: x + tf.random.uniform([], 0, 99, tf.int64, seed=3)),
    "options": lambda d: with_options_of_its_own(d.map(tf.negative).shuffle(9, seed=2)),
    "options of batches": lambda d: with_options_of_its_own(d.map(tf.negative).batch(4)),
}


@pytest.mark.parametrize("pipeline", PIPELINES.values(), ids=PIPELINES)
def test_what_is_read_is_what_tensorflow_iterates_over(pipeline):
    source = tf.data.Dataset.range(25)
    expected = list(pipeline(source).as_numpy_iterator())
    dataset = pipeline(source)
    read = list(datasets.convert(dataset, types.to_type(dataset.element_spec)).elements())
    assert [each.tolist() for each in read] == [each.tolist() for each in expected]
    assert [each.dtype for each in read] == [each.dtype for each in expected]


def test_whoever_forgot_to_batch_is_told_so():
    single = tf.data.Dataset.range(6)
    wanted = types.TensorType(np.int64, [None])
    with pytest.raises(TypeError, match=r"make batches of them: `dataset\.batch"):
        datasets.convert(single, wanted)
    with pytest.raises(TypeError, match="these are batches"):
        datasets.convert(single.batch(2), types.TensorType(np.int64))


def test_another_element_type_is_refused_before_reading():
    def explode(x):
        raise AssertionError("the dataset was read")

    dataset = tf.data.Dataset.range(3).map(
        lambda x: tf.ensure_shape(tf.py_function(explode, [x], tf.int64), [])
    )
    with pytest.raises(TypeError) as caught:
        datasets.convert(dataset, BATCH)
    assert isinstance(caught.value, errors.TypeMismatchError)
    assert caught.value.problems == ("dataset[*]: expected <y=int32[?],x=float32[?,2]>, got int64",)


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
    tf.random.set_seed(None)  # TensorFlow gives it a seed that follows from the global one.
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


def test_what_was_read_goes_with_its_dataset():
    dataset = tf.data.Dataset.range(8)
    sequence = weakref.ref(datasets.read(dataset, types.TensorType(np.int64)))
    gc.collect()
    assert sequence() is not None
    del dataset
    gc.collect()
    assert sequence() is None


def test_what_was_read_holds_no_dataset():
    dataset = tf.data.Dataset.range(8).batch(3)
    sequence = datasets.read(dataset, types.to_type(dataset.element_spec))
    alive = weakref.ref(dataset)
    del dataset
    gc.collect()
    assert alive() is None
    assert len(sequence) == 3


def test_what_is_kept_cannot_be_written_to():
    dataset = tf.data.Dataset.range(8)
    sequence = datasets.read(dataset, types.TensorType(np.int64))
    assert sequence is not None
    columns = sequence.columns()
    assert columns is not None
    with pytest.raises(ValueError, match="read-only"):
        columns.leaves[0][0] = 5


class Named(NamedTuple):
    b: Any
    a: Any


@attrs.define
class WithAttrs:
    b: Any
    a: Any


@dataclasses.dataclass
class Data:
    b: Any
    a: Any


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize(
    ("container", "in_dataset"),
    [
        (Named, Named),
        (WithAttrs, WithAttrs),
        (Data, collections.OrderedDict),
        (lambda b, a: {"b": b, "a": a}, dict),
        (lambda b, a: collections.OrderedDict(b=b, a=a), collections.OrderedDict),
        (lambda b, a: (b, a), tuple),
        (lambda b, a: [b, a], tuple),
    ],
    ids=["named tuple", "attrs", "dataclass", "dict", "OrderedDict", "tuple", "list"],
)
def test_elements_in_every_container(container, in_dataset):
    type_signature = types.SequenceType(container(np.int32, np.str_))
    seen = []

    def fn(data):
        seen.append(data.element_spec)
        return data

    given = [container(1, "x"), container(2, "y")]
    result = list(computation(fn, type_signature)(given))
    assert type(seen[0]) is in_dataset
    assert [type(each) for each in result] == [in_dataset] * 2
    leaves = [{leaf.numpy() for leaf in tf.nest.flatten(each)} for each in result]
    assert leaves == [{1, b"x"}, {2, b"y"}]


@pytest.mark.usefixtures("engine")
class TestEndless:
    endless = tf.data.Dataset.range(1, 3).repeat()
    first_three = computation(
        lambda data: data.take(3).reduce(np.int64(0), lambda x, y: x + y),
        types.SequenceType(np.int64),
    )
    data_type = types.FederatedType(types.SequenceType(np.int64), tff.CLIENTS)

    def test_a_computation_takes_a_part(self):
        assert self.first_three(self.endless) == 1 + 2 + 1

    @pytest.mark.parametrize("aggregate", [True, False])
    def test_each_client_takes_a_part(self, aggregate):
        @tff.federated_computation(self.data_type)
        def program(data):
            mapped = tff.federated_map(self.first_three, data)
            return tff.federated_sum(mapped) if aggregate else mapped

        finite = tf.data.Dataset.range(2)
        assert program([self.endless, finite]) == (5 if aggregate else [4, 1])

    def test_it_is_not_read_to_its_end(self, golden):
        with pytest.raises(errors.DatasetError) as caught:
            tff.federated_computation(tff.sequence_sum, types.SequenceType(np.int64))(self.endless)
        golden.check("an endless dataset", str(caught.value))

    def test_a_client_does_not_reduce_it(self, engine):
        add = computation(lambda x, y: x + y, np.int64, np.int64)

        @tff.federated_computation(self.data_type)
        def program(data):
            @tff.federated_computation(types.SequenceType(np.int64))
            def work(elements):
                return tff.sequence_reduce(elements, np.int64(0), add)

            return tff.federated_sum(tff.federated_map(work, data))

        with pytest.raises(errors.FederatedError, match="no end cannot be read to its end"):
            program([self.endless])


def test_threads_may_read_one_dataset():
    dataset = tf.data.Dataset.range(300).shuffle(300, seed=1).batch(20)
    element_type = types.to_type(dataset.element_spec)

    def read(_: int) -> list[list[int]]:
        columns = datasets.convert(dataset, element_type).columns()
        assert columns is not None
        return columns.leaves[0].tolist()

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        results = list(pool.map(read, range(16)))
    assert results == [results[0]] * 16
