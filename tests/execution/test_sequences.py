"""Sequences: the forms that they are held in, and how they become each other."""

from __future__ import annotations

import numpy as np
import pytest

from tensorflow_federated.core import types
from tensorflow_federated.execution import sequences
from tensorflow_federated.execution.sequences import Sequence

NUMBER = types.to_type(np.int32)
EXAMPLE = types.to_type([("x", (np.float32, [2])), ("y", np.int32)])
BATCH = types.to_type([("x", (np.float32, [None, 2])), ("y", (np.int32, [None]))])


def batch(size: int, start: int = 0) -> tuple[np.ndarray, np.ndarray]:
    x = np.arange(start, start + 2 * size, dtype=np.float32).reshape(size, 2)
    return x, np.arange(size, dtype=np.int32)


def assert_same(actual, expected) -> None:
    for one, other in zip(actual, expected, strict=True):
        for left, right in zip(one, other, strict=True):
            np.testing.assert_array_equal(left, right)


def test_elements_come_back_in_order():
    assert list(Sequence.from_elements([1, 2, 3], NUMBER).elements()) == [1, 2, 3]


def test_elements_can_be_read_twice():
    sequence = Sequence.from_elements(iter([1, 2]), NUMBER)
    assert list(sequence.elements()) == list(sequence.elements()) == [1, 2]


def test_examples_are_stacked():
    example = (np.array([1, 2], np.float32), np.int32(3))
    columns = Sequence.from_elements([example, example], EXAMPLE).columns()
    assert columns is not None
    assert columns.offsets is None
    assert [leaf.shape for leaf in columns.leaves] == [(2, 2), (2,)]
    assert [leaf.dtype for leaf in columns.leaves] == [np.float32, np.int32]


def test_batches_lie_end_to_end():
    columns = Sequence.from_elements([batch(2), batch(1, 10)], BATCH).columns()
    assert columns is not None
    assert columns.offsets is not None
    assert columns.offsets.tolist() == [0, 2, 3]
    assert [leaf.shape for leaf in columns.leaves] == [(3, 2), (3,)]


@pytest.mark.parametrize(
    ("elements", "element_type"),
    [
        ([batch(2), batch(0), batch(3, 5)], BATCH),
        (
            [
                (np.array([1, 2], np.float32), np.int32(3)),
                (np.array([4, 5], np.float32), np.int32(6)),
            ],
            EXAMPLE,
        ),
    ],
)
def test_columns_hold_the_same_elements(elements, element_type):
    columns = Sequence.from_elements(elements, element_type).columns()
    assert columns is not None
    again = Sequence.from_columns(columns.leaves, columns.offsets, element_type)
    assert len(again) == len(elements)
    assert_same(again.elements(), elements)


def test_no_elements_have_columns():
    stacked = Sequence.from_elements([], EXAMPLE).columns()
    batched = Sequence.from_elements([], BATCH).columns()
    assert stacked is not None
    assert batched is not None
    assert [leaf.shape for leaf in stacked.leaves] == [(0, 2), (0,)]
    assert [leaf.shape for leaf in batched.leaves] == [(0, 2), (0,)]
    assert batched.offsets is not None
    assert batched.offsets.tolist() == [0]


def test_leaves_of_different_lengths_have_no_columns():
    uneven = (batch(2)[0], batch(3)[1])
    assert Sequence.from_elements([uneven], BATCH).columns() is None


def test_an_unknown_size_that_is_not_the_first_has_no_columns():
    ragged = types.to_type((np.float32, [2, None]))
    assert Sequence.from_elements([np.zeros((2, 3), np.float32)], ragged).columns() is None


def test_strings_have_columns():
    columns = Sequence.from_elements([b"a", b"bc"], types.to_type(np.str_)).columns()
    assert columns is not None
    assert columns.leaves[0].tolist() == [b"a", b"bc"]


def test_a_dataset_is_read_once_and_only_when_needed():
    reads: list[int] = []

    def load() -> Sequence:
        reads.append(1)
        return Sequence.from_elements([np.int32(4)], NUMBER)

    dataset = object()
    sequence = Sequence.from_dataset(dataset, NUMBER, load)
    assert sequence.dataset is dataset
    assert reads == []
    assert list(sequence.elements()) == [4]
    assert len(sequence) == 1
    assert sequence.columns() is not None
    assert reads == [1]


def test_only_datasets_that_are_known_are_converted():
    assert sequences.from_dataset([1, 2], NUMBER) is None


def test_what_is_laid_out_later_is_loaded_once():
    loads: list[int] = []

    def load() -> Sequence:
        loads.append(1)
        return Sequence.from_columns((np.arange(6),), None, NUMBER, np.array([5, 5, 0]), "ann")

    sequence = Sequence.from_loader(load, NUMBER, row_count=3, client_id="ann")
    assert (sequence.known_row_count, sequence.client_id, loads) == (3, "ann", [])
    assert list(sequence.elements()) == [5, 5, 0]
    assert len(sequence) == 3
    assert loads == [1]
