"""Collects what is wrong with a value, so that one error tells all of it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, cast

import numpy as np

from tensorflow_federated.core import callsites, errors
from tensorflow_federated.core.types import TensorType, Type

_MOST_SHOWN = 8
_LONGEST_TYPE = 200
_STACK_LINE = re.compile(r'^\s*File "([^"]*)", line \d+')
_NAME_OF_OPERATION = re.compile(
    r"\{\{function_node [^}]*\}\} ?|\[\[(\{\{[^}]*\}\})*\]\]|\[Op:\w+\]( name: ?)?"
)


class ToldError(Exception):
    """An error of another process: its text, as `describe_error` told it there."""


def describe_error(error: Exception) -> str:
    r"""Tells an error of a back end, with the user's lines only of the stack in its text.

    Errors of TensorFlow tell, in their text, where each failed operation was made, and the name of
    its node in a graph, which nobody has given. Of a failed computation only what failed in it is
    told.

    Examples:
      >>> text = 'made at:\n  File "/usr/lib/python3/dist-packages/a.py", line 1\n\nno label 99'
      >>> print(describe_error(ValueError(text)))
      ValueError: made at:
      no label 99
      >>> describe_error(
      ...     ValueError("no label 99\n\t [[{{node Gather}}]] [Op:IteratorGetNext] name: ")
      ... )
      'ValueError: no label 99'
    """
    if isinstance(error, ToldError):
        return str(error)
    if isinstance(error, errors.ComputationError):
        place = () if error.where is None else (f"at {error.where}",)
        return "\n".join([*error.problems, *place])
    lines = [
        shown.rstrip()
        for line in str(error).splitlines()
        if (shown := _NAME_OF_OPERATION.sub("", line)) == line or shown.strip()
    ]
    if any(map(_STACK_LINE.match, lines)):
        lines = list(_without_internal_frames(lines))
    return f"{type(error).__name__}: {chr(10).join(lines)}"


def _without_internal_frames(lines: Iterable[str]) -> Iterator[str]:
    """The lines of a text with stacks, without places that are not the user's, and their code."""
    hidden_from: int | None = None
    for line in filter(str.strip, lines):
        indentation = len(line) - len(line.lstrip())
        place = _STACK_LINE.match(line)
        if place is not None:
            hidden_from = None if callsites.is_user_file(place[1]) else indentation
        elif hidden_from is not None and indentation <= hidden_from:
            hidden_from = None
        if hidden_from is None:
            yield line


class Problems:
    """The problems found so far, in order."""

    def __init__(self) -> None:
        """Starts without problems."""
        self._lines: list[str] = []
        self._fixes: list[str | None] = []

    def __bool__(self) -> bool:
        return bool(self._lines)

    @property
    def lines(self) -> tuple[str, ...]:
        """All problems."""
        return tuple(self._lines)

    def add(self, path: str, expected: Type, value: Any) -> None:
        """A value is of another kind than expected."""
        is_array = hasattr(value, "__array__") and isinstance(expected, TensorType)
        self.add_text(
            path,
            f"expected {_shortened(str(expected))}, got {self.describe(value)}",
            "make an array of it: `np.asarray(value)`." if is_array else None,
        )

    def add_text(self, path: str, text: str, fix: str | None = None) -> None:
        """Anything else that is wrong at a path, and what mends it if that is known."""
        self.add_line(f"{path}: {text}", fix)

    def add_line(self, line: str, fix: str | None = None) -> None:
        """A whole line, which begins with the path."""
        self._lines.append(line)
        self._fixes.append(fix)

    def describe(self, value: Any) -> str:
        """Names a Python value in a few words."""
        if isinstance(value, (np.ndarray, np.generic)):
            array = cast("np.ndarray[Any, np.dtype[Any]]", value)
            sizes = ",".join(map(str, array.shape))
            return f"{array.dtype}[{sizes}]" if sizes else f"{array.dtype} {array}"
        if value is None:
            return "None"
        if isinstance(value, (list, tuple, dict)):
            return f"a {type(value).__name__} of {len(value)}"  # pyright: ignore[reportUnknownArgumentType]
        return errors.describe_object(value)

    def raise_if_any(self, type_signature: Type) -> None:
        """Raises one error with all problems, the first ones of many."""
        if not self._lines:
            return
        shown = self._lines[:_MOST_SHOWN]
        if len(self._lines) > len(shown):
            shown.append(f"and {len(self._lines) - len(shown)} more of this kind")
        raise errors.TypeMismatchError(
            "the value is not of the type that is expected.",
            problems=shown,
            signature=type_signature,
            fix=self._common_fix()
            or "give values of the dtypes, shapes and names that are "
            "expected; what a dataset holds, its `element_spec` tells.",
        )

    def _common_fix(self) -> str | None:
        """What mends all the problems; None if they have to be mended in different ways."""
        fixes = set(self._fixes)
        return fixes.pop() if len(fixes) == 1 else None


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST_TYPE else f"{text[:_LONGEST_TYPE]} ..."
