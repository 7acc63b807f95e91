"""What tests of JAX share."""

from __future__ import annotations

import pytest

from tensorflow_federated.execution import profiling


@pytest.fixture
def compilations(monkeypatch):
    """The number of compilations so far, by whoever compiled."""
    counted = []
    count = profiling.count

    def listening(**counts):
        counted.extend([None] * counts.get("compilations", 0))
        count(**counts)

    monkeypatch.setattr(profiling, "count", listening)
    return lambda: len(counted)
