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

__getattr__, __dir__ = _namespaces.module_functions("tff.learning", __all__)
