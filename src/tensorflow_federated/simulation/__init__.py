"""Simulating a population of clients: their data, and which of them take part in a round."""

from __future__ import annotations

from tensorflow_federated.core import namespaces as _namespaces
from tensorflow_federated.simulation import datasets
from tensorflow_federated.simulation.sampling import build_uniform_sampling_fn

__all__ = [
    "build_uniform_sampling_fn",
    "datasets",
]

__getattr__, __dir__ = _namespaces.module_functions("tff.simulation", __all__)
