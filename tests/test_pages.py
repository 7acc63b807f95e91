"""Pages of docs/ show what their programs print; `--update-golden` writes that anew."""

from __future__ import annotations

import pathlib
import re
from collections.abc import Callable

import pytest

PARTS = re.compile(r"^```(python|text)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
MARK = "=== the output of the block before ends here"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["cluster", "data", "learning"])
def test_a_page_shows_what_its_program_prints(
    name: str,
    repository: pathlib.Path,
    run_python: Callable[..., str],
    request: pytest.FixtureRequest,
):
    path = repository / "docs" / f"{name}.md"
    page = path.read_text(encoding="utf-8")
    parts = PARTS.findall(page)
    program = [text if kind == "python" else f"print({MARK!r})\n" for kind, text in parts]
    *printed, rest = run_python("".join(program)).split(f"{MARK}\n")
    assert rest == ""
    if request.config.getoption("--update-golden"):
        texts = iter(printed)
        page = PARTS.sub(
            lambda part: part[0] if part[1] == "python" else f"```text\n{next(texts)}```", page
        )
        path.write_text(page, encoding="utf-8")
    assert [text for kind, text in PARTS.findall(page) if kind == "text"] == printed
