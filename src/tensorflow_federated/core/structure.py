"""Structs: ordered elements with optional names, and the functions that work on them."""

from __future__ import annotations

import collections
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Generic, NoReturn, TypeVar, cast, overload

from tensorflow_federated.core import errors, fields, namespaces

__all__ = [
    "Struct",
    "flatten",
    "from_container",
    "has_field",
    "is_same_structure",
    "iter_elements",
    "map_structure",
    "name_list",
    "name_list_with_nones",
    "name_to_index_map",
    "pack_sequence_as",
    "to_elements",
    "to_odict",
    "to_odict_or_tuple",
    "update_struct",
]

__getattr__, __dir__ = namespaces.module_functions("tff.structure", __all__)

_T = TypeVar("_T")
_T_co = TypeVar("_T_co", covariant=True)

_RESERVED_NAMES = frozenset({"_asdict", "_names", "_values", "_positions", "_hash"})


class Struct(Generic[_T_co]):
    """An immutable tuple whose elements may have names.

    Elements are reached by position, `s[0]`, and, where they have one, by name, `s.a` or `s["a"]`.
    Two structs are equal if their names and elements are equal in the same order. Iterating gives
    the elements without their names.

    Examples:
      >>> s = Struct([("a", 1), (None, 2)])
      >>> s.a, s[1], len(s), list(s)
      (1, 2, 2, [1, 2])
      >>> print(s)
      <a=1,2>
    """

    __slots__ = ("_hash", "_names", "_positions", "_values")

    _names: tuple[str | None, ...]
    _values: tuple[_T_co, ...]
    _positions: dict[str, int]
    _hash: int | None

    @errors.boundary
    def __init__(self, elements: Iterable[tuple[str | None, _T_co]]) -> None:
        """Builds a struct.

        Args:
          elements: Pairs of a name, or None, and an element.

        Raises:
          StructureError: If a name is there twice or is reserved.
          ArgumentError: If `elements` holds something else than pairs.
        """
        names: list[str | None] = []
        values: list[_T_co] = []
        for element in _iterated(elements):
            if not fields.is_name_value_pair(element):
                raise errors.ArgumentError(
                    "A struct is built from pairs of a name (or None) and an element.",
                    problems=[f"elements[{len(names)}]: got {element!r}"],
                    fix="write `Struct.unnamed(1, 2)` or `Struct([('a', 1), (None, 2)])`.",
                )
            names.append(element[0])
            values.append(element[1])
        set_attribute = object.__setattr__
        set_attribute(self, "_names", tuple(names))
        set_attribute(self, "_values", tuple(values))
        set_attribute(self, "_positions", _positions_of(names))
        set_attribute(self, "_hash", None)

    @classmethod
    def named(cls, **elements: Any) -> Struct[Any]:
        """Returns a struct whose elements all have names.

        Examples:
          >>> print(Struct.named(x=1, y=2))
          <x=1,y=2>
        """
        return cls(elements.items())

    @classmethod
    def unnamed(cls, *elements: Any) -> Struct[Any]:
        """Returns a struct whose elements have no names.

        Examples:
          >>> print(Struct.unnamed(1, 2))
          <1,2>
        """
        return cls((None, element) for element in elements)

    def __len__(self) -> int:
        return len(self._values)

    def __iter__(self) -> Iterator[_T_co]:
        return iter(self._values)

    def __dir__(self) -> list[str]:
        return list(self._positions)

    @overload
    def __getitem__(self, key: int | str) -> _T_co: ...
    @overload
    def __getitem__(self, key: slice) -> tuple[_T_co, ...]: ...
    @errors.boundary
    def __getitem__(self, key: int | str | slice) -> _T_co | tuple[_T_co, ...]:
        if isinstance(key, slice):
            return self._values[key]
        if isinstance(key, str):
            return self._values[self._position(key)]
        if not -len(self._values) <= key < len(self._values):
            raise errors.ElementIndexError(
                f"There is no element {key} in a struct of length {len(self._values)}.",
                fix=f"count from 0 to {len(self._values) - 1}." if self._values else None,
            )
        return self._values[key]

    @errors.boundary
    def __getattr__(self, name: str) -> _T_co:
        if name.startswith("__"):
            # Protocols probe for these (`__array__`, `__deepcopy__`): no place for a long message.
            raise AttributeError(name)
        return self._values[self._position(name)]

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"A struct cannot be changed; `{name}` was to be set.")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"A struct cannot be changed; `{name}` was to be deleted.")

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if type(self) is not type(other) or not isinstance(other, Struct):
            return NotImplemented
        struct = cast("Struct[Any]", other)
        return self._names == struct._names and self._values == struct._values

    def __hash__(self) -> int:
        result = self._hash
        if result is None:
            result = hash((self._names, self._values))
            object.__setattr__(self, "_hash", result)
        return result

    def __repr__(self) -> str:
        return f"Struct({to_elements(self)!r})"

    def __str__(self) -> str:
        return f"<{','.join(_printed(name, value) for name, value in iter_elements(self))}>"

    def __reduce__(self) -> tuple[object, ...]:
        return (type(self), (to_elements(self),))

    def _asdict(self, recursive: bool = False) -> collections.OrderedDict[str, Any]:
        """Returns the elements by name, as a named tuple does."""
        return to_odict(self, recursive)

    def _position(self, name: str) -> int:
        position = self._positions.get(name)
        if position is None:
            nearest = errors.suggest_name(name, self._positions)
            known = ", ".join(self._positions)
            raise errors.ElementNameError(
                f"There is no element `{name}` in a struct of length {len(self._values)}.",
                problems=[f"names: {known}"] if known else ["names: none"],
                fix="use one of these names." if nearest is None else f"did you mean `{nearest}`?",
            )
        return position


def _iterated(elements: object) -> Iterable[Any]:
    if isinstance(elements, Iterable):
        return cast("Iterable[Any]", elements)
    raise errors.ArgumentError(
        f"A struct is built from an iterable of pairs, got {type(elements).__name__}."
    )


def _positions_of(names: Sequence[str | None]) -> dict[str, int]:
    positions: dict[str, int] = {}
    for position, name in enumerate(names):
        if name is None:
            continue
        if name in _RESERVED_NAMES:
            raise errors.StructureError(f"An element cannot be named `{name}`: it is reserved.")
        if name in positions:
            raise errors.StructureError(
                f"The name `{name}` is there twice.",
                problems=[f"names: {', '.join(str(each) for each in names)}"],
                fix="give each element its own name, or none.",
            )
        positions[name] = position
    return positions


def _printed(name: str | None, value: object) -> str:
    return str(value) if name is None else f"{name}={value}"


@errors.boundary
def to_elements(struct: Struct[_T]) -> list[tuple[str | None, _T]]:
    """Returns the pairs of name, or None, and element.

    Args:
      struct: A struct.

    Examples:
      >>> to_elements(Struct([("a", 1), (None, 2)]))
      [('a', 1), (None, 2)]
    """
    return list(iter_elements(struct))


@errors.boundary
def iter_elements(struct: Struct[_T]) -> Iterator[tuple[str | None, _T]]:
    """Iterates over the pairs of name, or None, and element.

    Args:
      struct: A struct.

    Examples:
      >>> list(iter_elements(Struct.named(x=1)))
      [('x', 1)]
    """
    _check_struct(struct)
    return zip(struct._names, struct._values, strict=True)  # pyright: ignore[reportPrivateUsage]


@errors.boundary
def name_list(struct: Struct[Any]) -> list[str]:
    """Returns the names of the named elements, in order.

    Examples:
      >>> name_list(Struct([("a", 1), (None, 2)]))
      ['a']
    """
    return [name for name, _ in iter_elements(struct) if name is not None]


@errors.boundary
def name_list_with_nones(struct: Struct[Any]) -> list[str | None]:
    """Returns the name of each element, None where it has none.

    Examples:
      >>> name_list_with_nones(Struct([("a", 1), (None, 2)]))
      ['a', None]
    """
    return [name for name, _ in iter_elements(struct)]


@errors.boundary
def name_to_index_map(structure: Struct[Any]) -> dict[str, int]:
    """Returns the position of each named element.

    Examples:
      >>> name_to_index_map(Struct([(None, 2), ("a", 1)]))
      {'a': 1}
    """
    return {
        name: position
        for position, (name, _) in enumerate(iter_elements(structure))
        if name is not None
    }


@errors.boundary
def has_field(structure: Struct[Any], field: str) -> bool:
    """Returns whether the struct has an element of that name.

    Examples:
      >>> has_field(Struct.named(a=1), "a"), has_field(Struct.named(a=1), "b")
      (True, False)
    """
    return field in name_list(structure)


@errors.boundary
def flatten(struct: object) -> list[Any]:
    """Returns the leaves of a nested struct, depth first.

    Python containers are looked into as well, mappings in the order of their keys.

    Args:
      struct: A struct or a container of structs, containers and leaves, or a leaf.

    Examples:
      >>> flatten(Struct.named(a=1, b=Struct.unnamed(2, [3, 4])))
      [1, 2, 3, 4]
      >>> flatten(5)
      [5]
    """
    elements = _elements_of(struct)
    if elements is None:
        return [struct]
    if isinstance(struct, Mapping):
        elements = sorted(elements, key=_key_of)
    return [leaf for _, element in elements for leaf in flatten(element)]


def _key_of(element: tuple[Any, Any]) -> Any:
    return element[0]


@errors.boundary
def pack_sequence_as(structure: Any, flat_sequence: Sequence[Any]) -> Any:
    """Returns a struct like `structure` with other leaves: the inverse of `flatten`.

    Args:
      structure: A struct of structs and leaves, or a leaf.
      flat_sequence: As many leaves as `structure` has, in the order of `flatten`.

    Raises:
      TypeMismatchError: If there are Python containers in the structure.
      ElementIndexError: If there are too few leaves.
      StructureError: If there are too many leaves.

    Examples:
      >>> print(pack_sequence_as(Struct.named(a=1, b=Struct.unnamed(2, 3)), [7, 8, 9]))
      <a=7,b=<8,9>>
    """
    _check_structs_only(structure)
    needed, given = len(flatten(structure)), len(flat_sequence)
    if needed != given:
        raise (errors.ElementIndexError if given < needed else errors.StructureError)(
            f"The structure has {needed} leaves, but {given} were given."
        )
    return _packed(structure, iter(flat_sequence))


def _check_structs_only(structure: object) -> None:
    elements = _elements_of(structure)
    if elements is not None and not isinstance(structure, Struct):
        raise errors.TypeMismatchError(
            "Leaves can be put into structs only, not into Python containers.",
            problems=[f"structure: got {structure!r}"],
            fix="convert it with `tff.structure.from_container(structure, recursive=True)`.",
        )
    for _, element in elements or ():
        _check_structs_only(element)


def _packed(structure: Any, leaves: Iterator[Any]) -> Any:
    if not isinstance(structure, Struct):
        return next(leaves)
    nested = cast("Struct[Any]", structure)
    return Struct([(name, _packed(value, leaves)) for name, value in iter_elements(nested)])


@errors.boundary
def is_same_structure(a: Struct[Any], b: Struct[Any]) -> bool:
    """Returns whether two structs have the same names and nesting, whatever the leaves are.

    Python containers inside are compared too: lists and tuples by class and length, mappings by
    their keys.

    Examples:
      >>> is_same_structure(Struct.named(a=1), Struct.named(a="x"))
      True
      >>> is_same_structure(Struct.named(a=1), Struct.unnamed(1))
      False
    """
    _check_struct(a)
    _check_struct(b)
    return _same(a, b)


def _same(a: object, b: object) -> bool:
    if isinstance(a, Struct) or isinstance(b, Struct):
        if not (isinstance(a, Struct) and isinstance(b, Struct)):
            return False
        first, second = cast("Struct[Any]", a), cast("Struct[Any]", b)
        return name_list_with_nones(first) == name_list_with_nones(second) and _all_same(
            first, second
        )
    if isinstance(a, Mapping) or isinstance(b, Mapping):
        if not (isinstance(a, Mapping) and isinstance(b, Mapping)):
            return False
        left, right = cast("Mapping[Any, Any]", a), cast("Mapping[Any, Any]", b)
        return left.keys() == right.keys() and all(_same(left[key], right[key]) for key in left)
    if isinstance(a, (list, tuple)) or isinstance(b, (list, tuple)):
        left, right = cast("Sequence[Any]", a), cast("Sequence[Any]", b)
        return type(left) is type(right) and _all_same(left, right)
    return True


def _all_same(a: Iterable[Any], b: Iterable[Any]) -> bool:
    first, second = list(a), list(b)
    return len(first) == len(second) and all(map(_same, first, second))


@errors.boundary
def map_structure(fn: Callable[..., Any], *structures: Any) -> Any:
    """Applies a function to the leaves of one struct, or to the matching leaves of several.

    Args:
      fn: A function of as many arguments as there are structures.
      *structures: Structs of the same structure, Python containers of the same form, or leaves.

    Returns:
      The results, in the form of the first structure.

    Raises:
      TypeMismatchError: If the structures differ, or there are Python containers in structs.
      StructureError: If there is no structure, or only some are structs.

    Examples:
      >>> s = Struct.named(a=1, b=2)
      >>> print(map_structure(lambda x, y: x + y, s, s))
      <a=2,b=4>
    """
    if not structures:
        raise errors.StructureError("`map_structure` needs at least one structure.")
    first = structures[0]
    for position, other in enumerate(structures[1:], 1):
        if not _same(first, other):
            both = isinstance(first, Struct) and isinstance(other, Struct)
            raise (errors.TypeMismatchError if both else errors.StructureError)(
                "`map_structure` needs structures with the same names and nesting.",
                problems=[f"structures[0]: {first}", f"structures[{position}]: {other}"],
            )
    if isinstance(first, Struct):
        _check_structs_only(cast("object", first))
    return _mapped(fn, structures)


def _mapped(fn: Callable[..., Any], structures: Sequence[Any]) -> Any:
    first: object = structures[0]
    columns = [_elements_of(each) for each in structures]
    if columns[0] is None:
        return fn(*structures)
    by_key = isinstance(first, Mapping)
    results: list[tuple[str | None, Any]] = []
    for position, (name, _) in enumerate(columns[0]):
        row = [dict(each or ())[name] if by_key else (each or ())[position][1] for each in columns]
        results.append((name, _mapped(fn, row)))
    return _rebuilt(structures[0], results)


def from_container(value: Any, recursive: bool = False) -> Struct[Any]:
    """Returns the struct of the elements of a Python container.

    Args:
      value: A mapping, list, tuple, named tuple, attrs or dataclass instance, or a struct.
      recursive: Whether containers inside become structs too.

    Raises:
      TypeMismatchError: If `value` is no container.

    Examples:
      >>> print(from_container({"b": 1, "a": [1, 2]}))
      <b=1,a=[1, 2]>
      >>> print(from_container({"b": 1, "a": [1, 2]}, recursive=True))
      <b=1,a=<1,2>>
    """
    container: object = value
    if isinstance(container, Struct) and not recursive:
        return cast("Struct[Any]", container)
    elements = _elements_of(value)
    if elements is None:
        raise errors.TypeMismatchError(
            f"An object of type {type(value).__name__} is no container that can become a struct.",
            fix="give a dict, list, tuple, named tuple, attrs or dataclass instance.",
        )
    if not recursive:
        return Struct(elements)
    return Struct([(name, _struct_if_container(element)) for name, element in elements])


def _elements_of(value: object) -> Sequence[tuple[str | None, Any]] | None:
    if isinstance(value, Struct):
        return to_elements(cast("Struct[Any]", value))
    named = fields.named_fields(value)
    if named is not None:
        return [*named]
    if isinstance(value, (list, tuple)):
        return [(None, element) for element in cast("Sequence[Any]", value)]
    return None


def _struct_if_container(value: object) -> object:
    return value if _elements_of(value) is None else from_container(value, recursive=True)


@errors.boundary
def to_odict(struct: Struct[Any], recursive: bool = False) -> collections.OrderedDict[str, Any]:
    """Returns the elements by name.

    Args:
      struct: A struct whose elements all have names.
      recursive: Whether structs inside become dictionaries too.

    Raises:
      StructureError: If an element has no name.

    Examples:
      >>> dict(to_odict(Struct.named(x=1, y=2)))
      {'x': 1, 'y': 2}
    """
    result: collections.OrderedDict[str, Any] = collections.OrderedDict()
    for name, value in iter_elements(struct):
        if name is None:
            raise errors.StructureError(
                "A struct with unnamed elements cannot become an `OrderedDict`.",
                problems=[f"struct: {struct}"],
                fix="name all elements, or use `list(struct)`.",
            )
        nested = recursive and isinstance(value, Struct)
        result[name] = to_odict(cast("Struct[Any]", value), recursive) if nested else value
    return result


@errors.boundary
def to_odict_or_tuple(
    struct: Struct[Any], recursive: bool = True
) -> collections.OrderedDict[str, Any] | tuple[Any, ...]:
    """Returns the elements by name if all have one, and as a tuple if none has.

    Args:
      struct: A struct.
      recursive: Whether structs inside are converted too.

    Raises:
      StructureError: If some elements have names and others have none.

    Examples:
      >>> to_odict_or_tuple(Struct.unnamed(1, Struct.unnamed(2)))
      (1, (2,))
    """
    names = name_list(struct)
    if names and len(names) != len(struct):
        raise errors.StructureError(
            "A struct with named and unnamed elements is neither an `OrderedDict` nor a tuple.",
            problems=[f"struct: {struct}"],
            fix="name all elements or none.",
        )
    values: list[Any] = [
        to_odict_or_tuple(cast("Struct[Any]", value))
        if recursive and isinstance(value, Struct)
        else value
        for value in struct
    ]
    if names:
        return collections.OrderedDict(zip(names, values, strict=True))
    return tuple(values)


@errors.boundary
def update_struct(structure: Any, **kwargs: Any) -> Any:
    """Returns a copy of a structure in which some named elements are replaced.

    Args:
      structure: A struct, mapping, named tuple, attrs or dataclass instance.
      **kwargs: The new elements; each name must exist.

    Returns:
      A structure of the same container.

    Raises:
      ElementKeyError: If a name does not exist.
      TypeMismatchError: If `structure` has no named elements.

    Examples:
      >>> update_struct({"x": 1, "y": 2}, y=5)
      {'x': 1, 'y': 5}
    """
    if isinstance(structure, Struct):
        elements = to_elements(cast("Struct[Any]", structure))
    else:
        found = fields.named_fields(structure)
        if found is None:
            raise errors.TypeMismatchError(
                f"An object of type {type(structure).__name__} has no named elements to replace.",
                fix="give a struct, mapping, named tuple, attrs or dataclass instance.",
            )
        elements: list[tuple[str | None, Any]] = [*found]
    names = [name for name, _ in elements]
    unknown = [name for name in kwargs if name not in names]
    if unknown:
        raise errors.ElementKeyError(
            "The structure has no element of that name.",
            problems=[f"unknown: {', '.join(unknown)}", f"names: {', '.join(map(str, names))}"],
        )
    updated = [
        (name, value if name is None else kwargs.get(name, value)) for name, value in elements
    ]
    return _rebuilt(structure, updated)


def _rebuilt(structure: Any, elements: list[tuple[str | None, Any]]) -> Any:
    container: Any = type(cast("object", structure))
    if isinstance(structure, Struct):
        return Struct(elements)
    if isinstance(structure, collections.defaultdict):
        factory = cast("collections.defaultdict[Any, Any]", structure).default_factory
        return collections.defaultdict(factory, elements)
    if isinstance(structure, Mapping):
        return container(elements)
    if isinstance(structure, (list, tuple)) and not fields.is_named_tuple(structure):
        return container([element for _, element in elements])
    return container(**{str(name): value for name, value in elements})


def _check_struct(value: object) -> None:
    if not isinstance(value, Struct):
        raise errors.TypeMismatchError(
            f"Expected a `tff.structure.Struct`, got an object of type {type(value).__name__}.",
            fix="convert it with `tff.structure.from_container`.",
        )
