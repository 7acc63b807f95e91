"""The mean of the gradients at the server's weights: the local steps of FedSGD and of MimeLite."""

from __future__ import annotations

import collections
from typing import Any

from tensorflow_federated.core import portable, trees
from tensorflow_federated.learning.local_steps.descent import model_delta
from tensorflow_federated.learning.local_steps.local_step import BatchGradients, LocalStep
from tensorflow_federated.learning.optimizers import leaf_updates
from tensorflow_federated.learning.optimizers.optimizer import Optimizer


class GradientMean(LocalStep):
    """Leaves the weights as they are, and sends the mean gradient of the client's examples."""

    @property
    def framework(self) -> str:
        return "portable"

    def shared(self, specs: Any) -> Any:
        return ()

    def initialize(self, specs: Any, shared: Any) -> Any:
        return leaf_updates.filled_like(specs, 0)

    def next(
        self, state: Any, weights: Any, start: Any, gradients: BatchGradients
    ) -> tuple[Any, Any]:
        return add_examples(state, gradients.here, gradients.num_examples), weights

    def finish(self, state: Any, weights: Any, start: Any, num_examples: Any) -> Any:
        return mean_of_examples(state, num_examples)


class MimeLite(LocalStep):
    """Steps with the server's state of the optimizer, and takes the gradients at its weights.

    The state of the optimizer stays as the server sent it. The update has two parts: `delta`, the
    model delta, initial - final; and `full_gradient`, the mean gradient of the client's examples at
    the server's weights.
    """

    needs_start = True
    needs_gradients_at_start = True

    def __init__(self, optimizer: Optimizer[Any, Any, Any]) -> None:
        """Makes the local step of a base optimizer."""
        self.optimizer = optimizer

    @property
    def framework(self) -> str:
        return self.optimizer.framework

    @property
    def written_by(self) -> Any:
        return self.optimizer

    def shared(self, specs: Any) -> Any:
        return self.optimizer.initialize(specs)

    def initialize(self, specs: Any, shared: Any) -> Any:
        return collections.OrderedDict(
            optimizer=shared, gradient_sum=leaf_updates.filled_like(specs, 0)
        )

    def next(
        self, state: Any, weights: Any, start: Any, gradients: BatchGradients
    ) -> tuple[Any, Any]:
        _, weights = self.optimizer.next(state["optimizer"], weights, gradients.here)
        gradient_sum = add_examples(
            state["gradient_sum"], gradients.at_start, gradients.num_examples
        )
        return collections.OrderedDict(state, gradient_sum=gradient_sum), weights

    def finish(self, state: Any, weights: Any, start: Any, num_examples: Any) -> Any:
        return collections.OrderedDict(
            delta=model_delta(start, weights),
            full_gradient=mean_of_examples(state["gradient_sum"], num_examples),
        )


def add_examples(gradient_sum: Any, gradients: Any, num_examples: Any) -> Any:
    """Adds the gradients of the examples of a batch, whose mean is given."""
    xp = portable.namespace_of(num_examples)
    return trees.map_structure(
        lambda total, mean: total + xp.cast(num_examples, xp.dtype_of(mean)) * mean,
        gradient_sum,
        gradients,
    )


def mean_of_examples(gradient_sum: Any, num_examples: Any) -> Any:
    """The mean gradient of the examples; 0 if there are none."""
    xp = portable.namespace_of(num_examples)
    count = xp.maximum(num_examples, xp.ones_like(num_examples))
    return trees.map_structure(
        lambda total: total / xp.cast(count, xp.dtype_of(total)), gradient_sum
    )
