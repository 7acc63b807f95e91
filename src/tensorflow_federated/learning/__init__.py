"""Federated learning: models, optimizers, metrics, and the algorithms composed of them."""

from __future__ import annotations

from tensorflow_federated.core import namespaces as _namespaces
from tensorflow_federated.core.namespaces import Older as _Older
from tensorflow_federated.learning import (
    algorithms,
    metrics,
    models,
    optimizers,
    programs,
    templates,
)
from tensorflow_federated.learning.client_weighting import ClientWeighting
from tensorflow_federated.learning.comparison.training import compare_with_centralized
from tensorflow_federated.learning.loop_implementation import LoopImplementation
from tensorflow_federated.learning.model_update_aggregators import (
    add_debug_measurements,
    add_debug_measurements_with_mixed_dtype,
    compression_aggregator,
    ddp_secure_aggregator,
    dp_aggregator,
    robust_aggregator,
    secure_aggregator,
)
from tensorflow_federated.learning.predictions import predict, to_keras
from tensorflow_federated.learning.states import load_state

__all__ = [
    "ClientWeighting",
    "LoopImplementation",
    "add_debug_measurements",
    "add_debug_measurements_with_mixed_dtype",
    "algorithms",
    "compare_with_centralized",
    "compression_aggregator",
    "ddp_secure_aggregator",
    "dp_aggregator",
    "load_state",
    "metrics",
    "models",
    "optimizers",
    "predict",
    "programs",
    "robust_aggregator",
    "secure_aggregator",
    "templates",
    "to_keras",
]

_LEARNING = "tensorflow_federated.learning"
_OLDER_API = f"{_LEARNING}.older_api"

# Names of the years before 0.87; docs/older_api.md lists them.
_OLDER = {
    "BatchOutput": _Older(f"{_LEARNING}.models", "`tff.learning.models.BatchOutput`."),
    "Model": _Older(f"{_OLDER_API}.models", "`tff.learning.models.VariableModel`."),
    "ModelWeights": _Older(f"{_LEARNING}.models", "`tff.learning.models.ModelWeights`."),
    "TrainableModel": _Older(
        f"{_OLDER_API}.models",
        "`tff.learning.models.VariableModel`, without a `train_on_batch`: give an optimizer of "
        "`tff.learning.optimizers` to the algorithm.",
    ),
    "assign_weights_to_keras_model": _Older(
        f"{_OLDER_API}.keras_models",
        "`weights.assign_weights_to(keras_model)`, with the weights of "
        "`process.get_model_weights(state)`.",
    ),
    "build_federated_averaging_process": _Older(
        f"{_OLDER_API}.processes",
        "`tff.learning.algorithms.build_weighted_fed_avg`, with optimizers of "
        "`tff.learning.optimizers`.",
    ),
    "build_federated_evaluation": _Older(
        f"{_OLDER_API}.evaluation", "`tff.learning.algorithms.build_fed_eval`."
    ),
    "build_federated_sgd_process": _Older(
        f"{_OLDER_API}.processes", "`tff.learning.algorithms.build_fed_sgd`."
    ),
    "build_personalization_eval": _Older(
        f"{_LEARNING}.algorithms",
        "`tff.learning.algorithms.build_personalization_eval_computation`.",
        "build_personalization_eval_computation",
    ),
    "federated_aggregate_keras_metric": _Older(
        f"{_OLDER_API}.keras_models", "`tff.learning.metrics.sum_then_finalize`."
    ),
    "framework": _Older(f"{_OLDER_API}.framework", None),
    "from_compiled_keras_model": _Older(
        f"{_OLDER_API}.keras_models",
        "`tff.learning.models.from_keras_model`, with the loss and the metrics as arguments.",
    ),
    "from_keras_model": _Older(
        f"{_OLDER_API}.keras_models", "`tff.learning.models.from_keras_model`."
    ),
    "reconstruction": _Older(f"{_OLDER_API}.reconstruction", None),
    "state_with_new_model_weights": _Older(
        f"{_OLDER_API}.server_states", "`process.set_model_weights(state, weights)`."
    ),
    "weights_type_from_model": _Older(
        f"{_LEARNING}.models", "`tff.learning.models.weights_type_from_model`."
    ),
}

_REMOVED = {
    "entropy_compression_aggregator": "take `tff.learning.compression_aggregator()`.",
    "ClientFedAvg": "write `tff.learning.templates.build_model_delta_client_work`.",
    "build_local_evaluation": "write `tff.learning.algorithms.build_fed_eval`.",
}

__getattr__, __dir__ = _namespaces.module_functions(
    "tff.learning", __all__, removed=_REMOVED, older=_OLDER
)
