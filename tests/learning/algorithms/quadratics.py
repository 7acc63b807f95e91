"""Linear regressions of clients whose data differ, and what is known of them."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import tensorflow_federated as tff

Array = Any
Client = list[tuple[np.ndarray, np.ndarray]]

_draw = np.random.default_rng(5)
_OPTIMA = np.float32([[2.0, -1.0], [-1.0, 3.0], [0.5, 0.5]])
_SCALES = np.float32([[1.5, 0.3], [0.4, 1.2], [1.0, 1.0]])

FEATURES = [
    (_draw.standard_normal((size, 2)) * scale).astype(np.float32)
    for size, scale in zip((4, 8, 12), _SCALES, strict=True)
]
LABELS = [features @ optimum for features, optimum in zip(FEATURES, _OPTIMA, strict=True)]


def clients(batch_size: int = 4, epochs: int = 1) -> list[Client]:
    """The clients' batches: of 4, 8 and 12 examples, of another line each."""
    return [
        [
            (x[start : start + batch_size], y[start : start + batch_size, None])
            for start in range(0, len(x), batch_size)
        ]
        * epochs
        for x, y in zip(FEATURES, LABELS, strict=True)
    ]


def optimum() -> Array:
    """The least squares of all examples together."""
    solution, *_ = np.linalg.lstsq(np.concatenate(FEATURES), np.concatenate(LABELS), rcond=None)
    return solution


def gradient(weights: Array, batch: tuple[np.ndarray, np.ndarray]) -> Array:
    """The gradient of the mean of ``(x w - y)^2 / 2``."""
    x, y = batch
    return x.T @ (x @ weights - y[:, 0]) / len(x)


@functools.cache
def model() -> tff.learning.models.FunctionalModel:
    """The regression in JAX, with weights that begin at 0."""

    def loss(output: Any, label: Any, sample_weight: Any = None) -> Any:
        del sample_weight
        return jnp.mean((output - label) ** 2) / 2

    return tff.learning.models.FunctionalModel(
        initial_weights=([np.zeros([2, 1], np.float32)], []),
        predict_on_batch_fn=jax.jit(lambda weights, x, training: x @ weights[0][0]),
        loss_fn=loss,
        input_spec=(
            tff.TensorType(np.float32, [None, 2]),
            tff.TensorType(np.float32, [None, 1]),
        ),
    )


def run(
    process: tff.learning.templates.LearningProcess, data: Sequence[Client], rounds: int
) -> list[Array]:
    """The weights after each round."""
    state, weights = process.initialize(), []
    for _ in range(rounds):
        state, _ = process.next(state, data)
        weights.append(weights_of(process, state))
    return weights


def weights_of(process: tff.learning.templates.LearningProcess, state: Any) -> Array:
    """The weights in a state."""
    return np.asarray(process.get_model_weights(state).trainable[0])[:, 0]


def mean(values: Sequence[Array], data: Sequence[Client]) -> Array:
    """The mean by the number of the clients' examples."""
    sizes = [sum(len(x) for x, _ in batches) for batches in data]
    return sum(n * value for n, value in zip(sizes, values, strict=True)) / sum(sizes)


def distance(weights: Array) -> float:
    """How far weights are from the optimum."""
    return float(np.linalg.norm(weights - optimum()))
