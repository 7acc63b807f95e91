from __future__ import annotations

import collections
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tensorflow_federated.core import errors
from tensorflow_federated.simulation import datasets

TWELVE = {f"c{number:02}": [number] for number in range(12)}


@pytest.fixture
def three() -> datasets.TestClientData:
    return datasets.TestClientData({"a": [1, 2, 3], "b": [4, 5], "c": [6]})


def elements(dataset: Any) -> list[Any]:
    return [np.asarray(element).tolist() for element in dataset.as_numpy_iterator()]


def range_of(client_id: Any) -> Any:
    return tf.data.Dataset.range(tf.strings.to_number(client_id, tf.int64))


def test_a_client_has_its_own_elements(three: datasets.TestClientData):
    assert elements(three.create_tf_dataset_for_client("b")) == [4, 5]


def test_the_element_spec_of_scalars(three: datasets.TestClientData):
    assert str(three.element_type_structure) == "TensorSpec(shape=(), dtype=tf.int32, name=None)"


def test_the_element_spec_of_a_dictionary_keeps_its_order():
    client_data = datasets.TestClientData(
        {"x": collections.OrderedDict(f=np.ones((2, 3), np.float32), a=np.array([0, 1], np.int32))}
    )
    assert client_data.element_type_structure == collections.OrderedDict(
        f=tf.TensorSpec((3,), tf.float32), a=tf.TensorSpec((), tf.int32)
    )
    assert list(client_data.element_type_structure) == ["f", "a"]


def test_the_spec_agrees_with_the_dataset(three: datasets.TestClientData):
    dataset = three.create_tf_dataset_for_client("a")
    assert dataset.element_spec == three.element_type_structure


def test_an_unknown_client_is_a_key_error_and_a_value_error(three: datasets.TestClientData):
    with pytest.raises(KeyError, match="There is no client 'zz' among the 3"):
        three.create_tf_dataset_for_client("zz")
    with pytest.raises(ValueError, match="There is no client 'zz' among the 3"):
        three.create_tf_dataset_for_client("zz")


def test_an_unknown_client_shows_as_the_error_of_tff(three: datasets.TestClientData):
    with pytest.raises(KeyError) as caught:
        three.create_tf_dataset_for_client("zz")
    assert type(caught.value).__name__ == "KeyError"


def test_a_misspelt_client_is_corrected():
    client_data = datasets.TestClientData(TWELVE)
    with pytest.raises(errors.DatasetError) as caught:
        client_data.create_tf_dataset_for_client("d07")
    assert caught.value.fix == "did you mean 'c07'?"


@pytest.mark.parametrize(
    ("seed", "expected"),
    [
        (1, [2, 3, 4, 10, 1, 6, 0, 7, 11, 9, 8, 5]),
        ([1, 2], [6, 2, 4, 11, 10, 5, 1, 9, 0, 3, 8, 7]),
    ],
)
def test_the_order_of_all_clients_is_that_of_tff(seed: Any, expected: list[int]):
    client_data = datasets.TestClientData(TWELVE)
    assert elements(client_data.create_tf_dataset_from_all_clients(seed=seed)) == expected
    assert [elements(dataset) for dataset in client_data.datasets(seed=seed)] == [
        [number] for number in expected
    ]


def test_all_clients_without_a_seed_are_all_there(three: datasets.TestClientData):
    assert sorted(elements(three.create_tf_dataset_from_all_clients())) == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize(("limit", "count"), [(None, 12), (5, 5), (99, 12), (0, 0), (-1, 0)])
def test_the_number_of_datasets_can_be_limited(limit: int | None, count: int):
    client_data = datasets.TestClientData(TWELVE)
    assert len(list(client_data.datasets(limit_count=limit, seed=1))) == count


@pytest.mark.parametrize("seed", [-1, 2**32, "one"])
def test_a_bad_seed_is_refused(three: datasets.TestClientData, seed: Any):
    with pytest.raises(ValueError, match="cannot be a seed"):
        three.create_tf_dataset_from_all_clients(seed=seed)


def test_the_ids_are_not_changed_by_shuffling_nor_by_the_caller():
    client_data = datasets.TestClientData(TWELVE)
    client_data.create_tf_dataset_from_all_clients(seed=1)
    client_data.client_ids.clear()
    assert client_data.client_ids == list(TWELVE)


def test_the_dataset_function_takes_a_tensor(three: datasets.TestClientData):
    traced = tf.function(
        lambda client_id: three.serializable_dataset_fn(client_id).reduce(0, lambda x, y: x + y)
    )
    assert [int(traced(tf.constant(name))) for name in "abc"] == [6, 9, 6]


def test_the_dataset_function_refuses_an_unknown_client(three: datasets.TestClientData):
    with pytest.raises(tf.errors.InvalidArgumentError, match="no client of this id"):
        elements(three.serializable_dataset_fn(tf.constant("zz")))


def test_the_dataset_computation(three: datasets.TestClientData):
    assert str(three.dataset_computation.type_signature) == "(str -> int32*)"
    assert [int(value) for value in three.dataset_computation("b")] == [4, 5]
    assert three.dataset_computation is three.dataset_computation


class TestPreprocess:
    def test_each_dataset_is_transformed(self, three: datasets.TestClientData):
        batched = three.preprocess(
            lambda dataset: dataset.map(lambda x: x * 10).batch(2, drop_remainder=True)
        )
        assert elements(batched.create_tf_dataset_for_client("a")) == [[10, 20]]
        assert batched.client_ids == three.client_ids
        assert batched.element_type_structure == tf.TensorSpec((2,), tf.int32)

    def test_all_clients_are_transformed_one_by_one(self, three: datasets.TestClientData):
        batched = three.preprocess(lambda dataset: dataset.batch(2))
        assert sorted(elements(batched.create_tf_dataset_from_all_clients())) == [
            [1, 2],
            [3],
            [4, 5],
            [6],
        ]

    def test_it_can_be_applied_twice(self, three: datasets.TestClientData):
        twice = three.preprocess(lambda d: d.take(2)).preprocess(lambda d: d.map(lambda x: -x))
        assert elements(twice.create_tf_dataset_for_client("a")) == [-1, -2]

    def test_unknown_clients_stay_unknown(self, three: datasets.TestClientData):
        with pytest.raises(KeyError):
            three.preprocess(lambda dataset: dataset).create_tf_dataset_for_client("zz")

    def test_what_is_no_function_is_refused(self, three: datasets.TestClientData):
        with pytest.raises(TypeError, match="`preprocess_fn` is a `int`, not a Python function"):
            three.preprocess(3)  # type: ignore[arg-type]

    def test_a_tff_computation_is_refused(self, three: datasets.TestClientData):
        with pytest.raises(TypeError, match="not a Python function"):
            three.preprocess(three.dataset_computation)

    def test_a_function_that_returns_no_dataset_is_refused(self, three: datasets.TestClientData):
        broken = three.preprocess(lambda dataset: None)  # type: ignore[arg-type,return-value]
        with pytest.raises(TypeError, match="`preprocess_fn` returned a `NoneType`"):
            broken.create_tf_dataset_for_client("a")

    def test_examples_of_equal_shape_come_as_arrays(self, three: datasets.TestClientData):
        doubled = three.preprocess(lambda dataset: dataset.map(lambda x: (x, 2.0)))
        numbers, twos = doubled.client_examples("a")
        np.testing.assert_array_equal(numbers, [1, 2, 3])
        np.testing.assert_array_equal(twos, [2.0, 2.0, 2.0])

    def test_no_examples_come_as_empty_arrays(self, three: datasets.TestClientData):
        nothing = three.preprocess(lambda dataset: dataset.take(0).map(lambda x: {"x": [x, x]}))
        examples = nothing.client_examples("a")
        assert examples["x"].shape == (0, 2)
        assert examples["x"].dtype == np.int32

    def test_batches_of_different_size_are_no_array(self, three: datasets.TestClientData):
        with pytest.raises(ValueError, match="different shapes"):
            three.preprocess(lambda dataset: dataset.batch(2)).client_examples("a")


class TestFromFunction:
    def test_the_function_makes_the_datasets(self):
        client_data = datasets.ClientData.from_clients_and_tf_fn(["2", "1"], range_of)
        assert client_data.client_ids == ["2", "1"]
        assert elements(client_data.create_tf_dataset_for_client("2")) == [0, 1]
        assert client_data.element_type_structure == tf.TensorSpec((), tf.int64)

    def test_strings_are_bytes_in_arrays(self):
        client_data = datasets.ClientData.from_clients_and_tf_fn(
            ["x"], lambda client_id: tf.data.Dataset.from_tensors(client_id).repeat(2)
        )
        assert client_data.client_examples("x").tolist() == [b"x", b"x"]

    def test_an_unknown_client_is_refused(self):
        client_data = datasets.ClientData.from_clients_and_tf_fn(["1"], range_of)
        with pytest.raises(ValueError, match="There is no client '9'"):
            client_data.create_tf_dataset_for_client("9")

    def test_no_clients_are_refused(self):
        with pytest.raises(ValueError, match="There is no client"):
            datasets.ClientData.from_clients_and_tf_fn([], range_of)

    def test_what_is_no_function_is_refused(self):
        with pytest.raises(TypeError, match="not a function"):
            datasets.ClientData.from_clients_and_tf_fn(["1"], 3)  # type: ignore[arg-type]


class TestSplit:
    @pytest.mark.parametrize(
        ("seed", "count", "test_ids"),
        [(0, 1, [5]), (0, 3, [5, 0, 3]), ([1, 2], 3, [7, 8, 3])],
    )
    def test_the_draw_is_that_of_tff(self, seed: Any, count: int, test_ids: list[int]):
        client_data = datasets.TestClientData(TWELVE)
        train, test = datasets.ClientData.train_test_client_split(client_data, count, seed=seed)
        assert test.client_ids == [f"c{number:02}" for number in test_ids]
        assert sorted(train.client_ids + test.client_ids) == client_data.client_ids

    def test_clients_without_data_are_for_training(self):
        client_data = datasets.ClientData.from_clients_and_tf_fn(
            [str(number) for number in range(12)],
            lambda name: tf.data.Dataset.range(
                tf.maximum(tf.strings.to_number(name, tf.int64) - 5, 0)
            ),
        )
        train, test = datasets.ClientData.train_test_client_split(client_data, 5, seed=0)
        assert train.client_ids == ["6", "5", "0", "3", "1", "2", "4"]
        assert test.client_ids == ["9", "7", "8", "10", "11"]

    def test_too_few_clients_with_data_are_refused(self):
        client_data = datasets.TestClientData({"a": [1], "b": [], "c": []})
        with pytest.raises(ValueError, match="Only 1 clients have examples"):
            datasets.ClientData.train_test_client_split(client_data, 2, seed=0)

    @pytest.mark.parametrize("count", [-1, 0, 3, 4])
    def test_both_parts_need_a_client(self, three: datasets.TestClientData, count: int):
        with pytest.raises(ValueError, match=f"{count} of 3 clients cannot become"):
            datasets.ClientData.train_test_client_split(three, count, seed=0)

    def test_a_part_has_only_its_own_clients(self, three: datasets.TestClientData):
        train, test = datasets.ClientData.train_test_client_split(three, 1, seed=0)
        assert test.element_type_structure == three.element_type_structure
        test_id = test.client_ids[0]
        assert elements(test.create_tf_dataset_for_client(test_id)) == elements(
            three.create_tf_dataset_for_client(test_id)
        )
        with pytest.raises(KeyError):
            train.create_tf_dataset_for_client(test_id)
        with pytest.raises(KeyError):
            train.client_examples(test_id)


def test_a_users_own_subclass_needs_three_properties():
    class Own(datasets.ClientData):
        @property
        def client_ids(self) -> list[str]:
            return ["1", "2"]

        @property
        def element_type_structure(self) -> Any:
            return tf.TensorSpec((), tf.int64)

        @property
        def serializable_dataset_fn(self) -> Any:
            return range_of

    own = Own()
    assert elements(own.create_tf_dataset_for_client("2")) == [0, 1]
    assert sorted(elements(own.create_tf_dataset_from_all_clients(seed=0))) == [0, 0, 1]
