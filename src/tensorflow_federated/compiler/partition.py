"""Cuts a program in call-dominant form into the steps of a Plan."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tensorflow_federated.compiler import (
    call_dominant,
    lower_secure_sums,
    non_finite_reports,
    plan,
    random_keys,
    steps,
)
from tensorflow_federated.compiler.schedule import Aggregation, Home, Item, Schedule
from tensorflow_federated.core import errors, ir, placements, traversal, type_predicates
from tensorflow_federated.core.types import FederatedType, FunctionType, StructType, Type


def to_plan(program: ir.Lambda, function_type: FunctionType) -> plan.Plan:
    """Cuts a program into steps.

    Args:
      program: a lambda in call-dominant form, after all passes of `compilation`.
      function_type: the type of the computation that the program comes from, which says how
        argument and result are packed.

    Returns:
      The plan, with as few steps as the program allows.

    Raises:
      TypeMismatchError: if the program has functions as parameters or results.
      PlacementError: if random keys are asked for outside of client work.
    """
    partitioner = _Partitioner(traversal.FreshNames(traversal.bound_names(program)))
    partitioner.add_parameter(program)
    bindings, result = call_dominant.open_lambda(program)
    for name, bound in bindings:
        partitioner.add_call(name, bound)
    outputs = partitioner.outputs_of(partitioner.resolve(result), function_type.result)
    partitioner.schedule.move_late()
    partitioner.add_reports()
    return plan.Plan(
        parameters=tuple(partitioner.parameters),
        steps=steps.build_steps(partitioner.schedule, partitioner.names),
        result=outputs,
        parameter_type=function_type.parameter,
        result_type=function_type.result,
        random_keys=random_keys.count_draws(program),
        server_keys=tuple(partitioner.server_keys),
    )


_AT_SERVER = "work at the server"


class _Partitioner:
    """Follows the program call by call, and knows each value as an expression without placement."""

    def __init__(self, names: traversal.FreshNames) -> None:
        self.names = names
        self.schedule = Schedule()
        self.parameters: list[plan.Parameter] = []
        self.server_keys: list[plan.ServerKey] = []
        self._values: dict[str, ir.Node] = {}
        self._reports: list[ir.Node] = []
        self._rules: dict[str, Callable[[str, ir.Call], ir.Node]] = {
            "federated_aggregate": self._aggregate,
            "federated_apply": self._map_at_server,
            "federated_broadcast": self._same_value,
            "federated_collect": self._collection,
            "federated_eval_at_clients": self._map_at_clients,
            "federated_eval_at_server": self._map_at_server,
            "federated_map": self._map_at_clients,
            "federated_map_all_equal": self._map_at_server,
            "federated_sum": self._sum,
            "federated_value_at_clients": self._same_value,
            "federated_value_at_server": self._same_value,
            "federated_zip_at_clients": self._same_value,
            "federated_zip_at_server": self._same_value,
            "sequence_map": self._unplaced,
            "sequence_of_keys": self._unplaced,
            "sequence_reduce": self._unplaced,
            "sequence_sum": self._unplaced,
            "numbered_random_key": self._unplaced,
            "numbered_server_random_key": self._key_of_server,
            non_finite_reports.URI: self._same_value,
        }

    def resolve(self, node: ir.Node) -> ir.Node:
        """The expression of a node of the program, on the names of the schedule."""
        return traversal.substitute(node, self._values)

    def add_parameter(self, program: ir.Lambda) -> None:
        """Takes the parameter of the program apart."""
        if program.parameter_name is not None:
            assert program.parameter_type is not None
            self._values[program.parameter_name] = self._split(
                program.parameter_type, (), program.parameter_name
            )

    def _split(self, type_signature: Type, path: tuple[int, ...], stem: str) -> ir.Node:
        if isinstance(type_signature, StructType) and _contains(
            type_signature, FederatedType, FunctionType
        ):
            return ir.Struct(
                tuple(
                    (name, self._split(element, (*path, index), name or f"{stem}_{index}"))
                    for index, (name, element) in enumerate(type_signature.items())
                )
            )
        if isinstance(type_signature, FunctionType):
            raise errors.TypeMismatchError(
                "a parameter that is a function must be given before the program is compiled.",
                problems=[f"parameter {stem}: got {type_signature}"],
            )
        placement, all_equal, member = None, False, type_signature
        if isinstance(type_signature, FederatedType):
            placement, all_equal = type_signature.placement, type_signature.all_equal
            member = type_signature.member
        slot = plan.Slot(self.names.fresh(stem), member)
        self.parameters.append(plan.Parameter(path, slot, placement, all_equal))
        at_clients = placement == placements.CLIENTS and not all_equal
        return self.schedule.add_input(slot.name, slot.type, Home(at_clients, 0))

    def add_call(self, name: str, call: ir.Node) -> None:
        """Schedules one call of the program."""
        match call:
            case ir.Call(function=ir.Intrinsic(uri=uri)):
                self._values[name] = self._rules[uri](name, call)
            case ir.Call(function=ir.Local()):
                self._values[name] = self._unplaced(name, call)
            case _:
                raise errors.TypeMismatchError(
                    "this call cannot be compiled.", problems=[f"call: got {call}"]
                )

    def outputs_of(self, node: ir.Node, declared: Type) -> plan.Result:
        """The outputs that make up a result; what is no named value yet becomes one."""
        if isinstance(declared, StructType) and _contains(declared, FederatedType):
            return tuple(
                self.outputs_of(ir.select(node, index), element)
                for index, (_, element) in enumerate(declared.items())
            )
        if _contains(declared, FunctionType):
            raise errors.TypeMismatchError(
                "a computation cannot return a function.", problems=[f"result: got {declared}"]
            )
        placement, all_equal, member = None, False, declared
        if isinstance(declared, FederatedType):
            placement, all_equal, member = declared.placement, declared.all_equal, declared.member
        at_clients = placement == placements.CLIENTS and not all_equal
        name = self._named_output(node, at_clients)
        return plan.Output(plan.Slot(name, member), placement, all_equal)

    def _named_output(self, node: ir.Node, at_clients: bool) -> str:
        is_named = isinstance(node, ir.Reference)
        if is_named and self.schedule.home(node.name).at_clients == at_clients:
            self.schedule.mark_output(node.name)
            return node.name
        home = Home(at_clients, self.schedule.earliest_stage(node))
        item = Item(self.names.fresh("result"), node, home, is_output=True)
        return self.schedule.add_item(item).name

    def _same_value(self, name: str, call: ir.Call) -> ir.Node:
        del name
        return self.resolve(ir.argument_of(call))

    def _unplaced(self, name: str, call: ir.Call) -> ir.Node:
        argument = None if call.argument is None else self.resolve(call.argument)
        node = ir.Call(call.function, argument)
        random_keys.check_no_client_draw(node, _AT_SERVER)
        home = Home(at_clients=False, stage=self.schedule.earliest_stage(node))
        return self.schedule.add_item(Item(name, node, home))

    def _map_at_clients(self, name: str, call: ir.Call) -> ir.Node:
        function, argument = self._function_and_argument(call)
        random_keys.check_no_server_draw(function, "work of a client")
        stage = self.schedule.earliest_stage(*(n for n in (function, argument) if n is not None))
        return self._inline(name, function, argument, Home(at_clients=True, stage=stage))

    def _key_of_server(self, name: str, call: ir.Node) -> ir.Node:
        """A key that the server draws: a value that is there from the start."""
        assert isinstance(call, ir.Call)
        slot = plan.Slot(name, call.type_signature)
        self.server_keys.append(plan.ServerKey(slot, random_keys.number_of(call.argument)))
        return self.schedule.add_input(name, slot.type, Home(at_clients=False, stage=0))

    def _map_at_server(self, name: str, call: ir.Call) -> ir.Node:
        function, argument = self._function_and_argument(call)
        random_keys.check_no_client_draw(function, _AT_SERVER)
        stage = self.schedule.earliest_stage(*(n for n in (function, argument) if n is not None))
        return self._inline(name, function, argument, Home(at_clients=False, stage=stage))

    def _function_and_argument(self, call: ir.Call) -> tuple[ir.Node, ir.Node | None]:
        resolved = self.resolve(ir.argument_of(call))
        if isinstance(resolved.type_signature, FunctionType):
            return resolved, None
        return ir.select(resolved, 0), ir.select(resolved, 1)

    def _inline(
        self, name: str, function: ir.Node, argument: ir.Node | None, home: Home
    ) -> ir.Node:
        """Schedules the calls of a function applied to an argument, and gives its result."""
        if not isinstance(function, ir.Lambda):
            return self.schedule.add_item(Item(name, ir.Call(function, argument), home))
        local_values: dict[str, ir.Node] = {}
        if function.parameter_name is not None and argument is not None:
            local_values[function.parameter_name] = argument
        bindings, result = call_dominant.open_lambda(function)
        for inner_name, bound in bindings:
            node = traversal.substitute(bound, local_values)
            if non_finite_reports.is_report(node):
                local_values[inner_name] = self._report(node, home)
            elif random_keys.is_server_draw(node):
                local_values[inner_name] = self._key_of_server(inner_name, node)
            else:
                local_values[inner_name] = self.schedule.add_item(Item(inner_name, node, home))
        return traversal.substitute(result, local_values)

    def _report(self, call: ir.Node, home: Home) -> ir.Node:
        """Notes what a client reports, and gives it."""
        assert isinstance(call, ir.Call)
        reported = ir.argument_of(call)
        if home.at_clients:
            self._reports.append(reported)
        return reported

    def add_reports(self) -> None:
        """Has each report aggregated where the work is that it tells of."""
        for value in self._reports:
            aggregate = non_finite_reports.aggregate(self.names)
            stage = self.schedule.earliest_stage(value)
            self.schedule.aggregations.append(Aggregation(aggregate, value, stage))

    def _sum(self, name: str, call: ir.Call) -> ir.Node:
        return self._aggregate_without_functions(name, call, "sum")

    def _collection(self, name: str, call: ir.Call) -> ir.Node:
        return self._aggregate_without_functions(name, call, "collection")

    def _aggregate_without_functions(
        self, name: str, call: ir.Call, kind: plan.AggregateKind
    ) -> ir.Node:
        value = self.resolve(ir.argument_of(call))
        output = plan.Slot(name, ir.unplaced(call.type_signature))
        return self._add_aggregate(
            value,
            self.schedule.earliest_stage(value),
            plan.Aggregate(output, kind, value.type_signature),
        )

    def _aggregate(self, name: str, call: ir.Call) -> ir.Node:
        value, zero, accumulate, merge, report = (
            self.resolve(ir.select(ir.argument_of(call), index)) for index in range(5)
        )
        if not isinstance(zero, ir.Reference):
            home = Home(at_clients=False, stage=self.schedule.earliest_stage(zero))
            zero = self.schedule.add_item(Item(self.names.fresh("zero"), zero, home))
        functions = {"accumulate": accumulate, "merge": merge, "report": report}
        for function in functions.values():
            random_keys.check_no_draw(function, "a function of `federated_aggregate`")
        self._check_closed(functions)
        return self._add_aggregate(
            value,
            self.schedule.earliest_stage(value, zero),
            plan.Aggregate(
                plan.Slot(name, ir.unplaced(call.type_signature)),
                "fold",
                value.type_signature,
                zero.name,
                **{
                    key: traversal.as_lambda(function, self.names)
                    for key, function in functions.items()
                },
                protocol=lower_secure_sums.protocol_of(report),
            ),
        )

    def _add_aggregate(self, value: ir.Node, stage: int, aggregate: plan.Aggregate) -> ir.Node:
        self.schedule.aggregations.append(Aggregation(aggregate, value, stage))
        home = Home(at_clients=False, stage=stage + 1)
        return self.schedule.add_input(aggregate.output.name, aggregate.output.type, home)

    def _check_closed(self, functions: Mapping[str, ir.Node]) -> None:
        problems = [
            f"{key}: uses {', '.join(used)} from outside"
            for key, function in functions.items()
            if (used := self.schedule.used_names(function))
        ]
        if problems:
            raise errors.TypeMismatchError(
                "the functions of `federated_aggregate` can only use their arguments.",
                problems=problems,
                fix="make the value a part of `zero`, or of the clients' values.",
            )


def _contains(type_signature: Type, *kinds: type[Type]) -> bool:
    return type_predicates.contains(type_signature, lambda each: isinstance(each, kinds))
