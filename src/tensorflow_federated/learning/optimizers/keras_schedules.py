"""The learning rate schedules of Keras, by their configuration, as arithmetic."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from tensorflow_federated.core import portable

Schedule = Callable[[Any], Any]


def find_schedule(class_name: str, config: Mapping[str, Any]) -> Schedule | None:
    """The function of the step that a schedule of Keras stands for.

    Args:
      class_name: the name of its class.
      config: its configuration, as its `get_config` returns it.

    Returns:
      A portable function of the step, a scalar float32; None if the schedule is not known.

    Examples:
      >>> schedule = find_schedule(
      ...     "InverseTimeDecay",
      ...     {"initial_learning_rate": 0.5, "decay_steps": 1, "decay_rate": 1.0},
      ... )
      >>> float(schedule(1.0))
      0.25
    """
    build = _BUILDERS.get(class_name)
    arguments = {name: value for name, value in config.items() if name != "name"}
    return None if build is None else build(**arguments)


def _exponential_decay(
    initial_learning_rate: float, decay_steps: float, decay_rate: float, staircase: bool = False
) -> Schedule:
    def schedule(step: Any) -> Any:
        xp = portable.namespace_of(step)
        progress = xp.asarray(step, "float32") / decay_steps
        exponent = xp.floor(progress) if staircase else progress
        return initial_learning_rate * xp.pow(xp.asarray(decay_rate, "float32"), exponent)

    return schedule


def _inverse_time_decay(
    initial_learning_rate: float, decay_steps: float, decay_rate: float, staircase: bool = False
) -> Schedule:
    def schedule(step: Any) -> Any:
        xp = portable.namespace_of(step)
        progress = xp.asarray(step, "float32") / decay_steps
        progress = xp.floor(progress) if staircase else progress
        return initial_learning_rate / (1.0 + decay_rate * progress)

    return schedule


def _polynomial_decay(
    initial_learning_rate: float,
    decay_steps: float,
    end_learning_rate: float = 0.0001,
    power: float = 1.0,
    cycle: bool = False,
) -> Schedule:
    def schedule(step: Any) -> Any:
        xp = portable.namespace_of(step)
        progress = xp.asarray(step, "float32") / decay_steps
        one = xp.asarray(1.0, "float32")
        if cycle:
            rounds = xp.maximum(one, -xp.floor(-progress))
            progress = progress / rounds
        else:
            progress = xp.minimum(one, progress)
        shrunk = xp.pow(1.0 - progress, xp.asarray(power, "float32"))
        return (initial_learning_rate - end_learning_rate) * shrunk + end_learning_rate

    return schedule


def _piecewise_constant_decay(boundaries: list[float], values: list[float]) -> Schedule:
    def schedule(step: Any) -> Any:
        xp = portable.namespace_of(step)
        step = xp.asarray(step, "float32")
        rate = xp.asarray(float(values[-1]), "float32")
        for boundary, value in zip(reversed(boundaries), reversed(values[:-1]), strict=True):
            rate = xp.where(step <= float(boundary), xp.asarray(float(value), "float32"), rate)
        return rate

    return schedule


def _cosine_decay(
    initial_learning_rate: float,
    decay_steps: float,
    alpha: float = 0.0,
    warmup_target: float | None = None,
    warmup_steps: float = 0,
) -> Schedule:
    top = initial_learning_rate if warmup_target is None else warmup_target
    climb = 0.0 if warmup_target is None else float(warmup_steps)

    def schedule(step: Any) -> Any:
        xp = portable.namespace_of(step)
        step = xp.asarray(step, "float32")
        zero, one = xp.asarray(0.0, "float32"), xp.asarray(1.0, "float32")
        progress = xp.minimum(one, xp.maximum(zero, (step - climb) / decay_steps))
        rate = top * ((1.0 - alpha) * 0.5 * (1.0 + xp.cos(math.pi * progress)) + alpha)
        if climb:
            rising = initial_learning_rate + (top - initial_learning_rate) * (step / climb)
            rate = xp.where(step < climb, rising, rate)
        return rate

    return schedule


_BUILDERS: Mapping[str, Callable[..., Schedule]] = {
    "CosineDecay": _cosine_decay,
    "ExponentialDecay": _exponential_decay,
    "InverseTimeDecay": _inverse_time_decay,
    "PiecewiseConstantDecay": _piecewise_constant_decay,
    "PolynomialDecay": _polynomial_decay,
}

KNOWN = tuple(_BUILDERS)
"""The names of the schedules that are known."""
