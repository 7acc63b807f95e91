"""RMSprop."""

from __future__ import annotations

import collections
from typing import Any

from tensorflow_federated.core import errors, portable
from tensorflow_federated.learning.optimizers import hyperparameters, leaf_updates
from tensorflow_federated.learning.optimizers.optimizer import LEARNING_RATE_KEY, Optimizer
from tensorflow_federated.learning.optimizers.portable_optimizer import PortableOptimizer, State

_DECAY_KEY = "decay"
_EPSILON_KEY = "epsilon"
_MOMENTUM_KEY = "momentum"
_PRECONDITIONER_KEY = "preconditioner"
_MEAN_KEY = "mean"
_ACCUMULATOR_KEY = "accumulator"


class Rmsprop(PortableOptimizer):
    """RMSprop; built by `build_rmsprop`."""

    def __init__(self, hparams: State, *, centered: bool, epsilon_in_sqrt: bool) -> None:
        """Builds the optimizer; see `build_rmsprop`."""
        super().__init__(hparams, centered=centered, epsilon_in_sqrt=epsilon_in_sqrt)
        self._epsilon_in_sqrt = epsilon_in_sqrt
        self._members = [_PRECONDITIONER_KEY]
        if centered:
            self._members.append(_MEAN_KEY)
        if _MOMENTUM_KEY in hparams:
            self._members.append(_ACCUMULATOR_KEY)

    def initialize(self, specs: Any) -> State:
        state: State = collections.OrderedDict(self._hparams)
        for member in self._members:
            state[member] = leaf_updates.filled_like(specs, 0)
        return state

    def next(self, state: State, weights: Any, gradients: Any) -> tuple[State, Any]:
        xp = portable.namespace_of(state, weights, gradients)
        rate = 1.0 - xp.cast(state[_DECAY_KEY], "float32")

        def update(weight: Any, gradient: Any, *given: Any) -> tuple[Any, ...]:
            dtype = xp.dtype_of(weight)
            parts = dict(zip(self._members, given, strict=True))
            change, epsilon = xp.cast(rate, dtype), xp.cast(state[_EPSILON_KEY], dtype)
            variance = parts[_PRECONDITIONER_KEY]
            variance = variance + (xp.square(gradient) - variance) * change
            parts[_PRECONDITIONER_KEY] = variance
            if _MEAN_KEY in parts:
                mean = parts[_MEAN_KEY]
                parts[_MEAN_KEY] = mean = mean + (gradient - mean) * change
                variance = variance - xp.square(mean)
            inside = self._epsilon_in_sqrt
            root = xp.sqrt(variance + epsilon) if inside else xp.sqrt(variance) + epsilon
            step = xp.cast(state[LEARNING_RATE_KEY], dtype) * gradient / root
            if _ACCUMULATOR_KEY in parts:
                step = xp.cast(state[_MOMENTUM_KEY], dtype) * parts[_ACCUMULATOR_KEY] + step
                parts[_ACCUMULATOR_KEY] = step
            return weight - step, *parts.values()

        weights, *members = leaf_updates.update_leaves(
            update, weights, gradients, **{member: state[member] for member in self._members}
        )
        changed = dict(zip(self._members, members, strict=True))
        return collections.OrderedDict(state, **changed), weights


@errors.boundary
def build_rmsprop(
    learning_rate: Any,
    decay: Any = 0.9,
    epsilon: Any = 1e-7,
    *,
    momentum: Any = None,
    centered: bool = False,
    epsilon_in_sqrt: bool = False,
) -> Optimizer[Any, Any, Any]:
    """Builds RMSprop.

    A step computes, with s = 0 at first::

        s < -decay * s + (1 - decay) * g**2
        w < -w - learning_rate * g / (sqrt(s) + epsilon)

    With `centered`, the variance ``s - a ** 2`` stands in place of s under the root, with
    ``a <- decay * a + (1 - decay) * g``. With `epsilon_in_sqrt` the denominator is
    ``sqrt(s + epsilon)``. With `momentum`, what is subtracted from the weights is
    ``v <- momentum * v + learning_rate * g / (sqrt(s) + epsilon)``.

    The state is an `OrderedDict` of the hyperparameters `learning_rate`, `decay` and `epsilon`, and
    `momentum` if there is one (float32), and of `preconditioner`, s, with `centered` of `mean`, a,
    and with momentum of `accumulator`, v, each in the structure, shapes and dtypes of the weights.
    Memory: that of the weights, and as much again for each of `centered` and `momentum`.

    Args:
      learning_rate: the size of a step, >= 0.
      decay: how much of the average of squared gradients is kept from step to step, from 0 to 1.
      epsilon: what keeps the denominator from 0, >= 0.
      momentum: how much of the last change of the weights is kept, from 0 to 1; None and 0 for
        none.
      centered: whether to divide by the root of the variance rather than of the mean square; give
        `epsilon_in_sqrt` too, which keeps a variance that is 0 but for rounding from being
        negative.
      epsilon_in_sqrt: whether epsilon is added inside of the root, as Keras does.

    Returns:
      The optimizer.

    Raises:
      OptimizerError: if a hyperparameter is out of bounds.

    Examples:
      >>> import numpy as np
      >>> optimizer = build_rmsprop(learning_rate=0.5, decay=0.75)
      >>> weights = np.float32([1.0, 1.0])
      >>> state, weights = optimizer.next(
      ...     optimizer.initialize(weights), weights, np.float32([4.0, -0.5])
      ... )
      >>> weights.round(3)
      array([0., 2.], dtype=float32)

    Source: Tieleman and Hinton (2012), "Lecture 6.5: rmsprop", which has no epsilon; `centered` is
    from Graves (2013), "Generating Sequences With Recurrent Neural Networks", arXiv:1308.0850,
    equations 38 to 41.

    Differs from TFF: `momentum`, `centered` and `epsilon_in_sqrt`, and weights that are not float32
    inside of computations.
    """
    name, check = "build_rmsprop", hyperparameters.checked_number
    hparams: State = collections.OrderedDict()
    hparams[LEARNING_RATE_KEY] = check(name, LEARNING_RATE_KEY, learning_rate)
    hparams[_DECAY_KEY] = check(name, _DECAY_KEY, decay, high=1.0)
    hparams[_EPSILON_KEY] = check(name, _EPSILON_KEY, epsilon)
    if momentum is not None:
        momentum = check(name, _MOMENTUM_KEY, momentum, high=1.0)
        if not (isinstance(momentum, float) and momentum == 0.0):
            hparams[_MOMENTUM_KEY] = momentum
    return Rmsprop(hparams, centered=centered, epsilon_in_sqrt=epsilon_in_sqrt)
