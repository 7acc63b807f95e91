"""The parts of a `MapReduceForm`, read off a program that is cut into a round."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tensorflow_federated.compiler import (
    accumulations,
    call_dominant,
    local_parts,
    lowering,
    phases,
    result_types,
    rounds,
)
from tensorflow_federated.core import errors, ir, traversal
from tensorflow_federated.core.types import FunctionType, StructType, Type

SECURE_SUMS = (
    "federated_secure_sum_bitwidth",
    "federated_secure_sum",
    "federated_secure_modular_sum",
)
"""The secure sums, in the order of their places in the result of `work`."""


def check_aggregations(program: ir.Lambda) -> None:
    """Raises an error if a program aggregates in a way that a form has no place for.

    Args:
      program: a lambda in the simple form of `normal_forms`, with accumulators.

    Raises:
      CommunicationError: if an aggregation is neither done by accumulators nor a secure sum.
      TypeMismatchError: if values of unknown shape are summed.
    """
    unknown: list[str] = []
    unshaped: list[str] = []
    for call in phases.aggregations(program).values():
        accumulation = accumulations.of_aggregation(call)
        uri = str(call.function)
        if accumulation is None:
            if uri not in SECURE_SUMS:
                unknown.append(f"{uri}: neither done by accumulators nor a secure sum")
        elif accumulation.zero is None:
            unshaped.append(f"{uri}: got {accumulation.value.type_signature}")
    if unknown:
        raise errors.CommunicationError(
            "a `MapReduceForm` has no place for an aggregation of this computation.",
            problems=unknown,
            signature=program.type_signature,
            fix="use `tff.federated_aggregate`, or run the computation as it is.",
        )
    if unshaped:
        raise errors.TypeMismatchError(
            "an accumulator without clients cannot be made for these types.",
            problems=unshaped,
            signature=program.type_signature,
            fix="sum values whose sizes are all known.",
        )


class Parts:
    """The parts, as programs without placement."""

    def __init__(self, program: ir.Lambda, declared: FunctionType) -> None:
        """Cuts a program.

        Args:
          program: a lambda in the simple form of `normal_forms`, with accumulators, that
            `check_aggregations` lets pass.
          declared: the type of the computation that it comes from.
        """
        self._round = rounds.cut_round(program)
        self._declared = declared
        calls = phases.aggregations(self._round.aggregate).values()
        self._accumulations: list[tuple[int, accumulations.Accumulation]] = []
        self._secure: dict[str, list[tuple[int, ir.Call]]] = {uri: [] for uri in SECURE_SUMS}
        for position, call in enumerate(calls):
            accumulation = accumulations.of_aggregation(call)
            if accumulation is None:
                self._secure[str(call.function)].append((position, call))
            else:
                self._accumulations.append((position, accumulation))

    def prepare(self) -> ir.Lambda:
        """`(S -> C)`."""
        return local_parts.to_local(
            _applied(self._round.prepare.parameter_type, lambda state: self._prepared(state, 0))
        )

    def work(self) -> ir.Lambda:
        """`(<D,C> -> <U,B,M,N>)`."""

        def updates(argument: ir.Node) -> ir.Node:
            sent = ir.Call(self._round.work, argument)
            reference = ir.Reference("sent", sent.type_signature)
            groups = [[accumulation.value for _, accumulation in self._accumulations]]
            groups += [
                [ir.select(ir.argument_of(call), 0) for _, call in calls]
                for calls in self._secure.values()
            ]
            nothing = lowering.pack([])
            sorted_updates = [
                lowering.pack(
                    [self._as_argument_of_aggregate(node, nothing, reference) for node in group]
                )
                for group in groups
            ]
            return ir.Block([(reference.name, sent)], lowering.pack(sorted_updates))

        return local_parts.to_local(_applied(self._round.work.parameter_type, updates))

    def zero(self) -> ir.Lambda:
        """`( -> A)`."""
        zeros = [accumulation.zero for _, accumulation in self._accumulations]
        return self._constants([zero for zero in zeros if zero is not None])

    def accumulate(self) -> ir.Lambda:
        """`(<A,U> -> A)`."""
        each = [accumulation for _, accumulation in self._accumulations]
        members = StructType([ir.unplaced(one.value.type_signature) for one in each])
        return _zipped([one.accumulate for one in each], [self._accumulator_type, members])

    def merge(self) -> ir.Lambda:
        """`(<A,A> -> A)`."""
        functions = [accumulation.merge for _, accumulation in self._accumulations]
        return _zipped(functions, [self._accumulator_type, self._accumulator_type])

    def report(self) -> ir.Lambda:
        """`(A -> R)`."""
        functions = [accumulation.report for _, accumulation in self._accumulations]

        def reports(argument: ir.Node) -> ir.Node:
            return lowering.pack(
                [
                    ir.Call(function, ir.select(argument, index))
                    for index, function in enumerate(functions)
                ]
            )

        return local_parts.to_local(_applied(self._accumulator_type, reports))

    def secure_parameter(self, uri: str) -> ir.Lambda:
        """`( -> b)`: the second arguments of the secure sums of one kind."""
        return self._constants(
            [ir.select(ir.argument_of(call), 1) for _, call in self._secure[uri]]
        )

    def update(self) -> ir.Lambda:
        """`(<S,<R,B,M,N>> -> <S,X>)`."""
        totals_type = _element(self._round.finish.parameter_type, 1)
        positions = [[position for position, _ in self._accumulations]]
        positions += [[position for position, _ in calls] for calls in self._secure.values()]
        groups = StructType(
            [StructType([_element(totals_type, each) for each in group]) for group in positions]
        )

        def finish(argument: ir.Node) -> ir.Node:
            given = ir.select(argument, 1)
            ordered = sorted(
                (position, ir.select(ir.select(given, group_index), index))
                for group_index, group in enumerate(positions)
                for index, position in enumerate(group)
            )
            kept = self._prepared(ir.select(argument, 0), 1)
            totals = lowering.pack([total for _, total in ordered])
            return ir.Call(self._round.finish, lowering.pack([kept, totals]))

        state_type = self._round.prepare.parameter_type
        function = _applied(StructType([state_type, groups]), finish)
        declared = result_types.without_placement(self._declared.result)
        return result_types.with_result_type(local_parts.to_local(function), declared)

    @property
    def _accumulator_type(self) -> StructType:
        return StructType([each.accumulator_type for _, each in self._accumulations])

    def _prepared(self, state: ir.Node, index: int) -> ir.Node:
        """What the server sends (0) or keeps (1)."""
        return ir.select(ir.Call(self._round.prepare, state), index)

    def _constants(self, nodes: Sequence[ir.Node]) -> ir.Lambda:
        """The function of no argument that computes what the server kept for the aggregations."""
        prepare = self._round.prepare
        bindings, prepared = call_dominant.open_lambda(prepare)
        kept = ir.select(prepared, 1)
        nothing = lowering.pack([])
        result = lowering.pack(
            [self._as_argument_of_aggregate(node, kept, nothing) for node in nodes]
        )
        return local_parts.to_local(call_dominant.close_lambda(None, bindings, result))

    def _as_argument_of_aggregate(self, node: ir.Node, kept: ir.Node, updates: ir.Node) -> ir.Node:
        """What a node of the aggregation is where the parts of its argument are known."""
        argument = lowering.pack([kept, updates])
        return traversal.substitute(node, {str(self._round.aggregate.parameter_name): argument})


def _element(type_signature: Type | None, index: int) -> Type:
    assert isinstance(type_signature, StructType)
    return type_signature[index]


def _applied(parameter: Type | None, body: Callable[[ir.Node], ir.Node]) -> ir.Lambda:
    reference = ir.Reference("arg", parameter)
    return ir.Lambda(reference.name, reference.type_signature, body(reference))


def _zipped(functions: Sequence[ir.Node], parameters: Sequence[Type]) -> ir.Lambda:
    """The function of two structures that applies each function to two elements."""

    def results(argument: ir.Node) -> ir.Node:
        sides = [ir.select(argument, side) for side in (0, 1)]
        return lowering.pack(
            [
                ir.Call(function, lowering.pack([ir.select(side, index) for side in sides]))
                for index, function in enumerate(functions)
            ]
        )

    return local_parts.to_local(_applied(StructType(parameters), results))
