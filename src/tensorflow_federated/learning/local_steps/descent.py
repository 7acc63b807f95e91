"""One optimizer step for each batch: the local step of federated averaging."""

from __future__ import annotations

from typing import Any

from tensorflow_federated.core import trees
from tensorflow_federated.learning.local_steps.local_step import BatchGradients, LocalStep
from tensorflow_federated.learning.optimizers.optimizer import Optimizer


class Descent(LocalStep):
    """Takes an optimizer step for each batch, and sends the model delta, initial - final.

    The server shares the hyperparameters of the optimizer. A client starts with a fresh state of
    the optimizer.
    """

    def __init__(self, optimizer: Optimizer[Any, Any, Any]) -> None:
        """Makes the local step of an optimizer."""
        self.optimizer = optimizer

    @property
    def framework(self) -> str:
        return self.optimizer.framework

    @property
    def written_by(self) -> Any:
        return self.optimizer

    def shared(self, specs: Any) -> Any:
        return self.optimizer.get_hparams(self.optimizer.initialize(specs))

    def initialize(self, specs: Any, shared: Any) -> Any:
        return self.optimizer.set_hparams(self.optimizer.initialize(specs), shared)

    def next(
        self, state: Any, weights: Any, start: Any, gradients: BatchGradients
    ) -> tuple[Any, Any]:
        return self.optimizer.next(state, weights, gradients.here)

    def finish(self, state: Any, weights: Any, start: Any, num_examples: Any) -> Any:
        return model_delta(start, weights)


def model_delta(start: Any, weights: Any) -> Any:
    """The model delta, initial - final, so that it acts as a gradient."""
    return trees.map_structure(lambda initial, final: initial - final, start, weights)
