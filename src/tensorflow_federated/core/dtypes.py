"""The dtypes of tensors: which there are, how they are spelt, and which values belong to each."""

from __future__ import annotations

from typing import Any, Final, cast

import ml_dtypes
import numpy as np

from tensorflow_federated.core import errors

DType = np.dtype[Any]

STRING: Final[DType] = np.dtype(np.str_)

# In the order of NumPy's own tables: numbers by kind, then by width.
_NAMED: Final[dict[str, DType]] = {
    "bool": np.dtype(np.bool_),
    "int4": np.dtype(ml_dtypes.int4),
    "int8": np.dtype(np.int8),
    "int16": np.dtype(np.int16),
    "int32": np.dtype(np.int32),
    "int64": np.dtype(np.int64),
    "uint4": np.dtype(ml_dtypes.uint4),
    "uint8": np.dtype(np.uint8),
    "uint16": np.dtype(np.uint16),
    "uint32": np.dtype(np.uint32),
    "uint64": np.dtype(np.uint64),
    "float8_e4m3fn": np.dtype(ml_dtypes.float8_e4m3fn),
    "float8_e5m2": np.dtype(ml_dtypes.float8_e5m2),
    "float16": np.dtype(np.float16),
    "bfloat16": np.dtype(ml_dtypes.bfloat16),
    "float32": np.dtype(np.float32),
    "float64": np.dtype(np.float64),
    "complex64": np.dtype(np.complex64),
    "complex128": np.dtype(np.complex128),
    "str": STRING,
}
_NAMES: Final[dict[DType, str]] = {dtype: name for name, dtype in _NAMED.items()}
# Those that NumPy itself does not have: their `kind` does not say what they are.
_EXTENSIONS: Final = frozenset(
    dtype for dtype in _NAMED.values() if dtype.type.__module__ == "ml_dtypes"
)
_SMALL_INTEGERS: Final = frozenset({_NAMED["int4"], _NAMED["uint4"]})
# The scalar types that have values: `np.floating` and its like have none.
_SCALAR_TYPES: Final = frozenset[type](
    {*cast("Any", np).sctypeDict.values(), *(dtype.type for dtype in _EXTENSIONS)}
)
_PYTHON_TYPES: Final[dict[type, DType]] = {
    bool: _NAMED["bool"],
    int: _NAMED["int32"],
    float: _NAMED["float32"],
    complex: _NAMED["complex128"],
    str: STRING,
    bytes: STRING,
}
_INT32: Final = np.iinfo(np.int32)
_INT64: Final = np.iinfo(np.int64)


def supported_names() -> tuple[str, ...]:
    """Returns the names of all dtypes that a tensor can have.

    Examples:
      >>> supported_names()[:4]
      ('bool', 'int4', 'int8', 'int16')
    """
    return tuple(_NAMED)


def dtype_name(dtype: DType) -> str:
    """Returns the name of a supported dtype, as types print it.

    Args:
      dtype: A dtype that `as_dtype` returned.

    Returns:
      The name: NumPy's, and `str` for strings.

    Examples:
      >>> dtype_name(np.dtype(np.float32)), dtype_name(STRING)
      ('float32', 'str')
    """
    return _NAMES[dtype]


def dtype_from_name(name: str) -> DType | None:
    """Returns the dtype that types print as `name`, or None.

    Examples:
      >>> dtype_from_name("int32")
      dtype('int32')
      >>> dtype_from_name("int33") is None
      True
    """
    return _NAMED.get(name)


def find_dtype(spec: object) -> DType | None:
    """Returns the dtype that a NumPy, TensorFlow, JAX or Python spec means, or None if it is none.

    Strings are not read as dtypes: in a type spec a string is the name of an element.

    Args:
      spec: Anything: `np.int32`, `np.dtype("int32")`, `jnp.bfloat16`, `tf.string`, `float`.

    Returns:
      The dtype, or None if `spec` is no supported dtype.

    Examples:
      >>> find_dtype(np.int32)
      dtype('int32')
      >>> find_dtype("int32") is None
      True
    """
    if isinstance(spec, type):
        if spec in _PYTHON_TYPES:
            return _PYTHON_TYPES[spec]
        if spec in _SCALAR_TYPES:
            return _supported(np.dtype(spec))
    if isinstance(spec, np.dtype):
        return _supported(cast("DType", spec))
    root = type(spec).__module__.partition(".")[0]
    if root == "tensorflow" and type(spec).__name__ == "DType":
        return _dtype_of_tensorflow(spec)
    if root in ("jax", "jaxlib", "ml_dtypes"):
        # `jnp.float32` is no NumPy scalar type, but an object that knows its dtype.
        dtype = getattr(spec, "dtype", None)
        if isinstance(dtype, np.dtype) and not hasattr(spec, "shape"):
            return _supported(cast("DType", dtype))
    return None


def words_of_key(spec: object) -> int | None:
    """Returns how many uint32 one random key of JAX has, or None if the spec is no dtype of keys.

    Args:
      spec: Anything; the dtype of `jax.random.key(0)` is a dtype of keys.

    Examples:
      >>> import jax
      >>> words_of_key(jax.random.key(0).dtype)
      2
      >>> words_of_key(np.uint32) is None
      True
    """
    cls = type(spec)
    if cls.__module__.partition(".")[0] != "jax" or cls.__name__ != "KeyTy":
        return None
    return cast("Any", spec).itemsize // 4


def as_dtype(spec: object) -> DType:
    """Returns the dtype that a spec means.

    Args:
      spec: See `find_dtype`.

    Returns:
      The dtype.

    Raises:
      DTypeError: If `spec` is no dtype that a tensor can have.

    Examples:
      >>> as_dtype(np.bytes_) == STRING
      True
    """
    dtype = find_dtype(spec)
    if dtype is None:
        raise errors.DTypeError(
            f"{spec!r} is not a dtype that a tensor can have.",
            fix="use one of " + ", ".join(_NAMED) + " (`np.int32`, ..., `np.str_`).",
        )
    return dtype


def _supported(dtype: DType) -> DType | None:
    if dtype.kind in "US":
        return STRING
    native = dtype.newbyteorder("=")
    return native if native in _NAMES else None


def _dtype_of_tensorflow(spec: Any) -> DType | None:
    if spec.name == "string":
        return STRING
    return _NAMED.get(spec.name)


def is_string(dtype: DType) -> bool:
    """Returns whether values of the dtype are strings."""
    return dtype == STRING


def is_integer(dtype: DType) -> bool:
    """Returns whether the dtype is a signed or unsigned integer; bool is none.

    Examples:
      >>> is_integer(np.dtype(np.uint8)), is_integer(np.dtype(np.bool_))
      (True, False)
    """
    return dtype.kind in "iu" or dtype in _SMALL_INTEGERS


def integer_range(dtype: DType) -> tuple[int, int]:
    """Returns the smallest and the largest number of an integer dtype.

    Examples:
      >>> integer_range(np.dtype(ml_dtypes.int4))
      (-8, 7)
    """
    limits: Any = ml_dtypes.iinfo(dtype)
    return int(limits.min), int(limits.max)


def outermost(dtype: DType, *, largest: bool, finite: bool) -> Any:
    """Returns the largest or the smallest number of an integer or floating dtype.

    Args:
      dtype: The dtype.
      largest: Whether to give the largest number.
      finite: Whether it has to be finite.

    Returns:
      The number, of the dtype.

    Examples:
      >>> outermost(np.dtype(np.uint8), largest=True, finite=False)
      np.uint8(255)
      >>> outermost(np.dtype(np.float32), largest=False, finite=False)
      np.float32(-inf)
    """
    if is_integer(dtype):
        low, high = integer_range(dtype)
        return np.asarray(high if largest else low).astype(dtype)[()]
    limits = cast("Any", ml_dtypes.finfo(dtype))
    infinity: Any = np.asarray(np.inf if largest else -np.inf).astype(dtype)[()]
    if not finite and np.isinf(infinity):
        return infinity
    bound: Any = limits.max if largest else limits.min
    return np.asarray(bound).astype(dtype)[()]


def is_floating(dtype: DType) -> bool:
    """Returns whether the dtype is a real floating-point number.

    Examples:
      >>> is_floating(np.dtype(ml_dtypes.bfloat16)), is_floating(np.dtype(np.complex64))
      (True, False)
    """
    return dtype.kind == "f" or (dtype in _EXTENSIONS and dtype not in _SMALL_INTEGERS)


def is_complex(dtype: DType) -> bool:
    """Returns whether the dtype is a complex number."""
    return dtype.kind == "c"


def is_number(dtype: DType) -> bool:
    """Returns whether values of the dtype can be added: all but bool and str."""
    return is_integer(dtype) or is_floating(dtype) or is_complex(dtype)


def infer_dtype(value: object) -> DType:
    """Returns the dtype that a Python or NumPy scalar has where no type is declared.

    An `int` is an int32, or an int64 if it is too large for that; a `float` is a float32, a
    `complex` a complex128, a `str` or `bytes` a str. A NumPy scalar or array keeps its dtype.

    Args:
      value: A scalar or an array.

    Returns:
      The dtype.

    Raises:
      TypeMismatchError: If the value is no scalar of a supported dtype, or an `int` too large for
        int64.

    Examples:
      >>> infer_dtype(1), infer_dtype(2**40), infer_dtype(1.0)
      (dtype('int32'), dtype('int64'), dtype('float32'))
    """
    if isinstance(value, (np.generic, np.ndarray)):
        dtype = STRING if _holds_strings(value) else _supported(_dtype_of(value))
        if dtype is not None:
            return dtype
    elif isinstance(value, (str, bytes)):
        return STRING
    elif isinstance(value, bool):
        return _NAMED["bool"]
    elif isinstance(value, int):
        if _INT32.min <= value <= _INT32.max:
            return _NAMED["int32"]
        if _INT64.min <= value <= _INT64.max:
            return _NAMED["int64"]
        raise errors.TypeMismatchError(
            f"The integer {value} does not fit into int64.",
            fix="use a float, or an `np.uint64` if it is at most 2**64 - 1.",
        )
    elif isinstance(value, float):
        return _NAMED["float32"]
    elif isinstance(value, complex):
        return _NAMED["complex128"]
    raise errors.TypeMismatchError(
        f"{_brief(cast('object', value))} is no scalar that a tensor can hold."
    )


def _dtype_of(array: Any) -> DType:
    return array.dtype


def _holds_strings(array: Any) -> bool:
    """Returns whether this is an array of Python strings, which NumPy keeps as objects."""
    if _dtype_of(array) != np.dtype(object):
        return False
    return all(isinstance(item, (str, bytes)) for item in np.asarray(array, object).reshape(-1))


def mismatch_with(value: object, dtype: DType) -> str | None:
    """Says why a scalar or an array cannot become a tensor of a dtype, or returns None if it can.

    A Python `bool`, `int`, `float` or `complex` only becomes a dtype of the same kind that can hold
    it. A NumPy value keeps its dtype or becomes a wider one of the same kind: int32 becomes int64,
    but int64 does not become int32, whatever its value, so that a program does not depend on the
    numbers it happens to meet.

    Args:
      value: A Python or NumPy scalar, or a NumPy array.
      dtype: A supported dtype.

    Returns:
      The reason, without a full stop, or None.

    Examples:
      >>> mismatch_with(2, np.dtype(np.int8)) is None
      True
      >>> mismatch_with(300, np.dtype(np.int8))
      '300 is out of the range of int8, -128 to 127'
      >>> mismatch_with(1, np.dtype(np.float32))
      'expected float32, got the integer 1'
    """
    name = dtype_name(dtype)
    kind = _kind_of_value(value)
    wanted = _kind_of_dtype(dtype)
    if kind is None:
        return f"expected {name}, got {_brief(value)}"
    if kind != wanted:
        if isinstance(value, (np.generic, np.ndarray)):
            return f"expected {name}, got {_dtype_of(value)}"
        return f"expected {name}, got the {kind} {_brief(value)}"
    if isinstance(value, (np.generic, np.ndarray)):
        fits = kind == "string" or np.can_cast(_dtype_of(value), dtype, "safe")
        return None if fits else f"expected {name}, got {_dtype_of(value)}"
    if isinstance(value, int):
        low, high = integer_range(dtype) if kind == "integer" else (value, value)
        if not low <= value <= high:
            return f"{value} is out of the range of {name}, {low} to {high}"
    if isinstance(value, (float, complex)):
        return _number_out_of_range(value, dtype, name)
    return None


def _kind_of_dtype(dtype: DType) -> str:
    if is_string(dtype):
        return "string"
    if dtype.kind == "b":
        return "bool"
    if is_integer(dtype):
        return "integer"
    return "float" if is_floating(dtype) else "complex number"


def _kind_of_value(value: object) -> str | None:
    if isinstance(value, (np.generic, np.ndarray)):
        dtype = STRING if _holds_strings(value) else _supported(_dtype_of(value))
        return None if dtype is None else _kind_of_dtype(dtype)
    if isinstance(value, (str, bytes)):
        return "string"
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int):
        return "integer"
    if isinstance(value, float):
        return "float"
    return "complex number" if isinstance(value, complex) else None


def _number_out_of_range(value: float | complex, dtype: DType, name: str) -> str | None:
    """A finite number may not become infinite."""
    parts = (value.real, value.imag)
    real = np.dtype(np.float32) if dtype == np.dtype(np.complex64) else dtype
    largest = np.dtype(np.float64) if is_complex(real) else real
    bound = float(cast("Any", ml_dtypes.finfo(largest)).max)
    for part in parts:
        if np.isfinite(part) and abs(part) > bound:
            return f"{value} is out of the range of {name}, -{bound:g} to {bound:g}"
        if np.isinf(part) and not np.isinf(np.array(part).astype(largest)):
            return f"{name} has no infinity, only -{bound:g} to {bound:g}"
    return None


def _brief(value: object) -> str:
    text = repr(value)
    if len(text) > 60:
        text = text[:57] + "..."
    return (
        text
        if isinstance(value, (str, bytes, int, float, complex))
        else (f"{text} of type {type(value).__name__}")
    )
