"""Prints programs for people: one binding a line, and its type to the right.

::

    given
      arg.data                                              : {float32*}@CLIENTS
    let
      v_1 = federated_map(arg -> sequence_sum(arg), data)   : {float32}@CLIENTS
      v_2 = federated_sum(v_1)                              : float32@SERVER
    in v_2

It is the notation of TFF with less brackets: the elements of a structure that a function is called
with are written as its arguments, and a local computation says its back end, `comp#double:jax`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence

from tensorflow_federated.core import ir, paths, styled_text, type_printing, type_relations
from tensorflow_federated.core.styled_text import Span
from tensorflow_federated.core.types import StructType, Type

WIDTH = 110
_TYPE_COLUMN = 60
_LAST_TYPE_COLUMN = 74
_LONGEST_LITERAL = 40
_INDENT = "  "

Line = Sequence[Span]
Parts = Sequence["Span | _Group | _Let"]


@dataclasses.dataclass(frozen=True)
class _Group:
    """Items between brackets: on one line if they fit, otherwise one line for each."""

    opening: str
    items: Sequence[Parts]
    closing: str


@dataclasses.dataclass(frozen=True)
class _Let:
    """Bindings, each on its own line unless there is one alone, and a result."""

    bindings: Sequence[tuple[str, Parts, Type]]
    result: Parts


def program_lines(program: ir.Node) -> list[Line]:
    r"""The lines of a whole program.

    Args:
      program: mostly a lambda; then the lines begin with its parameter.

    Examples:
      >>> import numpy as np
      >>> from tensorflow_federated.core.types import TensorType
      >>> number = TensorType(np.int32)
      >>> program = ir.Lambda("x", number, ir.Reference("x", number))
      >>> print("\n".join(styled_text.to_plain(line) for line in program_lines(program)))
      given
        x                                                         : int32
      in x
    """
    if not isinstance(program, ir.Lambda):
        return expression_lines(program, "", program.type_signature)
    lines: list[Line] = []
    if program.parameter_name is not None and program.parameter_type is not None:
        lines.append([Span("given", "keyword")])
        for name, parameter in _parameters(program.parameter_name, program.parameter_type):
            lines.extend(typed_lines([Span(_INDENT), Span(name)], parameter))
    bindings, result = (), program.result
    if isinstance(result, ir.Block):
        bindings, result = result.locals, result.result
    if bindings:
        lines.append([Span("let", "keyword")])
        lines.extend(binding_lines(bindings, _INDENT))
    writer = _Writer("")
    writer.write([Span("in", "keyword"), Span(" "), *_parts(result)], "")
    lines.extend(writer.lines)
    return lines


def binding_lines(bindings: Sequence[tuple[str, ir.Node]], indent: str) -> list[Line]:
    """The lines of bindings, `name = value : type`.

    Args:
      bindings: names and what they stand for; one or more.
      indent: white space before each line, a span of its own.
    """
    writer = _Writer(indent)
    writer.write_bindings(
        [(name, _parts(node), node.type_signature) for name, node in bindings], indent
    )
    return writer.lines


def expression_lines(
    node: ir.Node,
    indent: str,
    type_signature: Type,
    *,
    name: str = "",
    note: str = "",
    whole: bool = False,
) -> list[Line]:
    """The lines of an expression, and its type.

    Args:
      node: the expression.
      indent: white space before each line, a span of its own.
      type_signature: the type to show.
      name: what it is bound to; nothing is bound if it is empty.
      note: what to write after the type.
      whole: whether a type that does not fit goes on in further lines.
    """
    writer = _Writer(indent)
    bound = [Span(f"{name} = ")] if name else []
    writer.write([*bound, *_parts(node)], indent)
    writer.add_type(type_signature, note, whole)
    return writer.lines


def typed_lines(
    line: Line, type_signature: Type, note: str = "", *, whole: bool = False
) -> list[Line]:
    """A line with a type to its right, and a note after it.

    Args:
      line: the line.
      type_signature: the type.
      note: what to write after the type.
      whole: whether a type that does not fit goes on in further lines; otherwise it is shortened.
    """
    column = sum(len(span.text) for span in line)
    start = max(_TYPE_COLUMN, column + 1)
    layout = type_relations.layout_of(type_signature)
    room = WIDTH - start - 2
    if not whole:
        layout = styled_text.shortened(layout, room - len(note))
    pieces = styled_text.type_spans(type_printing.compact_pieces(layout))
    first, *rest = _wrapped(pieces, room - len(note))
    margin = Span(" " * (start + 2))
    lines: list[Line] = [
        [*line, Span(" " * (start - column)), Span(": ", "note"), *first],
        *([margin, *spans] for spans in rest),
    ]
    if note:
        lines[-1] = [*lines[-1], Span(note, "note")]
    return lines


def _wrapped(pieces: Iterable[Span], room: int) -> list[list[Span]]:
    """Breaks the pieces of a type after commas."""
    lines: list[list[Span]] = [[]]
    taken = 0
    for span in pieces:
        may_break = bool(lines[-1]) and lines[-1][-1].text == ","
        if may_break and taken + len(span.text) > room:
            lines.append([])
            taken = 0
        lines[-1].append(span)
        taken += len(span.text)
    return lines


def _parameters(name: str, parameter_type: Type) -> Iterator[tuple[str, Type]]:
    """The elements of a parameter as the program selects them."""
    if not isinstance(parameter_type, StructType) or not len(parameter_type):
        yield name, parameter_type
        return
    for index, (element_name, element) in enumerate(parameter_type.items()):
        yield paths.to_element(name, element_name, index), element


def _parts(node: ir.Node) -> list[Span | _Group | _Let]:
    match node:
        case ir.Reference(name=name):
            return [Span(name)]
        case ir.Selection(source=source, index=index):
            return [*_operand(source), Span(paths.step(node.name, index))]
        case ir.Struct(elements=elements):
            return [_Group("<", _named(elements), ">")]
        case ir.Call(function=function, argument=argument):
            return [*_operand(function), _Group("(", _arguments(argument), ")")]
        case ir.Lambda(parameter_name=name, result=result):
            return [Span(name or "()"), Span(" -> ", "keyword"), *_parts(result)]
        case ir.Block(locals=bindings, result=result) if bindings:
            bound = [(name, _parts(each), each.type_signature) for name, each in bindings]
            return [_Let(bound, _parts(result))]
        case ir.Block(result=result):
            return _parts(result)
        case ir.Intrinsic(uri=uri):
            return [Span(uri, "keyword")]
        case ir.Placement(literal=literal):
            return [Span(str(literal), "clients" if literal.uri == "clients" else "server")]
        case ir.Literal(value=value):
            return [Span(_literal(value))]
        case ir.Local(computation=computation):
            return [Span(f"comp#{computation.name}"), Span(f":{computation.backend}", "note")]
        case _:
            return [Span(str(node))]


def _operand(node: ir.Node) -> list[Span | _Group | _Let]:
    parts = _parts(node)
    return [_Group("(", [parts], ")")] if isinstance(node, (ir.Lambda, ir.Block)) else parts


def _named(elements: Iterable[tuple[str | None, ir.Node]]) -> list[Parts]:
    return [
        [Span(f"{name}="), *_parts(element)] if name else _parts(element)
        for name, element in elements
    ]


def _arguments(argument: ir.Node | None) -> list[Parts]:
    if argument is None:
        return []
    if isinstance(argument, ir.Struct) and argument.elements:
        return _named(argument.elements)
    return [_parts(argument)]


def _literal(value: object) -> str:
    text = repr(value) if isinstance(value, (bytes, str)) else " ".join(str(value).split())
    return text if len(text) <= _LONGEST_LITERAL else f"{text[: _LONGEST_LITERAL - 3]}..."


def _flat(parts: Parts) -> list[Span] | None:
    """The parts on one line; None if they hold bindings that need lines of their own."""
    spans: list[Span] = []
    for part in parts:
        if isinstance(part, Span):
            spans.append(part)
            continue
        inside = _flat_group(part) if isinstance(part, _Group) else _flat_let(part)
        if inside is None:
            return None
        spans.extend(inside)
    return spans


def _flat_group(group: _Group) -> list[Span] | None:
    spans = [Span(group.opening)]
    separator = ", " if group.opening == "(" else ","
    for position, item in enumerate(group.items):
        inside = _flat(item)
        if inside is None:
            return None
        spans.extend([Span(separator), *inside] if position else inside)
    return [*spans, Span(group.closing)]


def _flat_let(let: _Let) -> list[Span] | None:
    if len(let.bindings) > 1:
        return None
    [(name, parts, _)] = let.bindings
    bound, result = _flat(parts), _flat(let.result)
    if bound is None or result is None:
        return None
    opening = [Span("let ", "keyword"), Span(f"{name} = ")]
    return [*opening, *bound, Span(" in ", "keyword"), *result]


class _Writer:
    """Breaks parts into lines."""

    def __init__(self, indent: str) -> None:
        self._lines: list[list[Span]] = [[Span(indent)] if indent else []]

    @property
    def lines(self) -> list[Line]:
        """What has been written."""
        return list(self._lines)

    @property
    def _column(self) -> int:
        return sum(len(span.text) for span in self._lines[-1])

    def write(self, parts: Parts, indent: str) -> None:
        """Writes parts; what is broken is indented further than `indent`."""
        for part in parts:
            if isinstance(part, Span):
                self._lines[-1].append(part)
                continue
            flat = _flat([part])
            if flat is not None and self._fits(flat):
                self._lines[-1].extend(flat)
            elif isinstance(part, _Group):
                self._write_group(part, indent)
            else:
                self._write_let(part, indent)

    def write_bindings(self, bindings: Sequence[tuple[str, Parts, Type]], indent: str) -> None:
        """Writes bindings, each on a new line but the first."""
        widest = min(max(len(name) for name, _, _ in bindings), 12) if bindings else 0
        for position, (name, parts, type_signature) in enumerate(bindings):
            if position:
                self._lines.append([Span(indent)])
            self.write([Span(f"{name:<{widest}} = "), *parts], indent)
            self.add_type(type_signature)

    def add_type(self, type_signature: Type, note: str = "", whole: bool = False) -> None:
        """Adds a type to the last line, or below it if there is no room."""
        if self._column >= _LAST_TYPE_COLUMN:
            self._lines.append([])
        last = self._lines.pop()
        for line in typed_lines(last, type_signature, note, whole=whole):
            self._lines.append(list(line))

    def _fits(self, spans: Sequence[Span]) -> bool:
        return self._column + sum(len(span.text) for span in spans) <= WIDTH

    def _write_group(self, group: _Group, indent: str) -> None:
        inner = indent + _INDENT
        self._lines[-1].append(Span(group.opening))
        for position, item in enumerate(group.items):
            if position:
                self._lines[-1].append(Span(","))
            self._lines.append([Span(inner)])
            self.write(item, inner)
        self._lines[-1].append(Span(group.closing))

    def _write_let(self, let: _Let, indent: str) -> None:
        inner = indent + _INDENT
        self._lines[-1].append(Span("let", "keyword"))
        self._lines.append([Span(inner)])
        self.write_bindings(let.bindings, inner)
        self._lines.append([Span(indent), Span("in ", "keyword")])
        self.write(let.result, indent)
