"""Hyperparameters of optimizers: how they are checked, read and replaced."""

from __future__ import annotations

import collections
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tensorflow_federated.core import errors


def checked_number(
    builder: str, name: str, value: Any, *, low: float = 0.0, high: float = math.inf
) -> Any:
    """Returns a hyperparameter, as a Python number where its value is known.

    Args:
      builder: the function that takes it, for the message.
      name: the name of the hyperparameter.
      value: a number, a scalar array, or a tensor that is being traced (taken as it is).
      low: the smallest value that is allowed.
      high: the largest value that is allowed.

    Returns:
      The hyperparameter.

    Raises:
      HyperparameterTypeError: if it is no number.
      OptimizerError: if it is out of bounds.

    Examples:
      >>> checked_number("build_sgdm", "momentum", 0.9, high=1.0)
      0.9
    """
    bounds = f"a number from {low:g} to {high:g}"
    if math.isinf(high):
        bounds = f"a finite number >= {low:g}"

    def fail(error_class: type[errors.OptimizerError]) -> errors.OptimizerError:
        return error_class(
            f"`tff.learning.optimizers.{builder}` cannot use this `{name}`.",
            problems=[f"{name}: expected {bounds}, got {value!r:.100}"],
            fix=f"give `{name}` as {bounds}.",
        )

    is_known = isinstance(value, (int, float, np.number, np.ndarray))
    if isinstance(value, bool) or not (is_known or hasattr(value, "dtype")):
        raise fail(HyperparameterTypeError)
    if np.ndim(value) != 0 if is_known else tuple(value.shape) != ():
        raise fail(HyperparameterTypeError)
    try:
        number: Any = float(value)
    except Exception:
        number = None
    if not isinstance(number, float):
        # It is being traced, and has no value yet; in functions that AutoGraph rewrites, `float` of
        # a tensor is a tensor.
        return value
    if not (math.isfinite(number) and low <= number <= high):
        raise fail(errors.OptimizerError)
    return number


def select(state: Mapping[str, Any], names: Sequence[str]) -> collections.OrderedDict[str, Any]:
    """Reads the hyperparameters out of a state.

    Args:
      state: the state of an optimizer, by name.
      names: the names of the hyperparameters, in order; those that the state lacks are left out.

    Returns:
      The hyperparameters.

    Examples:
      >>> select({"learning_rate": 0.5, "accumulator": 0.0}, ["learning_rate", "momentum"])
      OrderedDict([('learning_rate', 0.5)])
    """
    return collections.OrderedDict((name, state[name]) for name in names if name in state)


def replace(
    state: Mapping[str, Any], hparams: Mapping[str, Any]
) -> collections.OrderedDict[str, Any]:
    """Replaces hyperparameters in a state.

    Args:
      state: the state of an optimizer, by name.
      hparams: the hyperparameters that change.

    Returns:
      The new state, with the names of `state` in their order.

    Raises:
      HyperparameterNameError: if the state has no such hyperparameter.

    Examples:
      >>> replace({"learning_rate": 0.5, "accumulator": 0.0}, {"learning_rate": 0.25})
      OrderedDict([('learning_rate', 0.25), ('accumulator', 0.0)])
    """
    unknown = [name for name in hparams if name not in state]
    if unknown:
        raise HyperparameterNameError(
            "the optimizer has no such hyperparameter.",
            problems=[f"{name}: the state has {', '.join(state)}" for name in unknown],
            fix="give the names that `get_hparams` returns.",
        )
    return collections.OrderedDict((name, hparams.get(name, state[name])) for name in state)


class HyperparameterTypeError(errors.OptimizerError, TypeError):
    """A hyperparameter is not a number.

    Fails: `build_sgdm(learning_rate="fast")`.
    Mended: `build_sgdm(learning_rate=0.1)`.
    """


class HyperparameterNameError(errors.OptimizerError, KeyError):
    """A hyperparameter is set that the optimizer does not have.

    Fails: `build_sgdm(0.1).set_hparams(state, {"momentum": 0.9})`, for it has no momentum.
    Mended: build it with one, `build_sgdm(0.1, momentum=0.5)`.
    """
