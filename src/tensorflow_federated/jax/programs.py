"""First-order local programs on JAX: compiled as a whole, or in pieces around their sequences."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np

from tensorflow_federated.compiler import random_keys
from tensorflow_federated.core import ir, traversal
from tensorflow_federated.core.local_computations import LocalComputation
from tensorflow_federated.core.types import FunctionType, SequenceType, StructType, Type
from tensorflow_federated.execution import local_programs, selections, sums
from tensorflow_federated.execution.sequences import Sequence
from tensorflow_federated.jax import application, domain, precision, structures

Names = Mapping[str, Any]
Executor = Callable[[Names, Any], Any]
"""Computes a part of a program: from the values of its names and the client's random keys."""


def compile_program(program: ir.Lambda) -> Callable[[Any, np.ndarray | None], Any]:
    """Prepares a program, so that it can be run many times.

    What has neither sequences nor strings is compiled, in pieces as large as possible, for each
    shape that comes. A `sequence_reduce` is a loop in Python over its compiled step; its state
    stays on the device.

    Args:
      program: a first-order program of JAX and portable computations.

    Returns:
      A function of the canonical argument and of the random keys, int64[draws, 2], None where there
      is no client.
    """
    leaves: dict[str, tuple[int, ...]] = {}
    body = program.result
    name, parameter_type = program.parameter_name, program.parameter_type
    if name is not None and parameter_type is not None:
        fresh = traversal.FreshNames(traversal.bound_names(body) | traversal.free_names(body))
        body = traversal.substitute(
            body, {name: _spelt_out(parameter_type, name, (), fresh, leaves)}
        )
    execute = _executor(body)

    def run(argument: Any, keys: np.ndarray | None) -> Any:
        names = {leaf: _at(argument, path) for leaf, path in leaves.items()}
        with precision.with_64_bits(True):
            return _to_canonical(execute(names, keys))

    return run


def compile_computation(computation: LocalComputation) -> Callable[[Any], Any]:
    """Compiles one JAX or portable computation, for each shape that comes."""
    jitted = _jitted_call(computation)

    def run(argument: Any) -> Any:
        with precision.with_64_bits(True):
            return _to_canonical(jitted(argument))

    return run


def _spelt_out(
    type_signature: Type,
    stem: str,
    path: tuple[int, ...],
    fresh: traversal.FreshNames,
    leaves: dict[str, tuple[int, ...]],
) -> ir.Node:
    """A parameter as a structure of one name for each of its leaves."""
    if isinstance(type_signature, StructType):
        return ir.Struct(
            tuple(
                (name, _spelt_out(element, f"{stem}_{index}", (*path, index), fresh, leaves))
                for index, (name, element) in enumerate(type_signature.items())
            ),
            type_signature.python_container,
        )
    name = fresh.fresh(stem)
    leaves[name] = path
    return ir.Reference(name, type_signature)


def _at(value: Any, path: tuple[int, ...]) -> Any:
    for index in path:
        value = value[index]
    return value


def _executor(node: ir.Node) -> Executor:
    """How to compute a part of a program."""
    if not _is_structural(node) and _is_traceable(node):
        return _compiled(node)
    match node:
        case ir.Reference(name=name):
            return lambda names, _: names[name]
        case ir.Literal(value=value):
            return lambda *_: value
        case ir.Selection(source=source, index=index):
            execute = _executor(source)
            return lambda names, keys: execute(names, keys)[index]
        case ir.Struct(elements=elements):
            executors = [_executor(element) for _, element in elements]
            return lambda names, keys: tuple(each(names, keys) for each in executors)
        case ir.Block(locals=bindings, result=result):
            return _block(bindings, result)
        case ir.Call(function=ir.Local(computation=computation), argument=argument):
            call = _jitted_call(computation)
            if argument is None:
                return lambda *_: call(None)
            execute = _executor(argument)
            return lambda names, keys: call(execute(names, keys))
        case ir.Call(function=ir.Intrinsic(uri=random_keys.NUMBERED_URI), argument=argument):
            number = random_keys.number_of(argument)
            return lambda _, keys: keys[number]
        case ir.Call(function=ir.Intrinsic(uri=uri), argument=ir.Node() as argument):
            return _sequence_executor(uri, argument)
        case _:
            raise TypeError(f"Not a first-order local program: {node}.")


def _block(bindings: tuple[tuple[str, ir.Node], ...], result: ir.Node) -> Executor:
    executors = [(name, _executor(bound)) for name, bound in bindings]
    execute_result = _executor(result)

    def execute(names: Names, keys: Any) -> Any:
        inner = dict(names)
        for name, each in executors:
            inner[name] = each(inner, keys)
        return execute_result(inner, keys)

    return execute


def _sequence_executor(uri: str, argument: ir.Node) -> Executor:
    if uri == "sequence_sum":
        execute = _executor(argument)
        sequence_type = argument.type_signature
        assert isinstance(sequence_type, SequenceType)
        element = sequence_type.element
        return lambda names, keys: sums.total(execute(names, keys).elements(), element)
    if uri == "sequence_map":
        apply = _function_executor(ir.select(argument, 0))
        execute = _executor(ir.select(argument, 1))
        fn_type = ir.select(argument, 0).type_signature
        assert isinstance(fn_type, FunctionType)
        element_type = fn_type.result
        return lambda names, keys: Sequence.from_elements(
            (
                _to_canonical(apply(names, keys, element))
                for element in execute(names, keys).elements()
            ),
            element_type,
        )
    if uri == "sequence_of_keys":
        execute_keys, execute_max_key = (_executor(ir.select(argument, i)) for i in range(2))
        return lambda names, keys: selections.sequence_of_keys(
            execute_keys(names, keys), execute_max_key(names, keys)
        )
    if uri == "sequence_reduce":
        execute_sequence, execute_zero = (_executor(ir.select(argument, i)) for i in range(2))
        apply_step = _function_executor(ir.select(argument, 2))

        def reduce(names: Names, keys: Any) -> Any:
            state = execute_zero(names, keys)
            for element in execute_sequence(names, keys).elements():
                state = apply_step(names, keys, (state, element))
            return state

        return reduce
    raise TypeError(f"Not an intrinsic of local programs: {uri}.")


def _function_executor(function: ir.Node) -> Callable[[Names, Any, Any], Any]:
    """How to apply a function, given the names around it, the random keys and its argument."""
    if isinstance(function, ir.Local):
        call = _jitted_call(function.computation)
        return lambda names, keys, argument: call(argument)
    if not isinstance(function, ir.Lambda):
        raise TypeError(f"Not a function of a first-order local program: {function}.")
    parameter, execute = str(function.parameter_name), _executor(function.result)
    return lambda names, keys, argument: execute({**names, parameter: argument}, keys)


def _compiled(node: ir.Node) -> Executor:
    """A part without sequences, as one compiled function of the names that are free in it."""
    types = {
        current.name: current.type
        for current in traversal.iterate(node)
        if isinstance(current, ir.Reference)
    }
    free = sorted(traversal.free_names(node))
    parameter_name = traversal.FreshNames([*types, *traversal.bound_names(node)]).fresh("piece")
    parameter_type = StructType([(None, types[name]) for name in free])
    parameter = ir.Reference(parameter_name, parameter_type)
    closed = ir.Lambda(
        parameter_name,
        parameter_type,
        ir.Block(
            tuple((name, ir.Selection(parameter, index=index)) for index, name in enumerate(free)),
            node,
        ),
    )
    jitted = jax.jit(
        lambda values, keys: local_programs.run(closed, values, domain.TracedDomain(keys))
    )
    return lambda names, keys: jitted(tuple(names[name] for name in free), keys)


def _jitted_call(computation: LocalComputation) -> Callable[[Any], Any]:
    return jax.jit(lambda argument: application.apply(computation, argument))


def _is_structural(node: ir.Node) -> bool:
    """Whether nothing is computed, only taken apart and put together."""
    return all(
        isinstance(current, (ir.Reference, ir.Selection, ir.Struct, ir.Literal))
        for current in traversal.iterate(node)
    )


def _is_traceable(node: ir.Node) -> bool:
    """Whether all values in a part of a program are arrays or structures of them."""
    for current in traversal.iterate(node):
        match current:
            case ir.Intrinsic(uri=uri):
                if uri != random_keys.NUMBERED_URI:
                    return False
            case ir.Local(computation=computation):
                function_type = computation.type_signature
                if not structures.is_jax_type(function_type.result):
                    return False
            case ir.Reference() | ir.Literal():
                if not structures.is_jax_type(current.type_signature):
                    return False
            case _:
                pass
    return True


def _to_canonical(value: Any) -> Any:
    return structures.map_canonical(
        lambda leaf: np.asarray(leaf)[()] if isinstance(leaf, jax.Array) else leaf, value
    )
