from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tensorflow_federated.simulation.datasets import partition

divide = partition.dirichlet_partition


@given(
    labels=st.lists(st.integers(0, 4), max_size=60),
    num_clients=st.integers(1, 12),
    alpha=st.floats(1e-300, 1e6),
    seed=st.integers(0, 2**64),
    data=st.data(),
)
def test_every_example_goes_to_exactly_one_client(
    labels: list[int], num_clients: int, alpha: float, seed: int, data: st.DataObject
):
    least = data.draw(st.integers(0, len(labels) // num_clients))
    parts = divide(labels, num_clients, alpha, min_examples=least, seed=seed)
    assert len(parts) == num_clients
    assert sorted(np.concatenate(parts).tolist()) == list(range(len(labels)))
    assert min(map(len, parts)) >= least


def test_the_division_of_a_seed_is_fixed():
    parts = divide([0] * 6 + [1] * 6, num_clients=3, alpha=0.5, seed=11)
    assert [part.tolist() for part in parts] == [[], [11, 9, 10, 8, 7], [1, 0, 2, 6, 5, 4, 3]]


def test_another_seed_gives_another_division():
    labels = [0, 1] * 50
    first, second = (divide(labels, 5, 1.0, seed=seed) for seed in (0, 1))
    assert [part.tolist() for part in first] != [part.tolist() for part in second]


def test_a_great_alpha_gives_equal_mixtures():
    labels = np.arange(1000) % 2
    for part in divide(labels, 10, 1e6, seed=0):
        assert len(part) == pytest.approx(100, abs=4)
        assert labels[part].mean() == pytest.approx(0.5, abs=0.03)


def test_a_small_alpha_gives_a_label_to_few_clients():
    labels = np.arange(1000) % 10
    parts = divide(labels, 10, 0.01, seed=0)
    owners = [sum(label in labels[part] for part in parts) for label in range(10)]
    assert np.mean(owners) < 3


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"labels": [[0]]}, "labels: expected one integer per example, got int64(1, 1)"),
        ({"labels": [0.5]}, "labels: expected one integer per example, got float64(1,)"),
        ({"num_clients": 0}, "num_clients: expected at least 1, got 0"),
        ({"alpha": 0.0}, "alpha: expected more than 0 and at most 1e6, got 0.0"),
        ({"alpha": float("nan")}, "alpha: expected more than 0 and at most 1e6, got nan"),
        ({"min_examples": -1}, "min_examples: expected at least 0, got -1"),
        ({"seed": -1}, "seed: expected at least 0, got -1"),
        (
            {"min_examples": 3},
            "2 clients with at least 3 examples each need 6, and there are 4",
        ),
    ],
)
def test_arguments_outside_their_range_are_refused(arguments: dict[str, Any], problem: str):
    usual: dict[str, Any] = {"labels": [0, 1, 0, 1], "num_clients": 2, "alpha": 1.0}
    with pytest.raises(ValueError, match="cannot be divided so") as caught:
        divide(**(usual | arguments))
    assert caught.value.problems == (problem,)  # type: ignore[attr-defined]


def test_all_bad_arguments_are_told_at_once():
    with pytest.raises(ValueError, match=r"(?s)num_clients: .*alpha: .*seed: "):
        divide([0], 0, -1.0, seed=-1)
