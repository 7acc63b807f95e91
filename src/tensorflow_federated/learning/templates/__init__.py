"""The parts that learning algorithms are composed of."""

from __future__ import annotations

from tensorflow_federated.core import namespaces as _namespaces
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
from tensorflow_federated.learning.templates.model_delta import (
    build_functional_model_delta_client_work,
    build_model_delta_client_work,
)

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
    "build_functional_model_delta_client_work",
    "build_model_delta_client_work",
    "compose_learning_process",
    "reject_non_finite_update",
]

__getattr__, __dir__ = _namespaces.module_functions("tff.learning.templates", __all__)
