"""One optimizer step for each batch: the local steps of federated averaging and of its kin."""

from __future__ import annotations

import collections
from collections.abc import Callable
from typing import Any

import numpy as np

from tensorflow_federated.core import trees
from tensorflow_federated.learning.local_steps.local_step import BatchGradients, LocalStep
from tensorflow_federated.learning.optimizers.optimizer import LEARNING_RATE_KEY, Optimizer


class Descent(LocalStep):
    """Takes an optimizer step for each batch, and sends the model delta, initial - final.

    A client starts with a fresh state of the optimizer.
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
        return ()

    def initialize(self, specs: Any, shared: Any) -> Any:
        return self.optimizer.initialize(specs)

    def next(
        self, state: Any, weights: Any, start: Any, gradients: BatchGradients
    ) -> tuple[Any, Any]:
        return self.optimizer.next(state, weights, gradients.here)

    def finish(self, state: Any, weights: Any, start: Any, num_examples: Any) -> Any:
        return model_delta(start, weights)


class TunedDescent(Descent):
    """Descent with the hyperparameters of the optimizer that the server shares."""

    def shared(self, specs: Any) -> Any:
        return self.optimizer.get_hparams(self.optimizer.initialize(specs))

    def initialize(self, specs: Any, shared: Any) -> Any:
        return self.optimizer.set_hparams(self.optimizer.initialize(specs), shared)


class ProximalDescent(Descent):
    """Descent on the loss and a term that pulls the weights to those of the server.

    The term of FedProx is ``strength / 2 * ||weights - start||^2``; to the gradient it adds
    ``strength * (weights - start)``.
    """

    needs_start = True

    def __init__(self, optimizer: Optimizer[Any, Any, Any], strength: float) -> None:
        """Makes the local step of an optimizer and the strength of the term, >= 0."""
        super().__init__(optimizer)
        self.strength = strength

    def next(
        self, state: Any, weights: Any, start: Any, gradients: BatchGradients
    ) -> tuple[Any, Any]:
        pulled = trees.map_structure(
            lambda gradient, weight, first: gradient + self.strength * (weight - first),
            gradients.here,
            weights,
            start,
        )
        return super().next(state, weights, start, gradients._replace(here=pulled))


class ScheduledDescent(LocalStep):
    """Descent with an optimizer that is built of a learning rate that the server shares.

    The optimizer is built where it is used, of the learning rate while it is traced: so it may use
    the rate for whatever it likes.
    """

    def __init__(
        self,
        build_optimizer: Callable[[Any], Optimizer[Any, Any, Any]],
        learning_rate_dtype: np.dtype[Any],
    ) -> None:
        """Makes the local step.

        Args:
          build_optimizer: from a learning rate, a scalar or a number, to the optimizer.
          learning_rate_dtype: the dtype of the learning rate.
        """
        self.build_optimizer = build_optimizer
        self.learning_rate_dtype = learning_rate_dtype
        self._example = build_optimizer(1.0)

    @property
    def framework(self) -> str:
        return self._example.framework

    @property
    def written_by(self) -> Any:
        return self._example

    def shared(self, specs: Any) -> Any:
        return np.zeros([], self.learning_rate_dtype)

    def initialize(self, specs: Any, shared: Any) -> Any:
        return collections.OrderedDict(
            {LEARNING_RATE_KEY: shared, "optimizer": self.build_optimizer(shared).initialize(specs)}
        )

    def next(
        self, state: Any, weights: Any, start: Any, gradients: BatchGradients
    ) -> tuple[Any, Any]:
        learning_rate = state[LEARNING_RATE_KEY]
        optimizer = self.build_optimizer(learning_rate)
        optimizer_state, weights = optimizer.next(state["optimizer"], weights, gradients.here)
        return collections.OrderedDict(
            {LEARNING_RATE_KEY: learning_rate, "optimizer": optimizer_state}
        ), weights

    def finish(self, state: Any, weights: Any, start: Any, num_examples: Any) -> Any:
        return model_delta(start, weights)


def model_delta(start: Any, weights: Any) -> Any:
    """The model delta, initial - final, so that it acts as a gradient."""
    return trees.map_structure(lambda initial, final: initial - final, start, weights)
