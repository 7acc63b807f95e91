"""Types: how they print, how they relate, and what they may hold."""

from __future__ import annotations

import collections
import copy
import pickle
import re
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from tensorflow_federated.core import errors, placements, structure
from tensorflow_federated.core.type_relations import TypeRelation, preorder
from tensorflow_federated.core.types import (
    AbstractType,
    FederatedType,
    FunctionType,
    PlacementType,
    SequenceType,
    StructType,
    StructWithPythonType,
    TensorType,
    Type,
    to_type,
)

CLIENTS, SERVER = placements.CLIENTS, placements.SERVER
INT, FLOAT, BOOL = np.int32, np.float32, np.bool_

TRAINING = FunctionType(
    collections.OrderedDict(
        state=FederatedType(
            [("w", (FLOAT, [784, 10])), ("b", (FLOAT, [10])), ("e", [])],
            SERVER,
        ),
        data=FederatedType(
            SequenceType([("x", (FLOAT, [None, 784])), ("y", (INT, [None, 1]))]), CLIENTS
        ),
    ),
    FederatedType([INT, [FLOAT, BOOL]], SERVER),
)

ALL_KINDS: list[Type] = [
    TensorType(INT),
    TensorType(FLOAT, [None, 2]),
    TensorType(np.str_, None),
    TensorType(ml_dtypes.bfloat16, [3]),
    StructType([]),
    StructType([INT, ("b", BOOL)]),
    StructWithPythonType([("a", INT)], dict),
    SequenceType([("x", FLOAT)]),
    FunctionType(None, INT),
    FunctionType(INT, BOOL),
    FederatedType(INT, CLIENTS),
    FederatedType(INT, CLIENTS, True),
    FederatedType([("a", SequenceType(INT))], SERVER),
    PlacementType(),
    AbstractType("T"),
    TRAINING,
]
all_kinds = pytest.mark.parametrize("t", ALL_KINDS, ids=str)


@pytest.mark.parametrize(
    ("t", "expected"),
    [
        (TensorType(INT), "int32"),
        (TensorType(FLOAT, [2, 3]), "float32[2,3]"),
        (TensorType(FLOAT, [None, 3]), "float32[?,3]"),
        (TensorType(FLOAT, None), "'float32'(shape=None)"),
        (TensorType(np.str_), "str"),
        (TensorType(ml_dtypes.bfloat16), "bfloat16"),
        (StructType([]), "<>"),
        (StructType([INT, ("b", BOOL)]), "<int32,b=bool>"),
        (StructWithPythonType([("a", INT)], dict), "<a=int32>"),
        (SequenceType(INT), "int32*"),
        (SequenceType([("x", (FLOAT, [None, 784])), ("y", INT)]), "<x=float32[?,784],y=int32>*"),
        (FunctionType(INT, BOOL), "(int32 -> bool)"),
        (FunctionType(None, INT), "( -> int32)"),
        (FunctionType([("a", INT), ("b", BOOL)], INT), "(<a=int32,b=bool> -> int32)"),
        (FunctionType(FunctionType(INT, INT), INT), "((int32 -> int32) -> int32)"),
        (FederatedType(INT, CLIENTS), "{int32}@CLIENTS"),
        (FederatedType(INT, SERVER), "int32@SERVER"),
        (FederatedType(INT, CLIENTS, True), "int32@CLIENTS"),
        (FederatedType(INT, SERVER, False), "{int32}@SERVER"),
        (PlacementType(), "placement"),
        (AbstractType("T"), "T"),
    ],
    ids=str,
)
def test_compact_representation(t: Type, expected: str):
    assert t.compact_representation() == expected
    assert str(t) == expected


@pytest.mark.parametrize(
    ("t", "expected"),
    [
        (TensorType(INT, [2]), "TensorType(np.int32, (2,))"),
        (TensorType(BOOL), "TensorType(np.bool_)"),
        (TensorType(np.str_, None), "TensorType(np.str_, None)"),
        (
            StructType([("a", INT), BOOL]),
            "StructType([('a', TensorType(np.int32)), TensorType(np.bool_)])",
        ),
        (StructWithPythonType([INT], list), "StructType([TensorType(np.int32)]) as list"),
        (SequenceType(INT), "SequenceType(TensorType(np.int32))"),
        (FunctionType(None, INT), "FunctionType(None, TensorType(np.int32))"),
        (
            FederatedType(INT, CLIENTS),
            "FederatedType(TensorType(np.int32), PlacementLiteral('clients'), False)",
        ),
        (PlacementType(), "PlacementType()"),
        (AbstractType("T"), "AbstractType('T')"),
    ],
    ids=str,
)
def test_repr(t: Type, expected: str):
    assert repr(t) == expected


def test_formatted_representation():
    assert TRAINING.formatted_representation() == (
        "(<\n"
        "  state=<\n"
        "    w=float32[784,10],\n"
        "    b=float32[10],\n"
        "    e=<>\n"
        "  >@SERVER,\n"
        "  data={<\n"
        "    x=float32[?,784],\n"
        "    y=int32[?,1]\n"
        "  >*}@CLIENTS\n"
        "> -> <\n"
        "  int32,\n"
        "  <\n"
        "    float32,\n"
        "    bool\n"
        "  >\n"
        ">@SERVER)"
    )


@pytest.mark.parametrize(
    ("t", "expected"),
    [
        (TensorType(INT), "int32"),
        (StructType([]), "<>"),
        (FederatedType([INT], CLIENTS, True), "<\n  int32\n>@CLIENTS"),
        (FunctionType(None, [("a", INT)]), "( -> <\n  a=int32\n>)"),
        (StructType([FunctionType(None, [INT])]), "<\n  ( -> <\n    int32\n  >)\n>"),
    ],
    ids=str,
)
def test_formatted_representation_of_small_types(t: Type, expected: str):
    assert t.formatted_representation() == expected


@all_kinds
def test_formatted_differs_from_compact_in_white_space_only(t: Type):
    without_lines = re.sub(r"\n\s*", "", t.formatted_representation())
    assert without_lines == t.compact_representation()


@all_kinds
def test_copies_are_equal(t: Type):
    for twin in (pickle.loads(pickle.dumps(t)), copy.deepcopy(t), copy.copy(t)):
        assert twin == t
        assert hash(twin) == hash(t)


def test_different_kinds_are_not_equal():
    assert len(set(ALL_KINDS)) == len(ALL_KINDS)


@all_kinds
def test_cannot_be_changed(t: Type):
    with pytest.raises(AttributeError, match="cannot be changed"):
        t.member = 3  # pyright: ignore[reportAttributeAccessIssue]
    with pytest.raises(AttributeError, match="cannot be changed"):
        del t.member  # pyright: ignore[reportAttributeAccessIssue]


@all_kinds
def test_relations_are_reflexive(t: Type):
    twin = copy.deepcopy(t)
    assert t.is_identical_to(twin)
    assert t.is_equivalent_to(twin)
    assert t.is_assignable_from(twin)


def test_properties():
    tensor = TensorType(INT, [2, None])
    assert (tensor.dtype, tensor.shape) == (np.dtype(INT), (2, None))
    assert SequenceType(INT).element == TensorType(INT)
    function = FunctionType(INT, BOOL)
    assert (function.parameter, function.result) == (TensorType(INT), TensorType(BOOL))
    federated = FederatedType(INT, CLIENTS)
    assert (federated.member, federated.placement, federated.all_equal) == (
        TensorType(INT),
        CLIENTS,
        False,
    )
    assert FederatedType(INT, SERVER).all_equal
    assert AbstractType("T").label == "T"


def test_struct_type_is_a_struct_of_types():
    t = StructType([("a", INT), BOOL])
    assert isinstance(t, structure.Struct)
    assert len(t) == 2
    assert (t.a, t["a"], t[1]) == (TensorType(INT), TensorType(INT), TensorType(BOOL))
    assert list(t) == list(t.children()) == [TensorType(INT), TensorType(BOOL)]
    assert list(t.items()) == [("a", TensorType(INT)), (None, TensorType(BOOL))]
    assert dir(t) == ["a"]


def test_struct_type_of_a_mapping_or_struct():
    expected = StructType([("a", INT)])
    assert StructType({"a": INT}) == expected
    assert StructType(structure.Struct.named(a=INT)) == expected


def test_struct_type_missing_name():
    with pytest.raises(errors.ElementNameError, match="no element `zz`"):
        _ = StructType([("a", INT)]).zz


def test_element_named_as_a_method_is_reached_by_name():
    assert StructType([("items", INT)])["items"] == TensorType(INT)


def test_python_container():
    assert StructType([INT]).python_container is None
    assert StructWithPythonType([INT], list).python_container is list


def test_children_and_preorder():
    assert [str(t) for t in FunctionType(INT, BOOL).children()] == ["int32", "bool"]
    assert [str(t) for t in preorder(FunctionType(None, FederatedType([INT], SERVER)))] == [
        "( -> <int32>@SERVER)",
        "<int32>@SERVER",
        "<int32>",
        "int32",
    ]


def test_sequence_makes_lists_to_tuples():
    element = SequenceType([INT, [FLOAT, BOOL]]).element
    assert element == to_type((INT, (FLOAT, BOOL)))
    kept = SequenceType(collections.OrderedDict(a=[INT])).element
    assert kept == to_type(collections.OrderedDict(a=(INT,)))


@pytest.mark.parametrize(
    "build",
    [
        lambda: FederatedType(FederatedType(INT, CLIENTS), SERVER),
        lambda: FederatedType(FunctionType(None, INT), SERVER),
        lambda: FederatedType([("a", [FunctionType(None, INT)])], SERVER),
        lambda: SequenceType(SequenceType(INT)),
        lambda: SequenceType(FederatedType(INT, SERVER)),
        lambda: SequenceType([FunctionType(None, INT)]),
        lambda: StructType([("a", INT), ("a", INT)]),
    ],
)
def test_types_that_cannot_exist(build: Any):
    with pytest.raises(ValueError, match=r"cannot hold|is there twice"):
        build()


def test_placement_must_be_a_placement():
    for wrong in ("clients", None):
        with pytest.raises(errors.ToTypeError, match=r"use `tff\.CLIENTS` or `tff\.SERVER`"):
            FederatedType(INT, wrong)  # pyright: ignore[reportArgumentType]


def test_container_must_be_a_class():
    with pytest.raises(errors.ToTypeError, match="is a class"):
        StructWithPythonType([INT], None)  # pyright: ignore[reportArgumentType]


def test_struct_type_needs_a_list():
    with pytest.raises(errors.ToTypeError, match="list of types"):
        StructType(INT)  # pyright: ignore[reportArgumentType]


def _assignable(*pairs: tuple[object, object]) -> Any:
    return pytest.mark.parametrize(
        ("target", "source"), [(to_type(a), to_type(b)) for a, b in pairs], ids=str
    )


@_assignable(
    ((INT, [None]), (INT, [3])),
    ((INT, None), (INT, [3])),
    ((INT, None), INT),
    (StructType([("a", INT)]), StructType([INT])),
    (StructType([("a", (INT, [None]))]), StructType([("a", (INT, [2]))])),
    (SequenceType((INT, [None])), SequenceType((INT, [3]))),
    (FunctionType((INT, [3]), INT), FunctionType((INT, [None]), INT)),
    (FunctionType(INT, (INT, [None])), FunctionType(INT, (INT, [3]))),
    (FederatedType(INT, CLIENTS), FederatedType(INT, CLIENTS, True)),
    (FederatedType((INT, [None]), CLIENTS), FederatedType((INT, [2]), CLIENTS)),
)
def test_assignable_one_way_only(target: Type, source: Type):
    assert target.is_assignable_from(source)
    assert not source.is_assignable_from(target)
    assert not target.is_equivalent_to(source)
    target.check_assignable_from(source)


@_assignable(
    (INT, np.int64),
    ((INT, [3]), (INT, [2])),
    ((INT, [3]), (INT, [3, 1])),
    (StructType([("a", INT)]), StructType([("b", INT)])),
    ([INT], [INT, INT]),
    ([INT], INT),
    (SequenceType(INT), INT),
    (FunctionType(None, INT), FunctionType(INT, INT)),
    (FunctionType(None, INT), INT),
    (FederatedType(INT, CLIENTS, True), FederatedType(INT, SERVER, True)),
    (FederatedType(INT, SERVER), INT),
    (PlacementType(), INT),
    ({"a": INT, "b": INT}, {"b": INT, "a": INT}),
)
def test_assignable_in_neither_direction(target: Type, source: Type):
    assert not target.is_assignable_from(source)
    assert not source.is_assignable_from(target)


@_assignable(
    ([INT], (INT,)),
    (StructType([INT]), [INT]),
    (collections.OrderedDict(a=INT), {"a": INT}),
    (StructType([("a", INT)]), {"a": INT}),
    (FunctionType([INT], [INT]), FunctionType((INT,), (INT,))),
    (FederatedType([INT], CLIENTS), FederatedType((INT,), CLIENTS)),
    (SequenceType(StructType([INT])), SequenceType([INT])),
)
def test_containers_matter_to_identity_only(target: Type, source: Type):
    assert target != source
    assert not target.is_identical_to(source)
    assert target.is_equivalent_to(source)
    assert target.is_assignable_from(source)
    assert source.is_assignable_from(target)


def test_abstract_types_have_no_relation_to_others():
    for relation in (Type.is_assignable_from, Type.is_equivalent_to):
        with pytest.raises(TypeError, match="stands for any type"):
            relation(AbstractType("T"), to_type(INT))
        assert not relation(to_type([INT]), StructType([AbstractType("T")]))
    assert not AbstractType("T").is_identical_to(AbstractType("U"))


def test_a_type_is_related_to_types_only():
    assert not TensorType(INT).is_assignable_from(INT)  # pyright: ignore[reportArgumentType]
    assert TensorType(INT) != INT


def _message(check: Any, other: Type) -> str:
    with pytest.raises(errors.TypeMismatchError) as caught:
        check(other)
    return re.sub(r"\n  where: .*", "", str(caught.value))


def test_message_names_the_path_and_only_what_differs():
    target = FunctionType(
        [("state", FederatedType([("weights", [FLOAT, (FLOAT, [2])]), ("round", INT)], SERVER))],
        FederatedType([("loss", FLOAT)], SERVER),
    )
    source = FunctionType(
        [("state", FederatedType([("weights", [FLOAT, (FLOAT, [3])]), ("round", INT)], SERVER))],
        FederatedType([("loss", np.float64)], SERVER),
    )
    assert _message(target.check_equivalent_to, source) == (
        "The types are not equivalent.\n"
        "  parameter.state.weights[1]: expected float32[2], got float32[3]\n"
        "  result.loss: expected float32, got float64"
    )


def test_message_of_a_parameter_says_which_side_is_too_narrow():
    target = FunctionType([("x", (INT, [None]))], INT)
    source = FunctionType([("x", (INT, [3]))], INT)
    assert _message(target.check_assignable_from, source) == (
        "A value of this type cannot be used here.\n"
        "  parameter.x: accepts only int32[3], is given int32[?]"
    )


@pytest.mark.parametrize(
    ("target", "source", "problem"),
    [
        (INT, FLOAT, "expected int32, got float32"),
        ([INT], [INT, INT], "expected 1 elements, got 2: <int32,int32>"),
        ({"a": INT}, {"b": INT}, "a: expected the name `a`, got the name `b`"),
        (StructType([INT]), {"b": INT}, "[0]: expected no name, got the name `b`"),
        (
            FunctionType(None, INT),
            FunctionType(INT, INT),
            "parameter: expected no parameter, got int32",
        ),
        (
            SequenceType({"x": INT}),
            SequenceType({"x": FLOAT}),
            "[*].x: expected int32, got float32",
        ),
        (
            FederatedType(INT, CLIENTS, True),
            FederatedType(INT, CLIENTS),
            "expected int32@CLIENTS, got {int32}@CLIENTS",
        ),
        (FederatedType(INT, SERVER), INT, "expected int32@SERVER, got int32"),
    ],
)
def test_message_of_each_kind(target: object, source: object, problem: str):
    assert _message(to_type(target).check_assignable_from, to_type(source)) == (
        f"A value of this type cannot be used here.\n  {problem}"
    )


def test_message_names_the_containers_of_types_that_are_not_identical():
    assert _message(to_type({"a": [INT]}).check_identical_to, to_type({"a": (INT,)})) == (
        "The types are not identical.\n  a: expected the container list, got the container tuple"
    )


@pytest.mark.parametrize(
    ("check", "cls"),
    [
        (Type.check_identical_to, errors.TypesNotIdenticalError),
        (Type.check_equivalent_to, errors.TypesNotEquivalentError),
        (Type.check_assignable_from, errors.TypeNotAssignableError),
    ],
)
def test_each_check_raises_its_own_class(check: Any, cls: type[Exception]):
    with pytest.raises(cls):
        check(to_type(INT), to_type(FLOAT))
    assert check(to_type(INT), to_type(INT)) is None


def test_differences_start_at_the_given_path():
    found = to_type([INT]).differences(to_type([FLOAT]), TypeRelation.ASSIGNABLE, "argument[0]")
    assert found == ["argument[0][0]: expected int32, got float32"]


def test_what_was_found_equal_once_stays_equal_and_nothing_else_becomes_so():
    def make(last):
        return StructType([("a", np.int32), ("b", StructType([np.float32, last]))])

    first, second, third, other = make(np.bool_), make(np.bool_), make(np.bool_), make(np.int8)
    for _ in range(2):
        assert first == second
        assert third == second
        assert first == third
        assert first != other
        assert hash(first) == hash(third)
    assert pickle.loads(pickle.dumps(third)) == first
