"""What can be given as a client's data."""

from __future__ import annotations

import collections

import numpy as np
import pytest

from tensorflow_federated.core import errors, types
from tensorflow_federated.core.placements import CLIENTS
from tensorflow_federated.core.types import FederatedType, SequenceType
from tensorflow_federated.execution import sequences, values

EXAMPLE = SequenceType(collections.OrderedDict(x=(np.float32, [2]), y=np.int32))
BATCH = SequenceType(collections.OrderedDict(x=(np.float32, [None, 2]), y=(np.int32, [None])))
BATCH_PAIR = SequenceType(((np.float32, [None, 2]), (np.int32, [None])))
X, Y = np.ones((3, 2), np.float32), np.arange(3, dtype=np.int32)


def shapes(value, sequence_type: SequenceType) -> list[list[tuple[int, ...]]]:
    sequence = values.to_canonical(value, sequence_type)
    assert isinstance(sequence, sequences.Sequence)
    return [[np.shape(leaf) for leaf in element] for element in sequence.elements()]


def test_a_list_holds_elements():
    assert shapes([{"x": X, "y": Y}, {"x": X[:1], "y": Y[:1]}], BATCH) == [
        [(3, 2), (3,)],
        [(1, 2), (1,)],
    ]


def test_an_iterator_gives_elements():
    assert shapes(iter([(X, Y), (X, Y)]), BATCH_PAIR) == [[(3, 2), (3,)]] * 2


@pytest.mark.parametrize("empty", [[], (), iter([])])
def test_a_client_may_have_no_data(empty):
    assert shapes(empty, BATCH) == []


def test_arrays_of_one_more_dimension_hold_the_elements():
    assert shapes({"x": X, "y": Y}, EXAMPLE) == [[(2,), ()]] * 3


def test_arrays_in_order_of_names_are_matched_by_name():
    assert shapes({"y": Y, "x": X}, EXAMPLE) == [[(2,), ()]] * 3


def test_stacked_batches_are_taken_apart():
    assert shapes((np.stack([X, X]), np.stack([Y, Y])), BATCH_PAIR) == [[(3, 2), (3,)]] * 2


def test_arrays_of_the_same_dimensions_are_one_batch():
    assert shapes({"x": X, "y": Y}, BATCH) == [[(3, 2), (3,)]]


def test_a_pair_of_arrays_is_one_batch_of_a_pair():
    assert shapes((X, Y), BATCH_PAIR) == [[(3, 2), (3,)]]


@pytest.mark.parametrize("sequence_type", [BATCH, EXAMPLE])
def test_arrays_without_a_row_are_no_element(sequence_type):
    assert shapes({"x": X[:0], "y": Y[:0]}, sequence_type) == []


def test_an_empty_batch_in_a_list_stays():
    assert shapes([{"x": X[:0], "y": Y[:0]}], BATCH) == [[(0, 2), (0,)]]


def test_a_pair_of_batches_is_two_elements():
    assert shapes(((X, Y), (X, Y)), BATCH_PAIR) == [[(3, 2), (3,)]] * 2


def test_an_array_holds_the_elements_of_a_tensor_sequence():
    sequence = values.to_canonical(Y, SequenceType(np.int32))
    assert list(sequence.elements()) == [0, 1, 2]


def test_a_sequence_is_taken_as_it_is():
    sequence = sequences.Sequence.from_elements([1], types.to_type(np.int32))
    assert values.to_canonical(sequence, SequenceType(np.int32)) is sequence


@pytest.mark.parametrize(
    ("value", "sequence_type", "reason"),
    [
        ([{"x": X, "y": Y.astype(np.int64)}], BATCH, r"argument\[0\].y: expected int32, got int64"),
        ([1, 2.0], SequenceType(np.int32), r"argument\[1\]: expected int32, got the float 2.0"),
        ({"x": X, "y": Y[:2]}, EXAMPLE, "as long in each"),
        ({"x": X, "y": Y.reshape(3, 1)}, EXAMPLE, "one more dimension in front"),
        (7, SequenceType(np.int32), "give a dataset, a list of elements, or arrays"),
        ({"x": X}, EXAMPLE, "give a dataset"),
        ({"x": X.astype(np.float64), "y": Y}, EXAMPLE, "expected float32, got float64"),
    ],
)
def test_other_data_is_refused(value, sequence_type, reason):
    with pytest.raises(errors.TypeMismatchError, match=reason):
        values.to_canonical(value, sequence_type)


def test_a_sequence_of_another_type_is_refused():
    sequence = sequences.Sequence.from_elements([], types.to_type(np.float32))
    with pytest.raises(
        errors.TypeMismatchError, match=r"argument\[\*\]: expected int32, got float32"
    ):
        values.to_canonical(sequence, SequenceType(np.int32))


def test_a_structure_of_arrays_that_is_one_batch_is_not_copied():
    columns = values.to_canonical({"x": X, "y": Y}, BATCH).columns()
    assert columns.leaves[0] is X
    assert columns.offsets.tolist() == [0, 3]


def test_stacked_batches_are_not_copied():
    stacked = np.ones((4, 3, 2), np.float32)
    columns = values.to_canonical((stacked, np.stack([Y] * 4)), BATCH_PAIR).columns()
    assert np.shares_memory(columns.leaves[0], stacked)
    assert columns.offsets.tolist() == [0, 3, 6, 9, 12]


def test_stacked_batches_of_different_sizes_stay_apart():
    stacked = (np.ones((2, 3, 2), np.float32), np.ones((2, 4), np.int32))
    assert shapes(stacked, BATCH_PAIR) == [[(3, 2), (4,)]] * 2


CLIENTS_OF_BATCHES = FederatedType(BATCH, CLIENTS)
ONE_BATCH = {"x": X, "y": Y}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([ONE_BATCH, ONE_BATCH], "several batches"),
        (ONE_BATCH, "one batch"),
    ],
)
def test_batches_without_a_list_around_them_are_refused(given, expected, golden):
    with pytest.raises(TypeError) as raised:
        values.to_canonical(given, CLIENTS_OF_BATCHES)
    golden.check(expected, str(raised.value))


@pytest.mark.parametrize(
    "given",
    [[[ONE_BATCH], [ONE_BATCH]], [[ONE_BATCH, ONE_BATCH], ONE_BATCH], [ONE_BATCH], [[], []]],
)
def test_lists_of_batches_are_clients(given):
    assert len(values.to_canonical(given, CLIENTS_OF_BATCHES)) == len(given)


def test_elements_without_a_list_around_them_are_refused():
    vectors = FederatedType(SequenceType(types.to_type((np.float32, [2]))), CLIENTS)
    with pytest.raises(TypeError, match=r"got a list of 2 elements"):
        values.to_canonical([np.ones(2, np.float32)] * 2, vectors)
