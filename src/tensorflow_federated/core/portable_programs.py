"""Portable functions as data: the list of operations that one carries out.

The list has no Python code in it: each operation is one of `core.portable.ArrayNamespace` or an
operator, on parts of the argument, on results of operations before it and on constants. So it can
travel as bytes, and it is carried out with arrays of any framework.
"""

from __future__ import annotations

import dataclasses
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tensorflow_federated.core import portable, trees, type_trees
from tensorflow_federated.core.types import FunctionType

# The types that `operator` declares are known in part only.
_python: Any = operator

OPERATORS: Mapping[str, Callable[..., Any]] = {
    "+": _python.add,
    "-": _python.sub,
    "*": _python.mul,
    "/": _python.truediv,
    "//": _python.floordiv,
    "%": _python.mod,
    "**": _python.pow,
    "@": _python.matmul,
    "<": _python.lt,
    "<=": _python.le,
    ">": _python.gt,
    ">=": _python.ge,
    "==": _python.eq,
    "!=": _python.ne,
    "&": _python.and_,
    "|": _python.or_,
    "^": _python.xor,
    "-x": _python.neg,
    "+x": _python.pos,
    "~x": _python.invert,
    "abs(x)": _python.abs,
}
"""The operators, by the names they have in programs."""

ONE_OPERAND = ("-x", "+x", "~x", "abs(x)")
"""Those of the operators that take one operand."""

# What each argument is: an [a]rray or number, a list of [A]rrays, a [d]type, perhaps a [D]type, a
# [s]hape, an a[x]is or several or none, a [p]osition of one axis.
NAMESPACE_OPERATIONS: Mapping[str, str] = {
    "asarray": "aD",
    "zeros": "sd",
    "ones": "sd",
    "full": "sad",
    "zeros_like": "a",
    "ones_like": "a",
    "cast": "ad",
    "sum": "ax",
    "max": "ax",
    "min": "ax",
    "all": "ax",
    "any": "ax",
    "abs": "a",
    "sign": "a",
    "sqrt": "a",
    "square": "a",
    "exp": "a",
    "log": "a",
    "cos": "a",
    "real": "a",
    "imag": "a",
    "fft": "a",
    "ifft": "a",
    "pow": "aa",
    "maximum": "aa",
    "minimum": "aa",
    "clip": "aaa",
    "round": "a",
    "floor": "a",
    "where": "aaa",
    "isfinite": "a",
    "logical_and": "aa",
    "logical_or": "aa",
    "logical_not": "a",
    "reshape": "as",
    "concat": "Ap",
    "slice": "app",
    "stack": "Ap",
    "matmul": "aa",
}
"""The operations of the namespace, with the kinds of their arguments."""

ARGUMENT_KINDS: Mapping[str, str] = {
    **{name: "a" if name in ONE_OPERAND else "aa" for name in OPERATORS},
    **NAMESPACE_OPERATIONS,
}
"""For every operation the kinds of its arguments, one letter each."""


@dataclasses.dataclass(frozen=True)
class Position:
    """A value of a program: a leaf of the argument, or after these the result of an operation."""

    index: int


@dataclasses.dataclass(frozen=True)
class Operation:
    """One operation.

    Attributes:
      name: a key of `ARGUMENT_KINDS`.
      arguments: positions, constant arrays, numbers, dtypes, shapes and axes, as the kinds say.
    """

    name: str
    arguments: tuple[Any, ...]


@dataclasses.dataclass(frozen=True, eq=False)
class PortableProgram:
    """What a portable function does; called with an argument, it does so.

    Attributes:
      type_signature: the type of the function.
      operations: the operations, in order.
      results: for each leaf of the result its position, or a constant.
    """

    type_signature: FunctionType
    operations: tuple[Operation, ...]
    results: tuple[Any, ...]

    def __call__(self, *argument: Any) -> Any:
        """Carries the operations out, in the framework that the argument's arrays belong to.

        Args:
          *argument: the argument in its containers; none if the function takes none.

        Returns:
          The result in its containers.
        """
        values = [leaf for each in argument for leaf in trees.leaves(each)]
        xp = portable.namespace_of(*values)
        for operation in self.operations:
            values.append(apply(operation, xp, lambda given: _resolve(given, values, xp)))
        results = iter([_resolve(result, values, xp) for result in self.results])
        return type_trees.build(self.type_signature.result, lambda _: next(results))


def apply(operation: Operation, xp: portable.ArrayNamespace, resolve: Callable[[Any], Any]) -> Any:
    """Carries one operation out.

    Args:
      operation: the operation.
      xp: the operations of the framework.
      resolve: gives the array or number that an operand stands for.

    Returns:
      The result.
    """
    arguments: list[Any] = []
    for kind, given in zip(ARGUMENT_KINDS[operation.name], operation.arguments, strict=True):
        if kind == "a":
            arguments.append(resolve(given))
        elif kind == "A":
            arguments.append([resolve(each) for each in given])
        else:
            arguments.append(given)
    if operation.name in OPERATORS:
        return OPERATORS[operation.name](*arguments)
    return getattr(xp, operation.name)(*arguments)


def _resolve(given: Any, values: Sequence[Any], xp: portable.ArrayNamespace) -> Any:
    if isinstance(given, Position):
        return values[given.index]
    return xp.asarray(given) if isinstance(given, (np.ndarray, np.generic)) else given
