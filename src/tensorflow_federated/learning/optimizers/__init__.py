"""Optimizers of clients and of the server: pure functions of a state."""

from __future__ import annotations

from tensorflow_federated.core import namespaces as _namespaces
from tensorflow_federated.learning.optimizers.adafactor import build_adafactor
from tensorflow_federated.learning.optimizers.adagrad import build_adagrad
from tensorflow_federated.learning.optimizers.adam import build_adam, build_adamw
from tensorflow_federated.learning.optimizers.gradients import (
    check_weights_gradients_match,
    handle_indexed_slices_gradients,
)
from tensorflow_federated.learning.optimizers.optax_adapter import from_optax
from tensorflow_federated.learning.optimizers.optimizer import LEARNING_RATE_KEY, Optimizer
from tensorflow_federated.learning.optimizers.rmsprop import build_rmsprop
from tensorflow_federated.learning.optimizers.scheduling import schedule_learning_rate
from tensorflow_federated.learning.optimizers.sgdm import build_sgdm
from tensorflow_federated.learning.optimizers.yogi import build_yogi

__all__ = [
    "LEARNING_RATE_KEY",
    "Optimizer",
    "build_adafactor",
    "build_adagrad",
    "build_adam",
    "build_adamw",
    "build_rmsprop",
    "build_sgdm",
    "build_yogi",
    "check_weights_gradients_match",
    "from_optax",
    "handle_indexed_slices_gradients",
    "schedule_learning_rate",
]

__getattr__, __dir__ = _namespaces.module_functions("tff.learning.optimizers", __all__)
