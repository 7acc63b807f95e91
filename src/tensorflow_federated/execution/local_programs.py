"""Walks first-order local programs, on the values or symbols of any domain.

A first-order local program is a `Lambda` whose result is built from references, selections,
structures, blocks, literals, calls of local computations, and calls of the intrinsics
`sequence_map`, `sequence_of_keys`, `sequence_reduce`, `sequence_sum`, `numbered_random_key` and
`checked_secure_sum`, whose function arguments are such lambdas, or local computations, themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from tensorflow_federated.compiler import lower_secure_sums, random_keys
from tensorflow_federated.core import ir, traversal
from tensorflow_federated.core.local_computations import PORTABLE, LocalComputation
from tensorflow_federated.core.types import FunctionType, SequenceType, StructType, Type
from tensorflow_federated.execution import secure_sums


class Domain(Protocol):
    """Where a local program is carried out: on values, or on the symbols of a framework.

    A structure is a Python tuple in every domain; what else a value is, the domain knows.
    """

    def literal(self, value: Any, type_signature: Type) -> Any:
        """A constant of the program."""
        ...

    def call(self, computation: LocalComputation, argument: Any) -> Any:
        """Applies a local computation; `argument` is None where it takes none."""
        ...

    def sequence_map(self, fn: Callable[[Any], Any], sequence: Any, sequence_type: Type) -> Any:
        """Applies `fn` to each element; `sequence_type` is the type of the result."""
        ...

    def sequence_reduce(
        self, step: Callable[[Any, Any], Any], zero: Any, sequence: Any, zero_type: Type
    ) -> Any:
        """Folds `step(state, element)` over the elements; `zero_type` is that of every state."""
        ...

    def sequence_sum(self, sequence: Any, element_type: Type) -> Any:
        """Adds up the elements, leaf by leaf."""
        ...

    def sequence_of_keys(self, keys: Any, max_key: Any) -> Any:
        """The keys, a tensor int32[n], as a sequence; an error if one is not in 0 ... max_key-1."""
        ...

    def random_key(self, number: int) -> Any:
        """The key that this client gets at a draw of the program: an int64[2] tensor."""
        ...


def framework_backends(programs: Sequence[ir.Node]) -> set[str]:
    """The back ends of all local computations that are not portable."""
    return {
        node.computation.backend
        for program in programs
        for node in traversal.iterate(program)
        if isinstance(node, ir.Local) and node.computation.backend != PORTABLE
    }


def only_backend(programs: Sequence[ir.Node]) -> str | None:
    """The one back end of all local computations that are not portable, if there is just one."""
    names = framework_backends(programs)
    return names.pop() if len(names) == 1 else None


def run(program: ir.Lambda, argument: Any, domain: Domain) -> Any:
    """Carries out a program on an argument of the domain.

    Args:
      program: a first-order local program.
      argument: its argument, a value of the domain; None where it takes none.
      domain: where to carry it out.

    Returns:
      The program's result, a value of the domain.
    """
    names = {} if program.parameter_name is None else {program.parameter_name: argument}
    return _walk(program.result, names, domain)


def _walk(node: ir.Node, names: Mapping[str, Any], domain: Domain) -> Any:
    match node:
        case ir.Reference(name=name):
            return names[name]
        case ir.Selection(source=source, index=index):
            return _walk(source, names, domain)[index]
        case ir.Struct(elements=elements):
            return tuple([_walk(element, names, domain) for _, element in elements])
        case ir.Literal(value=value, type=type_signature):
            return domain.literal(value, type_signature)
        case ir.Block(locals=bindings, result=result):
            inner = dict(names)
            for name, bound in bindings:
                inner[name] = _walk(bound, inner, domain)
            return _walk(result, inner, domain)
        case ir.Call(function=ir.Local(computation=computation), argument=argument):
            value = None if argument is None else _walk(argument, names, domain)
            return domain.call(computation, value)
        case ir.Call(function=ir.Intrinsic(uri=uri), argument=argument):
            return _walk_intrinsic(uri, argument, names, domain)
        case _:
            raise TypeError(f"Not a first-order local program: {node}.")


def _walk_intrinsic(
    uri: str, argument: ir.Node | None, names: Mapping[str, Any], domain: Domain
) -> Any:
    if uri == random_keys.NUMBERED_URI:
        return domain.random_key(random_keys.number_of(argument))
    assert argument is not None
    if uri == "sequence_sum":
        sequence_type = argument.type_signature
        assert isinstance(sequence_type, SequenceType)
        return domain.sequence_sum(_walk(argument, names, domain), sequence_type.element)
    if uri == "sequence_map":
        fn, sequence = ir.select(argument, 0), ir.select(argument, 1)
        fn_type = fn.type_signature
        assert isinstance(fn_type, FunctionType)
        return domain.sequence_map(
            _as_callable(fn, names, domain),
            _walk(sequence, names, domain),
            SequenceType(fn_type.result),
        )
    if uri == "sequence_reduce":
        sequence, zero, step = (ir.select(argument, i) for i in range(3))
        apply_step = _as_callable(step, names, domain)
        return domain.sequence_reduce(
            lambda state, element: apply_step((state, element)),
            _walk(zero, names, domain),
            _walk(sequence, names, domain),
            _state_type(step),
        )
    if uri == "sequence_of_keys":
        keys, max_key = (_walk(ir.select(argument, i), names, domain) for i in range(2))
        return domain.sequence_of_keys(keys, max_key)
    if uri == lower_secure_sums.CHECK_URI:
        value, breaches = (_walk(ir.select(argument, i), names, domain) for i in range(2))
        # Only the report of a fold makes this call, and it is carried out on canonical values.
        secure_sums.check_promises(
            lower_secure_sums.protocol_of_check(argument),
            breaches,
            ir.select(argument, 1).type_signature,
        )
        return value
    raise TypeError(f"Not an intrinsic of local programs: {uri}.")


def _state_type(step: ir.Node) -> Type:
    """The type of every state of a reduction, the first one included."""
    step_type = step.type_signature
    assert isinstance(step_type, FunctionType)
    assert isinstance(step_type.parameter, StructType)
    return step_type.parameter[0]


def _as_callable(
    function: ir.Node, names: Mapping[str, Any], domain: Domain
) -> Callable[[Any], Any]:
    if isinstance(function, ir.Local):
        return lambda argument: domain.call(function.computation, argument)
    if isinstance(function, ir.Lambda):
        return lambda argument: _walk(
            function.result, {**names, str(function.parameter_name): argument}, domain
        )
    raise TypeError(f"Not a function of a first-order local program: {function}.")
