"""What every learning algorithm does: each row of `learning_algorithms.py` is tested for all of it.

That every engine gives the same bits is tested in `test_engines_agree.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from tests.contracts import learning_algorithms
from tests.contracts.learning_algorithms import FRAMEWORKS, ROWS, Row

import tensorflow_federated as tff
from tensorflow_federated.core import trees

NUM_ROUNDS = 2
SLOW = pytest.mark.slow


def cases(*, trains: bool | None = None) -> Any:
    """Marks a test to run for every row, with models of each framework.

    From row to row the frameworks take turns; with another one than its own a row is a slow test.
    """
    pairs = [
        pytest.param(
            row,
            framework,
            id=f"{row.name}, {framework}",
            marks=() if framework == row.frameworks[turn % len(row.frameworks)] else SLOW,
        )
        for turn, row in enumerate(ROWS)
        if trains is None or row.trains is trains
        for framework in row.frameworks
    ]
    return pytest.mark.parametrize(("row", "framework"), pairs)


def first_of(rows: Sequence[Row]) -> Any:
    """Marks a test to run for these rows; it is a slow test for all but the first."""
    first, *others = rows
    slow = [pytest.param(row, marks=SLOW) for row in others]
    return pytest.mark.parametrize("row", [first, *slow], ids=lambda row: row.name)


def run(row: Row, framework: str, data: Any, rounds: int = NUM_ROUNDS) -> tuple[Any, Any]:
    """The state and the metrics after some rounds."""
    process, metrics = learning_algorithms.process(row, framework), None
    state = process.initialize()
    for _ in range(rounds):
        state, metrics = process.next(state, data)
    return state, metrics


def weights_of(row: Row, framework: str, state: Any) -> list[np.ndarray]:
    process = learning_algorithms.process(row, framework)
    return [np.asarray(leaf) for leaf in trees.leaves(process.get_model_weights(state))]


def assert_same(left: Any, right: Any, tolerance: float = 0.0) -> None:
    left, right = trees.leaves(left), trees.leaves(right)
    assert len(left) == len(right)
    for one, other in zip(left, right, strict=True):
        np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance)


@cases()
def test_its_types_are_pinned(row, framework, golden):
    process = learning_algorithms.process(row, framework)
    for name in ("initialize", "next", "get_hparams"):
        signature = getattr(process, name).type_signature
        golden.check(f"{row.name}, {framework}: {name}", signature.compact_representation())


@cases()
def test_the_state_keeps_its_type(row, framework):
    process = learning_algorithms.process(row, framework)
    initial: Any = process.initialize.type_signature.result
    following: Any = process.next.type_signature.result
    assert initial.is_equivalent_to(following["state"])


@first_of([row for row in ROWS if row.frameworks == FRAMEWORKS])
def test_models_of_both_frameworks_give_the_same_numbers(row):
    data = row.cohort()
    found = [run(row, framework, data) for framework in FRAMEWORKS]
    weights = [
        weights_of(row, framework, state)
        for framework, (state, _) in zip(FRAMEWORKS, found, strict=True)
    ]
    assert_same(*weights, tolerance=1e-5)
    measured = [_metrics_of_the_model(row, metrics) for _, metrics in found]
    for name in ("accuracy", "loss"):
        np.testing.assert_allclose(measured[0][name], measured[1][name], rtol=1e-5)


@cases(trains=True)
def test_it_learns(row, framework):
    data = row.cohort()
    _, first = run(row, framework, data, rounds=1)
    _, last = run(row, framework, data, rounds=5)
    before, after = (_metrics_of_the_model(row, each)["loss"] for each in (first, last))
    assert after < before


@cases(trains=True)
@pytest.mark.parametrize("data", [[], [[]]], ids=["no clients", "a client without examples"])
def test_a_cohort_without_examples_leaves_the_model(row, framework, data):
    state, _ = run(row, framework, data, rounds=1)
    initial = learning_algorithms.process(row, framework).initialize()
    assert_same(weights_of(row, framework, state), weights_of(row, framework, initial))


@cases(trains=True)
def test_a_client_whose_update_is_not_finite_is_left_out(row, framework):
    data = row.cohort()
    found, _ = run(row, framework, [*data, learning_algorithms.broken_client()], rounds=1)
    # Where clients have no weights, it counts as one without examples does: with an update of 0.
    instead = data if row.is_weighted else [*data, []]
    expected, _ = run(row, framework, instead, rounds=1)
    assert_same(found, expected, tolerance=1e-6)


@first_of(ROWS)
def test_a_state_is_accepted_by_another_process(row):
    # One framework is enough, for it is the types that decide; JAX traces faster.
    framework = row.frameworks[-1]
    data = row.cohort()
    state, _ = run(row, framework, data, rounds=1)
    process = learning_algorithms.process(row, framework)
    other = learning_algorithms.another_process(row, framework)
    assert_same(other.next(state, data).state, process.next(state, data).state)


@cases()
def test_weights_that_are_set_are_those_that_one_gets(row, framework):
    process = learning_algorithms.process(row, framework)
    state = process.initialize()
    doubled = trees.map_structure(lambda leaf: 2 * leaf, process.get_model_weights(state))
    changed = process.set_model_weights(state, doubled)
    assert_same(process.get_model_weights(changed), doubled)
    again = process.set_model_weights(changed, process.get_model_weights(state))
    assert_same(again, state)


@cases()
def test_hyperparameters_that_are_set_are_those_that_one_gets(row, framework):
    process = learning_algorithms.process(row, framework)
    state = process.initialize()
    halved = trees.map_structure(lambda leaf: leaf / 2, process.get_hparams(state))
    changed = process.set_hparams(state, halved)
    assert_same(process.get_hparams(changed), halved)
    assert_same(process.get_model_weights(changed), process.get_model_weights(state))


@cases()
def test_it_can_be_explained(row, framework):
    explanation = tff.explain(learning_algorithms.process(row, framework).next)
    assert explanation.plan
    assert explanation.sent_by_clients


def _metrics_of_the_model(row: Row, metrics: Any) -> Any:
    measured = metrics["client_work"]
    # Of several models, those of the first.
    measured = measured.get("a", measured)
    return measured["train"] if row.trains else measured["eval"]["current_round_metrics"]
