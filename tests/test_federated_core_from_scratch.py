"""docs/federated_core_from_scratch.py runs, and what it teaches agrees with the package."""

from __future__ import annotations

import pathlib
from collections.abc import Callable

import pytest

LAST_SECTION = "# ## The real one\n"


@pytest.fixture
def source(repository: pathlib.Path) -> str:
    path = repository / "docs" / "federated_core_from_scratch.py"
    return path.read_text(encoding="utf-8")


def test_it_runs_to_its_end(source: str, run_python: Callable[..., str]):
    printed = run_python(source)
    assert "v2 = train(v1, p3): {<float[3],float>}@CLIENTS" in printed
    assert "sends" in printed


def test_it_needs_numpy_alone_up_to_the_last_section(source: str, run_python: Callable[..., str]):
    language, _, _ = source.partition(LAST_SECTION)
    assert "import tensorflow_federated" not in language
    ending = "\nimport sys\nprint({'jax', 'tensorflow', 'tensorflow_federated'} & {*sys.modules})\n"
    assert run_python(language + ending).endswith("set()\n")
