"""Gradient descent, with momentum if wanted."""

from __future__ import annotations

import collections
from typing import Any

from tensorflow_federated.core import errors, portable
from tensorflow_federated.learning.optimizers import hyperparameters, leaf_updates
from tensorflow_federated.learning.optimizers.optimizer import LEARNING_RATE_KEY, Optimizer
from tensorflow_federated.learning.optimizers.portable_optimizer import PortableOptimizer, State

_MOMENTUM_KEY = "momentum"
_ACCUMULATOR_KEY = "accumulator"


class Sgdm(PortableOptimizer):
    """Gradient descent with momentum; built by `build_sgdm`."""

    def __init__(self, hparams: State, *, nesterov: bool) -> None:
        """Builds the optimizer; see `build_sgdm`."""
        super().__init__(hparams, nesterov=nesterov)
        self._nesterov = nesterov

    def initialize(self, specs: Any) -> State:
        state: State = collections.OrderedDict(self._hparams)
        if _MOMENTUM_KEY in self._hparams:
            state[_ACCUMULATOR_KEY] = leaf_updates.filled_like(specs, 0)
        return state

    def next(self, state: State, weights: Any, gradients: Any) -> tuple[State, Any]:
        xp = portable.namespace_of(state, weights, gradients)
        learning_rate = state[LEARNING_RATE_KEY]

        def descend(weight: Any, gradient: Any) -> tuple[Any]:
            return (weight - xp.cast(learning_rate, xp.dtype_of(weight)) * gradient,)

        if _MOMENTUM_KEY not in state:
            (weights,) = leaf_updates.update_leaves(descend, weights, gradients)
            return state, weights

        def roll(weight: Any, gradient: Any, velocity: Any) -> tuple[Any, Any]:
            momentum = xp.cast(state[_MOMENTUM_KEY], xp.dtype_of(weight))
            velocity = momentum * velocity + gradient
            direction = gradient + momentum * velocity if self._nesterov else velocity
            return *descend(weight, direction), velocity

        weights, accumulator = leaf_updates.update_leaves(
            roll, weights, gradients, accumulator=state[_ACCUMULATOR_KEY]
        )
        return collections.OrderedDict(state, **{_ACCUMULATOR_KEY: accumulator}), weights


@errors.boundary
def build_sgdm(
    learning_rate: Any = 0.01, momentum: Any = None, *, nesterov: bool = False
) -> Optimizer[Any, Any, Any]:
    """Builds gradient descent, with momentum if wanted.

    Without momentum a step computes ``w <- w - learning_rate * g``. With momentum it computes
    ``v <- momentum * v + g`` and ``w <- w - learning_rate * v``, with ``v = 0`` at first; with
    `nesterov` the second is ``w <- w - learning_rate * (g + momentum * v)``.

    The state is an `OrderedDict` of `learning_rate` (float32) and, with momentum, of `momentum`
    (float32) and `accumulator`, the velocity v in the structure, shapes and dtypes of the weights.
    Its hyperparameters are `learning_rate` and `momentum`. Memory: that of the weights with
    momentum, none without.

    Args:
      learning_rate: the size of a step, >= 0.
      momentum: how much of the velocity is kept from step to step, from 0 to 1; None and 0
        build plain gradient descent.
      nesterov: whether to look one step of the velocity ahead; only with momentum.

    Returns:
      The optimizer.

    Raises:
      OptimizerError: if a hyperparameter is out of bounds, or `nesterov` comes without momentum.

    Examples:
      >>> import numpy as np
      >>> optimizer = build_sgdm(learning_rate=0.5, momentum=0.5)
      >>> weights = np.float32([1.0])
      >>> state = optimizer.initialize(weights)
      >>> for _ in range(2):
      ...     state, weights = optimizer.next(state, weights, np.float32([1.0]))
      >>> weights
      array([-0.25], dtype=float32)

    Source: Polyak (1964), "Some methods of speeding up the convergence of iteration methods";
    Sutskever et al. (2013), "On the importance of initialization and momentum in deep learning",
    equations 1 to 4, with the learning rate outside of the velocity. Keras has it inside, which
    gives the same weights as long as the learning rate stays as it is.

    Differs from TFF: `nesterov`, and momentum for weights that are not float32.
    """
    name = "build_sgdm"
    hparams: State = collections.OrderedDict()
    hparams[LEARNING_RATE_KEY] = hyperparameters.checked_number(
        name, LEARNING_RATE_KEY, learning_rate
    )
    if momentum is not None:
        momentum = hyperparameters.checked_number(name, _MOMENTUM_KEY, momentum, high=1.0)
        if not (isinstance(momentum, float) and momentum == 0.0):
            hparams[_MOMENTUM_KEY] = momentum
    if nesterov and _MOMENTUM_KEY not in hparams:
        raise errors.OptimizerError(
            f"`tff.learning.optimizers.{name}` cannot look ahead without momentum.",
            problems=[f"momentum: expected a number above 0 with `nesterov`, got {momentum!r}"],
            fix="give a `momentum`, for example 0.9, or leave `nesterov` out.",
        )
    return Sgdm(hparams, nesterov=nesterov)
