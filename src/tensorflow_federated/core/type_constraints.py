"""What has to hold of the types in a call, besides fitting together: in predicates and in words."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypeAlias

from tensorflow_federated.core import containers, dtypes, errors, paths, shapes
from tensorflow_federated.core.types import (
    FederatedType,
    FunctionType,
    StructType,
    TensorType,
    Type,
)

Variables: TypeAlias = Mapping[str, Type]
"""The type that each letter of a signature stands for, in one call."""

Misfits: TypeAlias = Iterable[tuple[str, Type]]
"""The parts of a type that break a constraint: the path from the whole to each, and its type."""


@dataclasses.dataclass(frozen=True)
class Constraint:
    """What must hold of the type that a letter of a signature stands for.

    Attributes:
      letter: the letter.
      words: what is expected, to follow "expected".
      misfits: finds the parts that break it, given the types of all letters.
      error: the class of the error if it is broken.
      needs: the other letters whose types it looks at.
    """

    letter: str
    words: str
    misfits: Callable[[Variables], Misfits]
    error: type[errors.FederatedError] = errors.TypeMismatchError
    needs: tuple[str, ...] = ()


def leaves(type_signature: Type, path: str = "") -> Iterator[tuple[str, Type]]:
    """The types below all structures, each with the path to it; a ragged tensor is one.

    Examples:
      >>> import numpy as np
      >>> [path for path, _ in leaves(StructType([np.int32, ("a", StructType([np.bool_]))]))]
      ['[0]', '.a[0]']
    """
    if isinstance(type_signature, StructType) and not containers.is_composite(type_signature):
        for index, (name, element) in enumerate(type_signature.items()):
            yield from leaves(element, path + paths.step(name, index))
    else:
        yield path, type_signature


def each_leaf(
    letter: str,
    words: str,
    holds: Callable[[Type], bool],
    error: type[errors.FederatedError] = errors.TypeMismatchError,
) -> Constraint:
    """The constraint that something holds of every part that is no structure."""
    return Constraint(
        letter,
        words,
        lambda variables: [pair for pair in leaves(variables[letter]) if not holds(pair[1])],
        error,
    )


def each_tensor(
    letter: str,
    words: str,
    holds: Callable[[TensorType], bool],
    error: type[errors.FederatedError] = errors.TypeMismatchError,
) -> Constraint:
    """The constraint that a type is made of tensors, of each of which something holds."""
    return each_leaf(
        letter, words, lambda part: isinstance(part, TensorType) and holds(part), error
    )


def one_tensor(letter: str, words: str, holds: Callable[[TensorType], bool]) -> Constraint:
    """The constraint that a type is a single tensor, of which something holds."""

    def misfits(variables: Variables) -> Misfits:
        whole = variables[letter]
        return [] if isinstance(whole, TensorType) and holds(whole) else [("", whole)]

    return Constraint(letter, words, misfits)


def without_placement(letter: str, words: str) -> Constraint:
    """The constraint that nothing in a type is placed, or a function."""
    return each_leaf(
        letter,
        words,
        lambda part: not isinstance(part, (FederatedType, FunctionType)),
        errors.PlacementError,
    )


def integer_for_each(letter: str, of: str) -> Constraint:
    """The constraint that a type is one integer, or one integer for each tensor of another type."""

    def misfits(variables: Variables) -> Misfits:
        given = variables[letter]
        if _is_integer(given) or _has_integers_like(given, variables[of]):
            return []
        return [("", given)]

    words = "one integer, or one for each tensor of the value in the same structure"
    return Constraint(letter, words, misfits, needs=(of,))


def is_scalar(tensor: TensorType) -> bool:
    """Whether a tensor is a single element."""
    return tensor.shape == ()


def has_known_shape(tensor: TensorType) -> bool:
    """Whether all sizes of a tensor are known."""
    return shapes.is_shape_fully_defined(tensor.shape)


def _is_integer(type_signature: Type) -> bool:
    return (
        isinstance(type_signature, TensorType)
        and is_scalar(type_signature)
        and dtypes.is_integer(type_signature.dtype)
    )


def _has_integers_like(given: Type, value: Type) -> bool:
    if not isinstance(value, StructType):
        return _is_integer(given)
    if not isinstance(given, StructType) or len(given) != len(value):
        return False
    pairs = zip(given.items(), value.items(), strict=True)
    return all(
        name == other_name and _has_integers_like(element, other)
        for (name, element), (other_name, other) in pairs
    )
