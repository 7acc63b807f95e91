"""Checks of the numbers that aggregators are made with."""

from __future__ import annotations

from typing import Any

import numpy as np

from tensorflow_federated.core import errors


def check_float(value: Any, label: str) -> float:
    """Checks that a parameter is a floating number.

    Args:
      value: what was given.
      label: the name of the parameter, for messages.

    Returns:
      The number.

    Raises:
      TypeMismatchError: if it is none; an integer is none either.
    """
    if not _is(value, float, np.floating):
        is_whole = _is(value, int, np.integer) and not _is(value, bool)
        raise errors.TypeMismatchError(
            f"`{label}` must be a floating number.",
            problems=[f"{label}: expected a float, got {errors.describe_object(value)}"],
            fix=f"write `{label}={float(value)}`." if is_whole else None,
        )
    return float(value)


def check_positive(value: Any, label: str) -> float:
    """Checks that a parameter is a floating number above zero.

    Raises:
      TypeMismatchError: if it is no floating number.
      AggregatorError: if it is not above zero.
    """
    number = check_float(value, label)
    if not number > 0.0:
        raise _out_of_range(label, "positive", number)
    return number


def check_non_negative(value: Any, label: str) -> float:
    """Checks that a parameter is a floating number that is not below zero.

    Raises:
      TypeMismatchError: if it is no floating number.
      AggregatorError: if it is below zero.
    """
    number = check_float(value, label)
    if not number >= 0.0:
        raise _out_of_range(label, "zero or positive", number)
    return number


def check_probability(value: Any, label: str) -> float:
    """Checks that a parameter is a floating number from 0 to 1.

    Raises:
      TypeMismatchError: if it is no floating number.
      AggregatorError: if it is out of range.
    """
    number = check_float(value, label)
    if not 0.0 <= number <= 1.0:
        raise _out_of_range(label, "between 0 and 1", number)
    return number


def check_integer(value: Any, label: str, at_least: int) -> int:
    """Checks that a parameter is an integer that is large enough.

    Args:
      value: what was given.
      label: the name of the parameter, for messages.
      at_least: the smallest integer that is.

    Returns:
      The integer.

    Raises:
      TypeMismatchError: if it is no integer.
      AggregatorError: if it is too small.
    """
    if not _is(value, int, np.integer) or _is(value, bool):
        raise errors.TypeMismatchError(
            f"`{label}` must be an integer.",
            problems=[f"{label}: expected an int, got {errors.describe_object(value)}"],
            fix=f"for example `{label}={max(at_least, 100)}`.",
        )
    if value < at_least:
        raise _out_of_range(label, f"{at_least} or more", value)
    return int(value)


def check_flag(value: Any, label: str) -> bool:
    """Checks that a parameter is True or False.

    Raises:
      TypeMismatchError: if it is something else.
    """
    if not isinstance(value, bool):
        raise errors.TypeMismatchError(
            f"`{label}` must be True or False.",
            problems=[f"{label}: got {errors.describe_object(value)}"],
        )
    return value


def _out_of_range(label: str, expected: str, number: float) -> errors.AggregatorError:
    return errors.AggregatorError(
        f"`{label}` is out of range.",
        problems=[f"{label}: expected a number that is {expected}, got {number}"],
        fix=f"give a number that is {expected}.",
    )


def _is(value: Any, *classes: Any) -> bool:
    return isinstance(value, classes)
