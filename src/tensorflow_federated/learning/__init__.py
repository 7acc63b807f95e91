"""Federated learning: models, optimizers, metrics, and the algorithms composed of them."""

from __future__ import annotations

from tensorflow_federated.core import namespaces as _namespaces
from tensorflow_federated.learning import algorithms, metrics, models, optimizers, templates
from tensorflow_federated.learning.client_weighting import ClientWeighting
from tensorflow_federated.learning.loop_implementation import LoopImplementation

__all__ = [
    "ClientWeighting",
    "LoopImplementation",
    "algorithms",
    "metrics",
    "models",
    "optimizers",
    "templates",
]

# Names of the years before 0.87, and where they went.
_REMOVED = {
    "BatchOutput": "write `tff.learning.models.BatchOutput`.",
    "Model": "write `tff.learning.models.VariableModel`.",
    "ModelWeights": "write `tff.learning.models.ModelWeights`.",
    "TrainableModel": "write `tff.learning.models.VariableModel`, without a `train_on_batch`: give "
    "an optimizer of `tff.learning.optimizers` to the algorithm.",
    "assign_weights_to_keras_model": "write `weights.assign_weights_to(keras_model)`, with the "
    "weights of `process.get_model_weights(state)`.",
    "build_federated_averaging_process": "write "
    "`tff.learning.algorithms.build_weighted_fed_avg`, with optimizers of "
    "`tff.learning.optimizers`.",
    "build_federated_evaluation": "write `tff.learning.algorithms.build_fed_eval`.",
    "federated_aggregate_keras_metric": "write `tff.learning.metrics.sum_then_finalize`.",
    "framework": "write `tff.learning.templates`, or `tff.learning.optimizers`.",
    "from_keras_model": "write `tff.learning.models.from_keras_model`.",
    "state_with_new_model_weights": "write `process.set_model_weights(state, weights)`.",
    "weights_type_from_model": "write `tff.learning.models.weights_type_from_model`.",
}

__getattr__, __dir__ = _namespaces.module_functions("tff.learning", __all__, removed=_REMOVED)
