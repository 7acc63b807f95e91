"""The intermediate representation: a federated program as a tree of typed, immutable nodes."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from tensorflow_federated.core import (
    arguments,
    errors,
    ir_nodes,
    ir_printing,
    paths,
    structure,
    type_printing,
)
from tensorflow_federated.core.ir_leaves import Data as Data
from tensorflow_federated.core.ir_leaves import Intrinsic as Intrinsic
from tensorflow_federated.core.ir_leaves import Literal as Literal
from tensorflow_federated.core.ir_leaves import Local as Local
from tensorflow_federated.core.ir_leaves import Placement as Placement
from tensorflow_federated.core.ir_leaves import Reference as Reference
from tensorflow_federated.core.ir_nodes import Node as Node
from tensorflow_federated.core.types import (
    FederatedType,
    FunctionType,
    StructType,
    Type,
    in_container,
    to_type,
)


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Selection(Node):
    """One element of a structure, by position.

    Attributes:
      source: the structure.
      index: the position of the element, also where it was selected by name.

    Examples:
      >>> import numpy as np
      >>> pair = Reference("pair", {"a": np.int32, "b": np.bool_})
      >>> selection = Selection(pair, name="b")
      >>> print(selection, selection.index, selection.type_signature)
      pair.b 1 bool

    Differs from TFF: a selection by name knows the position too, and one by position the name.
    """

    source: Node
    index: int

    def __init__(self, source: Node, name: str | None = None, index: int | None = None) -> None:
        """Selects an element, by its name or by its position.

        Args:
          source: a structure.
          name: the name of the element; None if `index` is given.
          index: the position of the element; None if `name` is given.

        Raises:
          ArgumentError: if the name is no string, or the index no integer.
          StructureError: if not one of both is given, or there is no such element.
          TypeMismatchError: if the source is no structure.
        """
        ir_nodes.check_node("source", source)
        source_type = source.type_signature
        if not isinstance(source_type, StructType):
            raise errors.TypeMismatchError(
                "an element can be selected of a structure only.",
                problems=[f"source: got {source_type}"],
            )
        vars(self).update(source=source, index=_position(source_type, name, index))

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
        return Selection(source, index=self.index)

    def as_index(self) -> int:
        """The position of the element; the same as `index`, under the name of TFF."""
        return self.index

    def _own_content(self) -> str:
        return str(self.index)

    def _layout(self) -> type_printing.Layout:
        return [*self.source._layout(), paths.step(self.name, self.index)]

    def _drawing(self) -> ir_printing.Drawing:
        return ir_printing.above(f"Sel({self.name or self.index})", self.source._drawing())


class Struct(structure.Struct[Node], Node):
    """A structure of values, named or not: itself a `tff.structure.Struct` of nodes.

    Attributes:
      elements: the names, None where there is none, and the nodes.
      container: the Python type that the structure came from, None if it is not known.

    Examples:
      >>> import numpy as np
      >>> x = Reference("x", np.int32)
      >>> pair = Struct([("a", x), x])
      >>> print(pair, pair.type_signature, pair.a)
      <a=x,x> <a=int32,int32> x
    """

    elements: tuple[tuple[str | None, Node], ...]
    container: type[Any] | None

    def __init__(
        self,
        elements: Iterable[Node | tuple[str | None, Node]],
        container_type: type[Any] | None = None,
    ) -> None:
        """Builds a structure.

        Args:
          elements: nodes, or pairs of a name, or None, and a node.
          container_type: the Python type of the values in the result of the program.

        Raises:
          ArgumentError: if an element is no node.
          StructureError: if a name is empty or is there twice.
        """
        pairs = tuple([(None, e) if isinstance(e, Node) else e for e in elements])
        super().__init__(pairs)
        for name, node in pairs:
            ir_nodes.check_node("element" if name is None else f"element `{name}`", node)
            if name == "":
                raise errors.StructureError("the name of an element cannot be empty.")
        vars(self).update(elements=pairs, container=container_type)

    def __eq__(self, other: object) -> bool:
        return self is other

    __hash__ = object.__hash__

    def __repr__(self) -> str:
        return Node.__repr__(self)

    def __str__(self) -> str:
        return Node.__str__(self)

    def __bool__(self) -> bool:
        return True

    def __reduce__(self) -> tuple[object, ...]:
        return (Struct, (self.elements, self.container))

    @functools.cached_property
    def _type(self) -> Type:
        elements = [(name, node.type_signature) for name, node in self.elements]
        return in_container(elements, self.container)

    @property
    def type_signature(self) -> Type:
        return self._type

    def children(self) -> Iterator[Node]:
        for _, node in self.elements:
            yield node

    def with_children(self, children: Sequence[Node]) -> Node:
        names = [name for name, _ in self.elements]
        return Struct(tuple(zip(names, children, strict=True)), self.container)

    def _layout(self) -> type_printing.Layout:
        return [type_printing.Group(self._layouts(self.elements))]

    def _drawing(self) -> ir_printing.Drawing:
        return ir_printing.above("Struct", self._drawn_list(self.elements))


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Call(Node):
    """The application of a function to its argument, or to none.

    Examples:
      >>> import numpy as np
      >>> x = Reference("x", np.int32)
      >>> call = Call(Lambda("x", np.int32, Struct([x, x])), x)
      >>> print(call, call.type_signature)
      (x -> <x,x>)(x) <int32,int32>
    """

    function: Node
    argument: Node | None

    def __init__(self, fn: Node, arg: Node | None = None) -> None:
        """Calls a function.

        Args:
          fn: the function.
          arg: its argument; None if it takes none.

        Raises:
          ArgumentError: if an argument is missing, or there is one too many.
          TypeMismatchError: if `fn` is no function, or does not take the argument.
        """
        ir_nodes.check_node("fn", fn)
        if arg is not None:
            ir_nodes.check_node("arg", arg)
        vars(self).update(function=fn, argument=arg)
        function_type = fn.type_signature
        if not isinstance(function_type, FunctionType):
            raise errors.TypeMismatchError(
                "only a function can be called.", problems=[f"called: got {function_type}"]
            )
        if function_type.parameter is None:
            if arg is not None:
                raise errors.ArgumentError(
                    "this function takes no argument.",
                    problems=[f"argument: got {arg.type_signature}"],
                    signature=str(function_type),
                )
        elif arg is None:
            raise errors.ArgumentError(
                "this function takes an argument, and none was given.",
                signature=str(function_type),
            )
        else:
            function_type.parameter.check_assignable_from(arg.type_signature)

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

    def _layout(self) -> type_printing.Layout:
        argument: type_printing.Layout = () if self.argument is None else self.argument._layout()
        return [*self.function._layout(), "(", *argument, ")"]

    def _drawing(self) -> ir_printing.Drawing:
        argument = None if self.argument is None else self.argument._drawing()
        return ir_printing.between("Call", self.function._drawing(), argument)


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Lambda(Node):
    """A function of one parameter, or of none.

    Examples:
      >>> import numpy as np
      >>> identity = Lambda("x", np.int32, Reference("x", np.int32))
      >>> print(identity, identity.type_signature)
      (x -> x) (int32 -> int32)
    """

    parameter_name: str | None
    parameter_type: Type | None
    result: Node

    def __init__(
        self, parameter_name: str | None, parameter_type: object | None, result: Node
    ) -> None:
        """Makes a function of a result.

        Args:
          parameter_name: the name of the parameter; None if there is none.
          parameter_type: its type, or what `tff.to_type` makes it of; None if there is none.
          result: the result, in which references to the name stand for the argument.

        Raises:
          ArgumentError: if the parameter has a name and no type, or a type and no name.
        """
        if (parameter_name is None) != (parameter_type is None):
            raise errors.ArgumentError(
                "a parameter has a name and a type, or there is none.",
                problems=[
                    f"parameter_name: got {parameter_name!r}",
                    f"parameter_type: got {parameter_type}",
                ],
            )
        if parameter_name is not None:
            ir_nodes.check_name("parameter_name", parameter_name)
        ir_nodes.check_node("result", result)
        vars(self).update(
            parameter_name=parameter_name,
            parameter_type=None if parameter_type is None else to_type(parameter_type),
            result=result,
        )

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

    def _layout(self) -> type_printing.Layout:
        return [f"({self.parameter_name or ''} -> ", *self.result._layout(), ")"]

    def _drawing(self) -> ir_printing.Drawing:
        return ir_printing.above(f"Lambda({self.parameter_name})", self.result._drawing())


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Block(Node):
    """Local names, each visible in those after it, and a result.

    Examples:
      >>> import numpy as np
      >>> x = Reference("x", np.int32)
      >>> print(Block([("y", Struct([x, x]))], Reference("y", [np.int32, np.int32])))
      (let y=<x,x> in y)
    """

    locals: tuple[tuple[str, Node], ...]
    result: Node

    def __init__(self, local_symbols: Iterable[tuple[str, Node]], result: Node) -> None:
        """Binds names in a result.

        Args:
          local_symbols: pairs of a name and what it is bound to, in order.
          result: the result, in which the names can be referred to.

        Raises:
          ArgumentError: if something else is given.
        """
        pairs = tuple(local_symbols)
        for index, pair in enumerate(pairs):
            arguments.check_instance(
                f"local_symbols[{index}]",
                pair,
                tuple,
                "the local names of a block are pairs of a name and a node.",
            )
            ir_nodes.check_name(f"local_symbols[{index}]", pair[0])
            ir_nodes.check_node(f"local `{pair[0]}`", pair[1])
        ir_nodes.check_node("result", result)
        vars(self).update(locals=pairs, result=result)

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

    def _layout(self) -> type_printing.Layout:
        bindings = type_printing.Group(self._layouts(self.locals), "(let ", " in ")
        return [bindings, *self.result._layout(), ")"]

    def _drawing(self) -> ir_printing.Drawing:
        return ir_printing.between("Block", self._drawn_list(self.locals), self.result._drawing())


def element_names(struct_type: StructType) -> list[str | None]:
    """The names of a structure's elements, None where there is none."""
    return [name for name, _ in struct_type.items()]


def select(source: Node, index: int) -> Node:
    """Selects an element, looking through a structure that is spelt out."""
    if isinstance(source, Struct):
        return source.elements[index][1]
    return Selection(source, index=index)


def call_intrinsic(uri: str, argument: Node | None, result_type: Type) -> Call:
    """Calls an intrinsic at the type that its argument and its result say."""
    parameter = None if argument is None else argument.type_signature
    return Call(Intrinsic(uri, FunctionType(parameter, result_type)), argument)


def argument_of(call: Node) -> Node:
    """The argument of a call that has one."""
    assert isinstance(call, Call)
    assert call.argument is not None
    return call.argument


def called_intrinsic(node: Node) -> Intrinsic | None:
    """The intrinsic that a node is a call of; None if it is none.

    Examples:
      >>> import numpy as np
      >>> key = call_intrinsic("random_key", None, to_type((np.int64, [2])))
      >>> print(called_intrinsic(key), called_intrinsic(Reference("x", np.int32)))
      random_key None
    """
    if isinstance(node, Call) and isinstance(node.function, Intrinsic):
        return node.function
    return None


def unplaced(type_signature: Type) -> Type:
    """The member type of a federated type; any other type as it is."""
    return type_signature.member if isinstance(type_signature, FederatedType) else type_signature


def _position(source_type: StructType, name: str | None, index: int | None) -> int:
    """The position of an element that is selected by name or by position."""
    if (name is None) == (index is None):
        raise errors.StructureError(
            "an element is selected by its name or by its position, and by one of them.",
            problems=[f"name: got {name!r}", f"index: got {index!r}"],
        )
    if index is not None:
        arguments.check_instance("index", index, int, "a position is an integer.")
        if not 0 <= index < len(source_type):
            raise errors.StructureError(
                f"cannot select element {index} of a structure of {len(source_type)}.",
                problems=[f"source: got {source_type}"],
            )
        return index
    assert name is not None
    arguments.check_instance(
        "name",
        name,
        str,
        "the name of an element is a string.",
        fix="write `Selection(source, index=...)` for a position.",
    )
    names = element_names(source_type)
    if name not in names:
        nearest = errors.suggest_name(name, [each for each in names if each is not None])
        raise errors.StructureError(
            f"there is no element `{name}` in this structure.",
            problems=[f"source: got {source_type}"],
            fix=None if nearest is None else f"did you mean `{nearest}`?",
        )
    return names.index(name)
