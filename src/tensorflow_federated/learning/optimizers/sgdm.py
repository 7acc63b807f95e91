"""Gradient descent, with momentum if wanted."""

from __future__ import annotations

import collections
from typing import Any

import numpy as np

from tensorflow_federated.core import errors, portable, trees
from tensorflow_federated.learning.optimizers import gradients as gradients_module
from tensorflow_federated.learning.optimizers import hyperparameters
from tensorflow_federated.learning.optimizers.optimizer import LEARNING_RATE_KEY, Optimizer

_MOMENTUM_KEY = "momentum"
_ACCUMULATOR_KEY = "accumulator"
_HPARAMS_KEYS = (LEARNING_RATE_KEY, _MOMENTUM_KEY)

State = collections.OrderedDict[str, Any]


class Sgdm(Optimizer[State, Any, collections.OrderedDict[str, Any]]):
    """Gradient descent with momentum; built by `build_sgdm`."""

    framework = "portable"

    def __init__(self, learning_rate: Any, momentum: Any = None) -> None:
        """Builds the optimizer; see `build_sgdm` for the arguments."""
        self._learning_rate = hyperparameters.checked_number(
            "build_sgdm", LEARNING_RATE_KEY, learning_rate
        )
        if momentum is not None:
            momentum = hyperparameters.checked_number(
                "build_sgdm", _MOMENTUM_KEY, momentum, high=1.0
            )
        has_momentum = not (isinstance(momentum, float) and momentum == 0.0)
        self._momentum = momentum if has_momentum else None

    def initialize(self, specs: Any) -> State:
        state: State = collections.OrderedDict({LEARNING_RATE_KEY: self._learning_rate})
        if self._momentum is not None:
            state[_MOMENTUM_KEY] = self._momentum
            state[_ACCUMULATOR_KEY] = trees.map_structure(_zeros, specs)
        return state

    def next(self, state: State, weights: Any, gradients: Any) -> tuple[State, Any]:
        gradients = gradients_module.handle_indexed_slices_gradients(gradients)
        gradients_module.check_weights_gradients_match(weights, gradients)
        xp = portable.namespace_of(state, weights, gradients)
        learning_rate = state[LEARNING_RATE_KEY]

        def step(weight: Any, direction: Any) -> Any:
            if direction is None:
                return weight
            return weight - xp.cast(learning_rate, xp.dtype_of(direction)) * direction

        if _MOMENTUM_KEY not in state:
            return state, trees.map_structure(step, weights, gradients)
        momentum = state[_MOMENTUM_KEY]

        def accumulate(velocity: Any, gradient: Any) -> Any:
            if gradient is None:
                return velocity
            return xp.cast(momentum, xp.dtype_of(velocity)) * velocity + gradient

        accumulator = trees.map_structure(accumulate, state[_ACCUMULATOR_KEY], gradients)
        directions = trees.map_structure(_where_given, gradients, accumulator)
        next_state = collections.OrderedDict(state)
        next_state[_ACCUMULATOR_KEY] = accumulator
        return next_state, trees.map_structure(step, weights, directions)

    def get_hparams(self, state: State) -> collections.OrderedDict[str, Any]:
        return hyperparameters.select(state, _HPARAMS_KEYS)

    def set_hparams(self, state: State, hparams: collections.OrderedDict[str, Any]) -> State:
        return hyperparameters.replace(state, hparams)


def _zeros(spec: Any) -> Any:
    xp = portable.namespace_of(spec)
    dtype = getattr(spec.dtype, "as_numpy_dtype", spec.dtype)
    return xp.zeros(tuple(int(size) for size in spec.shape), np.dtype(dtype))


def _where_given(gradient: Any, direction: Any) -> Any:
    return None if gradient is None else direction


@errors.boundary
def build_sgdm(learning_rate: Any = 0.01, momentum: Any = None) -> Optimizer[Any, Any, Any]:
    """Builds gradient descent, with momentum if wanted.

    Without momentum a step computes ``w <- w - learning_rate * g``. With momentum it computes
    ``v <- momentum * v + g`` and ``w <- w - learning_rate * v``, with ``v = 0`` at first.

    The state is an `OrderedDict` of `learning_rate` (float32) and, with momentum, of `momentum`
    (float32) and `accumulator`, the velocity v in the structure, shapes and dtypes of the weights.
    Its hyperparameters are `learning_rate` and `momentum`.

    Args:
      learning_rate: the size of a step, >= 0.
      momentum: how much of the velocity is kept from step to step, from 0 to 1; None and 0
        build plain gradient descent.

    Returns:
      The optimizer.

    Raises:
      OptimizerError: if a hyperparameter is out of bounds.

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
    with the learning rate outside of the velocity.
    """
    return Sgdm(learning_rate, momentum)
