"""What a Python function does, as far as it can be known without calling it: a key.

Two functions of one key do the same. So what was traced of one holds for the other: a function that
is defined anew for each client need not be traced for each.
"""

from __future__ import annotations

import builtins
import dis
import functools
import types
from collections.abc import Hashable, Mapping
from typing import Any

_DEEPEST = 6
_CONSTANTS = (bool, int, float, complex, str, bytes, type(None), type(Ellipsis))
# Packages whose functions are what they are; not what a program sets while it runs.
_STABLE = frozenset(
    ["builtins", "collections", "functools", "keras", "math", "numpy", "operator", "tensorflow"]
)
# Names that stand for another value each time, or for what lies outside.
_UNSTABLE = frozenset(
    [
        *("choice", "input", "normal", "open", "permutation", "print", "rand", "randint", "randn"),
        *("random", "seed", "set_seed", "shuffle", "uniform"),
    ]
)

_CHANGES = ("IMPORT", "STORE_GLOBAL", "DELETE_GLOBAL", "STORE_ATTR", "DELETE_ATTR")


class UnknownKeyError(Exception):
    """A function may do something else each time."""


def key_of(function: Any) -> Hashable:
    """The key of a function: its code, and the constants and functions that the code names.

    Args:
      function: the function.

    Returns:
      The key; it keeps what it was made of.

    Raises:
      UnknownKeyError: if the function reads what may change: a list, an array, an attribute of an
        object, a module of the user.

    Examples:
      >>> def plus(number):
      ...     return lambda x: x + number
      >>> key_of(plus(1)) == key_of(plus(1)), key_of(plus(1)) == key_of(plus(2))
      (True, False)
    """
    return _of_function(function, _DEEPEST)


def _of_function(function: Any, depth: int) -> Hashable:
    if not depth or not isinstance(function, types.FunctionType):
        raise UnknownKeyError
    code, values = function.__code__, function.__globals__
    named = _global_names(code)
    return (
        code,
        tuple(_of_value(each, depth) for each in function.__defaults__ or ()),
        tuple(
            (name, _of_value(each, depth))
            for name, each in sorted((function.__kwdefaults__ or {}).items())
        ),
        tuple(_of_cell(cell, depth) for cell in function.__closure__ or ()),
        tuple(_of_global(name, values, depth) for name in named),
    )


@functools.lru_cache(maxsize=1024)
def _global_names(code: types.CodeType) -> tuple[str, ...]:
    """The names of globals that code reads, and code inside it."""
    names: set[str] = set()
    waiting = [code]
    while waiting:
        each = waiting.pop()
        if not _UNSTABLE.isdisjoint(each.co_names):
            raise UnknownKeyError
        for instruction in dis.get_instructions(each):
            if instruction.opname.startswith(("LOAD_GLOBAL", "LOAD_NAME")):
                names.add(str(instruction.argval))
            elif instruction.opname.startswith(_CHANGES) or (
                instruction.opname == "STORE_DEREF" and instruction.argval in code.co_freevars
            ):
                raise UnknownKeyError
        waiting.extend(part for part in each.co_consts if isinstance(part, types.CodeType))
    return tuple(sorted(names))


def _of_cell(cell: types.CellType, depth: int) -> Hashable:
    try:
        value = cell.cell_contents
    except ValueError as error:
        raise UnknownKeyError from error
    return _of_value(value, depth)


def _of_global(name: str, values: Mapping[str, Any], depth: int) -> Hashable:
    if name in values:
        return name, _of_value(values[name], depth)
    if hasattr(builtins, name):
        return name
    raise UnknownKeyError


def _of_value(value: Any, depth: int) -> Hashable:
    if isinstance(value, _CONSTANTS):
        # 1, 1.0 and True are equal, and are not the same; nor are 0.0 and -0.0.
        return type(value), repr(value)
    if isinstance(value, tuple):
        return type(value), tuple(_of_value(each, depth) for each in value)  # type: ignore[misc]
    if isinstance(value, types.ModuleType):
        if value.__name__.partition(".")[0] in _STABLE and "random" not in value.__name__:
            return value
        raise UnknownKeyError
    module = getattr(value, "__module__", None)
    if isinstance(module, str) and module.partition(".")[0] in _STABLE:
        is_fixed = isinstance(value, (type, types.BuiltinFunctionType, types.FunctionType))
        if is_fixed or type(value).__name__ == "DType":
            return value
    if isinstance(value, type) and issubclass(value, tuple) and hasattr(value, "_fields"):
        return value
    return _of_function(value, depth - 1)
