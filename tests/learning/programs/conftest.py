"""Tiny processes that add up numbers, and managers that write down what they are asked to do."""

from __future__ import annotations

import asyncio
import datetime
import re
from typing import Any

import numpy as np
import pytest

import tensorflow_federated as tff

CLIENTS = [[1.0], [2.0, 3.0], [4.0], [5.0, 6.0], [7.0]]


@tff.jax.computation(np.float32, np.float32)
def add(x, y):
    return 0.5 * x + y


@tff.federated_computation
def initialize():
    return tff.federated_value(np.float32(0), tff.SERVER)


def build_process(kind: str) -> tff.learning.templates.LearningProcess:
    """A process whose state is half of the state before and the sum of all numbers of a round."""

    @tff.federated_computation(
        tff.FederatedType(np.float32, tff.SERVER),
        tff.FederatedType(tff.SequenceType(np.float32), tff.CLIENTS),
    )
    def run_round(state, client_data):
        total = tff.federated_sum(tff.sequence_sum(client_data))
        metrics: Any = {
            "train": {"train": {"total": total}, "other": total},
            "eval": {
                "eval": {
                    "current_round_metrics": {"total": total},
                    "total_rounds_metrics": {"total": total},
                }
            },
            "none": {"other": total},
        }[kind]
        zipped = tff.federated_zip({"client_work": metrics})
        return tff.learning.templates.LearningProcessOutput(
            tff.federated_map(add, (state, total)), zipped
        )

    return tff.learning.templates.LearningProcess(
        initialize,
        run_round,
        tff.federated_computation(lambda state: state, np.float32),
        tff.federated_computation(lambda state, weights: weights, np.float32, np.float32),
    )


@pytest.fixture(scope="session")
def train_process():
    return build_process("train")


@pytest.fixture(scope="session")
def eval_process():
    return build_process("eval")


@pytest.fixture(scope="session")
def process_without_metrics():
    return build_process("none")


class Program:
    """A call of `train_model`, with managers that stay from call to call."""

    def __init__(self, process, **arguments: Any) -> None:
        self.states = tff.program.MemoryProgramStateManager()
        self.metrics = tff.program.MemoryReleaseManager()
        self.models = tff.program.MemoryReleaseManager()
        self.arguments: dict[str, Any] = {
            "train_process": process,
            "train_data_source": tff.program.DatasetDataSource(CLIENTS, seed=3),
            "train_per_round_clients": 2,
            "program_state_manager": self.states,
            "model_output_manager": self.models,
            "train_metrics_manager": self.metrics,
            "evaluation_manager": None,
            "evaluation_periodicity": 2,
            **arguments,
        }

    def run(self, rounds: int, **arguments: Any) -> None:
        asyncio.run(self.train(rounds, **arguments))

    async def train(self, rounds: int, **arguments: Any) -> None:
        await tff.learning.programs.train_model(
            train_total_rounds=rounds, **{**self.arguments, **arguments}
        )

    def totals(self) -> dict[Any, float]:
        """The sum of the numbers of each round."""
        values: Any = self.metrics.values()
        return {key: float(each["model_metrics"]["total"]) for key, each in values.items()}

    def versions(self) -> list[int] | None:
        return asyncio.run(self.states.get_versions())


@pytest.fixture
def check_text(golden):
    """Pins the text of an error; the line of this file that caused it may change."""

    def check(name: str, error: BaseException) -> None:
        golden.check(name, re.sub(r"conftest\.py:\d+", "conftest.py:N", str(error)))

    return check


@pytest.fixture
def make_program():
    """Makes a program of a process."""
    return Program


@pytest.fixture
def program(train_process):
    return Program(train_process)


class Evaluations:
    """An evaluation manager, with what it released and its state managers."""

    def __init__(self, process, duration: float = 0.0, **arguments: Any) -> None:
        self.rounds = tff.program.MemoryReleaseManager()
        self.aggregated = tff.program.MemoryReleaseManager()
        self.state_managers: dict[str, Any] = {}
        self.names: list[str] = []
        self.process = process
        self.arguments: dict[str, Any] = {
            "data_source": tff.program.DatasetDataSource(CLIENTS, seed=4),
            "aggregated_metrics_manager": self.aggregated,
            "create_state_manager_fn": self.state_manager,
            "create_process_fn": self.create_process,
            "cohort_size": 2,
            "duration": datetime.timedelta(seconds=duration),
            **arguments,
        }

    def state_manager(self, name: str) -> Any:
        return self.state_managers.setdefault(name, tff.program.MemoryProgramStateManager())

    def create_process(self, name: str) -> Any:
        self.names.append(name)
        return self.process, self.rounds

    def manager(self) -> tff.learning.programs.EvaluationManager:
        return tff.learning.programs.EvaluationManager(**self.arguments)


@pytest.fixture
def make_evaluations():
    """Makes evaluations of a process."""
    return Evaluations


@pytest.fixture
def evaluations(eval_process):
    return Evaluations(eval_process)
