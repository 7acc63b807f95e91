"""Models: what a client trains and evaluates."""

from __future__ import annotations

from typing import Any

from tensorflow_federated.core import errors as _errors
from tensorflow_federated.learning.models.from_keras import from_keras_model
from tensorflow_federated.learning.models.model_weights import ModelWeights, weights_type_from_model
from tensorflow_federated.learning.models.variable import BatchOutput, VariableModel

__all__ = [
    "BatchOutput",
    "ModelWeights",
    "VariableModel",
    "from_keras_model",
    "weights_type_from_model",
]


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    raise _errors.unknown_name("tff.learning.models", name, __all__)
