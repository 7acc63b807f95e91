"""The page on errors says what the exception classes say."""

from __future__ import annotations

import importlib.util
import pathlib
from typing import Any

import pytest


@pytest.fixture
def build_errors_page(repository: pathlib.Path) -> Any:
    """The script that writes the page, as a module."""
    spec = importlib.util.spec_from_file_location(
        "build_errors_page", repository / "docs" / "build_errors_page.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_page_is_up_to_date(repository: pathlib.Path, build_errors_page: Any):
    written = (repository / "docs" / "errors.md").read_text(encoding="utf-8")
    assert written == build_errors_page.page(), "run `python docs/build_errors_page.py`"


def test_every_class_says_how_it_comes_about_and_what_to_do(build_errors_page: Any):
    silent = [
        cls.__qualname__
        for cls in build_errors_page.error_classes()
        if "Fails" not in (cls.__doc__ or "") or "Mended" not in (cls.__doc__ or "")
    ]
    assert not silent
