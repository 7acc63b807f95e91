"""Marks that tests of several modules carry."""

from __future__ import annotations

import pytest

# For tests with the fixture `engine` that take long: while developing, one engine is enough.
SLOW_ON_REFERENCE = pytest.mark.parametrize(
    "engine", ["local", pytest.param("reference", marks=pytest.mark.slow)], indirect=True
)
