"""What an optimizer is: a pure function from a state, weights and gradients to the next ones."""

from __future__ import annotations

import abc
import collections
from typing import Any, Generic, TypeVar

from tensorflow_federated.core import errors
from tensorflow_federated.learning import descriptions

State = TypeVar("State")
Weights = TypeVar("Weights")
Hparams = TypeVar("Hparams")

LEARNING_RATE_KEY = "learning_rate"
"""The key of the learning rate in the state and in the hyperparameters of an optimizer."""


class Optimizer(abc.ABC, Generic[State, Weights, Hparams]):
    """Steps weights against their gradients, as pure functions of a state.

    An optimizer holds no variables. Its state goes in and comes out of `next`, so the same
    optimizer steps the weights of every client in turn and those of the server.

    The optimizers of this package are portable: they take TensorFlow tensors, JAX arrays and numpy
    arrays, and return arrays of the same framework. An optimizer of your own may be written in
    TensorFlow, as in TFF; then leave `framework` as it is.

    Attributes:
      framework: what the methods are written in: "tensorflow", "jax", or "portable" if they run on
        the arrays of both (see `core.portable`). A client steps the weights of a TensorFlow model
        with an optimizer of "tensorflow" or "portable", and those of a JAX model with one of "jax"
        or "portable"; the server takes any.

    Examples:
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> optimizer = tff.learning.optimizers.build_sgdm(learning_rate=0.5)
      >>> weights = np.float32([1.0, 2.0])
      >>> state = optimizer.initialize(weights)
      >>> state, weights = optimizer.next(state, weights, np.float32([1.0, -1.0]))
      >>> weights
      array([0.5, 2.5], dtype=float32)
    """

    framework: str = "tensorflow"

    @abc.abstractmethod
    def initialize(self, specs: Any) -> State:
        """Makes the first state.

        Args:
          specs: the form of the weights: a structure of anything that has a `shape` and a `dtype`,
            as `tf.TensorSpec`, `tff.TensorType` or the weights themselves.

        Returns:
          The state: a structure of arrays.
        """

    @abc.abstractmethod
    def next(self, state: State, weights: Weights, gradients: Any) -> tuple[State, Weights]:
        """Takes one step.

        Args:
          state: the state, of `initialize` or of the step before.
          weights: the weights, a structure of arrays.
          gradients: their gradients, in the same structure; None where a weight has none, which
            leaves it unchanged.

        Returns:
          The next state and the next weights, of the same types as `state` and `weights`.

        Raises:
          OptimizerError: if the structures, shapes or dtypes of weights and gradients differ.
        """

    def get_hparams(self, state: State) -> Hparams:
        """Reads the hyperparameters out of a state.

        Args:
          state: a state.

        Returns:
          The hyperparameters by name; none unless an optimizer says otherwise.
        """
        del state
        return collections.OrderedDict()  # pyright: ignore[reportReturnType]

    def set_hparams(self, state: State, hparams: Hparams) -> State:
        """Replaces the hyperparameters in a state.

        Args:
          state: a state.
          hparams: hyperparameters in the form that `get_hparams` returns.

        Returns:
          The state with these hyperparameters and everything else as it was.
        """
        del hparams
        return state


class OptimizerTypeError(errors.FederatedError, TypeError):
    """Something else is given where an optimizer is needed.

    Fails: `build_weighted_fed_avg(model_fn, client_optimizer_fn="sgd")`.
    Mended: `client_optimizer_fn=tff.learning.optimizers.build_sgdm(learning_rate=0.1)`.
    """


def check_optimizer(candidate: Any, argument: str, user: str) -> Optimizer[Any, Any, Any]:
    """Returns the optimizer that something is, or stands for.

    A transformation of optax stands for the optimizer that `from_optax` makes of it, and a Keras
    optimizer, or a class or function that makes one, for that of the same steps.

    Args:
      candidate: what was given.
      argument: the name of the argument.
      user: the function that takes it, for the message.

    Returns:
      The optimizer.

    Raises:
      OptimizerTypeError: if it is something else.
      KerasOptimizerError: if it is a Keras optimizer that has no counterpart.
    """
    # These build optimizers, so they import this module.
    from tensorflow_federated.learning.optimizers import keras_optimizers, optax_adapter

    if isinstance(candidate, Optimizer):
        return candidate
    if optax_adapter.is_transformation(candidate):
        return optax_adapter.from_optax(candidate)
    if keras_optimizers.is_keras_optimizer(candidate):
        return keras_optimizers.translate(candidate, argument, user)
    got, fix = descriptions.described(candidate), "build one"
    cause: Exception | None = None
    is_own_class = isinstance(candidate, type) and issubclass(candidate, Optimizer)
    if callable(candidate) and not is_own_class:
        try:
            made = candidate()
        except Exception as error:
            cause = error
            problem = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
            got = f"{got}, which fails without arguments ({problem})"
        else:
            if keras_optimizers.is_keras_optimizer(made):
                return keras_optimizers.translate(made, argument, user)
            got = f"{got}, which returns {descriptions.described(made)}"
            if isinstance(made, Optimizer) or optax_adapter.is_transformation(made):
                fix = "give what the function returns"
    raise OptimizerTypeError(
        f"`{user}` needs an optimizer of `tff.learning.optimizers`.",
        problems=[f"{argument}: expected an Optimizer, got {got}"],
        fix=f"{fix}, for example tff.learning.optimizers.build_sgdm(learning_rate=0.1).",
    ) from cause
