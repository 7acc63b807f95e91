"""Learning algorithms, composed of templates."""

from __future__ import annotations

from tensorflow_federated.core import namespaces as _namespaces
from tensorflow_federated.learning.algorithms.fed_avg import (
    build_unweighted_fed_avg,
    build_weighted_fed_avg,
)
from tensorflow_federated.learning.algorithms.fed_avg_with_optimizer_schedule import (
    build_weighted_fed_avg_with_optimizer_schedule,
)
from tensorflow_federated.learning.algorithms.fed_eval import build_fed_eval
from tensorflow_federated.learning.algorithms.fed_multi_model_eval import (
    build_fed_multi_model_eval,
    build_fed_multi_model_eval_from_processes,
)
from tensorflow_federated.learning.algorithms.fed_prox import (
    build_unweighted_fed_prox,
    build_weighted_fed_prox,
)
from tensorflow_federated.learning.algorithms.fed_recon import build_fed_recon
from tensorflow_federated.learning.algorithms.fed_recon_eval import build_fed_recon_eval
from tensorflow_federated.learning.algorithms.fed_sgd import build_fed_sgd
from tensorflow_federated.learning.algorithms.kmeans import build_fed_kmeans
from tensorflow_federated.learning.algorithms.mime import (
    build_mime_lite_with_optimizer_schedule,
    build_unweighted_mime_lite,
    build_weighted_mime_lite,
)
from tensorflow_federated.learning.algorithms.personalization_eval import (
    build_personalization_eval_computation,
)

__all__ = [
    "build_fed_eval",
    "build_fed_kmeans",
    "build_fed_multi_model_eval",
    "build_fed_multi_model_eval_from_processes",
    "build_fed_recon",
    "build_fed_recon_eval",
    "build_fed_sgd",
    "build_mime_lite_with_optimizer_schedule",
    "build_personalization_eval_computation",
    "build_unweighted_fed_avg",
    "build_unweighted_fed_prox",
    "build_unweighted_mime_lite",
    "build_weighted_fed_avg",
    "build_weighted_fed_avg_with_optimizer_schedule",
    "build_weighted_fed_prox",
    "build_weighted_mime_lite",
]

__getattr__, __dir__ = _namespaces.module_functions("tff.learning.algorithms", __all__)
