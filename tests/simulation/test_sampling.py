from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tensorflow_federated.simulation import sampling

build = sampling.build_uniform_sampling_fn


def test_draws_without_replacement_are_those_of_tff():
    sample = build(list(range(20)), replace=False, random_seed=7)
    assert [sample(round_num, 5) for round_num in range(3)] == [
        [7, 5, 2, 14, 12],
        [2, 14, 6, 13, 0],
        [10, 1, 5, 4, 7],
    ]


def test_draws_with_replacement_are_those_of_tff():
    sample = build(["a", "b"], replace=True, random_seed=3)
    assert [sample(round_num, 6) for round_num in range(2)] == [
        ["b", "a", "b", "b", "b", "a"],
        ["b", "a", "a", "b", "b", "a"],
    ]


@pytest.mark.parametrize(
    ("seed", "round_num", "expected"),
    [(0, 3, [2, 17, 4, 14, 8]), (5, 123456789, [7, 11, 15, 3, 4])],
)
def test_late_rounds_are_drawn_as_by_tff(seed: int, round_num: int, expected: list[int]):
    assert build(list(range(20)), random_seed=seed)(round_num, 5) == expected


def test_a_round_is_drawn_alike_whenever_it_is_asked_for():
    sample = build(range(100), random_seed=1)
    first = sample(3, 10)
    sample(0, 10)
    assert sample(3, 10) == first


def test_without_a_seed_every_call_draws_afresh():
    sample = build(range(10**6))
    assert sample(0, 5) != sample(0, 5)


def test_elements_come_back_as_they_were_given():
    population = [("a", 1), {"b": 2}, [3], None]
    drawn = build(population, random_seed=0)(0, 4)
    assert all(any(element is given for given in population) for element in drawn)


def test_a_numpy_integer_is_a_round_number():
    sample = build(range(20), random_seed=7)
    assert sample(np.int64(2), 5) == sample(2, 5)  # type: ignore[arg-type]


def test_a_sample_of_none_is_empty():
    assert build([], random_seed=5)(0, 0) == []


@pytest.mark.parametrize("size", [-1, 3])
def test_an_impossible_size_is_refused(size: int):
    with pytest.raises(ValueError, match=f"A sample of {size} cannot be drawn from 2 clients"):
        build([1, 2], random_seed=1)(0, size)


def test_nothing_can_be_drawn_from_nothing_even_with_replacement():
    with pytest.raises(ValueError, match="cannot be drawn from 0 clients"):
        build([], replace=True, random_seed=1)(0, 1)


def test_a_fractional_round_number_is_refused():
    with pytest.raises(TypeError):
        build([1, 2], random_seed=1)(0.5, 1)  # type: ignore[arg-type]


@given(
    size=st.integers(0, 30),
    round_num=st.integers(0, 10**9),
    seed=st.integers(0, 2**32 - 1),
)
def test_a_sample_without_replacement_has_distinct_elements(size: int, round_num: int, seed: int):
    drawn = build(range(30), random_seed=seed)(round_num, size)
    assert len(set(drawn)) == size
    assert set(drawn) <= set(range(30))
