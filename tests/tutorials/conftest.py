"""The data that the tutorials work on, in small."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

CLIENT_COUNT = 10
EXAMPLES_OF_CLIENT = 50
BATCH_SIZE = 20


def _clients(draw: np.random.Generator, centres: np.ndarray) -> list[list[dict[str, Any]]]:
    """Batches of 20, 20 and 10 pictures: all pictures of client `d` show the digit `d`."""
    clients: list[list[dict[str, Any]]] = []
    for digit in range(CLIENT_COUNT):
        noise = draw.normal(scale=0.3, size=(EXAMPLES_OF_CLIENT, 784))
        pictures = (centres[digit] + noise).clip(0, 1).astype(np.float32)
        labels = np.full(EXAMPLES_OF_CLIENT, digit, np.int32)
        clients.append(
            [
                {"x": pictures[start : start + BATCH_SIZE], "y": labels[start : start + BATCH_SIZE]}
                for start in range(0, EXAMPLES_OF_CLIENT, BATCH_SIZE)
            ]
        )
    return clients


@pytest.fixture(scope="module")
def digit_clients() -> dict[str, list[list[dict[str, Any]]]]:
    """Ten clients for training and for testing; each of them knows one digit only."""
    draw = np.random.default_rng(20)
    centres = draw.uniform(size=(CLIENT_COUNT, 784)) * (
        draw.uniform(size=(CLIENT_COUNT, 784)) > 0.7
    )
    return {"train": _clients(draw, centres), "test": _clients(draw, centres)}
