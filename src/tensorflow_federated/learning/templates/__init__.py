"""The parts that learning algorithms are composed of."""

from __future__ import annotations

from typing import Any

from tensorflow_federated.core import errors as _errors
from tensorflow_federated.learning.templates.apply_optimizer import (
    build_apply_optimizer_finalizer,
    reject_non_finite_update,
)
from tensorflow_federated.learning.templates.client_works import ClientResult, ClientWorkProcess
from tensorflow_federated.learning.templates.composers import (
    LearningAlgorithmState,
    compose_learning_process,
)
from tensorflow_federated.learning.templates.distributors import (
    DistributionProcess,
    build_broadcast_process,
)
from tensorflow_federated.learning.templates.finalizers import FinalizerProcess
from tensorflow_federated.learning.templates.learning_process import (
    LearningProcess,
    LearningProcessOutput,
)
from tensorflow_federated.learning.templates.model_delta import build_model_delta_client_work

__all__ = [
    "ClientResult",
    "ClientWorkProcess",
    "DistributionProcess",
    "FinalizerProcess",
    "LearningAlgorithmState",
    "LearningProcess",
    "LearningProcessOutput",
    "build_apply_optimizer_finalizer",
    "build_broadcast_process",
    "build_model_delta_client_work",
    "compose_learning_process",
    "reject_non_finite_update",
]


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    raise _errors.unknown_name("tff.learning.templates", name, __all__)
