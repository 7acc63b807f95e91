"""The intermediate representation: a federated program as a tree of typed, immutable nodes."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from tensorflow_federated.core import errors, intrinsic_defs, placements
from tensorflow_federated.core.local_computations import LocalComputation
from tensorflow_federated.core.types import (
    FederatedType,
    FunctionType,
    PlacementType,
    StructType,
    StructWithPythonType,
    Type,
)


@dataclasses.dataclass(frozen=True, eq=False)
class Node:
    """One node of a program; nodes are compared by identity, and by `content_hash` for content."""

    @property
    def type_signature(self) -> Type:
        """The type of the value that this node stands for."""
        raise AssertionError(f"{type(self).__name__} has no type.")

    def children(self) -> Iterator[Node]:
        """The nodes directly below this one, in order of evaluation."""
        return iter(())

    def with_children(self, children: Sequence[Node]) -> Node:
        """The same node with other children, given in the order of `children()`."""
        if children:
            raise ValueError(f"{type(self).__name__} has no children, got {len(children)}.")
        return self

    def __str__(self) -> str:
        """The program in the notation of TFF, on one line."""
        return _print(self)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({_print(self)!s}: {self.type_signature})"

    @functools.cached_property
    def content_hash(self) -> str:
        """A digest of what this node computes: equal for equal programs with equal names."""
        digest = hashlib.sha256(type(self).__name__.encode())
        digest.update(str(self.type_signature).encode())
        digest.update(self._own_content().encode())
        for child in self.children():
            digest.update(child.content_hash.encode())
        return digest.hexdigest()

    def _own_content(self) -> str:
        return ""


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Reference(Node):
    """A name bound by an enclosing lambda or block."""

    name: str
    type: Type

    @property
    def type_signature(self) -> Type:
        return self.type

    def _own_content(self) -> str:
        return self.name


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Selection(Node):
    """One element of a structure, by position."""

    source: Node
    index: int

    def __post_init__(self) -> None:
        source_type = self.source.type_signature
        if not isinstance(source_type, StructType):
            raise errors.TypeMismatchError(
                f"cannot select element {self.index} of a value that is no structure.",
                problems=[f"value: got {source_type}"],
            )
        if not 0 <= self.index < len(source_type):
            raise errors.TypeMismatchError(
                f"cannot select element {self.index} of a structure of {len(source_type)}.",
                problems=[f"value: got {source_type}"],
            )

    @functools.cached_property
    def _type(self) -> Type:
        source_type = self.source.type_signature
        assert isinstance(source_type, StructType)
        return source_type[self.index]

    @property
    def type_signature(self) -> Type:
        return self._type

    @property
    def name(self) -> str | None:
        """The name of the selected element, if it has one."""
        source_type = self.source.type_signature
        assert isinstance(source_type, StructType)
        return element_names(source_type)[self.index]

    def children(self) -> Iterator[Node]:
        yield self.source

    def with_children(self, children: Sequence[Node]) -> Node:
        (source,) = children
        return Selection(source, self.index)

    def _own_content(self) -> str:
        return str(self.index)


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Struct(Node):
    """A structure of values, named or not; `container` is the Python type it came from."""

    elements: tuple[tuple[str | None, Node], ...]
    container: type[Any] | None = None

    @functools.cached_property
    def _type(self) -> Type:
        elements = [(name, node.type_signature) for name, node in self.elements]
        if self.container is None:
            return StructType(elements)
        return StructWithPythonType(elements, self.container)

    @property
    def type_signature(self) -> Type:
        return self._type

    def children(self) -> Iterator[Node]:
        for _, node in self.elements:
            yield node

    def with_children(self, children: Sequence[Node]) -> Node:
        names = [name for name, _ in self.elements]
        return Struct(tuple(zip(names, children, strict=True)), self.container)


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Call(Node):
    """The application of a function to its argument, or to none."""

    function: Node
    argument: Node | None = None

    def __post_init__(self) -> None:
        function_type = self.function.type_signature
        if not isinstance(function_type, FunctionType):
            raise errors.TypeMismatchError(
                "only a function can be called.", problems=[f"called: got {function_type}"]
            )
        if function_type.parameter is None:
            if self.argument is not None:
                raise errors.ArgumentError(
                    "this function takes no argument.",
                    problems=[f"argument: got {self.argument.type_signature}"],
                    signature=str(function_type),
                )
        elif self.argument is None:
            raise errors.ArgumentError(
                "this function takes an argument, and none was given.",
                signature=str(function_type),
            )
        else:
            function_type.parameter.check_assignable_from(self.argument.type_signature)

    @property
    def type_signature(self) -> Type:
        function_type = self.function.type_signature
        assert isinstance(function_type, FunctionType)
        return function_type.result

    def children(self) -> Iterator[Node]:
        yield self.function
        if self.argument is not None:
            yield self.argument

    def with_children(self, children: Sequence[Node]) -> Node:
        return Call(*children)


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Lambda(Node):
    """A function of one parameter, or of none."""

    parameter_name: str | None
    parameter_type: Type | None
    result: Node

    @functools.cached_property
    def _type(self) -> FunctionType:
        return FunctionType(self.parameter_type, self.result.type_signature)

    @property
    def type_signature(self) -> FunctionType:
        return self._type

    def children(self) -> Iterator[Node]:
        yield self.result

    def with_children(self, children: Sequence[Node]) -> Node:
        (result,) = children
        return Lambda(self.parameter_name, self.parameter_type, result)

    def _own_content(self) -> str:
        return str(self.parameter_name)


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Block(Node):
    """Local names, each visible in those after it, and a result."""

    locals: tuple[tuple[str, Node], ...]
    result: Node

    @property
    def type_signature(self) -> Type:
        return self.result.type_signature

    def children(self) -> Iterator[Node]:
        for _, node in self.locals:
            yield node
        yield self.result

    def with_children(self, children: Sequence[Node]) -> Node:
        names = [name for name, _ in self.locals]
        return Block(tuple(zip(names, children[:-1], strict=True)), children[-1])

    def _own_content(self) -> str:
        return ",".join(name for name, _ in self.locals)


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Intrinsic(Node):
    """An operation of the language itself, at one concrete type."""

    uri: str
    type: FunctionType

    def __post_init__(self) -> None:
        intrinsic_defs.get(self.uri)

    @property
    def type_signature(self) -> FunctionType:
        return self.type

    @property
    def definition(self) -> intrinsic_defs.IntrinsicDef:
        """The declaration of this intrinsic."""
        return intrinsic_defs.get(self.uri)

    def _own_content(self) -> str:
        return self.uri


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Placement(Node):
    """A placement as a value."""

    literal: placements.PlacementLiteral

    @property
    def type_signature(self) -> Type:
        return PlacementType()

    def _own_content(self) -> str:
        return self.literal.uri


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Literal(Node):
    """A constant tensor: a numpy scalar or array, or bytes for a string."""

    value: Any
    type: Type

    @property
    def type_signature(self) -> Type:
        return self.type

    def _own_content(self) -> str:
        array = np.asarray(self.value)
        return hashlib.sha256(array.tobytes()).hexdigest()


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Data(Node):
    """A value that lives elsewhere, named by a uri."""

    uri: str
    type: Type

    @property
    def type_signature(self) -> Type:
        return self.type

    def _own_content(self) -> str:
        return self.uri


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Local(Node):
    """A local computation of a back end, as a function value."""

    computation: LocalComputation

    @property
    def type_signature(self) -> FunctionType:
        return self.computation.type_signature

    def _own_content(self) -> str:
        return str(id(self.computation))


def element_names(struct_type: StructType) -> list[str | None]:
    """The names of a structure's elements, None where there is none."""
    return [name for name, _ in struct_type.items()]


def select(source: Node, index: int) -> Node:
    """Selects an element, looking through a structure that is spelt out."""
    if isinstance(source, Struct):
        return source.elements[index][1]
    return Selection(source, index)


def call_intrinsic(uri: str, argument: Node | None, result_type: Type) -> Call:
    """Calls an intrinsic at the type that its argument and its result say."""
    parameter = None if argument is None else argument.type_signature
    return Call(Intrinsic(uri, FunctionType(parameter, result_type)), argument)


def unplaced(type_signature: Type) -> Type:
    """The member type of a federated type; any other type as it is."""
    return type_signature.member if isinstance(type_signature, FederatedType) else type_signature


def _print(node: Node) -> str:
    match node:
        case Reference(name=name):
            return name
        case Selection(source=source, index=index):
            dotted = node.name
            return f"{_print(source)}.{dotted}" if dotted else f"{_print(source)}[{index}]"
        case Struct(elements=elements):
            parts = [f"{n}={_print(e)}" if n else _print(e) for n, e in elements]
            return f"<{','.join(parts)}>"
        case Call(function=function, argument=argument):
            shown = "" if argument is None else _print(argument)
            return f"{_print(function)}({shown})"
        case Lambda(parameter_name=name, result=result):
            return f"({name or ''} -> {_print(result)})"
        case Block(locals=bindings, result=result):
            shown = ",".join(f"{n}={_print(v)}" for n, v in bindings)
            return f"(let {shown} in {_print(result)})"
        case Intrinsic(uri=uri) | Data(uri=uri):
            return uri
        case Placement(literal=literal):
            return str(literal)
        case Literal(value=value):
            return str(value)
        case Local(computation=computation):
            return f"comp#{computation.name}"
        case _:
            raise TypeError(f"Unknown kind of node: {type(node).__name__}.")
