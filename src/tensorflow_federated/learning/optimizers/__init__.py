"""Optimizers of clients and of the server: pure functions of a state."""

from __future__ import annotations

from typing import Any

from tensorflow_federated.core import errors as _errors
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


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    raise _errors.unknown_name("tff.learning.optimizers", name, __all__)
