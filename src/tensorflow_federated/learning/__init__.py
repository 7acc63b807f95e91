"""Federated learning: models, optimizers, metrics, and the algorithms composed of them."""

from __future__ import annotations

from typing import Any

from tensorflow_federated.core import errors as _errors
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


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    raise _errors.unknown_name("tff.learning", name, __all__)
