"""The optimizers that every contract test runs on: add a row, inherit every check."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from tests.learning.optimizers import equations

import tensorflow_federated as tff

OPTIMIZERS = tff.learning.optimizers


class Row(NamedTuple):
    """One portable optimizer.

    Attributes:
      build: builds it.
      hparams: the hyperparameters that it has, with their values, in order.
      state: the type of its state for weights of the type ``float32[2,3]``.
      equations: the published equations: a function of the first weights and of the gradient, to
        the weights after each step.
    """

    build: Callable[[], tff.learning.optimizers.Optimizer]
    hparams: dict[str, float]
    state: str
    equations: Callable[..., Iterator[np.ndarray]]


ADAM_HPARAMS = {"learning_rate": 0.1, "beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7}
ADAM_STATE = (
    "learning_rate=float32,beta_1=float32,beta_2=float32,epsilon=float32,step=int32,"
    "accumulator=float32[2,3],preconditioner=float32[2,3]"
)

ROWS = {
    "gradient descent": Row(
        lambda: OPTIMIZERS.build_sgdm(0.1),
        {"learning_rate": 0.1},
        "<learning_rate=float32>",
        functools.partial(equations.momentum, rate=0.1),
    ),
    "momentum": Row(
        lambda: OPTIMIZERS.build_sgdm(0.1, momentum=0.5),
        {"learning_rate": 0.1, "momentum": 0.5},
        "<learning_rate=float32,momentum=float32,accumulator=float32[2,3]>",
        functools.partial(equations.momentum, rate=0.1, momentum=0.5),
    ),
    "nesterov": Row(
        lambda: OPTIMIZERS.build_sgdm(0.1, momentum=0.5, nesterov=True),
        {"learning_rate": 0.1, "momentum": 0.5},
        "<learning_rate=float32,momentum=float32,accumulator=float32[2,3]>",
        functools.partial(equations.momentum, rate=0.1, momentum=0.5, nesterov=True),
    ),
    "adam": Row(
        lambda: OPTIMIZERS.build_adam(0.1),
        ADAM_HPARAMS,
        f"<{ADAM_STATE}>",
        functools.partial(equations.adam, rate=0.1),
    ),
    "adamw": Row(
        lambda: OPTIMIZERS.build_adamw(0.1, weight_decay=0.01),
        {**ADAM_HPARAMS, "weight_decay": 0.01},
        f"<{ADAM_STATE},weight_decay=float32>",
        functools.partial(equations.adam, rate=0.1, decay=0.01),
    ),
    "adagrad": Row(
        lambda: OPTIMIZERS.build_adagrad(1.0),
        {"learning_rate": 1.0, "epsilon": 1e-7},
        "<learning_rate=float32,epsilon=float32,preconditioner=float32[2,3]>",
        functools.partial(equations.adagrad, rate=1.0),
    ),
    "rmsprop": Row(
        lambda: OPTIMIZERS.build_rmsprop(0.1),
        {"learning_rate": 0.1, "decay": 0.9, "epsilon": 1e-7},
        "<learning_rate=float32,decay=float32,epsilon=float32,preconditioner=float32[2,3]>",
        functools.partial(equations.rmsprop, rate=0.1),
    ),
    "centered rmsprop": Row(
        lambda: OPTIMIZERS.build_rmsprop(
            0.01, epsilon=1e-3, momentum=0.5, centered=True, epsilon_in_sqrt=True
        ),
        {"learning_rate": 0.01, "decay": 0.9, "epsilon": 1e-3, "momentum": 0.5},
        "<learning_rate=float32,decay=float32,epsilon=float32,momentum=float32,"
        "preconditioner=float32[2,3],mean=float32[2,3],accumulator=float32[2,3]>",
        functools.partial(equations.centered_rmsprop, rate=0.01, momentum=0.5, epsilon=1e-3),
    ),
    "yogi": Row(
        lambda: OPTIMIZERS.build_yogi(0.1),
        {**ADAM_HPARAMS, "epsilon": 1e-3},
        f"<{ADAM_STATE}>",
        functools.partial(equations.yogi, rate=0.1),
    ),
    "adafactor": Row(
        lambda: OPTIMIZERS.build_adafactor(0.1),
        {
            "learning_rate": 0.1,
            "beta_2_decay": -0.8,
            "epsilon_1": 1e-30,
            "epsilon_2": 1e-3,
            "clip_threshold": 1.0,
            "relative_step": True,
        },
        "<steps=int32,moments=<<r=float32[2],c=float32[3],v=float32[2,3]>>,"
        "hparams=<learning_rate=float32,beta_2_decay=float32,epsilon_1=float32,epsilon_2=float32,"
        "clip_threshold=float32,relative_step=bool>>",
        functools.partial(equations.adafactor, rate=0.1),
    ),
}
