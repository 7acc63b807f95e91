"""Programs that train and evaluate models: rounds that are saved, released, and resumed."""

from __future__ import annotations

from tensorflow_federated.core import namespaces as _namespaces
from tensorflow_federated.learning.programs.evaluation import EvaluationManager
from tensorflow_federated.learning.programs.model_metrics import extract_and_rewrap_metrics
from tensorflow_federated.learning.programs.program_logic import TrainModelProgramLogic
from tensorflow_federated.learning.programs.training import ProgramState, train_model

__all__ = [
    "EvaluationManager",
    "ProgramState",
    "TrainModelProgramLogic",
    "extract_and_rewrap_metrics",
    "train_model",
]

_REMOVED = {
    "train_model_with_vizier": "call `tff.learning.programs.train_model` once for each choice of "
    "hyperparameters, with `process.set_hparams(state, hparams)` as its `initial_train_state`.",
}

__getattr__, __dir__ = _namespaces.module_functions(
    "tff.learning.programs", __all__, removed=_REMOVED
)
