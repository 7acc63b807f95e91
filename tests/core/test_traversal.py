"""Walks over programs: what they find, what they rebuild, and which laws they check."""

from __future__ import annotations

import numpy as np
import pytest

from tensorflow_federated.core import errors, ir, traversal, types
from tensorflow_federated.core.types import FunctionType

INT = types.to_type(np.int32)
FLOAT = types.to_type(np.float32)


def reference(name: str, type_signature: types.Type = INT) -> ir.Reference:
    return ir.Reference(name, type_signature)


def pair(first: ir.Node, second: ir.Node) -> ir.Struct:
    return ir.Struct(((None, first), (None, second)))


def test_free_names_are_those_that_nothing_above_binds():
    block = ir.Block((("y", reference("x")),), pair(reference("y"), reference("z")))
    assert traversal.free_names(block) == {"x", "z"}


def test_a_local_name_is_not_visible_in_its_own_binding():
    assert traversal.free_names(ir.Block((("x", reference("x")),), reference("x"))) == {"x"}


def test_the_parameter_of_a_lambda_is_not_free():
    assert traversal.free_names(ir.Lambda("x", INT, pair(reference("x"), reference("y")))) == {"y"}


def test_bound_names_are_found_at_every_depth():
    inner = ir.Lambda("a", INT, ir.Block((("b", reference("a")),), reference("b")))
    assert traversal.bound_names(pair(inner, reference("c"))) == {"a", "b"}


def test_transform_keeps_what_does_not_change():
    program = pair(reference("x"), pair(reference("y"), reference("y")))
    assert traversal.transform_postorder(program, lambda node: node) is program


def test_transform_visits_a_shared_node_once():
    shared = reference("x")
    node: ir.Node = shared
    for _ in range(200):
        node = pair(node, node)
    visited: list[ir.Node] = []
    traversal.transform_postorder(node, lambda each: visited.append(each) or each)
    assert len(visited) == 201


def test_substitute_selects_through_structures():
    program = ir.Selection(reference("x", types.to_type([INT, FLOAT])), index=1)
    result = traversal.substitute(program, {"x": pair(reference("a"), reference("b", FLOAT))})
    assert str(result) == "b"


def test_iterate_gives_a_node_before_its_children():
    program = pair(reference("x"), reference("y"))
    assert [str(node) for node in traversal.iterate(program)] == ["<x,y>", "x", "y"]


def test_check_ir_accepts_a_good_program():
    traversal.check_ir(
        ir.Lambda("x", INT, ir.Block((("y", reference("x")),), reference("y"))), unique_names=True
    )


def test_check_ir_names_what_is_not_bound():
    with pytest.raises(errors.TypeMismatchError, match="y: not bound here"):
        traversal.check_ir(ir.Lambda("x", INT, reference("y")))


def test_check_ir_lets_a_part_of_a_program_be_open():
    traversal.check_ir(reference("y"), closed=False)


def test_check_ir_compares_a_reference_with_its_binding():
    with pytest.raises(errors.TypeMismatchError, match="x: bound as int32, used as float32"):
        traversal.check_ir(ir.Lambda("x", INT, reference("x", FLOAT)))


def test_check_ir_lets_a_binding_say_more_than_its_references():
    vector, any_vector = types.TensorType(np.int32, [3]), types.TensorType(np.int32, [None])
    block = ir.Block((("y", reference("x", vector)),), reference("y", any_vector))
    traversal.check_ir(ir.Lambda("x", vector, block))


def test_check_ir_finds_names_that_are_bound_twice():
    program = ir.Lambda("x", INT, ir.Block((("x", reference("x")),), reference("x")))
    traversal.check_ir(program)
    with pytest.raises(errors.TypeMismatchError, match="x: bound more than once"):
        traversal.check_ir(program, unique_names=True)


def test_check_ir_tells_all_problems_at_once():
    with pytest.raises(errors.TypeMismatchError) as raised:
        traversal.check_ir(pair(reference("a"), reference("b")))
    assert len(raised.value.problems) == 2


def test_calls_are_checked_where_they_are_made():
    function = reference("f", FunctionType(INT, INT))
    with pytest.raises(errors.TypeMismatchError):
        ir.Call(function, reference("x", FLOAT))


DEPTH = 5000


def deep_calls(depth: int) -> ir.Lambda:
    """A function around a function, and so on: each applies the one inside it."""
    function = ir.Lambda("x0", INT, ir.Reference("x0", INT))
    for level in range(1, depth):
        name = f"x{level}"
        function = ir.Lambda(name, INT, ir.Call(function, ir.Reference(name, INT)))
    return function


def test_walks_go_deeper_than_calls_of_python_may():
    program = deep_calls(DEPTH)
    assert traversal.free_names(program) == frozenset()
    assert len(traversal.bound_names(program)) == DEPTH
    assert traversal.transform_postorder(program, lambda node: node) is program
    traversal.check_ir(program, unique_names=True)


def test_nodes_are_transformed_in_the_order_of_evaluation():
    seen: list[str] = []

    def note(node: ir.Node) -> ir.Node:
        seen.append(str(node))
        return node

    x, y = ir.Reference("x", INT), ir.Reference("y", INT)
    pair = ir.Struct(((None, x), (None, y)))
    traversal.transform_postorder(ir.Struct(((None, pair), (None, y), (None, pair))), note)
    assert seen == ["x", "y", "<x,y>", "<<x,y>,y,<x,y>>"]
