"""Functions from the number of a round to a learning rate, as computations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tensorflow_federated import jax, tensorflow
from tensorflow_federated.core import errors
from tensorflow_federated.core.computations import ConcreteComputation
from tensorflow_federated.core.types import TensorType
from tensorflow_federated.learning import descriptions
from tensorflow_federated.learning.models import frameworks
from tensorflow_federated.learning.models.local_loops import JaxModelSpec, ModelSpec


def check_function(candidate: Any, argument: str, user: str, form: str) -> None:
    """Checks that an argument can be called.

    Args:
      candidate: what was given.
      argument: the name of the argument.
      user: the function that takes it, for the message.
      form: how to write one, for the message.

    Raises:
      TypeMismatchError: if it cannot be called.
    """
    if not callable(candidate):
        raise errors.TypeMismatchError(
            f"`{user}` cannot use this `{argument}`.",
            problems=[f"{argument}: expected a function, got {descriptions.described(candidate)}"],
            fix=f"give a function, as `{form}`.",
        )


def trace(
    schedule: Callable[[Any], Any], argument: str, user: str, model: ModelSpec
) -> ConcreteComputation:
    """Makes a computation of a schedule.

    It is traced in the framework that its author marked it for, by `tf.function` or `jax.jit`; or
    in that of the model.

    Args:
      schedule: from the number of a round, int32, to a learning rate.
      argument: the name of the argument.
      user: the function that takes it, for the message.
      model: the description of the model.

    Returns:
      The computation, ``(int32 -> R)``, R the type of a real number.

    Raises:
      TypeMismatchError: if the result is no real number.
    """
    in_jax = isinstance(model, JaxModelSpec)
    if frameworks.is_tensorflow_function(schedule):
        in_jax = False
    elif frameworks.is_jax_function(schedule):
        in_jax = True
    local = jax.computation if in_jax else tensorflow.computation

    def learning_rate(round_num: Any) -> Any:
        return schedule(round_num)

    learning_rate.__name__ = getattr(schedule, "__name__", argument)
    traced = local(learning_rate, TensorType(np.int32))
    result = traced.type_signature.result
    if not (isinstance(result, TensorType) and result.shape == () and result.dtype.kind in "fiu"):
        raise errors.TypeMismatchError(
            f"`{user}` cannot use this `{argument}`.",
            problems=[f"{argument}: expected (int32 -> float32), got {traced.type_signature}"],
            fix="return one number, for example `0.1 * 0.99 ** tf.cast(round_num, tf.float32)`.",
        )
    return traced
