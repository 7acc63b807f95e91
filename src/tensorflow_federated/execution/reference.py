"""The reference engine: evaluates a program as it is written, one client after the other.

It knows nothing of plans, passes or compiled steps. It is slow and plain, and is what the other
engines are tested against.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any, TypeAlias, cast

import numpy as np

from tensorflow_federated.core import dtypes, errors, intrinsic_defs, ir, placements
from tensorflow_federated.core.types import (
    FederatedType,
    FunctionType,
    SequenceType,
    StructType,
    TensorType,
    Type,
)
from tensorflow_federated.execution import (
    failures,
    leaves,
    numpy_domain,
    random_keys,
    secure_sums,
    selections,
    sequences,
    sums,
)

Function: TypeAlias = Callable[[Any], Any]
"""A function of the program: of one canonical value, None where it takes none."""


class ReferenceEngine:
    """Evaluates programs directly."""

    def compile(self, node: ir.Lambda | ir.Local) -> ReferenceProgram:
        """Takes a program as it is."""
        return ReferenceProgram(node)


class ReferenceProgram:
    """A program that is evaluated as it is written."""

    def __init__(self, node: ir.Lambda | ir.Local) -> None:
        """Takes the program."""
        self._node = node

    def run(
        self,
        argument: Any,
        client_count: int,
        seed: int,
        invocation: int,
        report: failures.Report = failures.ignore,
    ) -> Any:
        """Runs the program; see `contexts.Program`. No client is left out of it."""
        del report
        draws = _Draws(seed, invocation, client_count)
        return _Evaluator(client_count, draws).evaluate(self._node, {})(argument)


class _Draws:
    """The random keys of one call: each client counts how many it has drawn."""

    def __init__(self, seed: int, invocation: int, client_count: int) -> None:
        self._place = seed, invocation
        self._drawn = [0] * client_count
        self._drawn_at_server = 0
        self.client: int | None = None

    def draw(self) -> np.ndarray:
        client = self.client
        if client is None:
            raise errors.PlacementError(
                "a random key is drawn outside of client work, or in a loop over a sequence.",
                signature=intrinsic_defs.get("random_key").signature,
                fix=intrinsic_defs.get("random_key").hint,
            )
        number = self._drawn[client]
        self._drawn[client] += 1
        return random_keys.client_keys(*self._place, number, len(self._drawn))[client]

    def draw_at_server(self) -> np.ndarray:
        if self.client is not None:
            raise errors.PlacementError(
                "a random key of the server is drawn in the work of a client.",
                signature=intrinsic_defs.get("server_random_key").signature,
                fix=intrinsic_defs.get("server_random_key").hint,
            )
        number = self._drawn_at_server
        self._drawn_at_server += 1
        return random_keys.server_key(*self._place, number)

    @contextlib.contextmanager
    def of_client(self, client: int | None) -> Generator[None]:
        """Makes a client the one that draws; nobody can if None."""
        before, self.client = self.client, client
        try:
            yield
        finally:
            self.client = before


@dataclasses.dataclass
class _Evaluator:
    client_count: int
    draws: _Draws

    def evaluate(self, node: ir.Node, scope: Mapping[str, Any]) -> Any:
        """The value of a node; that of a function is a Python function of one value."""
        match node:
            case ir.Reference(name=name):
                return scope[name]
            case ir.Selection(source=source, index=index):
                return self.evaluate(source, scope)[index]
            case ir.Struct(elements=elements):
                return tuple(self.evaluate(element, scope) for _, element in elements)
            case ir.Literal(value=value, type=type_signature):
                return numpy_domain.NumpyDomain().literal(value, type_signature)
            case ir.Block(locals=bindings, result=result):
                inner = dict(scope)
                for name, bound in bindings:
                    inner[name] = self.evaluate(bound, inner)
                return self.evaluate(result, inner)
            case ir.Lambda(parameter_name=name, result=result):
                return lambda given: self.evaluate(  # pyright: ignore[reportUnknownVariableType, reportUnknownLambdaType]
                    result, scope if name is None else {**scope, name: given}
                )
            case ir.Local(computation=computation):
                return functools.partial(numpy_domain.evaluate, computation)
            case ir.Intrinsic(uri=uri, type=type_signature):
                rule = getattr(self, uri)
                return functools.partial(
                    rule, parameter=type_signature.parameter, result=type_signature.result
                )
            case ir.Call(function=function, argument=argument):
                applied = self.evaluate(function, scope)
                if argument is None:
                    return applied(None)
                given = self.evaluate(argument, scope)
                function_type = function.type_signature
                assert isinstance(function_type, FunctionType)
                assert function_type.parameter is not None
                return applied(
                    self._as_type(given, argument.type_signature, function_type.parameter)
                )
            case _:
                raise errors.TypeMismatchError(
                    "this cannot be evaluated.", problems=[f"program: got {node}"]
                )

    def _as_type(self, value: Any, given: Type, expected: Type) -> Any:
        """Gives each client its own copy where all have one value and the type need not say so."""
        if isinstance(given, StructType) and isinstance(expected, StructType):
            return tuple(
                self._as_type(element, given[index], expected[index])
                for index, element in enumerate(value)
            )
        if not isinstance(given, FederatedType) or given.placement != placements.CLIENTS:
            return value
        is_each_own = isinstance(expected, FederatedType) and not expected.all_equal
        return self._members(value, given) if is_each_own else value

    def _for_each_client(self, function: Function, members: Sequence[Any]) -> list[Any]:
        results: list[Any] = []
        for index, member in enumerate(members):
            with self.draws.of_client(index):
                results.append(function(member))
        return results

    def _members(self, value: Any, federated_type: Type) -> list[Any]:
        """The value of each client."""
        assert isinstance(federated_type, FederatedType)
        return [value] * self.client_count if federated_type.all_equal else list(value)

    def federated_aggregate(self, argument: Any, parameter: Type, result: Type) -> Any:
        value, zero, accumulate, _, report = argument
        state = zero
        for member in self._members(value, _element(parameter, 0)):
            state = accumulate((state, member))
        return report(state)

    def federated_apply(self, argument: Any, parameter: Type, result: Type) -> Any:
        function, value = argument
        return function(value)

    def checked_secure_sum(self, argument: Any, parameter: Type, result: Type) -> Any:
        value, breaches, uri = argument
        secure_sums.check_promises(uri.decode(), breaches, _element(parameter, 1))
        return value

    def federated_broadcast(self, argument: Any, parameter: Type, result: Type) -> Any:
        return argument

    def federated_collect(self, argument: Any, parameter: Type, result: Type) -> Any:
        return sequences.Sequence.from_elements(
            self._members(argument, parameter), ir.unplaced(parameter)
        )

    def federated_eval_at_clients(self, argument: Any, parameter: Type, result: Type) -> Any:
        return self._for_each_client(argument, [None] * self.client_count)

    def federated_eval_at_server(self, argument: Any, parameter: Type, result: Type) -> Any:
        return argument(None)

    def federated_map(self, argument: Any, parameter: Type, result: Type) -> Any:
        function, value = argument
        return self._for_each_client(function, self._members(value, _element(parameter, 1)))

    def federated_map_all_equal(self, argument: Any, parameter: Type, result: Type) -> Any:
        function, value = argument
        return function(value)

    def federated_max(self, argument: Any, parameter: Type, result: Type) -> Any:
        return _extreme(np.maximum, self._members(argument, parameter), ir.unplaced(result), False)

    def federated_mean(self, argument: Any, parameter: Type, result: Type) -> Any:
        members = self._members(argument, parameter)
        return self._mean(members, [np.int32(1)] * len(members), result)

    def federated_weighted_mean(self, argument: Any, parameter: Type, result: Type) -> Any:
        members = self._members(argument[0], _element(parameter, 0))
        return self._mean(members, self._members(argument[1], _element(parameter, 1)), result)

    def _mean(self, members: Sequence[Any], weights: Sequence[Any], result: Type) -> Any:
        member_type = ir.unplaced(result)
        total_weight = sum(weights[1:], weights[0]) if weights else 0
        weighted = [
            _map_leaves(lambda x, w=weight: x * np.asarray(w).astype(x.dtype), member)
            for member, weight in zip(members, weights, strict=True)
        ]
        with np.errstate(all="ignore"):
            return _map_leaves(
                lambda x: x / np.asarray(total_weight).astype(x.dtype),
                sums.total(weighted, member_type),
            )

    def federated_min(self, argument: Any, parameter: Type, result: Type) -> Any:
        return _extreme(np.minimum, self._members(argument, parameter), ir.unplaced(result), True)

    def federated_reduce(self, argument: Any, parameter: Type, result: Type) -> Any:
        value, zero, operator = argument
        state = zero
        for member in self._members(value, _element(parameter, 0)):
            state = operator((state, member))
        return state

    def federated_secure_modular_sum(self, argument: Any, parameter: Type, result: Type) -> Any:
        member_type = ir.unplaced(result)
        members, moduli = self._values_and_bounds(argument, parameter, member_type)
        largest = [_integer_range(leaf)[1] for leaf in leaves.leaf_types(member_type)]
        wrong = [
            int(not 1 <= modulus <= bound) for modulus, bound in zip(moduli, largest, strict=True)
        ]
        _check_promises("federated_secure_modular_sum", wrong, member_type)
        totals = _total_of_integers(members, member_type)
        remainders = [total % modulus for total, modulus in zip(totals, moduli, strict=True)]
        return _from_integers(remainders, member_type)

    def federated_secure_select(self, argument: Any, parameter: Type, result: Type) -> Any:
        return self.federated_select(argument, parameter, result)

    def federated_secure_sum(self, argument: Any, parameter: Type, result: Type) -> Any:
        member_type = ir.unplaced(result)
        members, bounds = self._values_and_bounds(argument, parameter, member_type)
        return _limited_sum("federated_secure_sum", members, bounds, member_type)

    def federated_secure_sum_bitwidth(self, argument: Any, parameter: Type, result: Type) -> Any:
        member_type = ir.unplaced(result)
        members, bitwidths = self._values_and_bounds(argument, parameter, member_type)
        largest = intrinsic_defs.LARGEST_BITWIDTH
        impossible = [int(not 0 <= bits <= largest) for bits in bitwidths]
        _check_promises("federated_secure_sum_bitwidth", impossible, member_type)
        bounds = [2**bits - 1 for bits in bitwidths]
        return _limited_sum("federated_secure_sum_bitwidth", members, bounds, member_type)

    def _values_and_bounds(
        self, argument: Any, parameter: Type, member_type: Type
    ) -> tuple[list[Any], list[int]]:
        """The value of each client, and the bound of each leaf."""
        value, bounds = argument
        bound_type = _element(parameter, 1)
        flat = [int(bound) for bound in leaves.flatten(bounds, bound_type)]
        if not isinstance(bound_type, StructType):
            flat *= len(leaves.leaf_types(member_type))
        return self._members(value, _element(parameter, 0)), flat

    def federated_select(self, argument: Any, parameter: Type, result: Type) -> Any:
        keys, max_key, value, select = argument
        slices_type = ir.unplaced(result)
        assert isinstance(slices_type, SequenceType)
        element_type = slices_type.element

        def slices(own_keys: Any) -> Any:
            sequence = selections.sequence_of_keys(own_keys, max_key)
            with self.draws.of_client(None):
                selected = [select((value, key)) for key in sequence.elements()]
            return sequences.Sequence.from_elements(selected, element_type)

        return self._for_each_client(slices, self._members(keys, _element(parameter, 0)))

    def federated_sum(self, argument: Any, parameter: Type, result: Type) -> Any:
        return sums.total(self._members(argument, parameter), ir.unplaced(result))

    def federated_value_at_clients(self, argument: Any, parameter: Type, result: Type) -> Any:
        return argument

    def federated_value_at_server(self, argument: Any, parameter: Type, result: Type) -> Any:
        return argument

    def federated_zip_at_clients(self, argument: Any, parameter: Type, result: Type) -> Any:
        return [self._zipped(argument, parameter, index) for index in range(self.client_count)]

    def _zipped(self, argument: Any, parameter: Type, index: int) -> Any:
        if isinstance(parameter, StructType):
            return tuple(
                self._zipped(element, element_type, index)
                for element, (_, element_type) in zip(argument, parameter.items(), strict=True)
            )
        return self._members(argument, parameter)[index]

    def federated_zip_at_server(self, argument: Any, parameter: Type, result: Type) -> Any:
        return argument

    def reported_non_finite(self, argument: Any, parameter: Type, result: Type) -> Any:
        return argument

    def random_key(self, argument: Any, parameter: Type, result: Type) -> Any:
        return self.draws.draw()

    def numbered_random_key(self, argument: Any, parameter: Type, result: Type) -> Any:
        return self.draws.draw()

    def server_random_key(self, argument: Any, parameter: Type, result: Type) -> Any:
        return self.draws.draw_at_server()

    def numbered_server_random_key(self, argument: Any, parameter: Type, result: Type) -> Any:
        return self.draws.draw_at_server()

    def sequence_map(self, argument: Any, parameter: Type, result: Type) -> Any:
        function, sequence = argument
        with self.draws.of_client(None):
            return numpy_domain.NumpyDomain().sequence_map(function, sequence, result)

    def sequence_of_keys(self, argument: Any, parameter: Type, result: Type) -> Any:
        return selections.sequence_of_keys(*argument)

    def sequence_reduce(self, argument: Any, parameter: Type, result: Type) -> Any:
        sequence, zero, operator = argument
        with self.draws.of_client(None):
            return numpy_domain.NumpyDomain().sequence_reduce(
                lambda state, element: operator((state, element)), zero, sequence, result
            )

    def sequence_sum(self, argument: Any, parameter: Type, result: Type) -> Any:
        assert isinstance(parameter, SequenceType)
        return numpy_domain.NumpyDomain().sequence_sum(argument, parameter.element)


def _element(struct_type: Type, index: int) -> Type:
    assert isinstance(struct_type, StructType)
    return struct_type[index]


def _extreme(
    choose: Callable[[Any, Any], Any], members: Sequence[Any], member_type: Type, smallest: bool
) -> Any:
    """The extreme of the values; without any the outermost finite number on the other side."""
    outermost: list[Any] = []
    for leaf in leaves.leaf_types(member_type):
        assert isinstance(leaf, TensorType)
        number = dtypes.outermost(leaf.dtype, largest=smallest, finite=True)
        outermost.append(np.full([size or 0 for size in leaf.shape or ()], number)[()])
    flat = [leaves.flatten(member, member_type) for member in members] or [outermost]
    with np.errstate(all="ignore"):
        chosen = [functools.reduce(choose, column) for column in zip(*flat, strict=True)]
    # NumPy makes an int8 of two int4.
    chosen = [each.astype(first.dtype) for each, first in zip(chosen, flat[0], strict=True)]
    return leaves.unflatten(chosen, member_type)


def _limited_sum(uri: str, members: Sequence[Any], bounds: Sequence[int], member_type: Type) -> Any:
    """The sum of values, none of which may have a number larger than the bound of its leaf."""
    breaches = [0] * len(bounds)
    for member in members:
        for index, leaf in enumerate(leaves.flatten(member, member_type)):
            is_larger = any(int(number) > bounds[index] for number in np.ravel(leaf))
            breaches[index] += is_larger
    _check_promises(uri, breaches, member_type)
    return _from_integers(_total_of_integers(members, member_type), member_type)


def _check_promises(uri: str, breaches: Sequence[int], member_type: Type) -> None:
    secure_sums.check_promises(uri, leaves.unflatten(breaches, member_type), member_type)


def _total_of_integers(members: Sequence[Any], member_type: Type) -> list[np.ndarray]:
    """The sum of each leaf, in integers without bounds."""
    totals: list[np.ndarray] = []
    for index, leaf in enumerate(leaves.leaf_types(member_type)):
        assert isinstance(leaf, TensorType)
        total = np.zeros([size or 0 for size in leaf.shape or ()], object)
        for member in members:
            total = total + np.asarray(leaves.flatten(member, member_type)[index]).astype(object)
        totals.append(np.asarray(total, object))
    return totals


def _from_integers(totals: Sequence[np.ndarray], member_type: Type) -> Any:
    """The value of integers without bounds; those that are too large wrap around."""
    wrapped: list[Any] = []
    for total, leaf in zip(totals, leaves.leaf_types(member_type), strict=True):
        assert isinstance(leaf, TensorType)
        low, high = dtypes.integer_range(leaf.dtype)
        inside = (np.asarray(total, object) - low) % (high - low + 1) + low
        wrapped.append(np.asarray(inside, object).astype(leaf.dtype)[()])
    return leaves.unflatten(wrapped, member_type)


def _integer_range(leaf: Type) -> tuple[int, int]:
    assert isinstance(leaf, TensorType)
    return dtypes.integer_range(leaf.dtype)


def _map_leaves(function: Callable[[Any], Any], value: Any) -> Any:
    if isinstance(value, tuple):
        elements = cast("tuple[Any, ...]", value)
        return tuple(_map_leaves(function, element) for element in elements)
    return function(value)
