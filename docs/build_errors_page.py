"""Writes docs/errors.md from the exception classes and their docstrings.

Run it after a change to an exception class: `python docs/build_errors_page.py`.
"""

from __future__ import annotations

import importlib
import inspect
import pathlib
import pkgutil
import re
import textwrap
from collections.abc import Iterator

import tensorflow_federated
from tensorflow_federated.core import errors

PAGE = pathlib.Path(__file__).with_name("errors.md")

# A package of the library, and what its errors are about.
SECTIONS = {
    "core": "The language",
    "execution": "Running computations",
    "backends": "Back ends",
    "framework": "The framework",
    "templates": "Processes",
    "aggregators": "Aggregators",
    "program": "Federated programs",
    "learning": "Learning",
    "simulation": "Data",
}

INTRODUCTION = """\
# Errors

This page is made from the exception classes by `docs/build_errors_page.py`; the examples are run by
the tests.

A message has four parts: what cannot be done, with all that is wrong about it; the signature that
was broken; the user's own line; what to write instead. Frames of the library are left out of the
traceback, unless the environment variable `TFF_FULL_TRACEBACKS` is 1.

There is one class for each law that can be broken. Each is also a subclass of the built-in class
that TFF raised there, so that `except TypeError` in an existing program keeps working.
"""


def error_classes() -> list[type[errors.FederatedError]]:
    """Every exception class of the library, in the order of the source, package by package."""
    _import_modules_of_errors()
    subclasses = _subclasses(errors.FederatedError)
    found = {cls for cls in subclasses if cls.__module__.startswith("tensorflow_federated.")}
    sections = list(SECTIONS)
    return sorted(
        found,
        key=lambda cls: (sections.index(section_of(cls)), cls.__module__, _line_of(cls)),
    )


def section_of(cls: type[errors.FederatedError]) -> str:
    """The package that a class belongs to, by its name under `tensorflow_federated`."""
    return cls.__module__.split(".")[1]


def page() -> str:
    """The text of the page."""
    parts = [INTRODUCTION]
    section = None
    for cls in error_classes():
        if section_of(cls) != section:
            section = section_of(cls)
            parts.append(f"## {SECTIONS[section]}\n")
        parts.append(_entry(cls))
    return "\n".join(parts)


def _import_modules_of_errors() -> None:
    """Imports the modules that define errors: a class is known once its module is."""
    for module in pkgutil.walk_packages(tensorflow_federated.__path__, "tensorflow_federated."):
        spec = module.module_finder.find_spec(module.name, None)  # type: ignore[call-arg]
        if spec is None or spec.origin is None:
            continue
        source = pathlib.Path(spec.origin).read_text(encoding="utf-8")
        if re.search(r"^class \w+Error\(", source, re.MULTILINE):
            importlib.import_module(module.name)


def _subclasses(cls: type[errors.FederatedError]) -> Iterator[type[errors.FederatedError]]:
    for each in cls.__subclasses__():
        yield each
        yield from _subclasses(each)


def _line_of(cls: type[errors.FederatedError]) -> int:
    return inspect.getsourcelines(cls)[1]


def _entry(cls: type[errors.FederatedError]) -> str:
    summary, _, details = inspect.cleandoc(cls.__doc__ or "").partition("\n")
    text = f"### {cls.__qualname__}\n\n{summary}\n"
    if known := _built_in_names(cls):
        text += f"\nAlso a {known}.\n"
    if details.strip():
        text += f"\n{_as_markdown(details.strip())}\n"
    return text


def _built_in_names(cls: type[errors.FederatedError]) -> str:
    built_in = [
        each
        for each in cls.__mro__[1:]
        if each.__module__ == "builtins" and each not in (Exception, BaseException, object)
    ]
    names = [
        f"`{each.__qualname__}`"
        for each in built_in
        if not any(other is not each and issubclass(other, each) for other in built_in)
    ]
    return " and a ".join(names)


def _as_markdown(details: str) -> str:
    """The sections of a docstring: prose as it is, examples and lists of attributes set apart."""
    details = details.replace("\nMended:", "\n\nMended:").replace("<doctest ...", "notebook cell:1")
    details = re.sub(
        r"^Examples:\n((?:  .*\n?|\n)+)",
        lambda match: _examples(textwrap.dedent(match.group(1))),
        details,
        flags=re.MULTILINE,
    )
    details = re.sub(
        r"^Attributes:\n((?:  .*\n?|\n)+)",
        lambda match: _attributes(textwrap.dedent(match.group(1))),
        details,
        flags=re.MULTILINE,
    )
    return details.rstrip()


def _examples(text: str) -> str:
    """Fences each run of lines from a prompt to the next empty line."""
    blocks = re.split(r"\n\s*\n", text.strip())
    return "\n\n".join(
        f"```pycon\n{block}\n```" if block.startswith(">>>") else block for block in blocks
    )


def _attributes(text: str) -> str:
    """A list of `name: what it is`."""
    entries = re.split(r"\n(?=\S)", text.strip())
    lines = [" ".join(entry.split()) for entry in entries]
    return "\n".join(
        f"- `{name}`: {what.strip()}" for name, _, what in (line.partition(":") for line in lines)
    )


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
