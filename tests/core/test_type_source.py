"""Code for types gives the types again."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

import tensorflow_federated as tff
from tensorflow_federated.core import type_parsing, type_source, types

TYPES = (
    "int32",
    "bool",
    "str[3]",
    "bfloat16[?,2]",
    "uint8[0]",
    "complex64",
    "<a=int32,b=<float32[2],bool>>",
    "<>",
    "<int32>",
    "<x=float32[?,784]>*",
    "{int32*}@CLIENTS",
    "int32@CLIENTS",
    "<a=int32>@SERVER",
    "(<int32,int32> -> float32)",
    "( -> int32)",
)


@pytest.mark.parametrize("text", TYPES)
def test_code_makes_an_equivalent_type(text: str):
    expected = type_parsing.parse_type(text)
    code = type_source.to_source(expected)
    made = types.to_type(eval(code, {"np": np, "tff": tff, "ml_dtypes": ml_dtypes}))
    assert made.is_equivalent_to(expected)


def test_unknown_rank_is_written_out():
    type_signature = tff.TensorType(np.float32, None)
    assert type_source.to_source(type_signature) == "tff.TensorType(np.float32, None)"


def test_abstract_types_have_no_code():
    with pytest.raises(TypeError, match="no code"):
        type_source.to_source(types.AbstractType("T"))
