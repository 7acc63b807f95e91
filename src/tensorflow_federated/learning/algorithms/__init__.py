"""Learning algorithms, composed of templates."""

from __future__ import annotations

from tensorflow_federated.core import namespaces as _namespaces
from tensorflow_federated.learning.algorithms.fed_avg import (
    build_unweighted_fed_avg,
    build_weighted_fed_avg,
)
from tensorflow_federated.learning.algorithms.fed_eval import build_fed_eval
from tensorflow_federated.learning.algorithms.fed_multi_model_eval import (
    build_fed_multi_model_eval,
    build_fed_multi_model_eval_from_processes,
)

__all__ = [
    "build_fed_eval",
    "build_fed_multi_model_eval",
    "build_fed_multi_model_eval_from_processes",
    "build_unweighted_fed_avg",
    "build_weighted_fed_avg",
]

__getattr__, __dir__ = _namespaces.module_functions("tff.learning.algorithms", __all__)
