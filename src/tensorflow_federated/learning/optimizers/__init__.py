"""Optimizers of clients and of the server: pure functions of a state."""

from __future__ import annotations

from tensorflow_federated.core import namespaces as _namespaces
from tensorflow_federated.learning.optimizers.gradients import (
    check_weights_gradients_match,
    handle_indexed_slices_gradients,
)
from tensorflow_federated.learning.optimizers.optimizer import LEARNING_RATE_KEY, Optimizer
from tensorflow_federated.learning.optimizers.sgdm import build_sgdm

__all__ = [
    "LEARNING_RATE_KEY",
    "Optimizer",
    "build_sgdm",
    "check_weights_gradients_match",
    "handle_indexed_slices_gradients",
]

__getattr__, __dir__ = _namespaces.module_functions("tff.learning.optimizers", __all__)
