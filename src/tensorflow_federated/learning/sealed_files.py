"""Files that hold one value: written whole or not at all, and checked before they are believed."""

from __future__ import annotations

import contextlib
import os
import pathlib
import tempfile
from collections.abc import Mapping
from typing import Any

from tensorflow_federated.core import errors
from tensorflow_federated.core.byte_format import DEFAULT_LIMITS, Limits
from tensorflow_federated.core.types import Type
from tensorflow_federated.execution import serialization

_FORMAT = "format"
_CONTENT = "content"


def checked_path(path: Any, user: str) -> pathlib.Path:
    """The path that a user gave.

    Args:
      path: a string or a path.
      user: the name of the function that it was given to.

    Raises:
      TypeMismatchError: if it is neither.
      SavedFileError: if it is empty.
    """
    if not isinstance(path, (str, os.PathLike)):
        raise errors.TypeMismatchError(
            f"`{user}` needs a path.",
            problems=[f"path: expected a string or a path, got `{type(path).__name__}`"],
            fix="give the name of a place on this machine's disk.",
        )
    if not os.fspath(path):
        raise errors.SavedFileError(
            f"`{user}` needs a path.",
            problems=["path: is empty"],
            fix="give the name of a place on this machine's disk.",
        )
    return pathlib.Path(os.fspath(path))


def write(path: pathlib.Path, kind: str, content: Any) -> None:
    """Writes a value into a file, in the place of what is there.

    The bytes go to a temporary file beside it, reach the disk, and then take its name: whoever
    reads finds the old file or the new one.

    Args:
      path: the file; its folder is made if it is not there.
      kind: what the file is, for whoever reads it.
      content: arrays, numbers, strings, computations, in containers.

    Raises:
      WireError: if a part of the content cannot be turned into bytes.
    """
    data, _ = serialization.serialize_value({_FORMAT: kind, _CONTENT: content})
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
    _sync_folder(path.parent)


def _sync_folder(folder: pathlib.Path) -> None:
    """Makes the new name in a folder last, where folders are files that can be opened."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read(path: pathlib.Path, kind: str, *, limits: Limits = DEFAULT_LIMITS) -> tuple[Any, Type]:
    """Reads what `write` wrote.

    Args:
      path: the file.
      kind: what it has to be.
      limits: what is read at most.

    Returns:
      The content and its type.

    Raises:
      SavedFileError: if there is no such file, or it is damaged or another one.
    """

    def fail(problems: list[str], fix: str) -> errors.FederatedError:
        return errors.SavedFileError(
            f"this is not {kind} that can be read.",
            problems=[f"file: {path}", *problems],
            fix=fix,
        )

    again = "give the path that it was saved under, or save it again."
    try:
        size = path.stat().st_size
        if size > limits.num_bytes:
            at_most = f"length: at most {limits.num_bytes} bytes are read, got {size}"
            raise fail([at_most], "if it is yours, read it on the machine that wrote it.")
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise fail(["there is no such file"], again) from error
    except (IsADirectoryError, NotADirectoryError, PermissionError) as error:
        raise fail([f"{type(error).__name__}: {error.strerror}"], again) from error
    try:
        value, type_signature = serialization.deserialize_value(data, limits=limits)
    except errors.WireError as error:
        raise fail(list(error.problems), again) from error
    found = value.get(_FORMAT) if isinstance(value, Mapping) else None
    if isinstance(found, bytes):
        found = found.decode("utf-8", "replace")
    if found != kind or list(value) != [_FORMAT, _CONTENT]:
        inside = found if isinstance(found, str) else "something else"
        raise fail([f"inside: expected {kind}, got {inside:.80}"], again)
    return value[_CONTENT], dict(_elements(type_signature))[_CONTENT]


def _elements(type_signature: Type) -> list[tuple[str | None, Type]]:
    return list(type_signature.items())  # pyright: ignore[reportAttributeAccessIssue]
