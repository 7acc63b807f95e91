"""What all types have in common: equality, printing, and the relations between them.

Three relations, strongest first:

- *identical*: the same in everything, Python containers included; this is also `==`.
- *equivalent*: the same values belong to both; Python containers may differ.
- *assignable*: a value of one type can be used where the other is expected: a known size where any
  is allowed, unnamed elements where named ones are expected, an all-equal value where each client
  may have its own.

Each has a `check_*` method, which raises and names what differs.
"""

from __future__ import annotations

import abc
import enum
from collections.abc import Iterator
from typing import ClassVar, NoReturn, cast

from tensorflow_federated.core import errors, html, type_printing


class TypeRelation(enum.Enum):
    """The three relations between types, strongest first."""

    IDENTICAL = "identical"
    EQUIVALENT = "equivalent"
    ASSIGNABLE = "assignable"


class Type(abc.ABC):
    """What a value of a federated program is; the root of the seven kinds of types.

    Examples:
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> any_size = tff.TensorType(np.float32, [None])
      >>> any_size.is_assignable_from(tff.TensorType(np.float32, [3]))
      True
      >>> any_size.is_equivalent_to(tff.TensorType(np.float32, [3]))
      False
    """

    # Whether the type is a letter for any type, which has no relation to other types.
    stands_for_any: ClassVar[bool] = False
    _hash: int | None
    _equal: Type | None = None

    def _set(self, **fields: object) -> None:
        """Sets the fields of a new type, which cannot be set in any other way."""
        for name, value in fields.items():
            object.__setattr__(self, name, value)
        object.__setattr__(self, "_hash", None)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"A type cannot be changed; `{name}` was to be set.")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"A type cannot be changed; `{name}` was to be deleted.")

    @abc.abstractmethod
    def _key(self) -> tuple[object, ...]:
        """What makes two types of this class equal; also the arguments that rebuild it."""

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if type(self) is not type(other) or hash(self) != hash(other):
            return False
        mine, others = self._representative(), cast("Type", other)._representative()
        if mine is others:
            return True
        if mine._key() != others._key():
            return False
        # Comparing large types takes long: the next time, it is known that these are equal. A link
        # is from the higher id to the lower one, so that threads cannot make a circle of them.
        first, second = sorted((mine, others), key=id)
        object.__setattr__(second, "_equal", first)
        return True

    def _representative(self) -> Type:
        """One of the types that were found to be equal to this one, the same for all of them."""
        found = self
        while found._equal is not None:
            found = found._equal
        return found

    def __hash__(self) -> int:
        result = self._hash
        if result is None:
            result = hash((type(self), self._key()))
            object.__setattr__(self, "_hash", result)
        return result

    def __reduce__(self) -> tuple[object, ...]:
        return (type(self), self._key())

    @abc.abstractmethod
    def children(self) -> Iterator[Type]:
        """Iterates over the types directly inside this one, in the order in which they print."""

    @abc.abstractmethod
    def _layout(self) -> type_printing.Layout:
        """How the type prints."""

    def __str__(self) -> str:
        return self.compact_representation()

    def compact_representation(self) -> str:
        """Returns the type in type notation, on one line.

        Examples:
          >>> import numpy as np
          >>> from tensorflow_federated.core.types import to_type
          >>> to_type([("x", np.float32)]).compact_representation()
          '<x=float32>'
        """
        return type_printing.compact(self._layout())

    def formatted_representation(self) -> str:
        """Returns the type in type notation, with one line per element of a struct.

        Examples:
          >>> import numpy as np
          >>> from tensorflow_federated.core.types import to_type
          >>> print(to_type([("x", np.float32)]).formatted_representation())
          <
            x=float32
          >
        """
        return type_printing.formatted(self._layout())

    def _repr_html_(self) -> str:
        return html.of_type(self._layout())

    def is_identical_to(self, other: Type) -> bool:
        """Returns whether the types are the same in everything, Python containers included."""
        return self == other

    def is_equivalent_to(self, other: Type) -> bool:
        """Returns whether the same values belong to both types; Python containers may differ.

        Raises:
          TypeMismatchError: If an abstract type is compared with another type.
        """
        return self._relates(other, TypeRelation.EQUIVALENT)

    def is_assignable_from(self, source_type: Type) -> bool:
        """Returns whether a value of `source_type` can be used where this type is expected.

        Raises:
          TypeMismatchError: If an abstract type is compared with another type.
        """
        return self._relates(source_type, TypeRelation.ASSIGNABLE)

    @errors.boundary
    def check_identical_to(self, other: Type) -> None:
        """Raises `TypesNotIdenticalError` unless `is_identical_to`."""
        if not self.is_identical_to(other):
            raise errors.TypesNotIdenticalError(
                "The types are not identical.",
                problems=self.differences(other, TypeRelation.IDENTICAL),
            )

    @errors.boundary
    def check_equivalent_to(self, other: Type) -> None:
        """Raises `TypesNotEquivalentError` unless `is_equivalent_to`."""
        if not self.is_equivalent_to(other):
            raise errors.TypesNotEquivalentError(
                "The types are not equivalent.",
                problems=self.differences(other, TypeRelation.EQUIVALENT),
            )

    @errors.boundary
    def check_assignable_from(self, source_type: Type) -> None:
        """Raises `TypeNotAssignableError` unless `is_assignable_from`."""
        if not self.is_assignable_from(source_type):
            raise errors.TypeNotAssignableError(
                "A value of this type cannot be used here.",
                problems=self.differences(source_type, TypeRelation.ASSIGNABLE),
            )

    def differences(
        self,
        other: Type,
        relation: TypeRelation = TypeRelation.ASSIGNABLE,
        path: str = "",
    ) -> list[str]:
        """Says where another type breaks a relation to this one, each as `path: expected A, got B`.

        Args:
          other: The type that was given; for assignability, the type of the source.
          relation: The relation that is wanted.
          path: How the whole value is called, for example `argument[0]`; nothing if empty.

        Returns:
          Only what differs, deep in the types; an empty list if the relation holds.

        Examples:
          >>> import numpy as np
          >>> from tensorflow_federated.core.types import to_type
          >>> expected = to_type([("a", np.int32), ("b", [np.float32, np.bool_])])
          >>> expected.differences(to_type([("a", np.int32), ("b", [np.int64, np.bool_])]))
          ['b[0]: expected float32, got int64']
        """
        if not isinstance(cast("object", other), Type):
            return [difference(path, self, other)]
        return list(self._differences(other, relation, path))

    def _relates(self, other: object, relation: TypeRelation) -> bool:
        if self is other or self == other:
            return True
        if not isinstance(other, Type):
            return False
        return next(self._differences(other, relation, ""), None) is None

    def _differences(self, other: Type, relation: TypeRelation, path: str) -> Iterator[str]:
        """Yields each difference; `self` is expected, `other` was given."""
        if self == other:
            return
        if self.stands_for_any and relation is not TypeRelation.IDENTICAL:
            raise errors.TypeMismatchError(
                f"The abstract type {self} stands for any type: it cannot be compared.",
                problems=[difference(path, self, other)],
            )
        yield from self._differences_within_kind(other, relation, path)

    def _differences_within_kind(
        self, other: Type, relation: TypeRelation, path: str
    ) -> Iterator[str]:
        """As `_differences`, for types that are known not to be equal."""
        del relation
        yield difference(path, self, other)


def type_mismatch_error_message(
    first: Type, second: Type, relation: TypeRelation, second_is_expected: bool = False
) -> str:
    """Says in one sentence, as TFF does, that two types are not in a relation.

    Args:
      first: one type.
      second: the other type.
      relation: the relation in which the types are not.
      second_is_expected: whether the second type is the one that was expected.

    Examples:
      >>> import numpy as np
      >>> from tensorflow_federated.core.types import to_type
      >>> type_mismatch_error_message(to_type(np.int32), to_type(np.str_), TypeRelation.ASSIGNABLE)
      'Type `int32` is not assignable to type `str`'
    """
    expected = "expected " if second_is_expected else ""
    return f"Type `{first}` is not {relation.value} to {expected}type `{second}`"


def difference(path: str, expected: object, got: object) -> str:
    """Returns one line of `Type.differences`."""
    text = f"expected {expected}, got {got}"
    return f"{path}: {text}" if path else text


def layout_of(type_signature: Type) -> type_printing.Layout:
    """Returns how a type prints, for those who print types inside of something else."""
    return type_signature._layout()  # pyright: ignore[reportPrivateUsage]


def preorder(type_signature: Type) -> Iterator[Type]:
    """Iterates over a type and all types inside it, a type before those inside it.

    Examples:
      >>> import numpy as np
      >>> from tensorflow_federated.core.types import to_type
      >>> [str(each) for each in preorder(to_type([np.int32, [np.bool_]]))]
      ['<int32,<bool>>', 'int32', '<bool>', 'bool']
    """
    yield type_signature
    for child in type_signature.children():
        yield from preorder(child)
