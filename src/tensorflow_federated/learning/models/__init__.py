"""Models: what a client trains and evaluates."""

from __future__ import annotations

from tensorflow_federated.core import namespaces as _namespaces
from tensorflow_federated.learning.models.from_keras import from_keras_model
from tensorflow_federated.learning.models.functional import FunctionalModel, model_from_functional
from tensorflow_federated.learning.models.functional_keras import functional_model_from_keras
from tensorflow_federated.learning.models.functional_reconstruction import (
    FunctionalReconstructionModel,
)
from tensorflow_federated.learning.models.model_weights import ModelWeights, weights_type_from_model
from tensorflow_federated.learning.models.reconstruction_model import (
    ReconstructionBatchOutput,
    ReconstructionDatasetSplitFn,
    ReconstructionModel,
)
from tensorflow_federated.learning.models.saving import (
    load,
    load_functional_model,
    save,
    save_functional_model,
)
from tensorflow_federated.learning.models.variable import BatchOutput, VariableModel

__all__ = [
    "BatchOutput",
    "FunctionalModel",
    "FunctionalReconstructionModel",
    "ModelWeights",
    "ReconstructionBatchOutput",
    "ReconstructionDatasetSplitFn",
    "ReconstructionModel",
    "VariableModel",
    "from_keras_model",
    "functional_model_from_keras",
    "load",
    "load_functional_model",
    "model_from_functional",
    "save",
    "save_functional_model",
    "weights_type_from_model",
]

__getattr__, __dir__ = _namespaces.module_functions("tff.learning.models", __all__)
