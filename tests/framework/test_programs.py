"""Programs are built from nodes, selected from, walked over, and made computations of."""

from __future__ import annotations

import collections

import numpy as np
import pytest

import tensorflow_federated as tff
from tensorflow_federated.core import errors

framework = tff.framework

INT = tff.TensorType(np.int32)
PAIR = tff.StructType([("a", np.int32), ("b", np.bool_)])
X = framework.Reference("x", np.int32)
P = framework.Reference("p", PAIR)
F = framework.Reference("f", tff.FunctionType(np.int32, np.bool_))
G = framework.Reference("g", tff.FunctionType(None, np.bool_))
SUM_TYPE = tff.FunctionType(
    tff.FederatedType(np.int32, tff.CLIENTS), tff.FederatedType(np.int32, tff.SERVER)
)


def literal(value: int) -> framework.Literal:
    return framework.Literal(value, INT)


@tff.jax.computation(np.int32)
def double(x):
    return 2 * x


@tff.federated_computation(tff.FederatedType(np.int32, tff.CLIENTS))
def total_of_doubles(values):
    return tff.federated_sum(tff.federated_map(double, values))


def test_a_node_takes_its_parts_by_the_names_of_tff():
    nodes = [
        framework.Reference(name="x", type_spec=np.int32, context=None),
        framework.Selection(source=P, name="a"),
        framework.Selection(source=P, index=0),
        framework.Struct(elements=[X, ("y", X)], container_type=None),
        framework.Call(fn=F, arg=X),
        framework.Lambda(parameter_name="x", parameter_type=np.int32, result=X),
        framework.Block(local_symbols=[("y", X)], result=X),
        framework.Intrinsic(uri="federated_sum", type_signature=SUM_TYPE),
        framework.Placement(literal=tff.CLIENTS),
        framework.Literal(value=1, type_signature=INT),
        framework.Data(content="uri", type_spec=np.int32),
    ]
    shown = [str(node) for node in nodes]
    assert shown == [
        "x",
        "p.a",
        "p.a",
        "<x,y=x>",
        "f(x)",
        "(x -> x)",
        "(let y=x in x)",
        "federated_sum",
        "CLIENTS",
        "1",
        "uri",
    ]
    assert all(isinstance(node, framework.ComputationBuildingBlock) for node in nodes)
    assert all(isinstance(node, tff.TypedObject) for node in nodes)


def test_the_program_of_a_computation_is_made_of_these_classes():
    program = total_of_doubles.to_building_block()
    assert isinstance(program, framework.Lambda)
    assert isinstance(program.result, framework.Block)
    (name, mapped), (_, summed) = program.result.locals
    assert isinstance(mapped, framework.Call)
    assert isinstance(mapped.function, framework.Intrinsic)
    assert mapped.function.intrinsic_def() is framework.FEDERATED_MAP
    assert isinstance(mapped.argument, framework.Struct)
    assert isinstance(mapped.argument[0], framework.CompiledComputation)
    assert summed.function.uri == framework.FEDERATED_SUM.uri
    assert summed.argument.name == name


def test_a_selection_by_name_knows_name_and_position():
    selection = framework.Selection(P, name="b")
    assert (selection.name, selection.index, selection.as_index()) == ("b", 1, 1)
    assert selection.source is P
    assert selection.type_signature == tff.TensorType(np.bool_)


@pytest.mark.parametrize(
    ("build", "error"),
    [
        (lambda: framework.Reference(3, np.int32), TypeError),
        (lambda: framework.Reference("x", "int"), TypeError),
        (lambda: framework.Selection(P), ValueError),
        (lambda: framework.Selection(P, name="a", index=0), ValueError),
        (lambda: framework.Selection(P, name="c"), ValueError),
        (lambda: framework.Selection(P, name=""), ValueError),
        (lambda: framework.Selection(P, 0), TypeError),
        (lambda: framework.Selection(P, index=2), ValueError),
        (lambda: framework.Selection(P, index=-1), ValueError),
        (lambda: framework.Selection(P, index="a"), TypeError),
        (lambda: framework.Selection(X, index=0), TypeError),
        (lambda: framework.Selection(10, index=0), TypeError),
        (lambda: framework.Struct([1]), TypeError),
        (lambda: framework.Struct([("", X)]), ValueError),
        (lambda: framework.Struct([("a", X), ("a", X)]), ValueError),
        (lambda: framework.Call(F), TypeError),
        (lambda: framework.Call(G, X), TypeError),
        (lambda: framework.Call(F, framework.Reference("y", np.float32)), TypeError),
        (lambda: framework.Call(X), TypeError),
        (lambda: framework.Call(3), TypeError),
        (lambda: framework.Lambda("x", None, X), TypeError),
        (lambda: framework.Lambda(None, np.int32, X), TypeError),
        (lambda: framework.Lambda(3, np.int32, X), TypeError),
        (lambda: framework.Lambda("x", np.int32, 3), TypeError),
        (lambda: framework.Block([("y", 3)], X), TypeError),
        (lambda: framework.Block([X], X), TypeError),
        (lambda: framework.Block([(1, X)], X), TypeError),
        (lambda: framework.Block([("y", X)], 4), TypeError),
        (lambda: framework.Intrinsic("federated_sum", None), TypeError),
        (lambda: framework.Literal(1.5, INT), ValueError),
        (lambda: framework.Literal(1, tff.TensorType(np.float32)), ValueError),
        (lambda: framework.Literal(np.array([1, 2], np.int32), INT), ValueError),
        (lambda: framework.Literal([1], INT), ValueError),
        (lambda: framework.Literal(np.int64(1), INT), ValueError),
        (lambda: framework.Literal(1, PAIR), TypeError),
        (lambda: framework.Placement("clients"), TypeError),
        (lambda: framework.ConcreteComputation.from_building_block(X), TypeError),
        (lambda: framework.ConcreteComputation.from_building_block(3), TypeError),
        (lambda: framework.transform_postorder(3, lambda node: (node, False)), TypeError),
    ],
)
def test_what_tff_refuses_is_refused_by_the_same_class(build, error):
    with pytest.raises(error) as raised:
        build()
    assert isinstance(raised.value, errors.FederatedError)


def test_a_structure_gives_its_elements_as_structures_do():
    struct = framework.Struct([("a", X), P])
    assert struct.a is X
    assert struct["a"] is X
    assert struct[1] is P
    assert list(struct) == [X, P]
    assert tff.structure.to_elements(struct) == [("a", X), (None, P)]
    assert str(framework.Struct.named(b=X)) == "<b=x>"


def test_an_empty_structure_is_true_and_equal_to_itself_alone():
    empty = framework.Struct([])
    assert empty
    assert empty == empty
    assert empty != framework.Struct([])


def test_a_structure_remembers_the_container_of_its_values():
    struct = framework.Struct([("a", X)], container_type=collections.OrderedDict)
    assert struct.type_signature.python_container is collections.OrderedDict


def test_a_string_literal_is_bytes():
    assert framework.Literal("a", tff.TensorType(np.str_)).value == b"a"


def test_a_literal_array_of_strings_is_an_array_of_bytes():
    value = framework.Literal(np.array(["a", "b"]), tff.TensorType(np.str_, [2])).value
    assert list(value) == [b"a", b"b"]


def test_a_program_says_that_it_is_no_protocol_buffer():
    with pytest.raises(AttributeError, match="serialize_computation"):
        _ = X.proto
    with pytest.raises(AttributeError, match="deserialize_computation"):
        framework.Reference.from_proto(b"")
    with pytest.raises(AttributeError, match="serialize_computation"):
        framework.ConcreteComputation.get_proto(double)


def test_a_program_made_by_hand_runs(engine):
    mapped = framework.Call(
        framework.Intrinsic(
            "federated_map",
            tff.FunctionType(
                [double.type_signature, tff.FederatedType(np.int32, tff.CLIENTS)],
                tff.FederatedType(np.int32, tff.CLIENTS),
            ),
        ),
        framework.Struct(
            [
                double.to_building_block(),
                framework.Reference("values", tff.FederatedType(np.int32, tff.CLIENTS)),
            ]
        ),
    )
    program = framework.Lambda("values", tff.FederatedType(np.int32, tff.CLIENTS), mapped)
    assert framework.ConcreteComputation.from_building_block(program)([1, 2]) == [2, 4]


@pytest.mark.parametrize(
    "node",
    [
        double.to_building_block(),
        framework.Lambda("x", np.int32, framework.Call(double.to_building_block(), X)),
        framework.Block(
            [("y", literal(2))],
            framework.Lambda("x", np.int32, framework.Call(double.to_building_block(), X)),
        ),
    ],
    ids=["local", "lambda", "block"],
)
def test_any_function_becomes_a_computation(engine, node):
    assert framework.ConcreteComputation.from_building_block(node)(4) == 8


def test_an_intrinsic_becomes_a_computation(engine):
    intrinsic = framework.Intrinsic("federated_sum", SUM_TYPE)
    assert framework.ConcreteComputation.from_building_block(intrinsic)([1, 2]) == 3


def test_a_function_that_uses_a_name_keeps_it_apart_from_its_argument():
    function = framework.Reference("arg", tff.FunctionType(np.int32, np.int32))
    wrapped = framework.ConcreteComputation.from_building_block(function)
    assert str(wrapped.to_building_block()) == "(arg_1 -> arg(arg_1))"


def test_with_type_changes_the_containers_of_the_result(engine):
    pair = tff.jax.computation(lambda x: (x, x), np.int32)
    as_list = tff.FunctionType(np.int32, [np.int32, np.int32])
    retyped = framework.ConcreteComputation.with_type(pair, as_list)
    assert retyped.type_signature == as_list
    assert retyped(1) == [1, 1]
    assert pair(1) == (1, 1)


def test_with_type_refuses_a_type_of_other_values():
    pair = tff.jax.computation(lambda x: (x, x), np.int32)
    with pytest.raises(tff.types.TypeNotAssignableError):
        framework.ConcreteComputation.with_type(
            pair, tff.FunctionType(np.int32, [np.int32, np.float32])
        )


def test_a_local_computation_is_a_compiled_building_block():
    assert double.to_compiled_building_block() is double.to_building_block()
    with pytest.raises(framework.UnexpectedBlockError, match="expected `Local`, got `Lambda`"):
        total_of_doubles.to_compiled_building_block()


def visited(walk, node):
    seen = []

    def look(current):
        seen.append(str(current))
        return current, False

    assert walk(node, look) == (node, False)
    return seen


def test_a_walk_visits_each_occurrence_in_its_order():
    program = framework.Lambda("x", np.int32, framework.Struct([X, X]))
    bottom_up = visited(framework.transform_postorder, program)
    top_down = visited(framework.transform_preorder, program)
    assert bottom_up == ["x", "x", "<x,x>", "(x -> <x,x>)"]
    assert top_down == ["(x -> <x,x>)", "<x,x>", "x", "x"]


def test_a_transform_tells_whether_it_changed_anything():
    def rename(node):
        if isinstance(node, framework.Reference) and node.name == "x":
            return framework.Reference("z", node.type_signature), True
        return node, False

    changed, is_changed = framework.transform_postorder(framework.Call(F, X), rename)
    same, is_same_changed = framework.transform_postorder(framework.Call(G), rename)
    assert (str(changed), is_changed) == ("f(z)", True)
    assert (str(same), is_same_changed) == ("g()", False)


def test_a_walk_from_the_root_goes_on_in_what_replaced_a_node():
    def shrink(node):
        return (node.result, True) if isinstance(node, framework.Lambda) else (node, False)

    inner = framework.Lambda("y", np.int32, X)
    program = framework.Struct([framework.Lambda("x", np.int32, inner)])
    result, is_changed = framework.transform_preorder(program, shrink)
    assert (str(result), is_changed) == ("<(y -> x)>", True)


def test_unique_names_are_not_those_of_the_program():
    program = framework.Lambda("_var2", np.int32, framework.Reference("_var1", np.int32))
    names = framework.unique_name_generator(program)
    assert [next(names) for _ in range(2)] == ["_var3", "_var4"]
    anew = framework.unique_name_generator(None, prefix="x")
    assert [next(anew) for _ in range(2)] == ["x1", "x2"]


@pytest.mark.parametrize(
    ("node", "text"),
    [
        (framework.Call(framework.Lambda("x", np.int32, X), literal(1)), "1"),
        (framework.Lambda("x", np.int32, framework.Call(F, X)), "(arg -> (let v=f(arg) in v))"),
        (framework.Struct([X, X]), "<x,x>"),
    ],
)
def test_call_dominant_form_binds_every_call(node, text):
    assert str(framework.to_call_dominant(node)) == text
