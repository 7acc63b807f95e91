"""Cuts a program into the functions of one round: server, broadcast, clients, aggregation, server.

::

    state --> prepare --> sent --> broadcast --> received --+
                 |                                          |
                 |                        client data --> work --> updates
               kept                                                   |
                 |                                                    |
                 +---------------------------------------------> aggregate --> totals
                 |                                                                |
                 +----------------------------------------------------------> finish --> result
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping

from tensorflow_federated.compiler import call_dominant, lowering, phases
from tensorflow_federated.compiler.phases import Phase
from tensorflow_federated.core import ir, placements, traversal
from tensorflow_federated.core.types import StructType, Type

# The names that TFF gives to elements of what the functions pass on.
_SENT = "intrinsic_args_from_before_comp"
_KEPT = "intermediate_state"


@dataclasses.dataclass(frozen=True)
class Round:
    """The functions of a round, each in call-dominant form.

    Attributes:
      prepare: `(S -> <sent,kept>)`, at the server: what the clients are sent, and what the server
        needs later.
      broadcast: `(sent -> received)`: the calls that send, their results in order.
      work: `(<D,received> -> updates)`, at the clients.
      aggregate: `(<kept,updates> -> totals)`: the calls that aggregate, their results in order.
      finish: `(<kept,totals> -> result)`, at the server.
    """

    prepare: ir.Lambda
    broadcast: ir.Lambda
    work: ir.Lambda
    aggregate: ir.Lambda
    finish: ir.Lambda


@dataclasses.dataclass(frozen=True)
class Sending:
    """The functions of half a round, which nothing comes back from.

    Attributes:
      prepare: `(S -> sent)`, at the server.
      work: `(<received,D> -> result)`, at the clients.
    """

    prepare: ir.Lambda
    work: ir.Lambda


def cut_round(program: ir.Lambda) -> Round:
    """Cuts a program into the functions of a round.

    Args:
      program: a lambda in the simple form of `normal_forms`, of the server's state and the clients'
        data, whose result is at the server.

    Returns:
      The functions; one after the other they do what the program does.

    Raises:
      CommunicationError: if the program takes more than one round.
    """
    cutter = _Cutter(phases.Phases(program))
    return Round(
        prepare=cutter.prepare(keep=True),
        broadcast=cutter.broadcast(),
        work=cutter.work(lowering.pack(cutter.updates), data_first=True),
        aggregate=cutter.aggregate(),
        finish=cutter.finish(),
    )


def cut_sending(program: ir.Lambda) -> Sending:
    """Cuts a program without aggregations into what the server and what the clients do.

    Args:
      program: a lambda in the simple form of `normal_forms`, of the server's data and the clients'
        data, whose result is at the clients.

    Returns:
      The functions.

    Raises:
      CommunicationError: if the program sends what comes from the clients.
    """
    cutter = _Cutter(phases.Phases(program))
    return Sending(
        prepare=cutter.prepare(keep=False),
        work=cutter.work(cutter.result, data_first=False),
    )


_Calls = Mapping[str, ir.Call]


class _Cutter:
    """Makes a function of the calls of each phase."""

    def __init__(self, program: phases.Phases) -> None:
        self._program = program
        self.result = program.result
        self._broadcasts = program.of(Phase.BROADCAST)
        self._aggregations = program.of(Phase.AGGREGATE)
        later = [*self._aggregations.values(), *program.of(Phase.FINISH).values(), program.result]
        self._kept = program.at_server_before(later)
        self.updates = [
            part
            for call in self._aggregations.values()
            for part in _client_parts(ir.argument_of(call))
        ]

    def prepare(self, *, keep: bool) -> ir.Lambda:
        sent = lowering.pack([ir.argument_of(call) for call in self._broadcasts.values()])
        result = ir.Struct(((_SENT, sent), (_KEPT, lowering.pack(self._kept)))) if keep else sent
        calls = self._program.of(Phase.PREPARE)
        return call_dominant.close_lambda(self._program.state, list(calls.items()), result)

    def broadcast(self) -> ir.Lambda:
        sent = lowering.pack([ir.argument_of(call) for call in self._broadcasts.values()])
        source = self._parameter(sent.type_signature)
        calls: list[tuple[str, ir.Node]] = [
            (name, ir.Call(call.function, ir.select(source, index)))
            for index, (name, call) in enumerate(self._broadcasts.items())
        ]
        return call_dominant.close_lambda(source, calls, self._results(self._broadcasts))

    def work(self, result: ir.Node, *, data_first: bool) -> ir.Lambda:
        data, received = self._program.data, self._results(self._broadcasts)
        both = [data.type, received.type_signature]
        source = self._parameter(StructType(both if data_first else both[::-1]))
        data_index = 0 if data_first else 1
        values = {data.name: ir.select(source, data_index)}
        values |= _elements(self._broadcasts, ir.select(source, 1 - data_index))
        return _function(source, values, self._program.of(Phase.WORK), result)

    def aggregate(self) -> ir.Lambda:
        updates = lowering.pack(self.updates)
        source = self._parameter(StructType([self._kept_type, (_SENT, updates.type_signature)]))
        values = self._kept_values(source)
        parts = iter([ir.select(ir.select(source, 1), i) for i in range(len(self.updates))])
        calls: list[tuple[str, ir.Node]] = [
            (name, ir.Call(call.function, _with_client_parts(ir.argument_of(call), parts, values)))
            for name, call in self._aggregations.items()
        ]
        return call_dominant.close_lambda(source, calls, self._results(self._aggregations))

    def finish(self) -> ir.Lambda:
        totals = self._results(self._aggregations)
        source = self._parameter(StructType([self._kept_type, totals.type_signature]))
        values = self._kept_values(source)
        values |= _elements(self._aggregations, ir.select(source, 1))
        return _function(source, values, self._program.of(Phase.FINISH), self.result)

    @property
    def _kept_type(self) -> Type:
        return lowering.pack(self._kept).type_signature

    def _kept_values(self, source: ir.Node) -> dict[str, ir.Node]:
        return _elements([each.name for each in self._kept], ir.select(source, 0))

    def _parameter(self, type_signature: Type) -> ir.Reference:
        return ir.Reference(self._program.names.fresh("arg"), type_signature)

    def _results(self, calls: _Calls) -> ir.Struct:
        return lowering.pack([self._program.reference(name) for name in calls])


def _elements(names: Iterable[str], source: ir.Node) -> dict[str, ir.Node]:
    """The values of names that are the elements of a structure."""
    return {name: ir.select(source, index) for index, name in enumerate(names)}


def _function(
    source: ir.Reference, values: Mapping[str, ir.Node], calls: _Calls, result: ir.Node
) -> ir.Lambda:
    bindings = [(name, traversal.substitute(call, values)) for name, call in calls.items()]
    return call_dominant.close_lambda(source, bindings, traversal.substitute(result, values))


def _client_parts(node: ir.Node) -> Iterator[ir.Node]:
    """The values at the clients in the argument of an aggregation."""
    if isinstance(node, ir.Struct):
        for child in node.children():
            yield from _client_parts(child)
    elif phases.is_at(node.type_signature, placements.CLIENTS):
        yield node


def _with_client_parts(
    node: ir.Node, parts: Iterator[ir.Node], values: Mapping[str, ir.Node]
) -> ir.Node:
    """The argument with its values at the clients replaced, one after the other, and others."""
    if isinstance(node, ir.Struct):
        return node.with_children(
            [_with_client_parts(child, parts, values) for child in node.children()]
        )
    if phases.is_at(node.type_signature, placements.CLIENTS):
        return next(parts)
    return traversal.substitute(node, values)
