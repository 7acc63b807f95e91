"""The types of Python values."""

from __future__ import annotations

import collections

import numpy as np
import pytest

from tensorflow_federated.core import errors, type_inference


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1, "int32"),
        (2**40, "int64"),
        (1.0, "float32"),
        (True, "bool"),
        ("x", "str"),
        (b"x", "str"),
        (np.float64(1), "float64"),
        (np.zeros((2, 3), np.int8), "int8[2,3]"),
        (np.array(["a", "b"]), "str[2]"),
        (np.array([b"a"], object), "str[1]"),
        ([1, 2.0], "<int32,float32>"),
        (collections.OrderedDict(a=1, b={"c": True}), "<a=int32,b=<c=bool>>"),
        ((), "<>"),
    ],
)
def test_inferred_type(value, expected):
    assert str(type_inference.infer_type(value)) == expected


@pytest.mark.parametrize("value", [None, object(), {1, 2}])
def test_what_has_no_type_is_refused(value):
    with pytest.raises(errors.TypeMismatchError, match="has no type"):
        type_inference.infer_type(value)
