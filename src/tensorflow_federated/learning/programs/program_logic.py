"""What a program that trains a model is called with."""

from __future__ import annotations

import datetime
from typing import Any, Protocol, runtime_checkable

from tensorflow_federated.learning.programs.evaluation import EvaluationManager
from tensorflow_federated.learning.templates import LearningAlgorithmState, LearningProcess
from tensorflow_federated.program import (
    FederatedDataSource,
    ProgramStateManager,
    ReleaseManager,
)


@runtime_checkable
class TrainModelProgramLogic(Protocol):
    """The form of `train_model` and of what can take its place.

    Examples:
      >>> import tensorflow_federated as tff
      >>> isinstance(tff.learning.programs.train_model, TrainModelProgramLogic)
      True
    """

    async def __call__(
        self,
        *,
        train_process: LearningProcess,
        initial_train_state: LearningAlgorithmState | None = None,
        train_data_source: FederatedDataSource,
        train_per_round_clients: int,
        train_total_rounds: int,
        program_state_manager: ProgramStateManager[Any],
        model_output_manager: ReleaseManager[Any, str],
        train_metrics_manager: ReleaseManager[Any, int] | None = None,
        evaluation_manager: EvaluationManager | None,
        evaluation_periodicity: int | datetime.timedelta,
    ) -> None:
        """Trains a model; see `train_model`."""
        ...
