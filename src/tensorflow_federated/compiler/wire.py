"""The wire form of a computation: its program as bytes, and back.

A payload is, in this order: the name of the computation; a table of the types in it; its local
computations; its nodes. A node refers to those before it, so nothing is nested, what is shared is
written once, and the last one is the program. A portable computation travels as its list of
operations, that of a back end in the form that the back end gives it (`LocalCodec`).

Reading trusts nothing: every count and every name is checked before it is used, the number of nodes
and how deep they are nested is limited, nothing is imported or evaluated, and the program that
comes out passes `traversal.check_ir`.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Protocol

import numpy as np

from tensorflow_federated.core import (
    byte_format,
    intrinsic_defs,
    ir,
    placements,
    portable_encoding,
    portable_recording,
    traversal,
    type_encoding,
)
from tensorflow_federated.core.byte_format import DEFAULT_LIMITS, Bytes, Limits, Reader, Writer
from tensorflow_federated.core.local_computations import PORTABLE, LocalComputation
from tensorflow_federated.core.tensor_encoding import read_tensor, write_tensor
from tensorflow_federated.core.types import FunctionType, StructType, TensorType, Type

_KINDS = (
    ir.Reference,
    ir.Selection,
    ir.Struct,
    ir.Call,
    ir.Lambda,
    ir.Block,
    ir.Intrinsic,
    ir.Placement,
    ir.Literal,
    ir.Data,
    ir.Local,
)
"""The kinds of nodes; the position of a kind here is its number in the bytes."""


class LocalCodec(Protocol):
    """Turns the local computations of back ends into bytes and back."""

    def encode(self, computation: LocalComputation) -> bytes:
        """The function of a computation, as bytes; its type and its names are kept apart."""
        ...

    def decode(
        self, backend: str, data: bytes, type_signature: FunctionType, name: str, limits: Limits
    ) -> Any:
        """The function that a back end runs, from what `encode` made of it.

        Raises:
          WireError: if the bytes are no function of this type, or the back end is not known.
          MissingExtraError: if the framework of the back end is not installed.
        """
        ...


def encode(node: ir.Lambda | ir.Local, name: str, codec: LocalCodec) -> bytes:
    """Turns a program into bytes.

    Args:
      node: the program.
      name: the name of the computation.
      codec: for local computations of back ends.

    Returns:
      The bytes; the same for the same program.

    Raises:
      WireError: if something in the program cannot travel.
    """
    encoder = _Encoder(codec)
    encoder.add(node)
    writer = Writer()
    writer.text(name)
    encoder.types.write(writer)
    writer.unsigned(encoder.num_locals)
    writer.data += encoder.locals.data
    writer.unsigned(encoder.num_nodes)
    writer.data += encoder.nodes.data
    return byte_format.seal(byte_format.COMPUTATION, writer.data)


def decode(
    data: Bytes, codec: LocalCodec, limits: Limits = DEFAULT_LIMITS
) -> tuple[ir.Lambda | ir.Local, str]:
    """Reads a program from bytes.

    Args:
      data: what `encode` returned.
      codec: for local computations of back ends.
      limits: what is read at most.

    Returns:
      The program, and the name of the computation.

    Raises:
      WireError: if the bytes carry no program.
      MissingExtraError: if it needs a framework that is not installed.
    """
    reader = byte_format.open_sealed(byte_format.COMPUTATION, data, limits)
    name = reader.text()
    decoder = _Decoder(reader, type_encoding.read_types(reader))
    # A function of a framework is read at the end, when all the rest is known to be in order.
    encoded = [decoder.read_encoded_local() for _ in range(reader.count("local computations"))]
    decoder.read_nodes(encoded)
    reader.finish()
    program = decoder.nodes[-1] if decoder.nodes else None
    if not isinstance(program, (ir.Lambda, ir.Local)):
        reader.fail("the program is no function")
    with reader.refusing("a program"):
        traversal.check_ir(program)
    loaded = {each.placeholder: each.load(codec, limits) for each in encoded}
    return _with_computations(program, loaded), name


@dataclasses.dataclass(frozen=True)
class _EncodedLocal:
    """A local computation whose function is not read yet."""

    placeholder: LocalComputation
    type_size: int
    data: memoryview

    def load(self, codec: LocalCodec, limits: Limits) -> LocalComputation:
        given = self.placeholder
        if given.backend == PORTABLE:
            reader = Reader(self.data, limits)
            function: Any = portable_encoding.read_portable(reader, given.type_signature)
            reader.finish()
        else:
            function = codec.decode(
                given.backend, bytes(self.data), given.type_signature, given.name, limits
            )
        return dataclasses.replace(given, function=function)


def _with_computations(
    program: ir.Lambda | ir.Local, loaded: dict[LocalComputation, LocalComputation]
) -> ir.Lambda | ir.Local:
    def replace(node: ir.Node) -> ir.Node:
        return ir.Local(loaded[node.computation]) if isinstance(node, ir.Local) else node

    replaced = traversal.transform_postorder(program, replace)
    assert isinstance(replaced, (ir.Lambda, ir.Local))
    return replaced


class _Encoder:
    def __init__(self, codec: LocalCodec) -> None:
        self.types = type_encoding.TypeTable()
        self.locals = Writer()
        self.nodes = Writer()
        self.num_locals = 0
        self.num_nodes = 0
        self._codec = codec
        self._local_positions: dict[LocalComputation, int] = {}
        # The nodes themselves are kept alive by the program that is encoded.
        self._node_positions: dict[int, int] = {}

    def add(self, node: ir.Node) -> int:
        """Writes a node, after those below it; its position among the nodes."""
        known = self._node_positions.get(id(node))
        if known is not None:
            return known
        below = [self.add(child) for child in node.children()]
        if isinstance(node, ir.Local):
            self._add_local(node.computation)
        self.nodes.unsigned(_KINDS.index(type(node)))
        self._write(node, below)
        self._node_positions[id(node)] = position = self.num_nodes
        self.num_nodes += 1
        return position

    def _write(self, node: ir.Node, below: list[int]) -> None:
        writer, types = self.nodes, self.types
        match node:
            case ir.Reference(name=name, type=type_signature):
                writer.text(name)
                writer.unsigned(types.position(type_signature))
            case ir.Selection(index=index):
                writer.unsigned(*below)
                writer.unsigned(index)
            case ir.Struct():
                # Its type says its names and its container.
                writer.unsigned(types.position(node.type_signature))
                for position in below:
                    writer.unsigned(position)
            case ir.Call(argument=argument):
                writer.flag(argument is not None)
                for position in below:
                    writer.unsigned(position)
            case ir.Lambda(parameter_name=name, parameter_type=parameter):
                writer.optional_text(name)
                if name is not None and parameter is not None:
                    writer.unsigned(types.position(parameter))
                writer.unsigned(*below)
            case ir.Block(locals=bindings):
                writer.unsigned(len(bindings))
                for (name, _), position in zip(bindings, below[:-1], strict=True):
                    writer.text(name)
                    writer.unsigned(position)
                writer.unsigned(below[-1])
            case ir.Intrinsic(uri=uri, type=type_signature):
                writer.text(uri)
                writer.unsigned(types.position(type_signature))
            case ir.Placement(literal=literal):
                writer.text(literal.uri)
            case ir.Literal(value=value, type=type_signature):
                assert isinstance(type_signature, TensorType)
                writer.unsigned(types.position(type_signature))
                write_tensor(writer, value, type_signature.dtype)
            case ir.Data(uri=uri, type=type_signature):
                writer.text(uri)
                writer.unsigned(types.position(type_signature))
            case ir.Local(computation=computation):
                writer.unsigned(self._local_positions[computation])
            case _:
                raise TypeError(f"Unknown kind of node: {type(node).__name__}.")

    def _add_local(self, computation: LocalComputation) -> None:
        if computation in self._local_positions:
            return
        if computation.backend == PORTABLE:
            program = portable_recording.record(
                computation.function, computation.type_signature, computation.name
            )
            body = Writer()
            portable_encoding.write_portable(body, program)
            data: Bytes = body.data
        else:
            data = self._codec.encode(computation)
        self.locals.text(computation.backend)
        self.locals.text(computation.name)
        self.locals.unsigned(self.types.position(computation.type_signature))
        self.locals.blob(data)
        self._local_positions[computation] = self.num_locals
        self.num_locals += 1


class _Decoder:
    """Reads nodes; of each it knows how deep it is, and how large it and its type are as trees."""

    def __init__(self, reader: Reader, types: type_encoding.Types) -> None:
        self._reader = reader
        self._types = types
        self._locals: list[_EncodedLocal] = []
        self.nodes: list[ir.Node] = []
        self._measures: list[_Measure] = []
        self._below: list[_Measure] = []
        self._type_size = 0
        self._total = 0

    def read_encoded_local(self) -> _EncodedLocal:
        reader = self._reader
        backend, name = reader.text(), reader.text()
        type_signature, type_size = self._types.read(reader)
        if not isinstance(type_signature, FunctionType):
            reader.fail("the type of a local computation is none of a function")
        computation = LocalComputation(backend, None, type_signature, name)
        return _EncodedLocal(computation, type_size, reader.blob())

    def read_nodes(self, computations: list[_EncodedLocal]) -> None:
        reader = self._reader
        self._locals = computations
        for _ in range(reader.count("nodes")):
            kind = _KINDS[reader.choice(len(_KINDS), "kind of node")]
            self._below, self._type_size = [], 0
            with reader.refusing("a program"):
                node = self._read(kind)
            self._measure()
            self.nodes.append(node)

    def _measure(self) -> None:
        """Refuses what later steps, which walk programs as trees, would need too long for."""
        limits = self._reader.limits
        measure = _Measure(
            depth=1 + max((each.depth for each in self._below), default=0),
            size=1 + self._type_size + sum(each.size for each in self._below),
            # A node has the type of one below it, a part of that, or one made of several.
            type_size=1 + self._type_size + sum(each.type_size for each in self._below),
        )
        self._measures.append(measure)
        self._total += measure.type_size
        for name, found, most in (
            ("depth", measure.depth, limits.depth),
            ("size", max(measure.size, self._total), limits.size),
        ):
            if found > most:
                self._reader.fail(
                    f"the {name} of a program is {found}, at most {most} is read",
                    fix=f"if you trust whom it comes from, raise the limit `{name}`.",
                )

    def _node(self) -> ir.Node:
        position = self._reader.choice(len(self.nodes), "node")
        self._below.append(self._measures[position])
        return self.nodes[position]

    def _type(self) -> Type:
        type_signature, size = self._types.read(self._reader)
        self._type_size += size
        return type_signature

    def _function_type(self) -> FunctionType:
        type_signature = self._type()
        if not isinstance(type_signature, FunctionType):
            self._reader.fail("the type of an intrinsic is none of a function")
        return type_signature

    def _read(self, kind: type[ir.Node]) -> ir.Node:
        reader = self._reader
        if kind is ir.Reference:
            return ir.Reference(reader.text(), self._type())
        if kind is ir.Selection:
            source = self._node()
            return ir.Selection(source, index=reader.unsigned())
        if kind is ir.Struct:
            return self._read_struct()
        if kind is ir.Call:
            has_argument = reader.flag()
            return ir.Call(self._node(), self._node() if has_argument else None)
        if kind is ir.Lambda:
            name = reader.optional_text()
            return ir.Lambda(name, None if name is None else self._type(), self._node())
        if kind is ir.Block:
            count = reader.count("local names")
            bindings = tuple((reader.text(), self._node()) for _ in range(count))
            return ir.Block(bindings, self._node())
        if kind is ir.Intrinsic:
            uri = reader.text()
            if uri not in intrinsic_defs.uris():
                reader.fail(f"there is no intrinsic {uri!r:.80}", fix="install a newer release.")
            return ir.Intrinsic(uri, self._function_type())
        if kind is ir.Placement:
            return ir.Placement(placements.uri_to_placement_literal(reader.text()))
        if kind is ir.Literal:
            return self._read_literal()
        if kind is ir.Data:
            return ir.Data(reader.text(), self._type())
        encoded = reader.item(self._locals, "local computation")
        self._type_size += encoded.type_size
        return ir.Local(encoded.placeholder)

    def _read_struct(self) -> ir.Struct:
        reader = self._reader
        struct_type = self._type()
        if not isinstance(struct_type, StructType):
            reader.fail("the type of a structure is none of a structure")
        elements = tuple((name, self._node()) for name, _ in struct_type.items())
        node = ir.Struct(elements, struct_type.python_container)
        if node.type_signature != struct_type:
            reader.fail("the type of a structure is not that of its elements")
        return node

    def _read_literal(self) -> ir.Literal:
        reader = self._reader
        type_signature = self._type()
        if not isinstance(type_signature, TensorType):
            reader.fail("a constant is no tensor")
        value, dtype = read_tensor(reader)
        if not type_signature.is_assignable_from(TensorType(dtype, np.shape(value))):
            reader.fail(f"a constant is no {type_signature.compact_representation():.80}")
        return ir.Literal(value, type_signature)


@dataclasses.dataclass(frozen=True)
class _Measure:
    depth: int
    size: int
    type_size: int
