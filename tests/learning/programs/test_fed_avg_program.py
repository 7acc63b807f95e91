"""Federated averaging with evaluation, interrupted and resumed."""

from __future__ import annotations

import asyncio
import datetime
from typing import Any

import numpy as np
import pytest

import tensorflow_federated as tff
from tensorflow_federated.core import trees


class Run:
    """A program, with managers that stay from call to call."""

    def __init__(self, train_process, eval_process, source) -> None:
        self.states = tff.program.MemoryProgramStateManager()
        self.metrics = tff.program.MemoryReleaseManager()
        self.models = tff.program.MemoryReleaseManager()
        self.evaluated = tff.program.MemoryReleaseManager()
        self.state_managers: dict[str, Any] = {}
        self._processes = train_process, eval_process
        self._source = source

    def train(self, rounds: int) -> None:
        train_process, eval_process = self._processes
        evaluation_manager = tff.learning.programs.EvaluationManager(
            self._source,
            self.evaluated,
            lambda name: self.state_managers.setdefault(
                name, tff.program.MemoryProgramStateManager()
            ),
            lambda name: (eval_process, None),
            cohort_size=3,
            duration=datetime.timedelta(0),
        )
        asyncio.run(
            tff.learning.programs.train_model(
                train_process=train_process,
                train_data_source=self._source,
                train_per_round_clients=3,
                train_total_rounds=rounds,
                program_state_manager=self.states,
                model_output_manager=self.models,
                train_metrics_manager=self.metrics,
                evaluation_manager=evaluation_manager,
                evaluation_periodicity=2,
            )
        )


@pytest.fixture(scope="module")
def runs(variable_model_fn, clients):
    """A run of four rounds at once, and one that was interrupted after each of two."""
    train_process = tff.learning.algorithms.build_weighted_fed_avg(
        variable_model_fn, client_optimizer_fn=tff.learning.optimizers.build_sgdm(0.1)
    )
    eval_process = tff.learning.algorithms.build_fed_eval(variable_model_fn)
    source = tff.program.DatasetDataSource(clients[:5], seed=1)
    whole, interrupted = (Run(train_process, eval_process, source) for _ in range(2))
    whole.train(4)
    for rounds in (1, 3, 4):
        interrupted.train(rounds)
    return whole, interrupted


def leaves(state):
    return [np.asarray(each) for each in trees.leaves(state)]


def test_the_interrupted_run_gives_the_same_bits(runs):
    ends = [run.models.values()["training_checkpoint_round_4"] for run in runs]
    assert isinstance(ends[0], tff.learning.templates.LearningAlgorithmState)
    for mine, theirs in zip(leaves(ends[0]), leaves(ends[1]), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_metrics_of_both_runs_are_the_same(runs):
    whole, interrupted = runs
    assert list(whole.metrics.values()) == [1, 2, 3, 4]
    assert whole.metrics.values() == interrupted.metrics.values()
    losses = [each["model_metrics"]["loss"] for each in whole.metrics.values().values()]
    assert losses[-1] < losses[0]


def test_models_were_evaluated(runs):
    whole, interrupted = runs
    assert sorted(whole.evaluated.values()) == [2, 4]
    assert sorted(interrupted.evaluated.values()) == [1, 2, 3, 4]
    for train_round in (2, 4):
        metrics = whole.evaluated.values()[train_round]["model_metrics"]
        assert metrics == interrupted.evaluated.values()[train_round]["model_metrics"]
        assert metrics["num_examples"] > 0
