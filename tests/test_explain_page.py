"""docs/explain.md shows what its program prints; `--update-golden` writes it anew."""

from __future__ import annotations

import pathlib
import re
from collections.abc import Callable

import pytest


def fenced(language: str) -> str:
    return rf"(?<=^```{language}\n).*?(?=^```$)"


def blocks(page: str, language: str) -> list[str]:
    return re.findall(fenced(language), page, re.DOTALL | re.MULTILINE)


def excerpts(page: str, printed: str) -> list[str]:
    """What each block should show: all that is printed from its first line to that of the next."""
    starts = [printed.index(block.splitlines()[0] + "\n") for block in blocks(page, "text")]
    ends = [*starts[1:], len(printed)]
    return [printed[start:end].rstrip("\n") + "\n" for start, end in zip(starts, ends, strict=True)]


def test_the_page_shows_what_its_program_prints(
    repository: pathlib.Path, run_python: Callable[..., str], request: pytest.FixtureRequest
):
    path = repository / "docs" / "explain.md"
    page = path.read_text(encoding="utf-8")
    shown = excerpts(page, run_python("\n".join(blocks(page, "python"))))
    if request.config.getoption("--update-golden"):
        texts = iter(shown)
        page = re.sub(fenced("text"), lambda _: next(texts), page, flags=re.DOTALL | re.MULTILINE)
        path.write_text(page, encoding="utf-8")
    assert blocks(page, "text") == shown
