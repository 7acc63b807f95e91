"""Preprocessing as a declaration: what it makes of the rows of a client."""

from __future__ import annotations

import collections
import itertools
from typing import Any

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
import tensorflow as tf

from tensorflow_federated.core import errors
from tensorflow_federated.simulation import datasets

declarations = st.builds(
    dict,
    epochs=st.integers(1, 4),
    batch_size=st.none() | st.integers(1, 9),
    max_examples=st.none() | st.integers(1, 12),
)
sizes = st.integers(0, 20)


def of_sizes(*counts: int) -> datasets.ClientArrays:
    """Clients '0', '1', ... of so many examples, which are numbered through."""
    offsets = np.cumsum([0, *counts])
    return datasets.ClientArrays(np.arange(offsets[-1]), offsets=offsets)


def rows(client_data: Any, client_id: str = "0", round_number: int | None = None) -> list[int]:
    [client] = client_data.cohort([client_id], round_number)
    return np.concatenate([[], *(np.atleast_1d(element) for element in client)]).tolist()


def shapes(client_data: Any, client_id: str = "0") -> list[Any]:
    [client] = client_data.cohort([client_id])
    return [np.shape(element) for element in client]


@hypothesis.given(declarations, st.booleans(), sizes, st.integers(0, 3))
def test_each_epoch_holds_the_first_examples_once(
    given: Any, shuffle: bool, size: int, before: int
):
    clients = of_sizes(before, size)
    found = rows(clients.preprocess(datasets.Preprocessing(**given, shuffle=shuffle)), "1")
    used = list(range(before, before + size))[: given["max_examples"]]
    assert len(found) == given["epochs"] * len(used)
    for epoch in range(given["epochs"]):
        assert sorted(found[epoch * len(used) : (epoch + 1) * len(used)]) == used


def assert_same_as_a_pipeline_of_tensorflow(given: Any, drop_remainder: bool, size: int):
    dataset = tf.data.Dataset.range(7, 7 + size)
    if given["max_examples"] is not None:
        dataset = dataset.take(given["max_examples"])
    dataset = dataset.repeat(given["epochs"])
    if given["batch_size"] is not None:
        dataset = dataset.batch(given["batch_size"], drop_remainder=drop_remainder)
        given = {**given, "drop_remainder": drop_remainder}
    clients = of_sizes(7, size).preprocess(datasets.Preprocessing(**given))
    [client] = clients.cohort(["1"])
    expected = [element.tolist() for element in dataset.as_numpy_iterator()]
    assert [element.tolist() for element in client] == expected
    assert len(client) == len(expected)
    again = clients.create_tf_dataset_for_client("1")
    assert again.element_spec == dataset.element_spec == clients.element_type_structure
    assert [element.tolist() for element in again.as_numpy_iterator()] == expected
    traced = clients.serializable_dataset_fn(tf.constant("1"))
    assert [element.tolist() for element in traced.as_numpy_iterator()] == expected


@pytest.mark.parametrize("drop_remainder", [False, True])
def test_two_epochs_are_those_of_a_pipeline_of_tensorflow(drop_remainder: bool):
    given = {"max_examples": 5, "epochs": 2, "batch_size": 3}
    assert_same_as_a_pipeline_of_tensorflow(given, drop_remainder, 7)


@pytest.mark.slow
@hypothesis.given(declarations, st.booleans(), sizes)
def test_it_is_the_same_as_a_pipeline_of_tensorflow(given: Any, drop_remainder: bool, size: int):
    assert_same_as_a_pipeline_of_tensorflow(given, drop_remainder, size)


def test_batches_reach_over_the_end_of_an_epoch():
    clients = of_sizes(3).preprocess(datasets.Preprocessing(epochs=2, batch_size=4))
    assert [batch.tolist() for batch in clients.cohort(["0"])[0]] == [[0, 1, 2, 0], [1, 2]]


def test_a_client_without_examples_has_no_batch():
    clients = of_sizes(0, 1).preprocess(datasets.Preprocessing(batch_size=4, shuffle=True))
    assert list(clients.cohort(["0"])[0]) == []
    assert len(clients.cohort(["0"])[0]) == 0


class TestOrder:
    """What random orders depend on."""

    def shuffled(self, *counts: int, **given: Any) -> datasets.ClientData:
        return of_sizes(*counts).preprocess(
            datasets.Preprocessing(**{"shuffle": True, "seed": 5, **given})
        )

    def test_it_is_not_the_given_one(self):
        assert rows(self.shuffled(100)) != list(range(100))

    def test_it_is_another_one_in_each_epoch(self):
        found = rows(self.shuffled(100, epochs=2))
        assert found[:100] != found[100:]

    def test_the_same_seed_gives_the_same(self):
        assert rows(self.shuffled(100)) == rows(self.shuffled(100))

    def test_another_seed_gives_another(self):
        assert rows(self.shuffled(100)) != rows(self.shuffled(100, seed=6))

    def test_another_round_gives_another_whenever_it_is_asked_for(self):
        clients = self.shuffled(100)
        by_round = [rows(clients, "0", number) for number in (1, 0, 2)]
        assert len(set(map(tuple, by_round))) == 3
        assert rows(clients, "0", 1) == by_round[0]

    def test_no_round_is_round_0(self):
        assert rows(self.shuffled(100)) == rows(self.shuffled(100), "0", 0)

    def test_other_clients_have_another(self):
        clients = self.shuffled(100, 100)
        assert [row - 100 for row in rows(clients, "1")] != rows(clients, "0")

    def test_it_does_not_depend_on_the_other_clients_of_the_cohort(self):
        clients = self.shuffled(50, 60, 70)
        alone = [element.tolist() for element in clients.cohort(["1"])[0]]
        among_others = [element.tolist() for element in clients.cohort(["2", "1", "0"])[1]]
        assert alone == among_others

    def test_without_a_seed_each_cohort_has_another(self):
        clients = self.shuffled(100, seed=None)
        assert rows(clients) != rows(clients)

    def test_without_a_seed_a_client_that_was_asked_for_keeps_its_own(self):
        [client] = self.shuffled(100, seed=None).cohort(["0"])
        assert list(client) == list(client)

    def test_the_first_epochs_are_those_of_fewer_epochs(self):
        assert rows(self.shuffled(30, epochs=3))[:60] == rows(self.shuffled(30, epochs=2))

    def test_all_orders_are_about_equally_likely(self):
        clients = self.shuffled(3)
        counts = collections.Counter(tuple(rows(clients, "0", number)) for number in range(600))
        assert set(counts) == set(itertools.permutations(range(3)))
        # 100 expected of each; five standard deviations of a binomial count are 46.
        assert all(54 <= count <= 146 for count in counts.values())

    def test_it_never_changes(self):
        # What programs of today print is to be printed by those of tomorrow, on every machine.
        assert rows(self.shuffled(8)) == [5, 2, 3, 6, 0, 1, 4, 7]


class TestMap:
    """A function of all examples of a client."""

    def test_it_makes_other_examples(self):
        clients = of_sizes(2, 3).preprocess(
            datasets.Preprocessing(map=lambda x: {"x": np.stack([x, -x], 1).astype(np.float32)})
        )
        assert str(clients.cohort(["1"])[0].element_type) == "<x=float32[2]>"
        assert clients.client_examples("1")["x"].tolist() == [[2, -2], [3, -3], [4, -4]]

    def test_it_sees_one_client_at_a_time(self):
        clients = of_sizes(2, 0, 3).preprocess(datasets.Preprocessing(map=lambda x: x - x.min()))
        assert [rows(clients, each) for each in "012"] == [[0, 1], [], [0, 1, 2]]

    def test_it_comes_before_all_else(self):
        clients = of_sizes(4).preprocess(
            datasets.Preprocessing(map=lambda x: x[::-1], max_examples=2, epochs=2)
        )
        assert rows(clients) == [3, 2, 3, 2]

    def test_it_is_called_once_for_each_client_in_all_rounds(self):
        calls: list[int] = []

        def negative(x: np.ndarray) -> np.ndarray:
            calls.append(len(x))
            return -x

        clients = of_sizes(2, 3, 4).preprocess(datasets.Preprocessing(map=negative, shuffle=True))
        for number in range(3):
            for client_id in "012":
                rows(clients, client_id, number)
        # The first client twice: once to see what the function makes.
        assert calls == [2, 2, 3, 4]

    def test_what_takes_too_much_memory_is_made_again(self):
        calls: list[int] = []

        def negative(x: np.ndarray) -> np.ndarray:
            calls.append(len(x))
            return -x

        clients = of_sizes(2, 3, 4).preprocess(
            datasets.Preprocessing(map=negative, max_cached_bytes=5 * 8)
        )
        order = ["0", "1", "0", "2", "2", "1", "1"]
        assert [rows(clients, each)[0] for each in order] == [0, -2, 0, -5, -5, -2, -2]
        # 0 and 1 fit in together; 2 drives both out, and 1 drives 2 out.
        assert calls == [2, 2, 3, 4, 3]

    def test_parts_of_the_clients_share_what_it_makes(self):
        calls: list[int] = []

        def negative(x: np.ndarray) -> np.ndarray:
            calls.append(len(x))
            return -x

        both = datasets.ClientData.train_test_client_split(of_sizes(2, 3, 4), 1, seed=1)
        given = datasets.Preprocessing(map=negative)
        train, test = (part.preprocess(given) for part in both)
        for part in (train, test):
            for client_id in part.client_ids:
                rows(part, client_id)
        assert len(calls) == 4

    def test_a_map_may_come_before_the_rest(self):
        mapped = of_sizes(3).preprocess(datasets.Preprocessing(map=lambda x: -x))
        twice = mapped.preprocess(datasets.Preprocessing(map=lambda x: 10 * x, batch_size=2))
        assert [batch.tolist() for batch in twice.cohort(["0"])[0]] == [[0, -10], [-20]]

    def test_nobody_has_examples(self):
        clients = of_sizes(0, 0).preprocess(datasets.Preprocessing(map=np.float32, batch_size=2))
        assert str(clients.cohort(["1"])[0].element_type) == "float32[?]"
        assert list(clients.cohort(["1"])[0]) == []

    def test_it_may_not_write_into_what_it_is_given(self):
        def write(x: np.ndarray) -> np.ndarray:
            x[0] = 1
            return x

        with pytest.raises(ValueError, match="read-only"):
            of_sizes(2).preprocess(datasets.Preprocessing(map=write)).cohort(["0"])

    def test_one_client_that_it_fails_for_leaves_the_others(self):
        def checked(x: np.ndarray) -> np.ndarray:
            if x.max() == 4:
                raise ArithmeticError("there are 5")
            return 10 * x

        clients = of_sizes(2, 3, 2).preprocess(datasets.Preprocessing(map=checked))
        assert rows(clients, "0") + rows(clients, "2") == [0, 10, 50, 60]
        with pytest.raises(ArithmeticError) as caught:
            rows(clients, "1")
        assert caught.value.__notes__ == ["`map` was given the examples of client '1'."]

    @pytest.mark.parametrize(
        ("function", "told"),
        [
            (lambda x: x[:1], "client '0': got 1 examples of 2"),
            (lambda x: x.sum(), "client '0': expected a structure of arrays"),
            (lambda x: None, "client '0': expected a structure of arrays"),
            (lambda x: {"x": x, "y": x[1:]}, "client '0': expected a structure of arrays"),
            (lambda x: {"x": x} if x[0] else x, "client '1': "),
            (
                lambda x: x.astype(np.float64 if x[0] else np.float32),
                "expected float32, got float64",
            ),
            (lambda x: np.zeros((len(x), len(x))), r"expected float64\[2\], got float64\[3\]"),
        ],
    )
    def test_what_is_no_such_function_is_refused(self, function: Any, told: str):
        clients = of_sizes(2, 3).preprocess(datasets.Preprocessing(map=function))
        with pytest.raises(errors.DatasetError, match="`map` does not make examples") as caught:
            list(clients.cohort(["1"])[0])
        assert any(
            np.char.find([problem], told.replace("\\", ""))[0] >= 0
            for problem in caught.value.problems
        )


class TestArguments:
    """What is no preprocessing."""

    @pytest.mark.parametrize(
        ("given", "told"),
        [
            ({"epochs": 0}, "epochs: expected an integer of at least 1, got 0"),
            ({"epochs": None}, "epochs: expected an integer of at least 1, got None"),
            ({"batch_size": -1}, "batch_size: expected an integer of at least 1 or None, got -1"),
            ({"batch_size": 2.0}, "batch_size: expected an integer of at least 1 or None, got 2.0"),
            ({"max_examples": True}, "max_examples: expected an integer of at least 1 or None"),
            ({"shuffle": 100}, "shuffle: expected True or False, got 100"),
            ({"shuffle": True, "seed": -1}, "seed: expected an integer of at least 0 or None"),
            ({"seed": 1}, "seed: has no effect without `shuffle=True`"),
            ({"drop_remainder": True}, "drop_remainder: has no effect without `batch_size`"),
            ({"map": 3}, "map: expected a function, got 3 of the Python type `int`"),
            ({"max_cached_bytes": -1}, "max_cached_bytes: expected an integer of at least 0"),
        ],
    )
    def test_it_is_told(self, given: Any, told: str):
        with pytest.raises(ValueError, match="this is no preprocessing") as caught:
            datasets.Preprocessing(**given)
        [problem] = caught.value.problems  # type: ignore[attr-defined]
        assert problem.startswith(told)

    def test_all_problems_are_told_at_once(self, golden: Any):
        with pytest.raises(ValueError, match="no preprocessing") as caught:
            datasets.Preprocessing(epochs=0, shuffle=500, batch_size=0)  # type: ignore[arg-type]
        golden.check("arguments", str(caught.value))

    def test_an_unknown_one_is_told(self):
        with pytest.raises(errors.ArgumentError) as caught:
            datasets.Preprocessing(batchsize=20)  # type: ignore[call-arg]
        assert caught.value.fix == "write `batch_size` for `batchsize`."

    def test_numbers_of_numpy_are_taken(self):
        given = datasets.Preprocessing(
            epochs=np.int64(2), batch_size=np.int32(2), shuffle=np.True_, seed=np.uint8(1)
        )
        assert shapes(of_sizes(3).preprocess(given)) == [(2,), (2,), (2,)]

    def test_examples_are_preprocessed_once(self, golden: Any):
        once = of_sizes(3).preprocess(datasets.Preprocessing(epochs=2, batch_size=2))
        with pytest.raises(errors.DatasetError, match="preprocessed already") as caught:
            once.preprocess(datasets.Preprocessing(shuffle=True))
        golden.check("preprocessed already", str(caught.value))


def test_a_pipeline_of_tensorflow_may_follow():
    clients = of_sizes(3).preprocess(datasets.Preprocessing(epochs=2))
    batched = clients.preprocess(lambda dataset: dataset.batch(4))
    [client] = batched.cohort(["0"])
    assert [batch.tolist() for batch in client.as_numpy_iterator()] == [[0, 1, 2, 0], [1, 2]]


def test_the_data_of_functions_of_tensorflow_can_be_preprocessed():
    clients = datasets.ClientData.from_clients_and_tf_fn(
        ["3", "0"], lambda name: tf.data.Dataset.range(tf.strings.to_number(name, tf.int64))
    ).preprocess(datasets.Preprocessing(batch_size=2, map=lambda x: 2 * x))
    first, second = clients.cohort(["3", "0"])
    assert [batch.tolist() for batch in first] == [[0, 2], [4]]
    assert list(second) == []
