from __future__ import annotations

import collections
from typing import Any, NamedTuple

import numpy as np
import pytest

from tensorflow_federated.simulation import datasets


class Pair(NamedTuple):
    x: Any
    y: Any


def test_clients_keep_the_order_in_which_they_were_given():
    assert datasets.TestClientData({"b": [1], "a": [2]}).client_ids == ["b", "a"]


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ([1, 2], np.int32),
        ([1, 2**40], np.int64),
        ([1.5], np.float32),
        ([True], np.bool_),
        (np.ones(2), np.float64),
        (np.ones(2, np.int64), np.int64),
        (["é"], np.object_),
        (np.array(["é"]), np.object_),
    ],
)
def test_dtypes_are_tensorflows(values: Any, dtype: type[np.generic]):
    assert datasets.TestClientData({"a": values}).client_examples("a").dtype == dtype


def test_strings_become_bytes():
    column = datasets.TestClientData({"a": ["é", b"\0"]}).client_examples("a")
    assert column.tolist() == ["é".encode(), b"\0"]


@pytest.mark.parametrize(
    "container",
    [
        lambda x, y: {"y": y, "x": x},
        lambda x, y: collections.OrderedDict(y=y, x=x),
        lambda x, y: (x, y),
        Pair,
        lambda x, y: (x, {"deep": (y,)}),
    ],
)
def test_containers_are_kept(container: Any):
    client_data = datasets.TestClientData({"a": container([1, 2], [3.0, 4.0])})
    expected = container(np.array([1, 2], np.int32), np.array([3.0, 4.0], np.float32))
    found = client_data.client_examples("a")
    assert type(found) is type(expected)
    assert repr(found) == repr(expected)


def test_examples_cannot_be_written_to():
    given = np.zeros(3)
    client_data = datasets.TestClientData({"a": given})
    with pytest.raises(ValueError, match="read-only"):
        client_data.client_examples("a")[0] = 1.0
    given[0] = 1.0  # The caller's own array stays writable.


def test_a_client_may_have_no_examples():
    client_data = datasets.TestClientData({"a": [], "b": np.ones((2, 3), np.float32), "c": []})
    assert client_data.client_examples("a").shape == (0, 3)
    assert client_data.client_examples("a").dtype == np.float32
    assert [client_data.has_examples(name) for name in client_data.client_ids] == [
        False,
        True,
        False,
    ]


@pytest.mark.parametrize(
    ("other", "told"),
    [
        ([1.5], "'b': float32"),
        ([[1]], "'b': int32[1]"),
        ({"x": [1]}, "'b': {'x': int32}"),
        (["text"], "'b': str"),
    ],
)
def test_clients_that_differ_are_refused(other: Any, told: str):
    with pytest.raises(ValueError, match="'a' has int32") as caught:
        datasets.TestClientData({"a": [1], "b": other})
    assert caught.value.problems == (told,)  # type: ignore[attr-defined]


def test_many_differences_are_shortened():
    clients: dict[str, Any] = {"a": [1]} | {f"b{number}": [1.5] for number in range(9)}
    with pytest.raises(ValueError, match="and 4 more clients"):
        datasets.TestClientData(clients)


@pytest.mark.parametrize(
    ("clients", "error", "message"),
    [
        ([1], TypeError, "`tensor_slices_dict` is a `list`, not a dictionary"),
        ({}, ValueError, "There is no client"),
        ({"a": {"x": [1, 2], "y": [3]}}, ValueError, "different numbers of examples"),
        ({"a": 3}, ValueError, "a scalar has none"),
        ({"a": {}}, ValueError, "has no features"),
        ({"a": [[1], [2, 3]]}, ValueError, "client 'a' cannot be read as an array"),
        ({"a": [object()]}, ValueError, "`object` cannot be part of an example"),
    ],
)
def test_what_is_no_client_data_is_refused(clients: Any, error: type[Exception], message: str):
    with pytest.raises(error, match=message):
        datasets.TestClientData(clients)
