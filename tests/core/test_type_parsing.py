"""Reading type notation is the inverse of printing it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tensorflow_federated.core import dtypes, errors, placements, type_parsing, types
from tensorflow_federated.core.type_parsing import parse_type

Types = st.SearchStrategy[types.Type]

NAMES = st.sampled_from(["a", "b", "int32", "T", "placement", "_x", "x1"])
SHAPES = st.none() | st.lists(st.none() | st.integers(0, 99), max_size=3)
TENSORS: Types = st.builds(
    types.TensorType, st.sampled_from(dtypes.supported_names()).map(dtypes.dtype_from_name), SHAPES
)
LETTERS: Types = st.sampled_from(["T", "U", "Acc"]).map(types.AbstractType)
PLACEMENTS = st.sampled_from([placements.CLIENTS, placements.SERVER])


def _structs(elements: Types) -> Types:
    pairs = st.lists(
        st.tuples(st.none() | NAMES, elements), max_size=4, unique_by=lambda pair: pair[0] or pair
    )
    with_container: Any = st.sampled_from([list, dict, tuple]).flatmap(
        lambda container: pairs.map(lambda p: types.StructWithPythonType(p, container))
    )
    return pairs.map(types.StructType) | with_container


MEMBERS: Types = st.recursive(TENSORS | LETTERS, _structs, max_leaves=6)
SEQUENCES: Types = MEMBERS.map(types.SequenceType)
FEDERATED: Types = st.builds(
    types.FederatedType,
    st.recursive(TENSORS | LETTERS | SEQUENCES, _structs, max_leaves=4),
    PLACEMENTS,
    st.booleans(),
)
ANY_TYPE: Types = st.recursive(
    MEMBERS | SEQUENCES | FEDERATED | st.just(types.PlacementType()),
    lambda inner: _structs(inner) | st.builds(types.FunctionType, st.none() | inner, inner),
    max_leaves=6,
)


@given(ANY_TYPE)
def test_parsing_is_the_inverse_of_printing(type_signature: types.Type):
    parsed = parse_type(str(type_signature))
    assert str(parsed) == str(type_signature)
    assert parsed.is_equivalent_to(type_signature)


@given(ANY_TYPE)
def test_formatted_types_are_read_too(type_signature: types.Type):
    assert str(parse_type(type_signature.formatted_representation())) == str(type_signature)


@given(ANY_TYPE)
def test_parsed_types_parse_to_themselves(type_signature: types.Type):
    parsed = parse_type(str(type_signature))
    assert parse_type(str(parsed)) == parsed


def test_signature_of_an_intrinsic():
    parsed = parse_type("(<{T}@CLIENTS,{U}@CLIENTS> -> T@SERVER)")
    letter = types.AbstractType("T")
    assert parsed == types.FunctionType(
        types.StructType(
            [
                types.FederatedType(letter, placements.CLIENTS),
                types.FederatedType(types.AbstractType("U"), placements.CLIENTS),
            ]
        ),
        types.FederatedType(letter, placements.SERVER),
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "expected a type, got the end"),
        ("int33", "expected a type, got `int33`"),
        ("int32 int32", "expected the end, got `int32`"),
        ("<int32", "expected `>`, got the end"),
        ("<a=>", "expected a type, got `>`"),
        ("<,>", "expected a type, got `,`"),
        ("<<>=int32>", "expected `>`, got `=`"),
        ("<,=int32>", "expected a name, got `,`"),
        ("int32[x]", "expected a size or `?`, got `x`"),
        ("int32[2", "expected `]`, got the end"),
        ("{int32}", "expected `@`, got the end"),
        ("{int32}@EDGE", "expected CLIENTS or SERVER, got `EDGE`"),
        ("(int32)", "expected `->`, got `)`"),
        ("( -> int32", "expected `)`, got the end"),
        ("int32 % 2", "'%' has no meaning here"),
        ("'int33'(shape=None)", "expected a dtype, got `'int33'(shape=None)`"),
    ],
)
def test_other_texts_are_refused(text: str, problem: str):
    with pytest.raises(errors.ToTypeError) as caught:
        parse_type(text)
    assert caught.value.problems[0].partition("\n")[0] == problem


def test_error_points_at_the_place():
    with pytest.raises(errors.ToTypeError) as caught:
        parse_type("(<{T}@CLIENTS, -> T@SERVER)")
    assert caught.value.problems == (
        "expected a type, got `->`\n(<{T}@CLIENTS, -> T@SERVER)\n               ^",
    )


def test_types_that_cannot_exist_are_refused():
    with pytest.raises(errors.StructureError, match="sequence type"):
        type_parsing.parse_type("( -> int32)*")
