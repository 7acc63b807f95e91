"""Yogi: Adam with second moments that change by additions."""

from __future__ import annotations

import collections
from typing import Any

from tensorflow_federated.core import errors, portable
from tensorflow_federated.learning.optimizers import adam, hyperparameters, leaf_updates
from tensorflow_federated.learning.optimizers.optimizer import LEARNING_RATE_KEY, Optimizer
from tensorflow_federated.learning.optimizers.portable_optimizer import PortableOptimizer, State


class Yogi(PortableOptimizer):
    """Yogi; built by `build_yogi`."""

    def __init__(self, hparams: State, initial_preconditioner_value: Any) -> None:
        """Builds the optimizer; see `build_yogi`."""
        super().__init__(hparams, initial_preconditioner_value=initial_preconditioner_value)
        self._initial_preconditioner_value = initial_preconditioner_value

    def initialize(self, specs: Any) -> State:
        state: State = collections.OrderedDict(self._hparams)
        state[adam.STEP_KEY] = 0
        state[adam.ACCUMULATOR_KEY] = leaf_updates.filled_like(specs, 0)
        state[adam.PRECONDITIONER_KEY] = leaf_updates.filled_like(
            specs, self._initial_preconditioner_value
        )
        return state

    def next(self, state: State, weights: Any, gradients: Any) -> tuple[State, Any]:
        xp = portable.namespace_of(state, weights, gradients)
        rates = adam.Rates(xp, state)
        learning_rate = xp.cast(state[LEARNING_RATE_KEY], "float32") * rates.correction

        def update(weight: Any, gradient: Any, first: Any, second: Any) -> tuple[Any, ...]:
            dtype = xp.dtype_of(weight)
            square = xp.square(gradient)
            first = first + (gradient - first) * xp.cast(rates.first, dtype)
            second = second + xp.cast(rates.second, dtype) * xp.sign(square - second) * square
            root = xp.sqrt(second) + xp.cast(state[adam.EPSILON_KEY], dtype)
            return weight - xp.cast(learning_rate, dtype) * first / root, first, second

        weights, first, second = leaf_updates.update_leaves(
            update,
            weights,
            gradients,
            accumulator=state[adam.ACCUMULATOR_KEY],
            preconditioner=state[adam.PRECONDITIONER_KEY],
        )
        changed = {
            adam.STEP_KEY: rates.step,
            adam.ACCUMULATOR_KEY: first,
            adam.PRECONDITIONER_KEY: second,
        }
        return collections.OrderedDict(state, **changed), weights


@errors.boundary
def build_yogi(
    learning_rate: Any,
    beta_1: Any = 0.9,
    beta_2: Any = 0.999,
    epsilon: Any = 1e-3,
    initial_preconditioner_value: Any = 1e-6,
) -> Optimizer[Any, Any, Any]:
    """Builds Yogi: Adam with second moments that shrink slowly.

    Step t = 1, 2, ... computes, with m = 0 and s = initial_preconditioner_value at first::

        m < -beta_1 * m + (1 - beta_1) * g
        s < -s + (1 - beta_2) * sign(g**2 - s) * g**2
        w < -w - learning_rate * sqrt(1 - beta_2**t) / (1 - beta_1**t) * m / (sqrt(s) + epsilon)

    The state is an `OrderedDict` of the hyperparameters `learning_rate`, `beta_1`, `beta_2` and
    `epsilon` (float32), of `step`, t (int32), and of `accumulator`, m, and `preconditioner`, s,
    each in the structure, shapes and dtypes of the weights. Memory: twice that of the weights.

    Args:
      learning_rate: the size of a step, >= 0; often ten times that of Adam.
      beta_1: how much of the average of gradients is kept from step to step, from 0 to 1.
      beta_2: how slowly s follows the squared gradients, from 0 to 1.
      epsilon: what keeps the denominator from 0, >= 0: large values adapt less.
      initial_preconditioner_value: the first s, >= 0.

    Returns:
      The optimizer.

    Raises:
      OptimizerError: if a hyperparameter is out of bounds.

    Examples:
      >>> import numpy as np
      >>> optimizer = build_yogi(learning_rate=0.5)
      >>> weights = np.float32([1.0, 1.0])
      >>> state, weights = optimizer.next(
      ...     optimizer.initialize(weights), weights, np.float32([4.0, -4.0])
      ... )
      >>> weights.round(3)
      array([0.504, 1.496], dtype=float32)

    Source: Zaheer et al. (2018), "Adaptive Methods for Nonconvex Optimization", Algorithm 2; there
    nothing corrects for an m that starts at 0. As the optimizer of the server: Reddi et al. (2021),
    "Adaptive Federated Optimization", arXiv:2003.00295, Algorithm 2 (FedYogi).

    Differs from TFF: as `build_adam` does.
    """
    name = "build_yogi"
    hparams = adam.checked_hparams(name, learning_rate, beta_1, beta_2, epsilon)
    initial = hyperparameters.checked_number(
        name, "initial_preconditioner_value", initial_preconditioner_value
    )
    return Yogi(hparams, initial)
