"""The reduction tree: the same result in whatever order the chunks are done."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent import futures

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from tensorflow_federated.execution import reduction


@hypothesis.given(st.integers(0, 5000))
def test_chunks_are_a_partition_in_order(cohort_size):
    chunks = reduction.chunks(cohort_size)
    assert [client for chunk in chunks for client in chunk] == list(range(cohort_size))
    assert all(len(chunk) > 0 for chunk in chunks)


@hypothesis.given(st.integers(1, 5000))
def test_all_chunks_but_the_last_have_the_same_size(cohort_size):
    *full, last = reduction.chunks(cohort_size)
    assert all(len(chunk) == reduction.chunk_size(cohort_size) for chunk in full)
    assert len(last) <= reduction.chunk_size(cohort_size)


@pytest.mark.parametrize(
    ("cohort_size", "count"),
    [(1, 1), (10, 10), (16, 16), (17, 9), (100, 15), (1000, 16), (5000, 79)],
)
def test_there_are_about_16_chunks_and_at_most_64_clients_in_one(cohort_size, count):
    assert len(reduction.chunks(cohort_size)) == count
    assert reduction.chunk_size(cohort_size) <= 64


@hypothesis.given(st.integers(1, 5000), st.integers(1, 200))
def test_no_lane_is_empty_but_in_the_last_chunk(cohort_size, lanes):
    *full, _ = reduction.chunks(cohort_size, lanes)
    assert all(len(chunk) % lanes == 0 for chunk in full)
    assert reduction.chunk_size(cohort_size, 1) == reduction.chunk_size(cohort_size)


def merged(values: Sequence[np.float32], order: Sequence[int]) -> np.float32:
    tree = reduction.Tree[np.float32](len(values), lambda first, second: first + second)
    for index in order:
        tree.add(index, values[index])
    return tree.result


@st.composite
def values_and_order(draw):
    numbers = st.floats(-(2.0**60), 2.0**60, width=32).map(np.float32)
    values = draw(st.lists(numbers, min_size=1, max_size=33))
    return values, draw(st.permutations(range(len(values))))


@hypothesis.given(values_and_order())
def test_the_order_of_completion_does_not_change_a_bit(drawn):
    values, order = drawn
    assert merged(values, order) == merged(values, range(len(values)))


@hypothesis.given(values_and_order())
def test_earlier_chunks_are_always_the_first_argument(drawn):
    values, order = drawn
    tree = reduction.Tree[list[int]](len(values), lambda first, second: first + second)
    for index in order:
        tree.add(index, [index])
    assert tree.result == list(range(len(values)))


@pytest.mark.parametrize(
    ("count", "shape"),
    [
        (1, "0"),
        (2, "(0 1)"),
        (3, "((0 1) 2)"),
        (5, "(((0 1) (2 3)) 4)"),
        (6, "(((0 1) (2 3)) (4 5))"),
    ],
)
def test_neighbours_are_merged_first(count, shape):
    tree = reduction.Tree[str](count, lambda first, second: f"({first} {second})")
    for index in reversed(range(count)):
        tree.add(index, str(index))
    assert tree.result == shape


def test_threads_may_add_results_at_the_same_time():
    count = 500
    values = [np.float32(1) / np.float32(i + 1) for i in range(count)]
    tree = reduction.Tree[np.float32](count, lambda first, second: first + second)
    with futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(tree.add, range(count), values))
    assert tree.result == merged(values, range(count))


def test_few_results_are_held_at_a_time():
    tree = reduction.Tree[int](1024, lambda first, second: first + second)
    most = 0
    for index in range(1024):
        tree.add(index, 1)
        most = max(most, len(tree))
    assert tree.result == 1024
    assert most <= 10
