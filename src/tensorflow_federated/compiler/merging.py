"""Cuts a program at its aggregations into what parts of the cohort can do, and what follows.

Unlike the functions of `rounds`, the two parts take the whole argument, each server work that it
needs included: a part of the cohort runs them by itself.
"""

from __future__ import annotations

import dataclasses

from tensorflow_federated.compiler import (
    accumulations,
    call_dominant,
    lowering,
    normal_forms,
    phases,
    random_keys,
    simplify,
)
from tensorflow_federated.compiler.accumulations import Accumulation
from tensorflow_federated.core import errors, ir, placements, traversal
from tensorflow_federated.core.types import FederatedType, StructType, Type


@dataclasses.dataclass(frozen=True)
class Merging:
    """A program whose aggregations are done in parts of the cohort, and merged.

    Attributes:
      up_to_merge: `(P -> A@SERVER)`: the accumulators that the clients in the argument give.
      merge: `(<A,A> -> A)`, without placement.
      after_merge: `(<top_level_arg=P,merge_result=A@SERVER> -> R)`, or `(A@SERVER -> R)` where the
        program takes no argument.
    """

    up_to_merge: ir.Lambda
    merge: ir.Lambda
    after_merge: ir.Lambda


def cut_at_aggregations(node: ir.Node) -> Merging:
    """Cuts a program at its aggregations.

    Args:
      node: a function, federated or not.

    Returns:
      The parts. An aggregation that accumulators must not see, as the secure ones, stays in
      `after_merge`.

    Raises:
      CommunicationError: if one aggregation depends on another, or on a random key of the server.
    """
    program = normal_forms.to_simple(node)
    _check_independent(program)
    return _Cutter(normal_forms.with_accumulators(program)).cut()


def _check_independent(program: ir.Lambda) -> None:
    """Raises an error if one aggregation depends on another."""
    bindings, _ = call_dominant.open_lambda(program)
    aggregations = phases.aggregations(program)
    sources: dict[str, str] = {}
    problems: list[str] = []
    for name, call in bindings:
        used = traversal.free_names(call)
        above = [uri for source, uri in sources.items() if source in used]
        if name in aggregations:
            uri = str(aggregations[name].function)
            problems.extend(f"{uri}: aggregates what comes from `{each}`" for each in above[:1])
            sources[name] = uri
        elif above:
            sources[name] = above[0]
    if problems:
        raise errors.CommunicationError(
            "this computation aggregates more than once, one time after the other.",
            problems=problems,
            signature=program.type_signature,
            fix="make a computation of each aggregation, and call one after the other.",
        )


class _Cutter:
    def __init__(self, program: ir.Lambda) -> None:
        self._program = program
        self._names = traversal.FreshNames(traversal.bound_names(program))
        bindings, self._result = call_dominant.open_lambda(program)
        self._bindings = dict(bindings)
        self._accumulations: dict[str, Accumulation] = {}
        for name, call in phases.aggregations(program).items():
            accumulation = accumulations.of_aggregation(call)
            if accumulation is not None:
                self._accumulations[name] = accumulation

    def cut(self) -> Merging:
        up_to_merge = self._up_to_merge()
        # Each part of the cohort computes it for itself.
        random_keys.check_drawn_once((up_to_merge,), 0, "what is sent to each part of the cohort")
        partial_type = up_to_merge.type_signature.result
        return Merging(up_to_merge, self._merge(), self._after_merge(partial_type))

    def _up_to_merge(self) -> ir.Lambda:
        bindings: list[tuple[str, ir.Node]] = []
        partial: list[ir.Node] = []
        for name, call in self._bindings.items():
            bound = call
            if name in self._accumulations:
                bound = self._without_report(call, self._accumulations[name])
                partial.append(ir.Reference(name, bound.type_signature))
            bindings.append((name, bound))
        uri = "federated_zip_at_server" if partial else "federated_value_at_server"
        members = StructType([ir.unplaced(each.type_signature) for each in partial])
        zipped_type = FederatedType(members, placements.SERVER)
        zipped = ir.Reference(self._names.fresh("partial"), zipped_type)
        zip_call = ir.call_intrinsic(uri, lowering.pack(partial), zipped_type)
        bindings.append((zipped.name, zip_call))
        function = call_dominant.with_body(self._program, bindings, zipped)
        # What follows the aggregations is of no use here, and would get values of other types.
        return simplify.remove_unused_bindings(function)

    def _without_report(self, call: ir.Node, accumulation: Accumulation) -> ir.Node:
        """The aggregation that gives the accumulator itself."""
        intrinsic = ir.called_intrinsic(call)
        if intrinsic is None or intrinsic.uri != "federated_aggregate":
            return call
        accumulator = accumulation.accumulator_type
        same = accumulations.identity(self._names.fresh("same"), accumulator)
        assert isinstance(call, ir.Call)
        assert isinstance(call.argument, ir.Struct)
        elements = (*call.argument.elements[:-1], (None, same))
        result = FederatedType(accumulator, placements.SERVER)
        return ir.call_intrinsic("federated_aggregate", ir.Struct(elements), result)

    def _merge(self) -> ir.Lambda:
        each = list(self._accumulations.values())
        accumulators = StructType([part.accumulator_type for part in each])
        both = ir.Reference(self._names.fresh("both"), StructType([accumulators, accumulators]))
        first, second = ir.select(both, 0), ir.select(both, 1)
        merged: list[ir.Node] = []
        for index, part in enumerate(each):
            pair = lowering.pack([ir.select(first, index), ir.select(second, index)])
            merged.append(ir.Call(part.merge, pair))
        return normal_forms.to_simple(ir.Lambda(both.name, both.type, lowering.pack(merged)))

    def _after_merge(self, partial_type: Type) -> ir.Lambda:
        program = self._program
        source = ir.Reference(self._names.fresh("arg"), partial_type)
        merged: ir.Node = source
        values: dict[str, ir.Node] = {}
        if program.parameter_name is not None and program.parameter_type is not None:
            elements = [("top_level_arg", program.parameter_type), ("merge_result", partial_type)]
            source = ir.Reference(source.name, StructType(elements))
            merged = ir.select(source, 1)
            values[program.parameter_name] = ir.select(source, 0)
        bindings: list[tuple[str, ir.Node]] = []
        for name, call in self._bindings.items():
            if name in self._accumulations:
                bindings.append((name, self._reported(name, merged)))
            else:
                bindings.append((name, traversal.substitute(call, values)))
        result = traversal.substitute(self._result, values)
        function = call_dominant.close_lambda(source, bindings, result)
        return normal_forms.to_simple(function)

    def _reported(self, name: str, merged: ir.Node) -> ir.Node:
        """What one aggregation gives, made of all accumulators."""
        index = list(self._accumulations).index(name)
        accumulators = ir.unplaced(merged.type_signature)
        parameter = ir.Reference(self._names.fresh("merged"), accumulators)
        report = ir.Call(self._accumulations[name].report, ir.select(parameter, index))
        function = ir.Lambda(parameter.name, parameter.type, report)
        result = FederatedType(report.type_signature, placements.SERVER)
        argument = lowering.pack([function, merged])
        return ir.call_intrinsic("federated_apply", argument, result)
