"""Says in which phase of a round each call of a program is made.

`schedule` does more, and less: it places the local work of any number of rounds, whose calls of
intrinsics are gone into the plan. Here there is one round, and its parts stay federated programs,
which other platforms take.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from typing import TypeGuard

from tensorflow_federated.compiler import call_dominant
from tensorflow_federated.core import errors, ir, placements, traversal, type_predicates
from tensorflow_federated.core.types import FederatedType, StructType, Type


class Phase(enum.Enum):
    """A part of a round; between two of them values change their place."""

    PREPARE = "the server, before the clients"
    BROADCAST = "the broadcast"
    WORK = "the clients"
    AGGREGATE = "the aggregation"
    FINISH = "the server, after the clients"


_AFTER_WORK = (Phase.AGGREGATE, Phase.FINISH)


class Phases:
    """The calls of a program of a server's state and clients' data, each in its phase.

    Server work that neither the broadcast nor the aggregation needs is done in the last phase.

    Attributes:
      state: the first part of the argument, at the server.
      data: the second part, at the clients.
      calls: the calls by name, in order.
      result: the result of the program, on the names of calls and parts.
    """

    def __init__(self, program: ir.Lambda) -> None:
        """Finds the phases.

        Args:
          program: a lambda in call-dominant form, of a structure of two.

        Raises:
          CommunicationError: if the program sends what comes from the clients, be it aggregated.
        """
        parameter_type = program.parameter_type
        assert isinstance(parameter_type, StructType)
        self.names = traversal.FreshNames(traversal.bound_names(program))
        self.state = ir.Reference(self.names.fresh("state"), parameter_type[0])
        self.data = ir.Reference(self.names.fresh("data"), parameter_type[1])
        self.calls: dict[str, ir.Call] = {}
        self._phases = {self.state.name: Phase.PREPARE, self.data.name: Phase.WORK}
        self._problems: list[str] = []
        values = {str(program.parameter_name): self._argument(parameter_type)}
        bindings, result = call_dominant.open_lambda(program)
        self.result = traversal.substitute(result, values)
        for name, bound in bindings:
            call = traversal.substitute(bound, values)
            assert isinstance(call, ir.Call)
            self._add(name, call)
        if self._problems:
            raise errors.CommunicationError(
                "this computation is more than one round, from the server to the clients and back.",
                problems=self._problems,
                signature=program.type_signature,
                fix="return what was aggregated as the state, and send it in the next call.",
            )
        self._move_late()

    def _argument(self, parameter_type: StructType) -> ir.Struct:
        first, second = ir.element_names(parameter_type)
        is_there = is_at(self.data.type, placements.CLIENTS)
        data = self.data if is_there else _nothing(self.data.type)
        return ir.Struct(((first, self.state), (second, data)))

    def of(self, phase: Phase) -> dict[str, ir.Call]:
        """The calls of one phase, in order."""
        return {name: call for name, call in self.calls.items() if self._phases[name] is phase}

    def at_server_before(self, nodes: Iterable[ir.Node]) -> list[ir.Reference]:
        """The values of the first phase, the state among them, that nodes use; in order."""
        used = {name for node in nodes for name in self._used(node)}
        return [
            self.reference(name)
            for name in (self.state.name, *self.calls)
            if name in used and self._phases[name] is Phase.PREPARE
        ]

    def reference(self, name: str) -> ir.Reference:
        """The value of a call, or the state."""
        return self.state if name == self.state.name else _reference(name, self.calls[name])

    def _add(self, name: str, call: ir.Call) -> None:
        intrinsic = ir.called_intrinsic(call)
        is_value = intrinsic is not None and intrinsic.uri == "federated_value_at_clients"
        if is_value and self._used(call):
            # What the server computes reaches the clients by being sent.
            assert call.argument is not None
            at_server = FederatedType(call.argument.type_signature, placements.SERVER)
            placed = ir.call_intrinsic("federated_value_at_server", call.argument, at_server)
            placed_name = self.names.fresh("placed")
            self._add(placed_name, placed)
            sent = _reference(placed_name, placed)
            call = ir.call_intrinsic("federated_broadcast", sent, call.type_signature)
        phase = self._phase_of(call)
        self.calls[name], self._phases[name] = call, phase

    def _phase_of(self, call: ir.Call) -> Phase:
        used = {self._phases[name] for name in self._used(call)}
        match call.function:
            case ir.Intrinsic(definition=definition) if definition.kind == "communication":
                if used - {Phase.PREPARE}:
                    self._note(call, "sends what comes from")
                return Phase.BROADCAST
            case ir.Intrinsic(definition=definition) if definition.kind == "aggregation":
                if used.intersection(_AFTER_WORK):
                    self._note(call, "aggregates what comes from")
                return Phase.AGGREGATE
            case _ if is_at(call.type_signature, placements.CLIENTS):
                return Phase.WORK
            case _:
                return Phase.FINISH if used.intersection(_AFTER_WORK) else Phase.PREPARE

    def _note(self, call: ir.Call, what: str) -> None:
        needed = self._needed([call])
        sources = [
            f"`{each.function}`"
            for name, each in self.of(Phase.AGGREGATE).items()
            if name in needed
        ]
        self._problems.append(f"{call.function}: {what} {sources[0] if sources else 'the clients'}")

    def _used(self, node: ir.Node) -> list[str]:
        free = traversal.free_names(node)
        return [name for name in self._phases if name in free]

    def _needed(self, nodes: Iterable[ir.Node]) -> set[str]:
        """All names that nodes depend on, directly or not."""
        needed: set[str] = set()
        waiting = [name for node in nodes for name in self._used(node)]
        while waiting:
            name = waiting.pop()
            if name not in needed:
                needed.add(name)
                if name in self.calls:
                    waiting.extend(self._used(self.calls[name]))
        return needed

    def _move_late(self) -> None:
        calls = [*self.of(Phase.BROADCAST).values(), *self.of(Phase.AGGREGATE).values()]
        needed = self._needed(calls)
        for name in self.of(Phase.PREPARE):
            if name not in needed:
                self._phases[name] = Phase.FINISH


def _nothing(type_signature: Type) -> ir.Struct:
    """The value of a structure type without leaves, which is the same everywhere."""
    assert isinstance(type_signature, StructType)
    return ir.Struct([(name, _nothing(element)) for name, element in type_signature.items()])


def _reference(name: str, call: ir.Call) -> ir.Reference:
    return ir.Reference(name, call.type_signature)


def aggregations(program: ir.Lambda) -> dict[str, ir.Call]:
    """The calls of a program that bring values of the clients together, by name, in order.

    Args:
      program: a lambda in call-dominant form.
    """
    bindings, _ = call_dominant.open_lambda(program)
    return {name: bound for name, bound in bindings if _is_aggregation(bound)}


def _is_aggregation(node: ir.Node) -> TypeGuard[ir.Call]:
    intrinsic = ir.called_intrinsic(node)
    return intrinsic is not None and intrinsic.definition.kind == "aggregation"


def is_at(type_signature: Type, placement: placements.PlacementLiteral) -> bool:
    """Whether a type is federated at a placement, or has such a part.

    Examples:
      >>> import numpy as np
      >>> is_at(StructType([FederatedType(np.int32, placements.SERVER)]), placements.SERVER)
      True
    """
    return type_predicates.contains(
        type_signature,
        lambda each: isinstance(each, FederatedType) and each.placement is placement,
    )
