"""Adam, with decoupled weight decay if wanted (AdamW)."""

from __future__ import annotations

import collections
from typing import Any

from tensorflow_federated.core import errors, portable
from tensorflow_federated.learning.optimizers import hyperparameters, leaf_updates
from tensorflow_federated.learning.optimizers.optimizer import LEARNING_RATE_KEY, Optimizer
from tensorflow_federated.learning.optimizers.portable_optimizer import PortableOptimizer, State

BETA_1_KEY = "beta_1"
"""The key of the decay of the average of gradients."""

BETA_2_KEY = "beta_2"
"""The key of the decay of the average of squared gradients."""

EPSILON_KEY = "epsilon"
"""The key of what is added to the denominator."""

STEP_KEY = "step"
"""The key of the number of steps that were taken."""

ACCUMULATOR_KEY = "accumulator"
"""The key of the average of gradients."""

PRECONDITIONER_KEY = "preconditioner"
"""The key of the average of squared gradients."""

_WEIGHT_DECAY_KEY = "weight_decay"


class Adam(PortableOptimizer):
    """Adam and AdamW; built by `build_adam` and `build_adamw`."""

    @property
    def builder(self) -> str:
        return "build_adamw" if _WEIGHT_DECAY_KEY in self._hparams else "build_adam"

    def initialize(self, specs: Any) -> State:
        state: State = collections.OrderedDict(self._hparams)
        weight_decay = state.pop(_WEIGHT_DECAY_KEY, None)
        state[STEP_KEY] = 0
        state[ACCUMULATOR_KEY] = leaf_updates.filled_like(specs, 0)
        state[PRECONDITIONER_KEY] = leaf_updates.filled_like(specs, 0)
        if weight_decay is not None:
            state[_WEIGHT_DECAY_KEY] = weight_decay
        return state

    def next(self, state: State, weights: Any, gradients: Any) -> tuple[State, Any]:
        xp = portable.namespace_of(state, weights, gradients)
        learning_rate = xp.cast(state[LEARNING_RATE_KEY], "float32")
        rates = Rates(xp, state)

        def update(weight: Any, gradient: Any, first: Any, second: Any) -> tuple[Any, ...]:
            dtype = xp.dtype_of(weight)
            first = first + (gradient - first) * xp.cast(rates.first, dtype)
            second = second + (xp.square(gradient) - second) * xp.cast(rates.second, dtype)
            root = xp.sqrt(second) + xp.cast(state[EPSILON_KEY], dtype)
            weight_next = weight - xp.cast(learning_rate * rates.correction, dtype) * first / root
            if _WEIGHT_DECAY_KEY in state:
                decay = xp.cast(state[_WEIGHT_DECAY_KEY], "float32")
                weight_next = weight_next - xp.cast(learning_rate * decay, dtype) * weight
            return weight_next, first, second

        weights, first, second = leaf_updates.update_leaves(
            update,
            weights,
            gradients,
            accumulator=state[ACCUMULATOR_KEY],
            preconditioner=state[PRECONDITIONER_KEY],
        )
        changed = {STEP_KEY: rates.step, ACCUMULATOR_KEY: first, PRECONDITIONER_KEY: second}
        return collections.OrderedDict(state, **changed), weights


class Rates:
    """The numbers of one step, in float32.

    Attributes:
      step: the number of this step, 1 for the first one.
      first: how far the average of gradients moves, ``1 - beta_1``.
      second: how far the average of squared gradients moves, ``1 - beta_2``.
      correction: what corrects for averages that start at 0,
        ``sqrt(1 - beta_2 ** step) / (1 - beta_1 ** step)``.
    """

    def __init__(self, xp: portable.ArrayNamespace, state: State) -> None:
        """Computes them.

        Args:
          xp: the operations of the framework.
          state: the state before the step, with `beta_1`, `beta_2` and `step`.
        """
        beta_1, beta_2 = (
            xp.cast(state[BETA_1_KEY], "float32"),
            xp.cast(state[BETA_2_KEY], "float32"),
        )
        self.step = state[STEP_KEY] + 1
        power = xp.cast(self.step, "float32")
        self.first = 1.0 - beta_1
        self.second = 1.0 - beta_2
        self.correction = xp.sqrt(1.0 - xp.pow(beta_2, power)) / (1.0 - xp.pow(beta_1, power))


def checked_hparams(
    builder: str, learning_rate: Any, beta_1: Any, beta_2: Any, epsilon: Any
) -> State:
    """Checks the hyperparameters that Adam, AdamW and Yogi have.

    Args:
      builder: the function that takes them, for the message.
      learning_rate: >= 0.
      beta_1: from 0 to 1.
      beta_2: from 0 to 1.
      epsilon: >= 0.

    Returns:
      The hyperparameters by name.

    Raises:
      OptimizerError: if one is out of bounds.

    Examples:
      >>> list(checked_hparams("build_adam", 0.1, 0.9, 0.999, 1e-7).values())
      [0.1, 0.9, 0.999, 1e-07]
    """
    check = hyperparameters.checked_number
    return collections.OrderedDict(
        [
            (LEARNING_RATE_KEY, check(builder, LEARNING_RATE_KEY, learning_rate)),
            (BETA_1_KEY, check(builder, BETA_1_KEY, beta_1, high=1.0)),
            (BETA_2_KEY, check(builder, BETA_2_KEY, beta_2, high=1.0)),
            (EPSILON_KEY, check(builder, EPSILON_KEY, epsilon)),
        ]
    )


@errors.boundary
def build_adam(
    learning_rate: Any, beta_1: Any = 0.9, beta_2: Any = 0.999, epsilon: Any = 1e-7
) -> Optimizer[Any, Any, Any]:
    """Builds Adam.

    Step t = 1, 2, ... computes, with m = s = 0 at first::

        m < -beta_1 * m + (1 - beta_1) * g
        s < -beta_2 * s + (1 - beta_2) * g**2
        w < -w - learning_rate * sqrt(1 - beta_2**t) / (1 - beta_1**t) * m / (sqrt(s) + epsilon)

    The state is an `OrderedDict` of the hyperparameters `learning_rate`, `beta_1`, `beta_2` and
    `epsilon` (float32), of `step`, t (int32), and of `accumulator`, m, and `preconditioner`, s,
    each in the structure, shapes and dtypes of the weights. Memory: twice that of the weights.

    Args:
      learning_rate: the size of a step, >= 0.
      beta_1: how much of the average of gradients is kept from step to step, from 0 to 1.
      beta_2: how much of the average of squared gradients is kept, from 0 to 1.
      epsilon: what keeps the denominator from 0, >= 0.

    Returns:
      The optimizer.

    Raises:
      OptimizerError: if a hyperparameter is out of bounds.

    Examples:
      >>> import numpy as np
      >>> optimizer = build_adam(learning_rate=0.5)
      >>> weights = np.float32([1.0, 1.0])
      >>> state, weights = optimizer.next(
      ...     optimizer.initialize(weights), weights, np.float32([4.0, -0.5])
      ... )
      >>> weights.round(3)
      array([0.5, 1.5], dtype=float32)

    Source: Kingma and Ba (2015), "Adam: A Method for Stochastic Optimization", arXiv:1412.6980,
    Algorithm 1 in the order at the end of section 2: epsilon is added to the root of the
    average that is not corrected, as in Keras.

    Differs from TFF: ``1 - beta`` is computed in float32 and then cast to the dtype of the weights.
    TFF casts beta first, so that for bfloat16 weights ``1 - 0.999`` is 0 and s stays 0.
    """
    return Adam(checked_hparams("build_adam", learning_rate, beta_1, beta_2, epsilon))


@errors.boundary
def build_adamw(
    learning_rate: Any,
    beta_1: Any = 0.9,
    beta_2: Any = 0.999,
    epsilon: Any = 1e-7,
    weight_decay: Any = 0.004,
) -> Optimizer[Any, Any, Any]:
    """Builds AdamW: Adam, and a decay of the weights that does not go through the gradients.

    A step computes m and s as `build_adam` does, and then, with the weights before the step on the
    right::

        w < -w - learning_rate * (
            sqrt(1 - beta_2**t) / (1 - beta_1**t) * m / (sqrt(s) + epsilon) + weight_decay * w
        )

    The state is that of `build_adam` with `weight_decay` (float32) as its last element, which is a
    hyperparameter too. Memory: twice that of the weights.

    Args:
      learning_rate: the size of a step, >= 0.
      beta_1: how much of the average of gradients is kept from step to step, from 0 to 1.
      beta_2: how much of the average of squared gradients is kept, from 0 to 1.
      epsilon: what keeps the denominator from 0, >= 0.
      weight_decay: how fast weights decay, >= 0; 0 gives Adam.

    Returns:
      The optimizer.

    Raises:
      OptimizerError: if a hyperparameter is out of bounds.

    Examples:
      >>> import numpy as np
      >>> optimizer = build_adamw(learning_rate=0.5, weight_decay=0.25)
      >>> weights = np.float32([1.0, 1.0])
      >>> state, weights = optimizer.next(
      ...     optimizer.initialize(weights), weights, np.float32([4.0, -0.5])
      ... )
      >>> weights.round(3)
      array([0.375, 1.375], dtype=float32)

    Source: Loshchilov and Hutter (2019), "Decoupled Weight Decay Regularization", arXiv:1711.05101,
    Algorithm 2, with a decay that is multiplied by the learning rate, as in Keras; the paper
    multiplies both by a schedule instead.

    Differs from TFF: as `build_adam` does.
    """
    hparams = checked_hparams("build_adamw", learning_rate, beta_1, beta_2, epsilon)
    hparams[_WEIGHT_DECAY_KEY] = hyperparameters.checked_number(
        "build_adamw", _WEIGHT_DECAY_KEY, weight_decay
    )
    return Adam(hparams)
