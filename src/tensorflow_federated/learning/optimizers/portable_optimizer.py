"""What the optimizers of this package share: their hyperparameters lie in their state, by name."""

from __future__ import annotations

import collections
from typing import Any

from tensorflow_federated.learning.optimizers import hyperparameters
from tensorflow_federated.learning.optimizers.optimizer import Optimizer

State = collections.OrderedDict[str, Any]


class PortableOptimizer(Optimizer[State, Any, State]):
    """An optimizer whose state holds its hyperparameters, and that runs in every framework."""

    framework = "portable"

    def __init__(self, hparams: State) -> None:
        """Makes an optimizer.

        Args:
          hparams: the hyperparameters with their first values, by the names in the state.
        """
        self._hparams = hparams

    def get_hparams(self, state: State) -> State:
        return hyperparameters.select(state, tuple(self._hparams))

    def set_hparams(self, state: State, hparams: State) -> State:
        return hyperparameters.replace(state, hparams)
