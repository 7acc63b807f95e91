"""Which dtypes there are, and which values become them."""

from __future__ import annotations

import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest

from tensorflow_federated.core import dtypes, errors


@pytest.mark.parametrize("name", dtypes.supported_names())
def test_names_are_read_back(name: str):
    dtype = dtypes.dtype_from_name(name)
    assert dtype is not None
    assert dtypes.dtype_name(dtype) == name


@pytest.mark.parametrize(
    ("spec", "name"),
    [
        (np.int32, "int32"),
        (np.dtype("float64"), "float64"),
        (np.dtype(">f4"), "float32"),
        (np.longlong, "int64"),
        (np.str_, "str"),
        (np.bytes_, "str"),
        (np.dtype("S5"), "str"),
        (np.dtype("<U3"), "str"),
        (ml_dtypes.bfloat16, "bfloat16"),
        (jnp.float32, "float32"),
        (jnp.bfloat16, "bfloat16"),
        (jnp.int4, "int4"),
        (ml_dtypes.float8_e5m2, "float8_e5m2"),
        (np.dtype(ml_dtypes.float8_e4m3fn), "float8_e4m3fn"),
        (bool, "bool"),
        (int, "int32"),
        (float, "float32"),
        (complex, "complex128"),
        (str, "str"),
        (bytes, "str"),
    ],
)
def test_specs_are_understood(spec: object, name: str):
    assert dtypes.dtype_name(dtypes.as_dtype(spec)) == name


@pytest.mark.parametrize(
    "spec",
    [np.object_, np.longdouble, np.datetime64, np.floating, object, "int32", 3, None, np.int32(1)],
    ids=repr,
)
def test_other_objects_are_no_dtypes(spec: object):
    assert dtypes.find_dtype(spec) is None
    with pytest.raises(errors.DTypeError, match="not a dtype"):
        dtypes.as_dtype(spec)


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (True, "bool"),
        (1, "int32"),
        (-(2**31), "int32"),
        (2**31, "int64"),
        (-(2**31) - 1, "int64"),
        (1.0, "float32"),
        (1j, "complex128"),
        ("a", "str"),
        (b"a", "str"),
        (np.int64(3), "int64"),
        (np.float64(3), "float64"),
        (np.bool_(True), "bool"),
        (np.str_("a"), "str"),
        (np.array([1.0, 2.0]), "float64"),
        (np.array(["a"]), "str"),
        (np.array([b"a", "b"], object), "str"),
    ],
)
def test_dtype_of_a_value_is_inferred(value: object, name: str):
    assert dtypes.dtype_name(dtypes.infer_dtype(value)) == name


@pytest.mark.parametrize("value", [2**63, None, [1], np.array([None], object)], ids=repr)
def test_other_values_have_no_dtype(value: object):
    with pytest.raises(errors.TypeMismatchError):
        dtypes.infer_dtype(value)


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (1, "int8"),
        (-8, "int4"),
        (15, "uint4"),
        (0.1, "bfloat16"),
        (448.0, "float8_e4m3fn"),
        (float("inf"), "float8_e5m2"),
        (ml_dtypes.int4(3), "int8"),
        (ml_dtypes.bfloat16(3), "float32"),
        (-128, "int8"),
        (255, "uint8"),
        (2**40, "int64"),
        (1.0, "float32"),
        (0.1, "float16"),
        (float("inf"), "float16"),
        (float("nan"), "float32"),
        (True, "bool"),
        ("a", "str"),
        (b"a", "str"),
        (1j, "complex64"),
        (np.int32(1), "int64"),
        (np.uint8(1), "int32"),
        (np.float32(1), "float64"),
        (np.array([1, 2], np.int32), "int32"),
        (np.array(["a"]), "str"),
    ],
)
def test_value_fits(value: object, name: str):
    dtype = dtypes.dtype_from_name(name)
    assert dtype is not None
    assert dtypes.mismatch_with(value, dtype) is None


@pytest.mark.parametrize(
    ("value", "name", "reason"),
    [
        (1, "float32", "expected float32, got the integer 1"),
        (1.5, "int32", "expected int32, got the float 1.5"),
        (True, "int32", "expected int32, got the bool True"),
        (1, "bool", "expected bool, got the integer 1"),
        ("a", "int32", "expected int32, got the string 'a'"),
        (1, "str", "expected str, got the integer 1"),
        (1.0, "complex64", "expected complex64, got the float 1.0"),
        (300, "int8", "300 is out of the range of int8, -128 to 127"),
        (-1, "uint8", "-1 is out of the range of uint8, 0 to 255"),
        (1e300, "float32", "1e+300 is out of the range of float32, -3.40282e+38 to 3.40282e+38"),
        (8, "int4", "8 is out of the range of int4, -8 to 7"),
        (1e39, "bfloat16", "1e+39 is out of the range of bfloat16, -3.38953e+38 to 3.38953e+38"),
        (500.0, "float8_e4m3fn", "500.0 is out of the range of float8_e4m3fn, -448 to 448"),
        (float("inf"), "float8_e4m3fn", "float8_e4m3fn has no infinity, only -448 to 448"),
        (np.float32(1), "bfloat16", "expected bfloat16, got float32"),
        (np.int64(1), "int32", "expected int32, got int64"),
        (np.float64(1), "float32", "expected float32, got float64"),
        (np.array([1], np.int32), "float64", "expected float64, got int32"),
        (None, "int32", "expected int32, got None of type NoneType"),
    ],
)
def test_value_does_not_fit(value: object, name: str, reason: str):
    dtype = dtypes.dtype_from_name(name)
    assert dtype is not None
    assert dtypes.mismatch_with(value, dtype) == reason


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("bool", ()),
        ("str", ()),
        ("uint8", ("integer", "number")),
        ("int64", ("integer", "number")),
        ("int4", ("integer", "number")),
        ("float8_e4m3fn", ("floating", "number")),
        ("float8_e5m2", ("floating", "number")),
        ("bfloat16", ("floating", "number")),
        ("float64", ("floating", "number")),
        ("complex64", ("complex", "number")),
    ],
)
def test_kinds(name: str, kinds: tuple[str, ...]):
    dtype = dtypes.dtype_from_name(name)
    assert dtype is not None
    assert dtypes.is_integer(dtype) == ("integer" in kinds)
    assert dtypes.is_floating(dtype) == ("floating" in kinds)
    assert dtypes.is_complex(dtype) == ("complex" in kinds)
    assert dtypes.is_number(dtype) == ("number" in kinds)
    assert dtypes.is_string(dtype) == (name == "str")


@pytest.mark.parametrize(
    ("name", "finite", "low", "high"),
    [
        ("int4", False, -8, 7),
        ("uint64", False, 0, 2**64 - 1),
        ("bfloat16", False, -np.inf, np.inf),
        ("float8_e5m2", True, -57344, 57344),
        ("float8_e4m3fn", False, -448, 448),
    ],
)
def test_outermost_numbers(name: str, finite: bool, low: float, high: float):
    dtype = dtypes.dtype_from_name(name)
    assert dtype is not None
    numbers = [dtypes.outermost(dtype, largest=largest, finite=finite) for largest in (False, True)]
    assert numbers == [low, high]
    assert {number.dtype for number in numbers} == {dtype}
