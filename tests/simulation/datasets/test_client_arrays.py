"""Client data of arrays that hold the examples of all clients."""

from __future__ import annotations

from typing import Any

import hypothesis
import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import jax.numpy as jnp
import numpy as np
import pytest

from tensorflow_federated.core import errors, types
from tensorflow_federated.core.types import SequenceType
from tensorflow_federated.execution import values
from tensorflow_federated.simulation import datasets

NUMBERS = np.arange(6)


def columns(client_data: Any, client_id: str) -> Any:
    [client] = client_data.cohort([client_id])
    return values.to_canonical(client, SequenceType(client.element_type)).columns()


@hypothesis.given(hnp.arrays(np.int64, st.integers(1, 30), elements=st.integers(0, 5)))
def test_every_row_goes_to_its_owner(owners: np.ndarray):
    rows = np.arange(len(owners))
    clients = datasets.ClientArrays({"x": rows, "owner": owners}, owners=owners)
    assert clients.client_ids == [str(each) for each in np.unique(owners)]
    found = [clients.client_examples(each) for each in clients.client_ids]
    assert all(
        set(each["owner"]) == {int(name)}
        for name, each in zip(clients.client_ids, found, strict=True)
    )
    assert sorted(row for each in found for row in each["x"]) == rows.tolist()
    assert all(np.all(np.diff(each["x"]) > 0) for each in found)


@pytest.mark.parametrize(
    ("owners", "client_ids"),
    [
        (["b", "a", "b", "a", "a", "b"], ["a", "b"]),
        (np.array([b"x"] * 6), ["x"]),
        (np.array(["é", "e"] * 3, object), ["e", "é"]),
        ([10, 9, 9, 10, 9, 9], ["9", "10"]),
    ],
)
def test_owners_are_strings_or_integers(owners: Any, client_ids: list[str]):
    assert datasets.ClientArrays(NUMBERS, owners=owners).client_ids == client_ids


def test_clients_may_lie_one_after_the_other():
    clients = datasets.ClientArrays(NUMBERS, client_ids=["b", "a", "c"], offsets=[0, 4, 4, 6])
    assert [clients.client_examples(each).tolist() for each in "bac"] == [[0, 1, 2, 3], [], [4, 5]]
    assert [clients.has_examples(each) for each in "bac"] == [True, False, True]


def test_clients_without_names_are_numbered():
    assert datasets.ClientArrays(NUMBERS, offsets=[0, 4, 6]).client_ids == ["0", "1"]


@pytest.mark.parametrize("owners", [[0, 0, 0, 1, 1, 1], [0, 1, 0, 1, 0, 1]])
def test_nothing_is_copied_and_all_clients_share_the_arrays(owners: list[int]):
    given = {"x": np.zeros((6, 3), np.float32), "y": NUMBERS}
    clients = datasets.ClientArrays(given, owners=owners)
    first, second = columns(clients, "0"), columns(clients, "1")
    assert all(
        np.shares_memory(leaf, given[name]) for leaf, name in zip(first.leaves, "xy", strict=True)
    )
    assert all(one is other for one, other in zip(first.leaves, second.leaves, strict=True))
    assert all(
        one is other for one, other in zip(first.leaves, columns(clients, "0").leaves, strict=True)
    )


def test_clients_given_apart_share_arrays_too():
    clients = datasets.TestClientData({"a": [1, 2], "b": [3]})
    first, second = columns(clients, "a"), columns(clients, "b")
    assert first.leaves[0] is second.leaves[0]
    assert [each.gathered().leaves[0].tolist() for each in (first, second)] == [[1, 2], [3]]


def test_the_arrays_of_frameworks_are_taken():
    clients = datasets.ClientArrays(jnp.arange(4.0), offsets=[0, 4])
    assert clients.client_examples("0").dtype == np.float32


def test_datasets_have_the_same_examples():
    clients = datasets.ClientArrays((NUMBERS, -NUMBERS), owners=[1, 0, 1, 0, 1, 0])
    expected = [[(1, -1), (3, -3), (5, -5)], [(0, 0), (2, -2), (4, -4)]]
    datasets_of_clients = [clients.create_tf_dataset_for_client(each) for each in "01"]
    traced = [clients.serializable_dataset_fn(each) for each in "01"]
    assert [list(each.as_numpy_iterator()) for each in datasets_of_clients] == expected
    assert [list(each.as_numpy_iterator()) for each in traced] == expected
    together = clients.create_tf_dataset_from_all_clients(seed=1)
    assert sorted(together.as_numpy_iterator()) == sorted(expected[0] + expected[1])
    assert datasets_of_clients[0].element_spec == clients.element_type_structure


def test_numbers_that_are_none_are_examples_too():
    clients = datasets.ClientArrays(np.array([np.nan, 1.0]), offsets=[0, 2])
    np.testing.assert_array_equal(list(clients.cohort(["0"])[0]), [np.nan, 1.0])


@pytest.mark.parametrize(
    ("given", "summary", "told"),
    [
        ({}, "it is not known which rows are whose", "owners: not given"),
        ({"owners": [0] * 6, "offsets": [0, 6]}, "not known", "offsets: given"),
        ({"owners": [0] * 6, "client_ids": ["a"]}, "not known", "client_ids: given"),
        ({"owners": [0, 1]}, "does not say whose", r"expected 6 strings or integers, got int64[2]"),
        ({"owners": [0.5] * 6}, "does not say whose", "got float64[6]"),
        ({"offsets": [0, 7]}, "cannot be cut", "expected numbers that grow from 0 to 6"),
        ({"offsets": [4, 2, 6]}, "cannot be cut", "expected numbers that grow"),
        ({"offsets": [0]}, "cannot be cut", "expected integers, got int64[1]"),
        ({"offsets": [0.0, 6.0]}, "cannot be cut", "expected integers, got float64[2]"),
        ({"offsets": [0, 6], "client_ids": ["a", "b"]}, "cannot be cut", "expected 1, one less"),
        ({"offsets": [0, 3, 6], "client_ids": ["a", "a"]}, "cannot be cut", "more than once"),
    ],
)
def test_what_does_not_say_whose_rows_are_is_refused(given: Any, summary: str, told: str):
    with pytest.raises(errors.DatasetError, match=summary) as caught:
        datasets.ClientArrays(NUMBERS, **given)
    assert any(told in problem for problem in caught.value.problems)


@pytest.mark.parametrize(
    ("arrays", "told"),
    [
        ({"x": NUMBERS, "y": NUMBERS[1:]}, "different numbers of examples"),
        (np.float32(1), "a scalar has none"),
        ({}, "has no features"),
        ([[1], [2, 3]], "A value cannot be read as an array"),
    ],
)
def test_what_is_no_structure_of_arrays_is_refused(arrays: Any, told: str):
    with pytest.raises(errors.DatasetError, match=told):
        datasets.ClientArrays(arrays, offsets=[0, 6])


def test_from_clients_is_given_a_dictionary():
    with pytest.raises(TypeError, match="`clients` is a `list`, not a dictionary"):
        datasets.ClientArrays.from_clients([1])  # type: ignore[arg-type]
    clients = datasets.ClientArrays.from_clients({"a": [1, 2], "b": []})
    assert isinstance(clients, datasets.ClientArrays)
    assert str(types.to_type(np.int32)) == str(clients.cohort(["b"])[0].element_type)
