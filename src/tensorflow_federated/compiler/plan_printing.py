"""Prints plans for people: what each step has, does, keeps, and what leaves the clients.

::

    2. At each client
         is sent  weights                             : float32[2], 8 bytes
         has      data                                : float32[2]*
         does     v = comp#train:jax(weights, data)   : float32[2]
         sends    v                                   : float32[2], 8 bytes
                  into v_1, a sum in plain text
         runs     compiled: one XLA program
"""

from __future__ import annotations

import dataclasses
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from tensorflow_federated.compiler import (
    call_dominant,
    non_finite_reports,
    plan,
    program_printing,
)
from tensorflow_federated.compiler.program_printing import Line
from tensorflow_federated.core import ir, paths, traversal, type_sizes
from tensorflow_federated.core.placements import CLIENTS
from tensorflow_federated.core.styled_text import Span, Style
from tensorflow_federated.core.types import StructType, Type

_INDENT = " " * 3
_MARGIN = " " * 12
_NOTHING: Sequence[Line] = ([Span(_MARGIN), Span("nothing", "note")],)

DescribeStep = Callable[[plan.ClientStep], Sequence[str]]
"""Says in a few lines how an engine runs a client step."""


@dataclasses.dataclass(frozen=True)
class Transfer:
    """One value on its way between the server and the clients.

    Attributes:
      step: the number of the step, from 1, that it goes to, or that it comes from; a result that
        every client is sent counts as one step more.
      name: the name that the value has at the server.
      type_signature: the type of what one client is sent, or sends.
      size_in_bytes: how many bytes that is; None where the type does not say.
      aggregation: what it is brought together with others by, in words; None for a broadcast.
    """

    step: int
    name: str
    type_signature: Type
    size_in_bytes: int | None
    aggregation: str | None = None


def sent_to_clients(compiled: plan.Plan) -> tuple[Transfer, ...]:
    """What every client is sent, in order."""
    known = _known_to_clients(compiled)
    sent = [
        (number, slot)
        for number, step in enumerate(compiled.steps, 1)
        if isinstance(step, plan.ClientStep)
        for slot in step.broadcast
        if slot.name not in known
    ]
    last = len(compiled.steps) + 1
    sent.extend(
        (last, each.slot) for each in plan.outputs(compiled.result) if _is_sent(each, known)
    )
    return tuple(
        Transfer(number, slot.name, slot.type, type_sizes.size_in_bytes(slot.type))
        for number, slot in sent
    )


def sent_by_clients(compiled: plan.Plan, origins: Mapping[str, str]) -> tuple[Transfer, ...]:
    """What leaves every client, in order.

    Args:
      compiled: the plan.
      origins: for the name of an aggregate, the intrinsic that it comes from.
    """
    return tuple(
        Transfer(
            number,
            each.output.name,
            each.value_type,
            type_sizes.size_in_bytes(each.value_type),
            _aggregation(each, origins.get(each.output.name)),
        )
        for number, step in enumerate(compiled.steps, 1)
        if isinstance(step, plan.ClientStep)
        for each in step.aggregates
        if each.kind != non_finite_reports.KIND
    )


def plan_lines(
    compiled: plan.Plan, origins: Mapping[str, str], describe_step: DescribeStep
) -> list[Line]:
    """The lines of a plan.

    Args:
      compiled: the plan.
      origins: for the name of an aggregate, the intrinsic that it comes from.
      describe_step: says how a client step is run.
    """
    printer = _PlanPrinter(compiled, origins, describe_step)
    lines: list[Line] = [[Span(_summary(compiled, origins))]]
    for number, step in enumerate(compiled.steps, 1):
        lines.append([])
        lines.extend(printer.step_lines(number, step))
    lines.extend([[], [Span("Result", "heading")]])
    lines.extend(printer.result_lines())
    return lines


def _summary(compiled: plan.Plan, origins: Mapping[str, str]) -> str:
    sent, received = sent_by_clients(compiled, origins), sent_to_clients(compiled)
    if not received and not any(isinstance(step, plan.ClientStep) for step in compiled.steps):
        return "No client has anything to do: nothing is sent to one, nothing leaves one."
    return f"Each client is sent {_total(received)}, and sends {_total(sent)}."


def _total(transfers: Sequence[Transfer]) -> str:
    if not transfers:
        return "nothing"
    known = [each.size_in_bytes for each in transfers if each.size_in_bytes is not None]
    if len(known) == len(transfers):
        return type_sizes.describe_size(sum(known))
    return type_sizes.describe_size(None)


_KEYS = "sequence_of_keys"
_SELECTIONS = ("federated_select", "federated_secure_select")
_KINDS = {
    "sum": "a sum",
    "fold": "a fold by accumulate, merge and report",
    "collection": "a collection that shows the server each client's value",
}


def _aggregation(aggregate: plan.Aggregate, origin: str | None) -> str:
    if aggregate.protocol is not None:
        return f"{aggregate.protocol}, a secure protocol that is simulated in plain text"
    how = f"{_KINDS[aggregate.kind]}, in plain text"
    return f"{how}, for {origin}" if origin else how


class _PlanPrinter:
    def __init__(
        self, compiled: plan.Plan, origins: Mapping[str, str], describe_step: DescribeStep
    ) -> None:
        self._plan = compiled
        self._origins = origins
        self._describe_step = describe_step
        self._results = {output.slot.name for output in plan.outputs(compiled.result)}
        self._known = _known_to_clients(compiled)

    def step_lines(self, number: int, step: plan.ServerStep | plan.ClientStep) -> Iterator[Line]:
        """The lines of one step, its heading first."""
        heading, style = self._heading(step)
        yield [Span(f"{number}. {heading}", style)]
        if isinstance(step, plan.ServerStep):
            yield from self._server_lines(number, step)
        else:
            yield from self._client_lines(number, step)

    def result_lines(self) -> list[Line]:
        """The lines that say where each part of the result comes from."""
        lines: list[Line] = []
        for path, output, placed in _paths(self._plan.result, self._plan.result_type, ""):
            named = [Span(_INDENT), Span(f"{path}{output.slot.name}")]
            note = ", sent to every client" if _is_sent(output, self._known) else ""
            lines.extend(program_printing.typed_lines(named, placed, note))
        return lines

    def _heading(self, step: plan.ServerStep | plan.ClientStep) -> tuple[str, Style]:
        if isinstance(step, plan.ClientStep):
            return "At each client", "clients"
        placed = any(each.placement for each in self._plan.parameters)
        if (
            placed
            or len(self._plan.steps) > 1
            or any(output.placement for output in plan.outputs(self._plan.result))
        ):
            return "At the server", "server"
        return "Where it is called", "heading"

    def _server_lines(self, number: int, step: plan.ServerStep) -> Iterator[Line]:
        yield from _labelled("has", _slot_lines(step.inputs))
        bindings, results = _open_body(step.body, step.inputs)
        yield from _labelled("does", _work_lines(bindings))
        yield from _labelled("gives", self._given_lines(number, step.outputs, results))

    def _client_lines(self, number: int, step: plan.ClientStep) -> Iterator[Line]:
        known = [slot for slot in step.broadcast if slot.name in self._known]
        news = [slot for slot in step.broadcast if slot.name not in self._known]
        sent = [*_slot_lines(news, is_sent=True), *self._selection_lines(step)]
        yield from _labelled("is sent", sent)
        yield from _labelled("has", _slot_lines([*known, *step.inputs]))
        bindings, results = _open_body(step.body, [*step.broadcast, *step.inputs])
        yield from _labelled("does", _work_lines(bindings))
        kept, leaving = results[: len(step.kept)], results[len(step.kept) :]
        yield from _labelled("keeps", self._given_lines(number, step.kept, kept) or _NOTHING)
        lines = [
            line
            for aggregate, node in zip(step.aggregates, leaving, strict=True)
            if aggregate.kind != non_finite_reports.KIND
            for line in self._sent_lines(aggregate, node)
        ]
        yield from _labelled("sends", lines or _NOTHING, "leaves")
        yield from _labelled("tells", self._told_lines(step, leaving))
        width = program_printing.WIDTH - len(_MARGIN)
        described = [
            [Span(_MARGIN), Span(line)]
            for each in self._describe_step(step)
            for line in textwrap.wrap(each, width, break_long_words=False)
        ]
        yield from _labelled("runs", described)

    def _selection_lines(self, step: plan.ClientStep) -> Iterator[Line]:
        """Says of the values that clients select from that all of them is sent."""
        nodes = traversal.iterate(step.body)
        if any(isinstance(node, ir.Intrinsic) and node.uri == _KEYS for node in nodes):
            for uri in sorted({each for each in self._origins.values() if each in _SELECTIONS}):
                said = f"for {uri}: a simulation sends all, and each client takes its slices"
                yield [Span(_MARGIN), Span(said, "note")]

    def _given_lines(
        self, number: int, slots: Sequence[plan.Slot], nodes: Sequence[ir.Node]
    ) -> list[Line]:
        """The values that a step makes for later; those that its work names are not spelt again."""
        lines: list[Line] = []
        for slot, node in zip(slots, nodes, strict=True):
            name = slot.name
            if isinstance(node, ir.Reference) and node.name == name:
                name = ""
            note = self._destination(number, slot.name)
            lines.extend(
                program_printing.expression_lines(node, _MARGIN, slot.type, name=name, note=note)
            )
        return lines

    def _told_lines(self, step: plan.ClientStep, leaving: Sequence[ir.Node]) -> list[Line]:
        """What a simulation learns of a client, and nobody is sent."""
        lines: list[Line] = []
        for aggregate, node in zip(step.aggregates, leaving, strict=True):
            if aggregate.kind == non_finite_reports.KIND:
                lines.extend(
                    program_printing.expression_lines(
                        node, _MARGIN, aggregate.value_type, note=", to the engine alone"
                    )
                )
        return lines

    def _sent_lines(self, aggregate: plan.Aggregate, node: ir.Node) -> Iterator[Line]:
        size = type_sizes.describe_size(type_sizes.size_in_bytes(aggregate.value_type))
        for line in program_printing.expression_lines(
            node, _MARGIN, aggregate.value_type, note=f", {size}", whole=True
        ):
            yield [Span(text, "leaves" if style == "plain" else style) for text, style in line]
        how = _aggregation(aggregate, self._origins.get(aggregate.output.name))
        yield [Span(_MARGIN), Span(f"into {aggregate.output.name}: {how}", "note")]
        functions = [
            (name, getattr(aggregate, name))
            for name in ("accumulate", "merge", "report")
            if getattr(aggregate, name) is not None
        ]
        if aggregate.zero is not None:
            yield [Span(_MARGIN), Span(f"  from {aggregate.zero}", "note")]
        if functions:
            yield from program_printing.binding_lines(functions, f"{_MARGIN}  ")

    def _destination(self, number: int, name: str) -> str:
        """Where a value that a step makes is used."""
        places: list[str] = []
        for later, step in enumerate(self._plan.steps[number:], number + 1):
            if isinstance(step, plan.ServerStep):
                used = any(slot.name == name for slot in step.inputs)
            else:
                used = any(slot.name == name for slot in (*step.broadcast, *step.inputs)) or any(
                    each.zero == name for each in step.aggregates
                )
            if used:
                places.append(f"step {later}")
        if name in self._results:
            places.append("the result")
        return f", for {' and '.join(places)}" if places else ""


def _labelled(label: str, lines: Sequence[Line], style: Style = "keyword") -> Iterator[Line]:
    """Puts a label into the margin of the first line."""
    for position, line in enumerate(lines):
        shown = [Span(_INDENT), Span(f"{label:<{len(_MARGIN) - len(_INDENT)}}", style)]
        yield [*shown, *line[1:]] if position == 0 else line


def _slot_lines(slots: Iterable[plan.Slot], is_sent: bool = False) -> list[Line]:
    lines: list[Line] = []
    for slot in slots:
        size = type_sizes.describe_size(type_sizes.size_in_bytes(slot.type))
        note = f", {size}" if is_sent else ""
        named = [Span(_MARGIN), Span(slot.name)]
        lines.extend(program_printing.typed_lines(named, slot.type, note, whole=is_sent))
    return lines


def _work_lines(bindings: Sequence[tuple[str, ir.Node]]) -> list[Line]:
    return program_printing.binding_lines(bindings, _MARGIN) if bindings else []


def _open_body(
    body: ir.Lambda, inputs: Sequence[plan.Slot]
) -> tuple[Sequence[tuple[str, ir.Node]], Sequence[ir.Node]]:
    """The bindings and the results of a step, on the names of its inputs."""
    bindings, result = call_dominant.open_lambda(body)
    named = ir.Struct(tuple((slot.name, ir.Reference(slot.name, slot.type)) for slot in inputs))
    replaced = {} if body.parameter_name is None else {body.parameter_name: named}
    shown = [(name, traversal.substitute(node, replaced)) for name, node in bindings]
    results = traversal.substitute(result, replaced)
    assert isinstance(results, ir.Struct)
    return shown, list(results.children())


def _known_to_clients(compiled: plan.Plan) -> frozenset[str]:
    """The names of values that all clients have alike, although the plan keeps them at the server.

    They are arguments of the call, or parts of these.
    """
    known = {each.slot.name for each in compiled.parameters if each.placement == CLIENTS}
    for step in compiled.steps:
        if isinstance(step, plan.ServerStep):
            _, results = _open_body(step.body, step.inputs)
            for slot, node in zip(step.outputs, results, strict=True):
                while isinstance(node, ir.Selection):
                    node = node.source
                if isinstance(node, ir.Reference) and node.name in known:
                    known.add(slot.name)
    return frozenset(known)


def _is_sent(output: plan.Output, known: frozenset[str]) -> bool:
    """Whether a part of the result is a value of the server that every client gets."""
    at_clients = output.placement == CLIENTS and output.all_equal
    return at_clients and output.slot.name not in known


def _paths(
    result: plan.Result, result_type: Type, path: str
) -> Iterator[tuple[str, plan.Output, Type]]:
    """Each output with the path to it, as `state = `, and its type."""
    if isinstance(result, plan.Output):
        yield f"{path} = " if path else "", result, result_type
        return
    assert isinstance(result_type, StructType)
    for index, (each, (name, element)) in enumerate(zip(result, result_type.items(), strict=True)):
        yield from _paths(each, element, paths.to_element(path, name, index))
