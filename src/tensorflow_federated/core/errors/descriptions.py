"""How messages show objects and functions, and errors that several parts raise."""

from __future__ import annotations

import re

from tensorflow_federated.core.errors.programs import ComputationReturnedNoneError
from tensorflow_federated.core.errors.root import FederatedError

_LONGEST_OBJECT = 80
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


def describe_object(value: object) -> str:
    """Returns how messages show a Python object: shortened, and without its address.

    Examples:
      >>> describe_object({1, 2})
      '{1, 2} of the Python type `set`'
      >>> describe_object(object())
      '<object object> of the Python type `object`'
    """
    shown = _ADDRESS.sub("", f"{value!r}")
    if len(shown) > _LONGEST_OBJECT:
        shown = f"{shown[:_LONGEST_OBJECT]} ..."
    return f"{shown} of the Python type `{type(value).__name__}`"


def signature_without_result(parameter: object | None) -> str:
    """Returns the signature of a function whose result is not known, in type notation.

    Args:
      parameter: The type of its parameter; None if it takes none.

    Examples:
      >>> signature_without_result("int32")
      '(int32 -> ?)'
    """
    return "( -> ?)" if parameter is None else f"({parameter} -> ?)"


def returned_nothing(
    name: str,
    parameter: object | None,
    where: str | None,
    *,
    law: type[FederatedError] = ComputationReturnedNoneError,
) -> FederatedError:
    """Returns the error to raise where the function of a computation has no `return`.

    Args:
      name: The name of the function.
      parameter: The type of its parameter; None if it takes none.
      where: The line of its definition.
      law: The class of the error, where a back end has another one.

    Returns:
      The error, not raised yet.

    Examples:
      >>> print(returned_nothing("next_fn", "int32", "train.py:12 in `next_fn`"))
      `next_fn` returns nothing, and a computation has to return a value.
        result: expected a value, got None
        signature:   (int32 -> ?)
        where:       train.py:12 in `next_fn`
        fix:         end `next_fn` with `return` and the value.
    """
    return law(
        f"`{name}` returns nothing, and a computation has to return a value.",
        problems=["result: expected a value, got None"],
        signature=signature_without_result(parameter),
        where=where,
        fix=f"end `{name}` with `return` and the value.",
    )
