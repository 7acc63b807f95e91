"""The fixtures that the tests of optimizers share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tests.learning.optimizers.registry import ROWS, Row


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
