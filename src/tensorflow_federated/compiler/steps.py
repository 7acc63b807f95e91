"""Builds the steps of a Plan from a schedule."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence

from tensorflow_federated.compiler import plan, schedule
from tensorflow_federated.compiler.schedule import Aggregation, Home, Item, Schedule
from tensorflow_federated.core import ir, traversal
from tensorflow_federated.core.types import StructType


def build_steps(
    scheduled: Schedule, names: traversal.FreshNames
) -> tuple[plan.ServerStep | plan.ClientStep, ...]:
    """Builds the steps, in order; a stage without work gives none.

    Args:
      scheduled: the work of the program.
      names: makes the names that the steps need besides those of the schedule.

    Returns:
      The steps.
    """
    return _Builder(scheduled, names).build()


@dataclasses.dataclass(frozen=True)
class _Part:
    """A part of a server value that clients are sent: selected by the server step of a stage."""

    reference: ir.Reference
    selection: ir.Selection
    stage: int


_Path = tuple[str, tuple[int, ...]]


class _Builder:
    def __init__(self, scheduled: Schedule, names: traversal.FreshNames) -> None:
        self._schedule = scheduled
        self._names = names
        self._parts = self._name_parts()
        part_references = {path: part.reference for path, part in self._parts.items()}
        self._items = [
            dataclasses.replace(item, node=_replace_parts(item.node, part_references))
            if item.home.at_clients
            else item
            for item in scheduled.items
        ]
        self._aggregations = [
            dataclasses.replace(each, value=_replace_parts(each.value, part_references))
            for each in scheduled.aggregations
        ]
        self._order = {name: index for index, name in enumerate(scheduled.types)}
        self._slots = {
            name: plan.Slot(name, type_signature)
            for name, type_signature in scheduled.types.items()
        }
        for part in self._parts.values():
            name = part.reference.name
            self._slots[name] = plan.Slot(name, part.reference.type)
            self._order[name] = len(self._order)
        self._used_outside = self._find_used_outside()
        self._items_at: dict[Home, list[Item]] = collections.defaultdict(list)
        for item in self._items:
            self._items_at[item.home].append(item)
        self._aggregations_at: dict[int, list[Aggregation]] = collections.defaultdict(list)
        for aggregation in self._aggregations:
            self._aggregations_at[aggregation.stage].append(aggregation)
        self._parts_at: dict[int, list[_Part]] = collections.defaultdict(list)
        for part in self._parts.values():
            self._parts_at[part.stage].append(part)

    def build(self) -> tuple[plan.ServerStep | plan.ClientStep, ...]:
        """Builds all steps."""
        stages = [item.home.stage for item in self._items]
        stages += [aggregation.stage for aggregation in self._aggregations]
        steps: list[plan.ServerStep | plan.ClientStep] = []
        for stage in range(max(stages, default=-1) + 1):
            steps.extend(self._server_step(stage))
            steps.extend(self._client_step(stage))
        return tuple(steps)

    def _name_parts(self) -> dict[_Path, _Part]:
        """Names each part of a server value that clients need, at the first stage that does."""
        client_items = [item for item in self._schedule.items if item.home.at_clients]
        needed = [(item.home.stage, item.node) for item in client_items]
        needed += [(each.stage, each.value) for each in self._schedule.aggregations]
        parts: dict[_Path, _Part] = {}
        for stage, node in sorted(needed, key=lambda pair: pair[0]):
            for selection in self._schedule.server_parts(node):
                path = schedule.selection_path(selection)
                if path not in parts:
                    name = self._names.fresh(selection.name or f"{path[0]}_{selection.index}")
                    reference = ir.Reference(name, selection.type_signature)
                    parts[path] = _Part(reference, selection, stage)
        return parts

    def _find_used_outside(self) -> set[str]:
        """The names of the items that something outside of their own step needs."""
        used: set[str] = {item.name for item in self._items if item.is_output}
        for home, node in self._consumers():
            for name in self._schedule.used_names(node):
                if self._schedule.home(name) != home:
                    used.add(name)
        used.update(
            each.aggregate.zero for each in self._aggregations if each.aggregate.zero is not None
        )
        return used

    def _consumers(self) -> Iterator[tuple[Home, ir.Node]]:
        for item in self._items:
            yield item.home, item.node
        for aggregation in self._aggregations:
            yield Home(at_clients=True, stage=aggregation.stage), aggregation.value
        for part in self._parts.values():
            yield Home(at_clients=False, stage=part.stage), part.selection

    def _server_step(self, stage: int) -> Iterator[plan.ServerStep]:
        items = self._items_at[Home(False, stage)]
        parts = self._parts_at[stage]
        if not items and not parts:
            return
        selections = [part.selection for part in parts]
        inputs = self._inputs(items, selections)
        outputs = self._outputs(items)
        results = [*_references(outputs), *selections]
        part_slots = [self._slots[part.reference.name] for part in parts]
        body = self._body(inputs, items, results)
        yield plan.ServerStep(tuple(inputs), body, (*outputs, *part_slots))

    def _client_step(self, stage: int) -> Iterator[plan.ClientStep]:
        items = self._items_at[Home(True, stage)]
        aggregations = self._aggregations_at[stage]
        if not items and not aggregations:
            return
        values = [aggregation.value for aggregation in aggregations]
        slots = self._inputs(items, values)
        broadcast = [slot for slot in slots if not self._is_at_clients(slot)]
        own = [slot for slot in slots if self._is_at_clients(slot)]
        kept = self._outputs(items)
        yield plan.ClientStep(
            broadcast=tuple(broadcast),
            inputs=tuple(own),
            body=self._body([*broadcast, *own], items, [*_references(kept), *values]),
            kept=tuple(kept),
            aggregates=tuple(aggregation.aggregate for aggregation in aggregations),
        )

    def _is_at_clients(self, slot: plan.Slot) -> bool:
        return self._schedule.is_known(slot.name) and self._schedule.home(slot.name).at_clients

    def _inputs(self, items: Sequence[Item], others: Iterable[ir.Node]) -> list[plan.Slot]:
        """What the work of a step needs and does not make itself, in a fixed order."""
        made = {item.name for item in items}
        used: set[str] = set()
        for node in [*(item.node for item in items), *others]:
            used |= traversal.free_names(node)
        return [self._slots[name] for name in sorted(used - made, key=self._order.__getitem__)]

    def _outputs(self, items: Sequence[Item]) -> list[plan.Slot]:
        return [self._slots[item.name] for item in items if item.name in self._used_outside]

    def _body(
        self, inputs: Sequence[plan.Slot], items: Sequence[Item], results: Sequence[ir.Node]
    ) -> ir.Lambda:
        """The lambda of a step, from a structure of its inputs to one of its results."""
        parameter_name, parameter_type = None, None
        replaced: dict[str, ir.Node] = {}
        if inputs:
            parameter_name = self._names.fresh("arg")
            parameter_type = StructType([(slot.name, slot.type) for slot in inputs])
            source = ir.Reference(parameter_name, parameter_type)
            replaced = {slot.name: ir.Selection(source, index=i) for i, slot in enumerate(inputs)}
        bindings = tuple((item.name, traversal.substitute(item.node, replaced)) for item in items)
        outputs = tuple((None, traversal.substitute(result, replaced)) for result in results)
        return ir.Lambda(parameter_name, parameter_type, ir.Block(bindings, ir.Struct(outputs)))


def _references(slots: Iterable[plan.Slot]) -> list[ir.Node]:
    return [ir.Reference(slot.name, slot.type) for slot in slots]


def _replace_parts(node: ir.Node, parts: Mapping[_Path, ir.Reference]) -> ir.Node:
    """Replaces the longest selections that have names of their own."""
    done: dict[int, ir.Node] = {}

    def visit(current: ir.Node) -> ir.Node:
        if id(current) not in done:
            done[id(current)] = replace(current)
        return done[id(current)]

    def replace(current: ir.Node) -> ir.Node:
        if isinstance(current, ir.Selection) and schedule.root_name(current) is not None:
            return parts.get(schedule.selection_path(current), current)
        return traversal.with_new_children(current, visit)

    return visit(node)
