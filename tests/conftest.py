"""What every test relies on: quiet frameworks on the processor, fixed Hypothesis draws."""

from __future__ import annotations

import gc
import os
import pathlib
import re
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator

import hypothesis
import pytest

# Read by the frameworks when they are first imported, which no test has done yet.
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

# No deadline: the first example of a test that compiles takes far longer than the others.
hypothesis.settings.register_profile("repeatable", deadline=None, derandomize=True)
hypothesis.settings.load_profile("repeatable")


@pytest.fixture(scope="session")
def repository() -> pathlib.Path:
    """The root of the repository."""
    return pathlib.Path(__file__).parent.parent


@pytest.fixture
def run_python(tmp_path: pathlib.Path) -> Callable[..., str]:
    """Runs a program in an interpreter of its own and returns what it printed.

    The program runs in an empty folder, with the interpreter and the environment of the tests. If
    it fails, so does the test, with what the program said.
    """

    def run(program: str, *arguments: str, timeout_in_seconds: float = 600) -> str:
        path = tmp_path / "program.py"
        path.write_text(textwrap.dedent(program), encoding="utf-8")
        done = subprocess.run(
            [sys.executable, str(path), *arguments],
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_in_seconds,
            check=False,
        )
        assert done.returncode == 0, f"{program}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    return run


def pytest_collection_finish() -> None:
    """Leaves what the frameworks and the tests are made of out of the garbage that is looked for.

    It is most of the memory; to go through it takes longer than most tests, of which many do so.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="module", autouse=True)
def _what_modules_leave() -> Iterator[None]:
    """Likewise for what a module of tests leaves behind."""
    yield
    gc.collect()
    gc.freeze()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds the option that writes the golden files instead of comparing with them."""
    parser.addoption("--update-golden", action="store_true", help="rewrite the golden files")


class GoldenTexts:
    """The texts that one test module pins, in `golden/<module>.txt` beside it."""

    def __init__(self, path: pathlib.Path, update: bool) -> None:
        self._path = path
        self._update = update

    def check(self, name: str, text: str) -> None:
        """Fails if the text is not, to the letter, the one that was pinned under this name.

        Line numbers of test files are written as `:N`, so that a test can move.
        """
        text = re.sub(r"(test_\w+\.py):\d+", r"\1:N", text)
        pinned = self._read()
        if self._update:
            pinned[name] = text
            self._path.parent.mkdir(exist_ok=True)
            shown = (f"=== {key}\n{pinned[key]}\n" for key in sorted(pinned))
            self._path.write_text("\n".join(shown), encoding="utf-8")
        assert name in pinned, f"nothing is pinned under {name!r}: run with --update-golden"
        assert text == pinned[name]

    def _read(self) -> dict[str, str]:
        if not self._path.exists():
            return {}
        parts = ("\n" + self._path.read_text(encoding="utf-8")).split("\n=== ")[1:]
        return {name: text.rstrip("\n") for name, _, text in (p.partition("\n") for p in parts)}


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> GoldenTexts:
    """The golden texts of the test module."""
    path = request.path.parent / "golden" / f"{request.path.stem}.txt"
    return GoldenTexts(path, bool(request.config.getoption("--update-golden")))


ENGINES = ("local", "reference")


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> Iterator[object]:
    """Makes an engine the one that runs computations; a test with it runs on every engine."""
    from tensorflow_federated.core import contexts as context_stack
    from tensorflow_federated.execution import contexts

    create = getattr(contexts, f"create_{request.param}_context")
    with context_stack.install(create(seed=0)) as context:
        yield context
