"""Explains computations: the program as written, after each pass, and as a plan."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping, Sequence
from typing import IO, Any

from tensorflow_federated.compiler import (
    call_dominant,
    compilation,
    partition,
    plan_printing,
    program_printing,
)
from tensorflow_federated.compiler.plan_printing import DescribeStep, Transfer
from tensorflow_federated.compiler.program_printing import Line
from tensorflow_federated.core import (
    computations,
    errors,
    html,
    ir,
    paths,
    styled_text,
    traversal,
    type_predicates,
    type_printing,
    type_relations,
)
from tensorflow_federated.core.styled_text import Span
from tensorflow_federated.core.types import FunctionType, StructType, Type

_SIGNATURE = "tff.explain(computation)"


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Explanation:
    """What a computation is and what becomes of it, to be shown or tested.

    As the last expression of a notebook's cell or of a prompt it shows itself, as HTML or in
    colour; `show` does so anywhere, and `str` gives the plain text.

    Attributes:
      name: the name of the computation.
      type_signature: its type.
      written: the program as it was written.
      passes: the name of each pass of the compiler, and the program after it.
      plan: what the server and the clients do, step by step; or why there is no plan.
      sent_to_clients: each value that every client is sent.
      sent_by_clients: each value that leaves every client, and what it is aggregated by.

    Examples:
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> @tff.federated_computation(tff.FederatedType(np.float32, tff.CLIENTS))
      ... def average(readings):
      ...     return tff.federated_mean(readings)
      >>> for sent in tff.explain(average).sent_by_clients:
      ...     print(sent.type_signature, sent.size_in_bytes, sent.aggregation)
      <float32,int32> 8 a sum, in plain text, for federated_mean
    """

    name: str
    type_signature: Type
    written: str
    passes: tuple[tuple[str, str], ...]
    plan: str
    sent_to_clients: tuple[Transfer, ...]
    sent_by_clients: tuple[Transfer, ...]
    _sections: Sequence[_Section]

    def show(self, file: IO[str] | None = None) -> None:
        """Prints the explanation, in colour if it is printed to a terminal.

        There is no colour where the environment variable `NO_COLOR` is set.

        Args:
          file: where to print; `sys.stdout` if None.
        """
        stream = sys.stdout if file is None else file
        print(self._text_for(stream), file=stream)

    def __str__(self) -> str:
        return styled_text.to_plain(self._spans())

    def __repr__(self) -> str:
        return self._text_for(sys.stdout)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        del cycle
        printer.text(self._text_for(sys.stdout))

    def _repr_html_(self) -> str:
        return "".join(
            html.section(section.title, html.preformatted(_joined(section.lines)), section.is_open)
            for section in self._sections
        )

    def _text_for(self, stream: IO[str]) -> str:
        spans = self._spans()
        if styled_text.shows_colour(stream):
            return styled_text.to_ansi(spans)
        return styled_text.to_plain(spans)

    def _spans(self) -> list[Span]:
        spans: list[Span] = []
        for position, section in enumerate(self._sections):
            if position:
                spans.append(Span("\n\n"))
            spans.extend([Span(f"== {section.title}", "heading"), Span("\n")])
            spans.extend(_joined(section.lines))
        return spans


@dataclasses.dataclass(frozen=True)
class _Section:
    title: str
    lines: Sequence[Line]
    is_open: bool = False


def explain(computation: computations.Computation, describe_step: DescribeStep) -> Explanation:
    """Explains what a computation does, without running it; see `execution.explanation`.

    Args:
      computation: the computation.
      describe_step: says in a few lines how an engine runs a client step.

    Returns:
      The explanation.

    Raises:
      ArgumentError: if it is no computation, or its types are not known yet.
    """
    concrete = _checked(computation)
    node = concrete.node
    kind = f", a local computation of {_backend(node)}" if isinstance(node, ir.Local) else ""
    written = program_printing.program_lines(node)
    sections = [
        _Section(f"{concrete.__name__}{kind}", [_signature_line(node.type_signature)], True),
        _Section("As written", written, True),
    ]
    compiled = _compile(node, describe_step)
    before = written
    for name, lines, is_changed in compiled.passes:
        shown = _with_news(before, lines) if is_changed else [[Span("no change", "note")]]
        sections.append(_Section(f"After {name!r}", shown))
        before = lines
    sections.append(_Section("Plan", compiled.plan_lines, True))
    return Explanation(
        name=concrete.__name__,
        type_signature=node.type_signature,
        written=_plain(written),
        passes=tuple((name, _plain(lines)) for name, lines, _ in compiled.passes),
        plan=_plain(compiled.plan_lines),
        sent_to_clients=compiled.sent_to_clients,
        sent_by_clients=compiled.sent_by_clients,
        _sections=sections,
    )


@dataclasses.dataclass
class _Compiled:
    """What the compiler made of a program, as far as it came."""

    passes: list[tuple[str, Sequence[Line], bool]]
    plan_lines: Sequence[Line] = ()
    sent_to_clients: tuple[Transfer, ...] = ()
    sent_by_clients: tuple[Transfer, ...] = ()


def _compile(node: ir.Lambda | ir.Local, describe_step: DescribeStep) -> _Compiled:
    compiled = _Compiled([])
    origins: dict[str, str] = {}
    before: ir.Lambda | ir.Local = node
    try:
        for name, program in compilation.iterate_passes(node):
            is_changed = program.content_hash != before.content_hash
            compiled.passes.append((name, program_printing.program_lines(program), is_changed))
            origins = {**_origins(before, program), **origins}
            before = program
        missing = _missing_lines(node)
        if missing:
            compiled.plan_lines = missing
            return compiled
        assert isinstance(before, ir.Lambda)
        plan = partition.to_plan(before, node.type_signature)
    except errors.FederatedError as error:
        # What cannot run can be explained all the same: this is why.
        compiled.plan_lines = _reason_lines(error)
        return compiled
    compiled.plan_lines = plan_printing.plan_lines(plan, origins, describe_step)
    compiled.sent_to_clients = plan_printing.sent_to_clients(plan)
    compiled.sent_by_clients = plan_printing.sent_by_clients(plan, origins)
    return compiled


def _origins(before: ir.Lambda | ir.Local, after: ir.Lambda) -> Mapping[str, str]:
    """The names that a pass has bound anew, with the intrinsic in whose place they stand.

    A pass that writes one call as several gives its name to the last of them.
    """
    if isinstance(before, ir.Local):
        return {}
    known = dict(call_dominant.open_lambda(before)[0])
    origins: dict[str, str] = {}
    new: list[str] = []
    for name, bound in call_dominant.open_lambda(after)[0]:
        if name not in known:
            new.append(name)
            continue
        former = known[name]
        if isinstance(former, ir.Call) and str(former.function) != str(_function(bound)):
            origins.update(dict.fromkeys([*new, name], str(former.function)))
        new.clear()
    return origins


def _function(bound: ir.Node) -> ir.Node:
    return bound.function if isinstance(bound, ir.Call) else bound


def _with_news(before: Sequence[Line], after: Sequence[Line]) -> list[Line]:
    """The lines of a program, of which those that it had before recede where there are styles."""
    known = {styled_text.to_plain(line) for line in before}
    return [
        [Span(styled_text.to_plain(line), "note")] if styled_text.to_plain(line) in known else line
        for line in after
    ]


def _missing_lines(node: ir.Lambda | ir.Local) -> list[Line]:
    """Says what has to be given before there is a plan; no lines if nothing is missing."""
    parameter = node.type_signature.parameter
    elements = list(parameter.items()) if isinstance(parameter, StructType) else [(None, parameter)]
    functions = [
        line
        for index, (name, element) in enumerate(elements)
        if element is not None and type_predicates.contains(element, _is_function)
        for line in program_printing.typed_lines(
            [Span(f"  {paths.to_element('', name, index)}")], element
        )
    ]
    if functions:
        said = "There is no plan before a call, which gives the functions that it depends on:"
        return [[Span(said)], *functions]
    unbound = sorted(traversal.free_names(node))
    if unbound:
        return [
            [Span(f"There is no plan: the program does not say what {name} is.")]
            for name in unbound
        ]
    return []


def _is_function(type_signature: Type) -> bool:
    return isinstance(type_signature, FunctionType)


def _reason_lines(error: errors.FederatedError) -> list[Line]:
    lines: list[Line] = [[Span(f"There is no plan: {error.summary}")]]
    lines.extend([Span(f"  {problem}")] for problem in error.problems)
    if error.fix:
        lines.append([Span(f"  fix: {error.fix}")])
    return lines


def _signature_line(function_type: FunctionType) -> Line:
    layout = type_relations.layout_of(function_type)
    shown = styled_text.shortened(layout, program_printing.WIDTH)
    return styled_text.type_spans(type_printing.compact_pieces(shown))


def _backend(node: ir.Local) -> str:
    return node.computation.backend


def _plain(lines: Sequence[Line]) -> str:
    return styled_text.to_plain(_joined(lines))


def _joined(lines: Sequence[Line]) -> list[Span]:
    spans: list[Span] = []
    for position, line in enumerate(lines):
        if position:
            spans.append(Span("\n"))
        spans.extend(line)
    return spans


def _checked(candidate: object) -> computations.ConcreteComputation:
    """The computation; raises if it is none, or one whose types are not known."""
    if isinstance(candidate, computations.ConcreteComputation):
        return candidate
    if isinstance(candidate, computations.PolymorphicComputation):
        name = candidate.__name__
        raise errors.ArgumentError(
            f"`{name}` cannot be explained before its types are known.",
            problems=["computation: got a function that takes arguments of any type"],
            signature=_SIGNATURE,
            fix=f"declare the types of its parameters, or explain one form of it: "
            f"`tff.explain({name}.fn_for_argument_type(type))`.",
        )
    parts = [
        part
        for part in ("next", "initialize")
        if isinstance(getattr(candidate, part, None), computations.Computation)
    ]
    if parts:
        fix = "explain a computation of it: " + " or ".join(
            f"`tff.explain(process.{part})`" for part in parts
        )
    elif callable(candidate) and not isinstance(candidate, type):
        fix = "make it a computation: decorate it with `@tff.federated_computation(type, ...)`"
    else:
        fix = "give what `@tff.federated_computation` or another decorator has made"
    raise errors.ArgumentError(
        "only a computation can be explained.",
        problems=[f"computation: got {errors.describe_object(candidate)}"],
        signature=_SIGNATURE,
        fix=f"{fix}.",
    )
