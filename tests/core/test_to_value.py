"""Python objects as values of a computation that is being traced."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tensorflow_federated as tff
from tensorflow_federated.core import errors

CLIENTS = tff.FederatedType(np.int32, tff.CLIENTS)


def type_of_value(*args: Any, **kwargs: Any) -> str:
    """The type of what `tff.to_value` makes of some arguments."""
    types: list[str] = []

    @tff.federated_computation
    def traced() -> Any:
        types.append(str(tff.to_value(*args, **kwargs).type_signature))
        return tff.to_value(0)

    return types[0]


def double(x: Any) -> Any:
    return 2 * x


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1, "int32"),
        (1.5, "float32"),
        ("text", "str"),
        (np.zeros([2], np.float64), "float64[2]"),
        ([1, (True, {"a": 2})], "<int32,<bool,<a=int32>>>"),
        (tff.CLIENTS, "placement"),
        (tff.jax.computation(double, np.int32), "(int32 -> int32)"),
    ],
)
def test_type_is_that_of_the_object(value: Any, expected: str):
    assert type_of_value(value) == expected


def test_function_is_traced_for_the_type_that_is_expected():
    assert type_of_value(lambda x: x, tff.FunctionType(np.int32, np.int32)) == "(int32 -> int32)"


def test_function_is_traced_for_the_hint():
    assert type_of_value(lambda x: (x, x), parameter_type_hint=np.int32) == (
        "(int32 -> <int32,int32>)"
    )


def test_polymorphic_computation_is_traced_for_the_hint():
    polymorphic = tff.jax.computation(double)
    assert type_of_value(polymorphic, parameter_type_hint=np.float32) == "(float32 -> float32)"


def test_value_of_another_type_is_refused():
    with pytest.raises(TypeError, match=r"value\[1\]: expected float32, got int32"):
        type_of_value([1, 2], [np.int32, np.float32])


@pytest.mark.parametrize(
    ("number", "dtype"),
    [(1, np.int64), (255, np.uint8), (1.5, np.float64), (1j, np.complex64), (True, np.bool_)],
)
def test_number_is_a_constant_of_the_size_that_is_expected(number: complex, dtype: Any):
    assert type_of_value(number, dtype) == np.dtype(dtype).name


def test_numbers_in_a_structure_are_of_the_sizes_that_are_expected():
    assert type_of_value({"a": 1, "b": [2]}, {"a": np.int64, "b": [np.int16]}) == (
        "<a=int64,b=<int16>>"
    )


@pytest.mark.parametrize(
    ("constant", "dtype"), [(1, np.float32), (1.5, np.int32), ("a", np.int32), (256, np.uint8)]
)
def test_constant_of_another_kind_is_refused(constant: Any, dtype: Any):
    with pytest.raises(errors.LiteralError, match="not of the type"):
        type_of_value(constant, dtype)


def test_structure_with_other_names_is_refused():
    with pytest.raises(errors.TypeNotAssignableError, match="not of the type"):
        type_of_value({"a": 1}, {"b": np.int32})


def zipped_type(zip_if_needed: bool) -> str:
    types: list[str] = []

    @tff.federated_computation(CLIENTS, CLIENTS)
    def traced(x: Any, y: Any) -> Any:
        pair = tff.FederatedType([np.int32, np.int32], tff.CLIENTS)
        value = tff.to_value([x, y], pair, zip_if_needed=zip_if_needed)
        types.append(str(value.type_signature))
        return x

    return types[0]


def test_structure_is_zipped_where_it_is_asked_for():
    assert zipped_type(zip_if_needed=True) == "{<int32,int32>}@CLIENTS"


def test_structure_is_not_zipped_otherwise():
    with pytest.raises(TypeError, match=r"expected \{<int32,int32>\}@CLIENTS"):
        zipped_type(zip_if_needed=False)


def test_outside_of_a_computation_there_are_no_values():
    with pytest.raises(TypeError, match="only be used while a federated computation is traced"):
        tff.to_value(1)


def test_class_is_no_value():
    with pytest.raises(TypeError, match="has no type in this language"):
        type_of_value(np.int32)
