"""Checks of what public functions are given."""

from __future__ import annotations

from collections.abc import Mapping

from tensorflow_federated.core import errors


def check_instance(
    label: str,
    value: object,
    expected: type | tuple[type, ...],
    summary: str,
    fix: str | None = None,
    error: type[errors.FederatedError] = errors.ArgumentError,
) -> None:
    """Raises an error if an argument is not of a Python class.

    Args:
      label: the name of the argument.
      value: what was given.
      expected: the class, or several.
      summary: what the error says first.
      fix: what to write instead.
      error: the class of the error.

    Examples:
      >>> check_instance("name", 1, str, "a name is a string.")
      Traceback (most recent call last):
        ...
      tensorflow_federated.core.errors.programs.ArgumentError: a name is a string.
        name:        got 1 of the Python type `int`
        where: ...
    """
    check_instances({label: value}, expected, summary, fix, error)


def check_instances(
    given: Mapping[str, object],
    expected: type | tuple[type, ...],
    summary: str,
    fix: str | None = None,
    error: type[errors.FederatedError] = errors.ArgumentError,
) -> None:
    """Raises one error for all arguments that are not of a Python class.

    Args:
      given: the arguments by name.
      expected: the class, or several.
      summary: what the error says first.
      fix: what to write instead.
      error: the class of the error.
    """
    problems = [
        f"{label}: got {errors.describe_object(value)}"
        for label, value in given.items()
        if not isinstance(value, expected)
    ]
    if problems:
        raise error(summary, problems=problems, fix=fix)
