"""Every engine gives the same bits for every algorithm, optimizer and way to make a model.

They are rows of `learning_programs.py`, the engines those of `engines.py`.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.contracts import agreement, engines, learning_programs

# The tests of a program follow on each other.
PROGRAMS = agreement.Programs(learning_programs.PROGRAMS, seeds=(0,), max_kept=1)
FAST_PROGRAMS = {"algorithm: weighted FedProx, jax", "optimizer: adam, tensorflow"}
ROWS = [
    pytest.param(name, marks=() if name in FAST_PROGRAMS else pytest.mark.slow)
    for name in learning_programs.PROGRAMS
]


@pytest.fixture(scope="module")
def runners() -> Iterator[agreement.Runners]:
    with agreement.Runners() as made:
        yield made


@pytest.mark.parametrize("engine", [*engines.rows(), "reference"])
@pytest.mark.parametrize("name", ROWS)
def test_it_gives_the_same_on_every_engine(name, engine, runners):
    if engine == "reference":
        PROGRAMS.check_reference(name, "auto")
        PROGRAMS.check_reference(name, "separate")
    else:
        PROGRAMS.check(name, engine, runners)
