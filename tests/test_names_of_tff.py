"""The names of TFF 0.87 are here, with the names of their arguments, or say what to write instead.

`names_of_tff_087.txt` holds the names under `tff`, and the arguments where they are the same here.
The namespace `simulation` has tests of its own.
"""

from __future__ import annotations

import inspect
import pathlib
from typing import Any

import pytest

import tensorflow_federated as tff
from tensorflow_federated.core import errors

NAMES = (pathlib.Path(__file__).parent / "names_of_tff_087.txt").read_text("utf-8").splitlines()


def namespace_of(line: str) -> str:
    """The namespace of a line of the file: `tff`, `tff.framework`, ..."""
    parts = line.partition("(")[0].split(".")
    return ".".join(["tff", *(part for part in parts[:-1] if part[0].islower())])


def look_up(name: str) -> Any:
    value: Any = tff
    for part in name.split("."):
        value = getattr(value, part)
    return value


@pytest.mark.parametrize("namespace", sorted({namespace_of(line) for line in NAMES}))
def test_a_name_is_there_or_says_what_to_write(namespace):
    silent = []
    for line in NAMES:
        if namespace_of(line) == namespace:
            try:
                look_up(line.partition("(")[0])
            except errors.RemovedNameError as error:
                if not error.fix:
                    silent.append(line)
            except AttributeError:
                silent.append(line)
    assert not silent


@pytest.mark.parametrize("line", [line for line in NAMES if "(" in line])
def test_arguments_have_the_names_that_they_have_in_tff(line):
    name, _, arguments = line.removesuffix(")").partition("(")
    expected = [each for each in arguments.split(", ") if each]
    parameters = list(inspect.signature(look_up(name)).parameters)
    own = [each for each in parameters if each not in ("self", "cls")]
    assert own[: len(expected)] == expected
