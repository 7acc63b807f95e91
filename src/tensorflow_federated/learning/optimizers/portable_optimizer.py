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

    def __init__(self, hparams: State, **options: Any) -> None:
        """Makes an optimizer.

        Args:
          hparams: the hyperparameters with their first values, by the names in the state.
          options: what else its builder was given, to be shown.
        """
        self._hparams = hparams
        self._options = options

    @property
    def builder(self) -> str:
        """The name of the function that builds such an optimizer."""
        return f"build_{type(self).__name__.lower()}"

    def __repr__(self) -> str:
        given = {**self._hparams, **self._options}
        arguments = [f"{key}={value!r}" for key, value in given.items() if value is not False]
        return f"{self.builder}({', '.join(arguments)})"

    def get_hparams(self, state: State) -> State:
        return hyperparameters.select(state, tuple(self._hparams))

    def set_hparams(self, state: State, hparams: State) -> State:
        return hyperparameters.replace(state, hparams)
