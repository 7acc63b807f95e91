"""What stands for the values of all clients: any iterable with an order."""

from __future__ import annotations

import collections
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
import pytest
import tensorflow as tf

import tensorflow_federated as tff
from tensorflow_federated.core import errors

INTEGERS = tff.FederatedType(np.int32, tff.CLIENTS)
SEQUENCES = tff.FederatedType(tff.SequenceType(np.int32), tff.CLIENTS)
PAIRS = tff.FederatedType((np.float32, np.str_), tff.CLIENTS)


class Pair(NamedTuple):
    x: int
    y: int


def given_to(type_signature: tff.FederatedType, value: Any) -> Any:
    return tff.federated_computation(lambda x: x, type_signature)(value)


@pytest.mark.parametrize(
    "make",
    [
        lambda: [1, 2],
        lambda: (1, 2),
        lambda: range(1, 3),
        lambda: {"a": 1, "b": 2}.values(),
        lambda: {1: "a", 2: "b"}.keys(),
        lambda: collections.deque([1, 2]),
        lambda: (x for x in (1, 2)),
        lambda: map(int, "12"),
        lambda: np.array([1, 2], np.int32),
        lambda: tf.constant([1, 2]),
        lambda: jnp.array([1, 2], jnp.int32),
        lambda: tf.data.Dataset.from_tensor_slices([1, 2]),
    ],
    ids=[
        "list",
        "tuple",
        "range",
        "values",
        "keys",
        "deque",
        "generator",
        "map",
        "NumPy",
        "TensorFlow",
        "JAX",
        "dataset",
    ],
)
@pytest.mark.usefixtures("engine")
def test_iterables_with_an_order(make):
    assert given_to(INTEGERS, make()) == [1, 2]


@pytest.mark.parametrize(
    ("value", "fix"),
    [
        ({1, 2}, "sorted(clients)"),
        (frozenset({1}), "sorted(clients)"),
        ({"a": 1}, "list(clients.values())"),
        ("12", "[value]"),
        (b"12", "[value]"),
        (1, "[value]"),
        (np.int32(1), "[value]"),
        (np.array(1, np.int32), "[value]"),
        (tf.constant(1), "[value]"),
        (Pair(1, 2), "[value]"),
        (tff.structure.Struct([(None, 1)]), "[value]"),
        (tff.simulation.datasets.TestClientData({"a": [1]}), "client_data.cohort(client_ids)"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_does_not_tell_whose_value_is_whose(value, fix):
    with pytest.raises(errors.InvalidNonAllEqualValueError, match="expected a list") as caught:
        given_to(INTEGERS, value)
    assert fix in str(caught.value.fix)


def test_no_clients():
    assert given_to(INTEGERS, ()) == []
    assert given_to(INTEGERS, tf.data.Dataset.from_tensor_slices(np.zeros(0, np.int32))) == []


def test_a_dataset_of_the_weights_of_each_client():
    weights = tf.data.Dataset.from_tensor_slices((np.float32([[1, 2], [3, 4]]), np.float32([5, 7])))
    member = tff.types.tensorflow_to_type(weights.element_spec)

    @tff.federated_computation(tff.FederatedType(member, tff.CLIENTS))
    def average(values):
        return tff.federated_mean(values, weight=1.0)

    kernel, bias = average(weights)
    assert kernel.tolist() == [2.0, 3.0]
    assert bias == 6.0


def test_a_dataset_of_clients_needs_the_type_of_the_parameter():
    weights = tf.data.Dataset.from_tensor_slices((np.float32([1]), np.float32([2])))

    @tff.federated_computation
    def average(values):
        return tff.federated_mean(values, weight=1.0)

    with pytest.raises(errors.PlacementError) as caught:
        average(weights)
    fix = "tff.federated_computation(tff.FederatedType([np.float32, np.float32], tff.CLIENTS))"
    assert fix in str(caught.value.fix)


def test_a_dataset_of_elements_of_another_type():
    with pytest.raises(errors.TypeMismatchError) as caught:
        given_to(INTEGERS, tf.data.Dataset.from_tensor_slices([1.0]))
    assert caught.value.problems == ("argument: expected int32, got float32",)


def test_one_dataset_where_each_client_has_one_is_ambiguous():
    with pytest.raises(errors.InvalidNonAllEqualValueError) as caught:
        given_to(SEQUENCES, tf.data.Dataset.from_tensor_slices([1, 2]))
    assert "write `[dataset]`" in str(caught.value.fix)


def test_a_dataset_of_datasets_holds_the_data_of_each_client():
    windows = tf.data.Dataset.from_tensor_slices([1, 2, 3]).window(2)

    @tff.federated_computation(SEQUENCES)
    def sums(data):
        return tff.federated_map(
            tff.federated_computation(tff.sequence_sum, tff.SequenceType(np.int32)), data
        )

    assert sums(windows) == [3, 3]


def test_rows_of_an_array_are_the_data_of_each_client():
    total = tff.tensorflow.computation(
        lambda data: data.reduce(0, lambda x, y: x + y), tff.SequenceType(np.int32)
    )

    @tff.federated_computation(SEQUENCES)
    def sums(data):
        return tff.federated_map(total, data)

    assert sums(np.array([[1, 2], [3, 4]], np.int32)) == [3, 7]


def test_a_tuple_of_pairs_is_one_pair_for_each_client():
    assert given_to(PAIRS, ((1.0, "a"), (2.0, "b"))) == [(1.0, b"a"), (2.0, b"b")]


def test_arguments_of_different_lengths_are_told_apart():
    with pytest.raises(errors.CardinalityError, match="values of 3 clients"):
        tff.federated_computation(lambda x, y: (x, y), INTEGERS, INTEGERS)(
            (i for i in range(3)), range(2)
        )


def test_a_wrong_value_is_told_with_its_client():
    with pytest.raises(errors.TypeMismatchError) as caught:
        given_to(INTEGERS, iter([1, 2.5]))
    assert caught.value.problems == ("argument[1]: expected int32, got the float 2.5",)
