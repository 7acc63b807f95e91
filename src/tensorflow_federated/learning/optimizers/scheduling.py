"""Learning rates that change from step to step."""

from __future__ import annotations

import collections
import sys
from collections.abc import Callable, Mapping
from typing import Any, cast

import numpy as np

from tensorflow_federated.core import callsites, errors, portable, portable_recording
from tensorflow_federated.core.types import FunctionType, TensorType
from tensorflow_federated.learning import descriptions
from tensorflow_federated.learning.optimizers import hyperparameters
from tensorflow_federated.learning.optimizers.optimizer import (
    LEARNING_RATE_KEY,
    Optimizer,
    OptimizerTypeError,
)

_ROUND_KEY = "round_num"
_OPTIMIZER_KEY = "optimizer"

State = collections.OrderedDict[str, Any]
Schedule = Callable[[Any], Any]


class Scheduled(Optimizer[State, Any, Any]):
    """An optimizer with another learning rate at every step; built by `schedule_learning_rate`."""

    def __init__(self, optimizer: Optimizer[Any, Any, Any], schedule: Schedule) -> None:
        """Builds the optimizer; see `schedule_learning_rate`."""
        self._optimizer = optimizer
        self._schedule = schedule
        self._is_portable = _is_portable(schedule)
        self.framework = optimizer.framework
        if optimizer.framework == "portable" and not self._is_portable:
            self.framework = "jax" if _is_of_jax(schedule) else "tensorflow"

    def initialize(self, specs: Any) -> State:
        state = self._optimizer.initialize(specs)
        round_num: Any = np.int32(0)
        if self.framework == "tensorflow" and not self._is_portable:
            # A function of TensorFlow is given a tensor, as in TFF, and not what numpy has.
            tensorflow: Any = sys.modules.get("tensorflow")
            round_num = round_num if tensorflow is None else tensorflow.constant(round_num)
        return collections.OrderedDict(
            {
                _ROUND_KEY: round_num,
                _OPTIMIZER_KEY: self._with_learning_rate(state, round_num),
            }
        )

    def next(self, state: State, weights: Any, gradients: Any) -> tuple[State, Any]:
        inner, weights = self._optimizer.next(state[_OPTIMIZER_KEY], weights, gradients)
        round_num = state[_ROUND_KEY] + 1
        next_state: State = collections.OrderedDict()
        next_state[_ROUND_KEY] = round_num
        next_state[_OPTIMIZER_KEY] = self._with_learning_rate(inner, round_num)
        return next_state, weights

    def _with_learning_rate(self, state: Any, round_num: Any) -> Any:
        """The state of the optimizer with the learning rate of a round."""
        if isinstance(state, Mapping) and LEARNING_RATE_KEY in state:
            learning_rate = self._learning_rate(round_num)
            return hyperparameters.replace(
                cast("Mapping[str, Any]", state), {LEARNING_RATE_KEY: learning_rate}
            )
        hparams = self._optimizer.get_hparams(state)
        if LEARNING_RATE_KEY in hparams:
            hparams = hyperparameters.replace(
                hparams, {LEARNING_RATE_KEY: self._learning_rate(round_num)}
            )
            return self._optimizer.set_hparams(state, hparams)
        raise hyperparameters.HyperparameterNameError(
            "`tff.learning.optimizers.schedule_learning_rate` needs an optimizer with a learning "
            "rate.",
            problems=[
                f"optimizer: expected `{LEARNING_RATE_KEY}` in its state or its hyperparameters, "
                f"got the state of the class `{type(self._optimizer).__name__}` without"
            ],
            fix="keep the learning rate in the state, under tff.learning.optimizers."
            "LEARNING_RATE_KEY.",
        )

    def _learning_rate(self, round_num: Any) -> Any:
        """What the schedule says, as float32; a Python number as it is."""
        argument: Any = round_num
        if self._is_portable:
            # The operators of a portable schedule want a floating-point number next to theirs.
            argument = portable.namespace_of(round_num).cast(round_num, "float32")
        try:
            given = _converted(self._schedule, argument)(argument)
        except errors.FederatedError:
            raise
        except Exception as error:
            raise _schedule_error(
                self.framework,
                [f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"],
                callsites.innermost_user_line(error.__traceback__),
            ) from error
        is_number = isinstance(given, (int, float, np.generic, np.ndarray)) or hasattr(
            given, "dtype"
        )
        if isinstance(given, bool) or not is_number or np.shape(given) != ():
            raise _schedule_error(
                self.framework,
                [f"schedule_fn: expected a number, got {descriptions.described(given)}"],
                None,
            )
        if isinstance(given, (int, float)) and not isinstance(given, np.generic):
            return float(given)
        return portable.namespace_of(given).cast(given, "float32")


def _converted(schedule: Schedule, argument: Any) -> Schedule:
    """The schedule; in a graph of TensorFlow one whose `if` may depend on the round."""
    tensorflow: Any = sys.modules.get("tensorflow")
    if tensorflow is None or not tensorflow.is_tensor(argument) or tensorflow.executing_eagerly():
        return schedule
    return tensorflow.function(schedule)


def _is_portable(schedule: Schedule) -> bool:
    """Whether a schedule is plain arithmetic, which runs in every framework."""
    results: list[Any] = []

    def keep(round_num: Any) -> Any:
        results.append(schedule(round_num))
        return 0.0

    signature = FunctionType(TensorType(np.float32), TensorType(np.float32))
    try:
        portable_recording.record(keep, signature, "schedule_fn")
    except errors.WireError:
        return False
    return isinstance(
        results[0], (int, float, np.generic, np.ndarray, portable_recording.Symbol)
    ) and not isinstance(results[0], bool)


def _is_of_jax(schedule: Schedule) -> bool:
    """Whether JAX can trace a schedule; false where JAX is not loaded."""
    jax: Any = sys.modules.get("jax")
    if jax is None:
        return False
    try:
        jax.eval_shape(schedule, jax.ShapeDtypeStruct((), np.int32))
    except Exception:  # Whatever a function of another framework raises here says the same.
        return False
    return True


def _schedule_error(
    framework: str, problems: list[str], where: str | None
) -> errors.FederatedError:
    where_part = {} if where is None else {"where": where}
    return errors.OptimizerError(
        "the learning rate of a round cannot be computed by `schedule_fn`.",
        problems=problems,
        fix="return one number for the round, a scalar int32; write it in arithmetic alone, which "
        "runs in every framework, or in "
        + (
            "JAX, with `jnp.where` in place of `if`."
            if framework == "jax"
            else "TensorFlow, with `tf.where` or `tf.cond` in place of `if`."
        ),
        **where_part,
    )


@errors.boundary
def schedule_learning_rate(
    optimizer: Optimizer[Any, Any, Any], schedule_fn: Schedule
) -> Optimizer[Any, Any, Any]:
    """Builds an optimizer that takes its i-th step with the learning rate ``schedule_fn(i)``.

    The first step is step 0. The state is an `OrderedDict` of `round_num`, the number of steps
    that were taken (int32), and of `optimizer`, the state of `optimizer` with the learning rate of
    the next step. It has no hyperparameters, for the schedule would overwrite them.

    A schedule of arithmetic alone, such as ``lambda i: 0.1 / (1.0 + i)``, runs with models of
    TensorFlow and of JAX. One with functions of TensorFlow or with an `if`, such as
    ``lambda i: 0.1 if i < 100 else 0.01``, runs with models of TensorFlow and at the server, and
    one with functions of JAX with models of JAX and at the server.

    Args:
      optimizer: an optimizer with a learning rate.
      schedule_fn: a function of the number of the step, a scalar int32 (float32 in arithmetic
        alone), to the learning rate, a number. It is called when computations are traced, and here
        to find out which framework it is written in.

    Returns:
      The optimizer.

    Raises:
      OptimizerTypeError: if `optimizer` is no optimizer, or `schedule_fn` no function.
      HyperparameterNameError: when a state is made, if the optimizer has no learning rate.
      OptimizerError: when a state is made, if `schedule_fn` gives no number.

    Examples:
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> optimizer = schedule_learning_rate(
      ...     tff.learning.optimizers.build_sgdm(), lambda step: 0.5**step
      ... )
      >>> weights = np.float32([4.0])
      >>> state = optimizer.initialize(weights)
      >>> for _ in range(2):
      ...     state, weights = optimizer.next(state, weights, np.float32([1.0]))
      >>> weights
      array([2.5], dtype=float32)

    Differs from TFF: an `if` on the step works in computations too, the learning rate may have any
    dtype, and optimizers that keep it elsewhere than in their state by name, as Adafactor does, can
    be scheduled if `get_hparams` and `set_hparams` know it.
    """
    name = "tff.learning.optimizers.schedule_learning_rate"
    if not isinstance(cast("Any", optimizer), Optimizer):
        raise OptimizerTypeError(
            f"`{name}` needs an optimizer of `tff.learning.optimizers`.",
            problems=[f"optimizer: expected an Optimizer, got {descriptions.described(optimizer)}"],
            fix="build one, for example tff.learning.optimizers.build_sgdm().",
        )
    if not callable(schedule_fn):
        raise OptimizerTypeError(
            f"`{name}` needs a function from the step to the learning rate.",
            problems=[
                f"schedule_fn: expected a function, got {descriptions.described(schedule_fn)}"
            ],
            fix="give a function of the number of the step, for example "
            "lambda step: 0.1 / (1.0 + step).",
        )
    return Scheduled(optimizer, schedule_fn)
