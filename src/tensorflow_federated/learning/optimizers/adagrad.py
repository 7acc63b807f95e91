"""Adagrad."""

from __future__ import annotations

import collections
from typing import Any

from tensorflow_federated.core import errors, portable
from tensorflow_federated.learning.optimizers import hyperparameters, leaf_updates
from tensorflow_federated.learning.optimizers.optimizer import LEARNING_RATE_KEY, Optimizer
from tensorflow_federated.learning.optimizers.portable_optimizer import PortableOptimizer, State

_EPSILON_KEY = "epsilon"
_PRECONDITIONER_KEY = "preconditioner"


class Adagrad(PortableOptimizer):
    """Adagrad; built by `build_adagrad`."""

    def __init__(self, hparams: State, initial_preconditioner_value: Any) -> None:
        """Builds the optimizer; see `build_adagrad`."""
        super().__init__(hparams, initial_preconditioner_value=initial_preconditioner_value)
        self._initial_preconditioner_value = initial_preconditioner_value

    def initialize(self, specs: Any) -> State:
        state: State = collections.OrderedDict(self._hparams)
        state[_PRECONDITIONER_KEY] = leaf_updates.filled_like(
            specs, self._initial_preconditioner_value
        )
        return state

    def next(self, state: State, weights: Any, gradients: Any) -> tuple[State, Any]:
        xp = portable.namespace_of(state, weights, gradients)

        def update(weight: Any, gradient: Any, total: Any) -> tuple[Any, Any]:
            dtype = xp.dtype_of(weight)
            total = total + xp.square(gradient)
            root = xp.sqrt(total + xp.cast(state[_EPSILON_KEY], dtype))
            return weight - xp.cast(state[LEARNING_RATE_KEY], dtype) * gradient / root, total

        weights, total = leaf_updates.update_leaves(
            update, weights, gradients, preconditioner=state[_PRECONDITIONER_KEY]
        )
        return collections.OrderedDict(state, **{_PRECONDITIONER_KEY: total}), weights


@errors.boundary
def build_adagrad(
    learning_rate: Any, initial_preconditioner_value: Any = 0.1, epsilon: Any = 1e-7
) -> Optimizer[Any, Any, Any]:
    """Builds Adagrad.

    A step computes ``s <- s + g ** 2`` and ``w <- w - learning_rate * g / sqrt(s + epsilon)``, with
    s = initial_preconditioner_value at first.

    The state is an `OrderedDict` of the hyperparameters `learning_rate` and `epsilon` (float32) and
    of `preconditioner`, s in the structure, shapes and dtypes of the weights. Memory: that of the
    weights.

    Args:
      learning_rate: the size of a step, >= 0.
      initial_preconditioner_value: the first s, >= 0.
      epsilon: what keeps the denominator from 0, >= 0.

    Returns:
      The optimizer.

    Raises:
      OptimizerError: if a hyperparameter is out of bounds.

    Examples:
      >>> import numpy as np
      >>> optimizer = build_adagrad(learning_rate=0.5, initial_preconditioner_value=0.0)
      >>> weights = np.float32([1.0, 1.0])
      >>> state, weights = optimizer.next(
      ...     optimizer.initialize(weights), weights, np.float32([4.0, -0.5])
      ... )
      >>> weights.round(3)
      array([0.5, 1.5], dtype=float32)

    Source: Duchi, Hazan and Singer (2011), "Adaptive Subgradient Methods for Online Learning and
    Stochastic Optimization", Figure 1 with a diagonal matrix; there the sum starts at 0, and what
    keeps the denominator from 0 is added outside of the root.
    """
    name, check = "build_adagrad", hyperparameters.checked_number
    hparams: State = collections.OrderedDict()
    hparams[LEARNING_RATE_KEY] = check(name, LEARNING_RATE_KEY, learning_rate)
    hparams[_EPSILON_KEY] = check(name, _EPSILON_KEY, epsilon)
    initial = check(name, "initial_preconditioner_value", initial_preconditioner_value)
    return Adagrad(hparams, initial)
