"""The values that `cohort` gives: what they are like, and where computations take them."""

from __future__ import annotations

import collections
import copy
import pickle
import tracemalloc
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import tensorflow_federated as tff
from tensorflow_federated.core import errors
from tensorflow_federated.execution import values
from tensorflow_federated.simulation import datasets

BATCH = collections.OrderedDict(
    x=tff.TensorType(np.float32, [None, 2]), y=tff.TensorType(np.int32, [None])
)
EXAMPLES = {
    "x": np.arange(12, dtype=np.float32).reshape(6, 2),
    "y": np.arange(6, dtype=np.int32),
}


@pytest.fixture
def clients() -> datasets.ClientArrays:
    return datasets.ClientArrays(EXAMPLES, client_ids=["ann", "bob", "eve"], offsets=[0, 4, 4, 6])


@pytest.fixture
def batched(clients: datasets.ClientArrays) -> datasets.ClientData:
    return clients.preprocess(datasets.Preprocessing(batch_size=3))


def total(batch_type: Any) -> Any:
    """A computation: the sum of the labels of all batches of all clients."""

    @tff.jax.computation(np.int32, batch_type)
    def add(state: Any, batch: Any) -> Any:
        return state + batch["y"].sum().astype(np.int32)

    @tff.federated_computation(tff.SequenceType(batch_type))
    def of_client(data: Any) -> Any:
        return tff.sequence_reduce(data, np.int32(0), add)

    @tff.federated_computation(tff.FederatedType(tff.SequenceType(batch_type), tff.CLIENTS))
    def of_all(data: Any) -> Any:
        return tff.federated_sum(tff.federated_map(of_client, data))

    return of_all


class TestValue:
    def test_it_is_a_list_of_batches(self, batched: datasets.ClientData):
        [client] = batched.cohort(["ann"])
        assert client.client_id == "ann"
        assert str(client.element_type) == "<x=float32[?,2],y=int32[?]>"
        assert [batch["y"].tolist() for batch in client] == [[0, 1, 2], [3]]
        assert [batch["x"].tolist() for batch in client][1] == [[6, 7]]
        assert len(client) == 2

    def test_without_batches_it_is_a_list_of_examples(self, clients: datasets.ClientArrays):
        [client] = clients.cohort(["eve"])
        assert [example["y"] for example in client] == [4, 5]
        assert repr(client) == "<ClientBatches of 'eve': 2 of <x=float32[2],y=int32>>"

    def test_a_client_may_come_twice_and_have_nothing(self, batched: datasets.ClientData):
        cohort = batched.cohort(iter(["eve", "bob", "eve"]))
        assert [len(client) for client in cohort] == [1, 0, 1]

    def test_batches_of_one_size_say_so(self, clients: datasets.ClientArrays):
        full = clients.preprocess(datasets.Preprocessing(batch_size=2, drop_remainder=True))
        assert str(full.cohort(["ann"])[0].element_type) == "<x=float32[2,2],y=int32[2]>"

    def test_it_cannot_be_pickled(self, batched: datasets.ClientData, golden: Any):
        [client] = batched.cohort(["ann"])
        with pytest.raises(errors.DatasetError, match="not pickled") as caught:
            pickle.dumps(client)
        golden.check("pickled", str(caught.value))
        with pytest.raises(errors.DatasetError, match="not pickled"):
            copy.copy(client)

    def test_batches_are_the_same_each_time(self, clients: datasets.ClientArrays):
        shuffled = clients.preprocess(datasets.Preprocessing(shuffle=True, batch_size=2))
        [client] = shuffled.cohort(["ann"])
        assert repr(list(client)) == repr(list(client))


class TestComputations:
    def test_they_take_it(self, engine: Any, batched: datasets.ClientData):
        assert total(BATCH)(batched.cohort(batched.client_ids)) == 15
        assert total(BATCH)(batched.cohort(["eve", "eve"])) == 18
        assert total(BATCH)(batched.cohort(["bob"])) == 0
        assert total(BATCH)(batched.cohort([])) == 0

    def test_names_may_come_in_another_order(self, engine: Any, batched: datasets.ClientData):
        batch = collections.OrderedDict(reversed(BATCH.items()))
        assert total(batch)(batched.cohort(["ann"])) == 6

    @pytest.mark.parametrize("size", [2, None])
    def test_batches_of_one_size_fit_both_types(
        self, engine: Any, clients: datasets.ClientArrays, size: int | None
    ):
        full = clients.preprocess(datasets.Preprocessing(batch_size=2, drop_remainder=True))
        batch = collections.OrderedDict(
            x=tff.TensorType(np.float32, [size, 2]), y=tff.TensorType(np.int32, [size])
        )
        assert total(batch)(full.cohort(["ann", "bob", "eve"])) == 15

    def test_computations_of_tensorflow_take_it(self, batched: datasets.ClientData):
        @tff.tensorflow.computation(tff.SequenceType(BATCH))
        def sizes(dataset: Any) -> Any:
            return dataset.reduce(np.int32(0), lambda count, batch: count + tf.size(batch["y"]))

        assert sizes(batched.cohort(["ann"])[0]) == 4

    def test_it_comes_back_as_a_list(self, batched: datasets.ClientData):
        same = tff.federated_computation(lambda data: data, tff.SequenceType(BATCH))
        [first, second] = same(batched.cohort(["ann"])[0])
        assert (first["y"].tolist(), second["y"].tolist()) == ([0, 1, 2], [3])

    def test_texts_are_data_too(self):
        clients = datasets.TestClientData({"a": ["x", "yz"], "b": []})
        same = tff.federated_computation(lambda data: data, tff.SequenceType(np.str_))
        assert same(clients.cohort(["a"])[0]) == [b"x", b"yz"]

    def test_one_client_is_no_cohort(self, batched: datasets.ClientData):
        with pytest.raises(TypeError, match="given as a list") as caught:
            total(BATCH)(batched.cohort(["ann"])[0])
        assert caught.value.fix == "write `[value]` for one client."  # type: ignore[attr-defined]


class TestMismatch:
    """Data of another type than a computation takes."""

    @pytest.mark.parametrize(
        ("name", "arrays", "batch_size"),
        [
            ("examples for batches", EXAMPLES, None),
            ("another dtype", {**EXAMPLES, "y": EXAMPLES["y"].astype(np.int64)}, 3),
            ("another shape", {**EXAMPLES, "x": EXAMPLES["x"].reshape(6, 2, 1)}, 3),
            ("another name", {"x": EXAMPLES["x"], "label": EXAMPLES["y"]}, 3),
            ("one feature less", {"x": EXAMPLES["x"]}, 3),
        ],
    )
    def test_it_is_told(self, golden: Any, name: str, arrays: Any, batch_size: int | None):
        clients = datasets.ClientArrays(arrays, offsets=[0, 6]).preprocess(
            datasets.Preprocessing(batch_size=batch_size)
        )
        with pytest.raises(TypeError, match="not of the type that is expected") as caught:
            total(BATCH)(clients.cohort(["0"]))
        golden.check(name, str(caught.value))

    def test_batches_are_no_examples(self, golden: Any, batched: datasets.ClientData):
        example = collections.OrderedDict(
            x=tff.TensorType(np.float32, [2]), y=tff.TensorType(np.int32)
        )
        with pytest.raises(TypeError, match="not of the type that is expected") as caught:
            total(example)(batched.cohort(["ann"]))
        golden.check("batches for examples", str(caught.value))


class TestCohort:
    """What is no cohort."""

    def test_one_unknown_client(self, batched: datasets.ClientData):
        with pytest.raises(KeyError, match="There is no client 'anne' among the 3") as caught:
            batched.cohort(["eve", "anne"])
        assert caught.value.fix == "did you mean 'ann'?"  # type: ignore[attr-defined]

    def test_all_unknown_clients_at_once(self, batched: datasets.ClientData, golden: Any):
        with pytest.raises(KeyError, match="8 of these clients") as caught:
            batched.cohort(["anne", "anne", "eve", "bo", 3, *"uvwxy"])  # type: ignore[list-item]
        golden.check("unknown clients", str(caught.value))

    @pytest.mark.parametrize("part", ["train", "tensorflow"])
    def test_other_client_data_refuses_them_too(self, clients: datasets.ClientArrays, part: str):
        train, test = datasets.ClientData.train_test_client_split(clients, 1, seed=1)
        other = train if part == "train" else clients.preprocess(lambda dataset: dataset)
        unknown = test.client_ids if part == "train" else ["zoe"]
        with pytest.raises(KeyError, match="There is no client"):
            other.cohort(unknown)

    def test_one_string(self, batched: datasets.ClientData):
        with pytest.raises(ValueError, match="'ann' is one string") as caught:
            batched.cohort("ann")
        assert caught.value.fix == "write `cohort(['ann'])` for one client."  # type: ignore[attr-defined]

    @pytest.mark.parametrize("number", [-1, 1.5, "1"])
    def test_a_round_that_is_none(self, batched: datasets.ClientData, number: Any):
        with pytest.raises(ValueError, match="`round_number` is an integer of at least 0"):
            batched.cohort(["ann"], number)

    def test_pipelines_of_tensorflow_give_datasets(self, clients: datasets.ClientArrays):
        piped = clients.preprocess(lambda dataset: dataset.batch(3))
        [dataset] = piped.cohort(["ann"], round_number=2)
        assert isinstance(dataset, tf.data.Dataset)
        assert [batch["y"].tolist() for batch in dataset.as_numpy_iterator()] == [[0, 1, 2], [3]]

    def test_a_part_of_the_clients_gives_the_same(self, clients: datasets.ClientArrays):
        train, _ = datasets.ClientData.train_test_client_split(clients, 1, seed=1)
        [client] = train.cohort(["bob"])
        assert repr(client) == repr(clients.cohort(["bob"])[0])


def test_clients_in_batches_are_not_arrays(batched: datasets.ClientData):
    with pytest.raises(errors.DatasetError, match="in batches, which are no array"):
        batched.client_examples("ann")


@pytest.mark.parametrize(("drop_remainder", "expected"), [(True, False), (False, True)])
def test_who_has_examples(clients: datasets.ClientArrays, drop_remainder: bool, expected: bool):
    batched = clients.preprocess(
        datasets.Preprocessing(batch_size=5, drop_remainder=drop_remainder)
    )
    assert [batched.has_examples(each) for each in batched.client_ids] == [
        expected,
        False,
        expected,
    ]


def test_many_clients_take_little_memory():
    store = np.zeros((20_000, 50), np.float32)
    clients = datasets.ClientArrays(store, offsets=np.arange(0, 20_001, 4))
    train = clients.preprocess(datasets.Preprocessing(batch_size=2, epochs=5, shuffle=True))
    member = tff.SequenceType(tff.TensorType(np.float32, [None, 50]))
    ids = train.client_ids
    tracemalloc.start()
    try:
        given = values.to_canonical(train.cohort(ids), tff.FederatedType(member, tff.CLIENTS))
        assert sum(sequence.columns().row_count for sequence in given) == 5 * len(store)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(ids) == 5_000
    assert peak < 5 * store.nbytes  # The examples of five epochs, if they were copied.
