"""Signatures: the type of the result of a call, and what is wrong with one that does not fit."""

from __future__ import annotations

import pytest

from tensorflow_federated.core import errors, intrinsic_defs
from tensorflow_federated.core.signatures import Signature
from tensorflow_federated.core.type_parsing import parse_type
from tensorflow_federated.core.types import FunctionType

MAP = Signature("(<(T -> U),{T}@CLIENTS> -> {U}@CLIENTS)", ["fn", "arg"])
REDUCE = Signature("(<T*,U,(<U,T> -> U)> -> U)", ["value", "zero", "op"])
AGGREGATE = Signature(
    "(<{T}@CLIENTS,U,(<U,T> -> U),(<U,U> -> U),(U -> R)> -> R@SERVER)",
    ["value", "zero", "accumulate", "merge", "report"],
)


def match(signature, *texts):
    return signature.match([parse_type(text) for text in texts])


def problems(signature, *texts):
    return [problem.text for problem in match(signature, *texts).problems]


@pytest.mark.parametrize(
    ("signature", "arguments", "expected"),
    [
        (MAP, ["(int32 -> bool)", "{int32}@CLIENTS"], "{bool}@CLIENTS"),
        (MAP, ["(int32 -> bool)", "int32@CLIENTS"], "{bool}@CLIENTS"),
        (MAP, ["(float32[?] -> bool)", "{float32[3]}@CLIENTS"], "{bool}@CLIENTS"),
        (MAP, ["(<a=int32> -> bool)", "{<int32>}@CLIENTS"], "{bool}@CLIENTS"),
        (REDUCE, ["int32*", "float32", "(<float32,int32> -> float32)"], "float32"),
        (REDUCE, ["int32*", "int32[0]", "(<int32[?],int32> -> int32[?])"], "int32[?]"),
        (REDUCE, ["int32*", "<int32>", "(<<a=int32>,int32> -> <a=int32>)"], "<a=int32>"),
        (REDUCE, ["int32*", "int32[?]", "(<int32[?],int32> -> int32[3])"], "int32[?]"),
        (
            AGGREGATE,
            [
                "{str}@CLIENTS",
                "int32",
                "(<int32,str> -> int32)",
                "(<int32,int32> -> int32)",
                "(int32 -> bool)",
            ],
            "bool@SERVER",
        ),
    ],
)
def test_the_type_of_the_result(signature, arguments, expected):
    matched = match(signature, *arguments)
    assert matched.problems == ()
    assert str(matched.result) == expected


def test_a_call_that_does_not_fit_has_no_result():
    assert match(MAP, "(int32 -> bool)", "{str}@CLIENTS").result is None


@pytest.mark.parametrize(
    ("signature", "arguments", "expected"),
    [
        (
            MAP,
            ["(int32 -> bool)", "{str}@CLIENTS"],
            ["fn: expected (str -> U), got (int32 -> bool)"],
        ),
        (
            MAP,
            ["( -> bool)", "{str}@CLIENTS"],
            ["fn: expected (str -> U), got ( -> bool)"],
        ),
        (MAP, ["int32", "{str}@CLIENTS"], ["fn: expected a function, got int32"]),
        (
            MAP,
            ["(int32 -> bool)", "int32@SERVER"],
            ["arg: expected a value at CLIENTS, got int32@SERVER"],
        ),
        (
            MAP,
            ["(<a=int32,b=<str,int64>> -> bool)", "{<a=int32,b=<str,int32>>}@CLIENTS"],
            ["fn.parameter.b[1]: accepts only int64, is given int32"],
        ),
        (REDUCE, ["str", "str", "(<str,str> -> str)"], ["value: expected a sequence, got str"]),
        (
            REDUCE,
            ["int32*", "<a=int32,b=str>", "(<<a=int32,b=bool>,int32> -> <a=int32,b=bool>)"],
            ["zero.b: expected bool, got str"],
        ),
        (
            REDUCE,
            ["int32*", "int32", "(<int32,int32,int32> -> int32)"],
            ["op: expected (<int32,int32> -> int32), got (<int32,int32,int32> -> int32)"],
        ),
        (
            AGGREGATE,
            [
                "str@SERVER",
                "int32",
                "(<int32,str> -> int32)",
                "(<float32,float32> -> float32)",
                "(int32 -> bool)",
            ],
            [
                "value: expected a value at CLIENTS, got str@SERVER",
                "merge: expected (<int32,int32> -> int32), got (<float32,float32> -> float32)",
            ],
        ),
    ],
)
def test_every_problem_is_told_by_name_and_path(signature, arguments, expected):
    assert problems(signature, *arguments) == expected


def test_the_argument_that_most_others_contradict_is_the_wrong_one():
    others = ["(<int32,str> -> int32)", "(<int32,int32> -> int32)", "(int32 -> bool)"]
    found = problems(AGGREGATE, "{str}@CLIENTS", "float32", *others)
    assert found == ["zero: expected int32, got float32"]


def test_a_wrong_placement_is_an_error_of_placement():
    (problem,) = match(MAP, "(int32 -> bool)", "int32@SERVER").problems
    assert problem.error is errors.PlacementError


def test_a_constraint_names_the_part_that_breaks_it():
    signature = intrinsic_defs.get("federated_sum").signature
    (problem,) = match(signature, "{<a=int32,b=<float32,str>>}@CLIENTS").problems
    assert problem.text == "value.b[1]: expected numeric tensors, got str"
    assert problem.error is errors.SumIncompatibleError


def test_a_constraint_on_elements_names_the_part_of_the_element():
    signature = intrinsic_defs.get("sequence_sum").signature
    assert problems(signature, "<a=int32,b=str>*") == [
        "value[*].b: expected numeric tensors, got str"
    ]


def test_what_a_function_is_applied_to_follows_from_the_other_arguments():
    known = [parse_type("{str}@CLIENTS"), parse_type("int32"), None, None, None]
    assert str(AGGREGATE.parameter_of_function(2, known)) == "<int32,str>"


def test_what_a_function_is_applied_to_is_unknown_without_the_other_arguments():
    assert AGGREGATE.parameter_of_function(2, [None, parse_type("int32"), None, None, None]) is None


@pytest.mark.parametrize("uri", intrinsic_defs.uris())
def test_every_declaration_prints_as_its_type(uri):
    definition = intrinsic_defs.get(uri)
    assert str(definition.signature) == str(definition.type_signature) == definition.text


def test_the_type_of_an_intrinsic_in_a_program_is_checked():
    node_type = parse_type("({int32}@CLIENTS -> float32@SERVER)")
    assert isinstance(node_type, FunctionType)
    signature = intrinsic_defs.get("federated_sum").signature
    assert signature.problems_of(node_type) == ["result: expected float32, got int32"]
