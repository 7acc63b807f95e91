"""Finds the user's own line on the call stack."""

from __future__ import annotations

import functools
import os
import re
import sys
import sysconfig
from types import FrameType, TracebackType
from typing import Any

_PACKAGE = "tensorflow_federated"
_PACKAGE_DIRECTORY = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_STANDARD_LIBRARY = tuple(
    {os.path.abspath(sysconfig.get_path(key)) for key in ("stdlib", "platstdlib")}
)
_FRAMEWORKS = frozenset({"tensorflow", "keras", "jax", "jaxlib", "numpy", _PACKAGE})
_INSTALLED = re.compile(r"[\\/](site|dist)-packages[\\/]")
_NOTEBOOK_CELL = re.compile(r"[\\/]ipykernel_\d+[\\/]|^<ipython-input-")
_AUTOGRAPH = "__autograph_generated_file"


def find_user_line() -> str | None:
    """Returns the innermost line of user code on the stack, as ``train.py:12 in `next_fn` ``.

    User code is what lies outside this package, the tensor frameworks, the standard library and the
    installed packages; cells of notebooks, doctests and the prompt count as user code. If all code
    on the stack is installed (a program started from an installed package), the innermost installed
    frame outside the frameworks is taken.

    Returns:
      The line, or None if the stack holds no such frame.

    Examples:
      >>> find_user_line()
      '<doctest ...core.callsites.find_user_line[0]>:1'
    """
    frame = sys._getframe(1)  # pyright: ignore[reportPrivateUsage]
    installed: FrameType | None = None
    while frame is not None:
        if is_user_frame(frame):
            return _described(frame)
        if installed is None and _is_installed_program(frame):
            installed = frame
        frame = frame.f_back
    return None if installed is None else _described(installed)


def user_stacklevel() -> int:
    """How far up the stack the user's own line is, for a warning of the function that calls this.

    Returns:
      The `stacklevel` of `warnings.warn`; that of the outermost frame if no frame is the user's.
    """
    frame, level = sys._getframe(1), 1  # pyright: ignore[reportPrivateUsage]
    while frame.f_back is not None and not is_user_frame(frame):
        frame, level = frame.f_back, level + 1
    return level


def is_user_frame(frame: FrameType) -> bool:
    """Returns whether the frame runs code that the user wrote.

    Args:
      frame: A frame of the call stack or of a traceback.

    Returns:
      True for scripts, modules that are not installed, notebook cells, doctests and the prompt.
    """
    path = frame.f_code.co_filename
    if path.startswith("<"):
        # The globals of a doctest are a copy of the tested module's, so the name is asked first.
        if path.startswith("<doctest "):
            return True
        return not path.startswith("<frozen ") and _root_module(frame) not in _FRAMEWORKS
    return is_user_file(path)


def is_rewritten_frame(frame: FrameType) -> bool:
    """Returns whether the frame runs what TensorFlow's AutoGraph has made of a user's function.

    Args:
      frame: A frame of the call stack or of a traceback.
    """
    return _AUTOGRAPH in frame.f_code.co_filename


def is_framework_frame(frame: FrameType) -> bool:
    """Returns whether the frame runs code of this package or of a tensor framework.

    Args:
      frame: A frame of the call stack or of a traceback.

    Returns:
      False for user code and for other installed packages.
    """
    return _root_module(frame) in _FRAMEWORKS


def is_package_frame(frame: FrameType) -> bool:
    """Returns whether the frame runs code of this package.

    Args:
      frame: A frame of the call stack or of a traceback.

    Returns:
      False for user code and for all other packages.
    """
    return _root_module(frame) == _PACKAGE


@functools.lru_cache(maxsize=4096)
def is_user_file(path: str) -> bool:
    """Returns whether a file holds code that the user wrote.

    Args:
      path: The name of a file, as code objects hold it.

    Returns:
      False for this package, the standard library, installed packages and generated code.
    """
    if _AUTOGRAPH in path:
        return False
    absolute = os.path.abspath(path)
    if absolute.startswith(_PACKAGE_DIRECTORY + os.sep) or _INSTALLED.search(absolute):
        return False
    return not any(absolute.startswith(directory + os.sep) for directory in _STANDARD_LIBRARY)


def _is_installed_program(frame: FrameType) -> bool:
    return (
        _INSTALLED.search(frame.f_code.co_filename) is not None
        and _root_module(frame) not in _FRAMEWORKS
    )


def _root_module(frame: FrameType) -> str:
    name = frame.f_globals.get("__name__")
    return name.partition(".")[0] if isinstance(name, str) else ""


def _described(frame: FrameType) -> str:
    return describe_line(frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name)


def describe_line(path: str, number: int, function: str) -> str:
    """Returns a line of code as messages show it, as ``train.py:12 in `next_fn` ``.

    Args:
      path: The name of the file, as code objects hold it.
      number: The number of the line.
      function: The name of the function around it.

    Examples:
      >>> describe_line("/home/me/train.py", 12, "<module>")
      'train.py:12'
    """
    if _NOTEBOOK_CELL.search(path):
        file = "notebook cell"
    elif path.startswith("<"):
        file = path
    else:
        file = os.path.basename(path)
    line = f"{file}:{number}"
    return line if function == "<module>" else f"{line} in `{function}`"


def innermost_user_line(traceback: TracebackType | None) -> str | None:
    """Returns the deepest line of user code on a traceback, as messages show it.

    Args:
      traceback: Of an exception that was raised by it, or under it.

    Returns:
      The line; None if there is none.
    """
    found: str | None = None
    while traceback is not None:
        if is_user_frame(traceback.tb_frame):
            code = traceback.tb_frame.f_code
            found = describe_line(code.co_filename, traceback.tb_lineno, code.co_name)
        traceback = traceback.tb_next
    return found


def line_of(function: Any) -> str | None:
    """Returns where a function is defined, as ``train.py:12 in `next_fn` ``.

    Args:
      function: A Python function, or an object that wraps one as `python_function`.

    Returns:
      The line of its definition; None if it has no source, as built-in functions have not.

    Examples:
      >>> def next_fn():
      ...     pass
      >>> line_of(next_fn)
      '<doctest ...core.callsites.line_of[0]>:1 in `next_fn`'
      >>> line_of(len) is None
      True
    """
    code = getattr(getattr(function, "python_function", function), "__code__", None)
    if code is None:
        return None
    return describe_line(code.co_filename, code.co_firstlineno, code.co_name)
