"""Call-dominant form: which programs have it, and that it keeps what they compute."""

from __future__ import annotations

import numpy as np
import pytest

from tensorflow_federated.compiler import call_dominant
from tensorflow_federated.core import intrinsics, ir, traversal, types
from tensorflow_federated.core.placements import CLIENTS
from tensorflow_federated.core.tracing import federated_computation
from tensorflow_federated.core.types import FederatedType, FunctionType
from tensorflow_federated.jax import portable_computation

INT_CLIENTS = FederatedType(np.int32, CLIENTS)


@portable_computation(np.int32)
def double(x):
    return x * 2


@portable_computation(np.int32, np.int32)
def add(x, y):
    return x + y


def normalized(computation) -> ir.Lambda:
    program = call_dominant.to_call_dominant(computation.node)
    traversal.check_ir(program, unique_names=True)
    return program


def test_lambdas_are_inlined_and_calls_are_bound():
    inner = federated_computation(lambda x: double(double(x)), np.int32)
    outer = federated_computation(lambda x: inner(inner(x)), np.int32)
    assert str(normalized(outer)) == (
        "(arg -> (let v=comp#double(arg),v_1=comp#double(v),v_2=comp#double(v_1),"
        "v_3=comp#double(v_2) in v_3))"
    )


def test_a_local_computation_becomes_a_lambda():
    assert str(normalized(double)) == "(arg -> (let v=comp#double(arg) in v))"


def test_a_value_that_is_used_twice_is_computed_once():
    twice = federated_computation(lambda x: (lambda y: add(y, y))(double(x)), np.int32)
    assert (
        str(normalized(twice)) == "(arg -> (let v=comp#double(arg),v_1=comp#add(<x=v,y=v>) in v_1))"
    )


def test_selections_from_structures_are_resolved():
    pick = federated_computation(lambda x: [x, double(x)][1], np.int32)
    assert str(normalized(pick)) == "(arg -> (let v=comp#double(arg) in v))"


def test_functional_arguments_are_in_this_form_too():
    work = federated_computation(lambda x: double(double(x)), np.int32)
    mapped = federated_computation(lambda x: intrinsics.federated_map(work, x), INT_CLIENTS)
    assert str(normalized(mapped)) == (
        "(arg -> (let v_2=federated_map(<(arg_1 -> (let v=comp#double(arg_1),"
        "v_1=comp#double(v) in v_1)),arg>) in v_2))"
    )


def test_a_local_computation_stays_a_functional_argument():
    mapped = federated_computation(lambda x: intrinsics.federated_map(double, x), INT_CLIENTS)
    assert str(normalized(mapped)) == "(arg -> (let v=federated_map(<comp#double,arg>) in v))"


def test_an_intrinsic_as_a_functional_argument_becomes_a_lambda():
    numbers = types.SequenceType(np.int32)
    add_up = ir.Intrinsic("sequence_sum", FunctionType(numbers, np.int32))
    pair = ir.Struct(((None, add_up), (None, ir.Reference("x", FederatedType(numbers, CLIENTS)))))
    body = ir.call_intrinsic("federated_map", pair, INT_CLIENTS)
    program = call_dominant.to_call_dominant(ir.Lambda("x", FederatedType(numbers, CLIENTS), body))
    assert str(program) == (
        "(arg -> (let v_1=federated_map(<(arg_1 -> (let v=sequence_sum(arg_1) in v)),arg>) in v_1))"
    )


def test_a_function_that_is_used_twice_has_other_names_each_time():
    work = federated_computation(lambda x: double(x), np.int32)

    @federated_computation(INT_CLIENTS)
    def program(x):
        return intrinsics.federated_map(work, x), intrinsics.federated_map(work, x)

    normalized(program)


def test_functions_in_structures_are_found():
    chosen = federated_computation(lambda x: [double, add][0](x), np.int32)
    assert str(normalized(chosen)) == "(arg -> (let v=comp#double(arg) in v))"


def test_a_structure_of_structures_does_not_grow_exponentially():
    node: ir.Node = ir.Reference("x", types.to_type(np.int32))
    bindings: list[tuple[str, ir.Node]] = []
    for depth in range(30):
        bindings.append((f"s{depth}", ir.Struct(((None, node), (None, node)))))
        node = ir.Reference(f"s{depth}", bindings[-1][1].type_signature)
    body = ir.Block(tuple(bindings), ir.Struct(((None, node), (None, node))))
    program = call_dominant.to_call_dominant(ir.Lambda("x", types.to_type(np.int32), body))
    assert len(list(traversal.iterate(program))) < 200


def test_a_program_without_parameter_has_none():
    constant = federated_computation(lambda: double(3))
    assert str(normalized(constant)) == "( -> (let v=comp#double(3) in v))"


def test_the_type_is_kept():
    @federated_computation(INT_CLIENTS)
    def program(x):
        total = intrinsics.federated_sum(intrinsics.federated_map(double, x))
        return {"total": total, "again": [total, x]}

    assert normalized(program).type_signature.is_equivalent_to(program.type_signature)


@pytest.mark.parametrize("computation", [double, federated_computation(lambda x: x, np.int32)])
def test_open_and_with_body_are_inverses(computation):
    program = normalized(computation)
    bindings, result = call_dominant.open_lambda(program)
    assert str(call_dominant.with_body(program, bindings, result)) == str(program)


def test_computations_may_be_nested_deeper_than_calls_of_python():
    program = double
    for _ in range(500):
        program = federated_computation(lambda x, inner=program: inner(x), np.int32)
    assert str(call_dominant.to_call_dominant(program.node)) == (
        "(arg -> (let v=comp#double(arg) in v))"
    )


@pytest.mark.parametrize("size", [1, 50])
def test_maps_one_after_the_other_are_as_many_calls(size):
    def program(x):
        for _ in range(size):
            x = intrinsics.federated_map(double, x)
        return x

    bindings, _ = call_dominant.open_lambda(normalized(federated_computation(program, INT_CLIENTS)))
    assert len(bindings) == size
