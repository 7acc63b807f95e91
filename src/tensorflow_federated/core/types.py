"""The types of federated programs.

There are seven kinds: tensor, struct, sequence, function, federated, placement, abstract. Types are
immutable. They print as `<x=float32[?,784],y=int32[?,1]>*`, `{int32}@CLIENTS`, `(<a=T> -> T)`.

How types relate to each other is told in `type_relations`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar, cast

from tensorflow_federated.core import dtypes, errors, paths, shapes, specs, structure, type_printing
from tensorflow_federated.core.placements import PlacementLiteral
from tensorflow_federated.core.shapes import ArrayShape as ArrayShape
from tensorflow_federated.core.type_relations import Type as Type
from tensorflow_federated.core.type_relations import TypeRelation as TypeRelation
from tensorflow_federated.core.type_relations import difference
from tensorflow_federated.core.type_relations import preorder as preorder


class TensorType(Type):
    """The type of an array of one dtype.

    Attributes:
      dtype: A NumPy dtype; strings have `np.dtype(np.str_)` and print as `str`.
      shape: A tuple of sizes, None where a size is not known; None if not even the rank is.

    Examples:
      >>> import numpy as np
      >>> print(TensorType(np.float32, [None, 784]))
      float32[?,784]
      >>> print(TensorType(np.int32))
      int32
    """

    dtype: dtypes.DType
    shape: ArrayShape

    @errors.boundary
    def __init__(self, dtype: object, shape: object = ()) -> None:
        """Builds a tensor type.

        Args:
          dtype: A NumPy, TensorFlow, JAX or Python dtype.
          shape: A list of sizes, None where a size is not known; None if the rank is not known.

        Raises:
          ToTypeError: If either is not what it should be.
        """
        self._set(dtype=dtypes.as_dtype(dtype), shape=shapes.as_shape(shape))

    def _key(self) -> tuple[object, ...]:
        return (self.dtype, self.shape)

    def children(self) -> Iterator[Type]:
        """Iterates over nothing: a tensor type has no types inside."""
        return iter(())

    def __repr__(self) -> str:
        name = dtypes.dtype_name(self.dtype)
        scalar = f"np.{name}_" if name in ("bool", "str") else f"np.{name}"
        return (
            f"TensorType({scalar})" if self.shape == () else f"TensorType({scalar}, {self.shape})"
        )

    def _layout(self) -> type_printing.Layout:
        name = dtypes.dtype_name(self.dtype)
        if self.shape is None:
            return [f"{name!r}(shape=None)"]
        if not self.shape:
            return [name]
        return [f"{name}[{','.join('?' if size is None else str(size) for size in self.shape)}]"]

    def _differences_within_kind(
        self, other: Type, relation: TypeRelation, path: str
    ) -> Iterator[str]:
        if not (
            isinstance(other, TensorType)
            and relation is TypeRelation.ASSIGNABLE
            and self.dtype == other.dtype
            and _is_shape_assignable(self.shape, other.shape)
        ):
            yield difference(path, self, other)


def _is_shape_assignable(target: ArrayShape, source: ArrayShape) -> bool:
    if target is None:
        return True
    if source is None or len(source) != len(target):
        return False
    return all(size is None or size == given for size, given in zip(target, source, strict=True))


class StructType(structure.Struct[Type], Type):
    """The type of a struct: ordered elements, each with a type and perhaps a name.

    A struct type is itself a `tff.structure.Struct` of types: `t[0]`, `t.a`, `t["a"]`, `len(t)`,
    iteration, and all functions of `tff.structure`.

    Examples:
      >>> import numpy as np
      >>> t = StructType([("a", np.int32), (np.float32, [2])])
      >>> print(t)
      <a=int32,float32[2]>
      >>> print(t.a, t[1], len(t))
      int32 float32[2] 2
    """

    @errors.boundary
    def __init__(self, elements: Iterable[object]) -> None:
        """Builds a struct type.

        Args:
          elements: Types, pairs of a name and a type, or a mapping of names to types; all that
            `to_type` takes is a type here.

        Raises:
          StructureError: If a name is there twice.
          ToTypeError: If an element is no type.
        """
        if isinstance(elements, Mapping):
            elements = cast("Mapping[str, object]", elements).items()
        elif isinstance(elements, structure.Struct):
            elements = structure.to_elements(elements)
        elif not hasattr(elements, "__iter__"):
            raise errors.ToTypeError(
                f"A struct type is built from a list of types, got {elements!r}.",
                fix="write `tff.StructType([np.int32, ('a', np.float32)])`.",
            )
        pairs = [specs.as_element(element) for element in elements]
        super().__init__([(name, to_type(spec)) for name, spec in pairs])

    @property
    def python_container(self) -> type[Any] | None:
        """The Python class of a value of this type; None if it is not known."""
        return None

    def items(self) -> Iterator[tuple[str | None, Type]]:
        """Iterates over the pairs of name, or None, and type."""
        return structure.iter_elements(self)

    def _key(self) -> tuple[object, ...]:
        return (tuple(structure.iter_elements(self)),)

    def children(self) -> Iterator[Type]:
        """Iterates over the types of the elements."""
        return iter(self)

    def __eq__(self, other: object) -> bool:
        return Type.__eq__(self, other)

    def __hash__(self) -> int:
        return Type.__hash__(self)

    def __reduce__(self) -> tuple[object, ...]:
        return Type.__reduce__(self)

    def __str__(self) -> str:
        return self.compact_representation()

    def __repr__(self) -> str:
        elements = (
            repr(element) if name is None else f"({name!r}, {element!r})"
            for name, element in structure.iter_elements(self)
        )
        return f"StructType([{', '.join(elements)}])"

    def _layout(self) -> type_printing.Layout:
        return [
            type_printing.Group(
                [
                    element._layout() if name is None else [f"{name}=", *element._layout()]
                    for name, element in structure.iter_elements(self)
                ]
            )
        ]

    def _differences_within_kind(
        self, other: Type, relation: TypeRelation, path: str
    ) -> Iterator[str]:
        if not isinstance(other, StructType):
            yield difference(path, self, other)
            return
        if len(self) != len(other):
            yield difference(path, f"{len(self)} elements", f"{len(other)}: {other}")
            return
        if relation is TypeRelation.IDENTICAL and (
            type(self) is not type(other) or self.python_container is not other.python_container
        ):
            yield difference(path, _container_name(self), _container_name(other))
        pairs = zip(structure.iter_elements(self), structure.iter_elements(other), strict=True)
        for position, ((name, mine), (other_name, given)) in enumerate(pairs):
            inner = paths.to_element(path, name, position)
            unnamed_source = relation is TypeRelation.ASSIGNABLE and other_name is None
            if name != other_name and not unnamed_source:
                yield difference(inner, _name_text(name), _name_text(other_name))
            yield from mine._differences(given, relation, inner)


def _name_text(name: str | None) -> str:
    return "no name" if name is None else f"the name `{name}`"


def _container_name(struct_type: StructType) -> str:
    container = struct_type.python_container
    return "no Python container" if container is None else f"the container {container.__name__}"


class StructWithPythonType(StructType):
    """The type of a struct whose values are given as, and come back in, a Python container.

    Examples:
      >>> import numpy as np
      >>> t = StructWithPythonType([("a", np.int32)], dict)
      >>> print(t, t.python_container.__name__)
      <a=int32> dict
    """

    _container: type[Any]

    @errors.boundary
    def __init__(self, elements: Iterable[object], container_type: type[Any]) -> None:
        """Builds a struct type with a container.

        Args:
          elements: As for `StructType`.
          container_type: A class: `list`, `dict`, a named tuple, attrs or dataclass class.

        Raises:
          ToTypeError: If `container_type` is no class.
        """
        if not isinstance(cast("object", container_type), type):
            raise errors.ToTypeError(
                f"A Python container is a class, got {container_type!r}.",
                fix="use `tff.StructType` for a struct without a container.",
            )
        super().__init__(elements)
        object.__setattr__(self, "_container", container_type)

    @property
    def python_container(self) -> type[Any]:
        """The Python class of a value of this type."""
        return self._container

    def _key(self) -> tuple[object, ...]:
        return (tuple(structure.iter_elements(self)), self._container)

    def __repr__(self) -> str:
        return f"{super().__repr__()} as {self._container.__name__}"


def in_container(elements: Iterable[object], container: type[Any] | None) -> StructType:
    """Returns the type of a struct in a Python container, or of one that has none.

    Args:
      elements: As for `StructType`.
      container: The container; None if there is none.

    Examples:
      >>> import numpy as np
      >>> in_container([np.int32], list), in_container([np.int32], None)
      (StructType([TensorType(np.int32)]) as list, StructType([TensorType(np.int32)]))
    """
    return StructType(elements) if container is None else StructWithPythonType(elements, container)


class SequenceType(Type):
    """The type of a dataset: any number of elements of one type, one after the other.

    Lists among the containers of the element become tuples, as in a `tf.data.Dataset`.

    Attributes:
      element: The type of each element; it holds no federated, function or sequence type.

    Examples:
      >>> import numpy as np
      >>> print(SequenceType([("x", (np.float32, [None, 784])), ("y", np.int32)]))
      <x=float32[?,784],y=int32>*
    """

    element: Type

    @errors.boundary
    def __init__(self, element: object) -> None:
        """Builds a sequence type.

        Args:
          element: The type of each element, or anything that `to_type` takes.

        Raises:
          StructureError: If the element holds a federated, function or sequence type.
        """
        element_type = _lists_to_tuples(to_type(element))
        _check_holds_no(element_type, (FederatedType, FunctionType, SequenceType), "sequence type")
        self._set(element=element_type)

    def _key(self) -> tuple[object, ...]:
        return (self.element,)

    def children(self) -> Iterator[Type]:
        """Iterates over the type of the element."""
        yield self.element

    def __repr__(self) -> str:
        return f"SequenceType({self.element!r})"

    def _layout(self) -> type_printing.Layout:
        return [*self.element._layout(), "*"]

    def _differences_within_kind(
        self, other: Type, relation: TypeRelation, path: str
    ) -> Iterator[str]:
        if isinstance(other, SequenceType):
            yield from self.element._differences(other.element, relation, f"{path}[*]")
        else:
            yield difference(path, self, other)


def _lists_to_tuples(element: Type) -> Type:
    if not isinstance(element, StructType):
        return element
    elements = [(name, _lists_to_tuples(each)) for name, each in structure.iter_elements(element)]
    container = element.python_container
    if container is None:
        return StructType(elements)
    return StructWithPythonType(elements, tuple if container is list else container)


def _check_holds_no(member: Type, kinds: tuple[type[Type], ...], what: str) -> None:
    found = next((each for each in preorder(member) if isinstance(each, kinds)), None)
    if found is not None:
        names = " or ".join(f"`tff.{kind.__name__}`" for kind in kinds)
        raise errors.StructureError(
            f"A {what} cannot hold a {names}.",
            problems=[f"found: {found}", f"in: {member}"],
            fix="place a value once, around all of its structure; a function or a sequence that "
            "cannot be inside is a value of its own.",
        )


class FunctionType(Type):
    """The type of a function: of its one parameter, if it has one, and of its result.

    A function of several parameters takes one struct.

    Attributes:
      parameter: The type of the parameter; None if there is none.
      result: The type of the result.

    Examples:
      >>> import numpy as np
      >>> print(FunctionType([("a", np.int32), ("b", np.bool_)], np.int32))
      (<a=int32,b=bool> -> int32)
      >>> print(FunctionType(None, np.int32))
      ( -> int32)
    """

    parameter: Type | None
    result: Type

    @errors.boundary
    def __init__(self, parameter: object, result: object) -> None:
        """Builds a function type.

        Args:
          parameter: The type of the parameter or anything that `to_type` takes; None if there is
            none.
          result: The type of the result, or anything that `to_type` takes.
        """
        self._set(
            parameter=None if parameter is None else to_type(parameter), result=to_type(result)
        )

    def _key(self) -> tuple[object, ...]:
        return (self.parameter, self.result)

    def children(self) -> Iterator[Type]:
        """Iterates over the type of the parameter, if there is one, and of the result."""
        if self.parameter is not None:
            yield self.parameter
        yield self.result

    def __repr__(self) -> str:
        return f"FunctionType({self.parameter!r}, {self.result!r})"

    def _layout(self) -> type_printing.Layout:
        parameter = () if self.parameter is None else self.parameter._layout()
        return ["(", *parameter, " -> ", *self.result._layout(), ")"]

    def _differences_within_kind(
        self, other: Type, relation: TypeRelation, path: str
    ) -> Iterator[str]:
        if not isinstance(other, FunctionType):
            yield difference(path, self, other)
            return
        prefix = f"{path}." if path else ""
        mine, given = self.parameter, other.parameter
        if mine is None or given is None:
            if mine is not given:
                yield difference(f"{prefix}parameter", _or_none(mine), _or_none(given))
        elif relation is not TypeRelation.ASSIGNABLE:
            yield from mine._differences(given, relation, f"{prefix}parameter")
        elif not given._relates(mine, relation):
            # A function may accept more than is asked of it, never less.
            for reversed_difference in given._differences(mine, relation, f"{prefix}parameter"):
                yield reversed_difference.replace("expected", "accepts only", 1).replace(
                    ", got ", ", is given ", 1
                )
        yield from self.result._differences(other.result, relation, f"{prefix}result")


def _or_none(parameter: Type | None) -> str:
    return "no parameter" if parameter is None else str(parameter)


class FederatedType(Type):
    """The type of a value at a placement: one member for each participant there.

    Attributes:
      member: The type of each member; it holds no federated or function type.
      placement: `tff.CLIENTS` or `tff.SERVER`.
      all_equal: Whether all members are the same value.

    Examples:
      >>> import numpy as np
      >>> from tensorflow_federated.core import placements
      >>> print(FederatedType(np.int32, placements.CLIENTS))
      {int32}@CLIENTS
      >>> print(FederatedType(np.int32, placements.SERVER))
      int32@SERVER
    """

    member: Type
    placement: PlacementLiteral
    all_equal: bool

    @errors.boundary
    def __init__(
        self, member: object, placement: PlacementLiteral, all_equal: bool | None = None
    ) -> None:
        """Builds a federated type.

        Args:
          member: The type of each member, or anything that `to_type` takes.
          placement: Where the members are.
          all_equal: Whether all members are the same value; by default only at the server.

        Raises:
          StructureError: If the member holds a federated or function type.
          ToTypeError: If `placement` is no placement.
        """
        _check_placement(placement)
        member_type = to_type(member)
        _check_holds_no(member_type, (FederatedType, FunctionType), "federated type")
        self._set(
            member=member_type,
            placement=placement,
            all_equal=placement.default_all_equal if all_equal is None else bool(all_equal),
        )

    def _key(self) -> tuple[object, ...]:
        return (self.member, self.placement, self.all_equal)

    def children(self) -> Iterator[Type]:
        """Iterates over the type of the member."""
        yield self.member

    def __repr__(self) -> str:
        return f"FederatedType({self.member!r}, {self.placement!r}, {self.all_equal!r})"

    def _layout(self) -> type_printing.Layout:
        member = self.member._layout()
        placed = f"@{self.placement}"
        return [*member, placed] if self.all_equal else ["{", *member, "}", placed]

    def _differences_within_kind(
        self, other: Type, relation: TypeRelation, path: str
    ) -> Iterator[str]:
        if not isinstance(other, FederatedType) or self.placement != other.placement:
            yield difference(path, self, other)
            return
        weaker = relation is TypeRelation.ASSIGNABLE and other.all_equal
        if self.all_equal != other.all_equal and not weaker:
            yield difference(path, self, other)
            return
        yield from self.member._differences(other.member, relation, path)


def _check_placement(placement: object) -> None:
    if not isinstance(placement, PlacementLiteral):
        raise errors.ToTypeError(
            f"{placement!r} is not a placement.", fix="use `tff.CLIENTS` or `tff.SERVER`."
        )


class PlacementType(Type):
    """The type of a placement.

    Examples:
      >>> print(PlacementType())
      placement
    """

    def __init__(self) -> None:
        """Builds the type of a placement."""
        self._set()

    def _key(self) -> tuple[object, ...]:
        return ()

    def children(self) -> Iterator[Type]:
        """Iterates over nothing: there are no types inside."""
        return iter(())

    def __repr__(self) -> str:
        return "PlacementType()"

    def _layout(self) -> type_printing.Layout:
        return ["placement"]


class AbstractType(Type):
    """A letter that stands for any type, the same one wherever it is in one signature.

    Attributes:
      label: The letter.

    Examples:
      >>> print(FunctionType(AbstractType("T"), AbstractType("T")))
      (T -> T)
    """

    stands_for_any: ClassVar[bool] = True
    label: str

    @errors.boundary
    def __init__(self, label: str) -> None:
        """Builds an abstract type.

        Args:
          label: The letter.
        """
        self._set(label=str(label))

    def _key(self) -> tuple[object, ...]:
        return (self.label,)

    def children(self) -> Iterator[Type]:
        """Iterates over nothing: there are no types inside."""
        return iter(())

    def __repr__(self) -> str:
        return f"AbstractType({self.label!r})"

    def _layout(self) -> type_printing.Layout:
        return [self.label]


@errors.boundary
def to_type(obj: object) -> Type:
    """Returns the type that a spec means.

    Understood are types; dtypes of NumPy, TensorFlow, JAX and Python (`int` is int32, `float`
    float32); pairs `(dtype, shape)`; lists, tuples, named tuples, dicts, attrs and dataclass
    instances of specs; lists of pairs `(name, spec)`; `tf.TensorSpec`, `tf.data.DatasetSpec`,
    `jax.ShapeDtypeStruct`.

    Args:
      obj: A type or a spec.

    Returns:
      The type. A list, tuple, dict or other container of specs becomes a `StructWithPythonType` of
      that container, a list of named pairs a `StructType`.

    Raises:
      ToTypeError: If `obj` is not a type spec.

    Examples:
      >>> import numpy as np
      >>> print(to_type((np.int32, [None])))
      int32[?]
      >>> print(to_type({"a": np.int32, "b": [np.float32, np.bool_]}))
      <a=int32,b=<float32,bool>>

    Differs from TFF: Python's scalar types, dataclass instances and the specs of TensorFlow and JAX
    are understood too.
    """
    if isinstance(obj, Type):
        return obj
    spec = specs.read_spec(obj)
    if isinstance(spec, specs.TensorSpec):
        return TensorType(spec.dtype, spec.shape)
    if isinstance(spec, specs.SequenceSpec):
        return SequenceType(spec.element)
    if isinstance(spec, specs.StructSpec):
        elements = [(name, to_type(element)) for name, element in spec.elements]
        if spec.container is None:
            return StructType(elements)
        return StructWithPythonType(elements, spec.container)
    raise errors.ToTypeError(
        f"An object of type {type(obj).__name__} is not a type spec.",
        problems=[f"got: {obj!r:.200}"],
        fix="give a dtype (`np.int32`), a pair (`(np.int32, [3])`), or a container of these.",
    )
