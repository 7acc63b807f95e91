"""The optimizers that every contract test runs on: add a row, inherit every check."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

import tensorflow_federated as tff


class Row(NamedTuple):
    """One optimizer.

    Attributes:
      build: builds it.
      hparams: the hyperparameters that it has, with their values, in order.
    """

    build: Callable[[], tff.learning.optimizers.Optimizer]
    hparams: dict[str, float]


ROWS = {
    "gradient descent": Row(
        lambda: tff.learning.optimizers.build_sgdm(0.1), {"learning_rate": 0.1}
    ),
    "momentum": Row(
        lambda: tff.learning.optimizers.build_sgdm(0.1, momentum=0.5),
        {"learning_rate": 0.1, "momentum": 0.5},
    ),
}


@pytest.fixture(params=ROWS)
def row(request: pytest.FixtureRequest) -> Row:
    """An optimizer of the registry."""
    return ROWS[request.param]


@pytest.fixture
def run_steps() -> Callable[..., Any]:
    """Descends on ``(w A w) / 2 - b w`` in one framework, and returns the weights as numpy."""
    matrix = np.array([[2.0, 0.3], [0.3, 1.0]], np.float32)
    offset = np.array([1.0, -1.0], np.float32)

    def run(optimizer: Any, asarray: Callable[[Any], Any], num_steps: int) -> list[np.ndarray]:
        weights = asarray(np.array([3.0, -2.0], np.float32))
        state = optimizer.initialize(weights)
        trajectory = []
        for _ in range(num_steps):
            gradients = asarray(matrix @ np.asarray(weights) - offset)
            state, weights = optimizer.next(state, weights, gradients)
            assert type(weights) is type(gradients)
            trajectory.append(np.asarray(weights))
        return trajectory

    return run
