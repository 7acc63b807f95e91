"""Every engine gives the same bits for every program, whatever its workers do, and when.

The programs are rows of `programs.py`, the engines those of `engines.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

import pytest
from tests.contracts import agreement, engines, programs

SLOW = pytest.mark.slow
PROGRAMS = agreement.Programs(programs.PROGRAMS, seeds=(0, 1, 2))


def program_rows(slow: Collection[str] = ()) -> list[Any]:
    """The programs; those are slow tests that are not among the fast ones, or that are named."""
    fast = programs.FAST_PROGRAMS.difference(slow)
    return [pytest.param(name, marks=() if name in fast else SLOW) for name in programs.PROGRAMS]


@pytest.fixture(scope="module")
def runners() -> Iterator[agreement.Runners]:
    with agreement.Runners() as made:
        yield made


@pytest.mark.parametrize("name", program_rows())
@pytest.mark.parametrize("engine", engines.rows())
def test_it_gives_the_bits_of_one_thread(name, engine, runners):
    PROGRAMS.check(name, engine, runners)


# The reference engine goes through datasets in iterators of tf.data.
@pytest.mark.parametrize("name", program_rows(slow=["loops over datasets"]))
@pytest.mark.parametrize("client_form", ["auto", pytest.param("separate", marks=SLOW)])
def test_it_computes_what_the_reference_engine_does(name, client_form):
    PROGRAMS.check_reference(name, client_form)


@pytest.mark.parametrize("name", program_rows())
def test_seeds_give_different_results(name):
    first, second, _ = PROGRAMS.expected(name, "auto")
    assert any(a.tobytes() != b.tobytes() for a, b in zip(first, second, strict=True))
