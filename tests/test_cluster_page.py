"""The program at the head of docs/cluster.md prints what it says."""

from __future__ import annotations

import pathlib
import re
from collections.abc import Callable


def test_the_first_program_of_the_page_prints_what_it_says(
    repository: pathlib.Path, run_python: Callable[..., str]
):
    page = (repository / "docs" / "cluster.md").read_text(encoding="utf-8")
    program = re.findall(r"^```python\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)[0]
    assert run_python(program) == "12.0\n"
