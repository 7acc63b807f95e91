"""Structures of JAX arrays: between the canonical tuples of the engine and the user's containers.

The functions here run while JAX traces, so arrays may be tracers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tensorflow_federated.core import containers, dtypes, errors
from tensorflow_federated.core.types import (
    SequenceType,
    StructType,
    StructWithPythonType,
    TensorType,
    Type,
    preorder,
)


def to_containers(value: Any, type_signature: Type) -> Any:
    """Puts a canonical structure of arrays into the containers of its type."""
    if isinstance(type_signature, StructType):
        elements = [
            to_containers(element, element_type)
            for element, (_, element_type) in zip(value, type_signature.items(), strict=True)
        ]
        return containers.pack(type_signature, elements)
    return value


def to_canonical(value: Any, type_signature: Type, what: str) -> Any:
    """Turns a Python structure of arrays and numbers into a canonical one, and checks it.

    Args:
      value: the structure.
      type_signature: the type that it has to have.
      what: what the value is, for messages.

    Returns:
      Nested tuples of JAX arrays of the dtypes of the type.

    Raises:
      TypeMismatchError: if the value is not of the type.
    """
    problems: list[str] = []
    result = _convert(value, type_signature, "", problems)
    if problems:
        raise errors.TypeMismatchError(
            f"{what} is not of the type that is declared.",
            problems=problems,
            signature=type_signature.compact_representation(),
        )
    return result


def _convert(value: Any, type_signature: Type, path: str, problems: list[str]) -> Any:
    if isinstance(type_signature, StructType):
        return _convert_struct(value, type_signature, path, problems)
    if not isinstance(type_signature, TensorType):
        problems.append(f"{path or 'value'}: expected {type_signature}, got {value!r:.80}")
        return None
    found = describe_leaf(value)
    if found is None:
        problems.append(f"{path or 'value'}: expected {type_signature}, got {value!r:.80}")
        return None
    if is_python_number(value):
        fits = dtypes.mismatch_with(value, type_signature.dtype) is None and not found.shape
        found = TensorType(type_signature.dtype) if fits else found
    if not type_signature.is_assignable_from(found):
        problems.append(f"{path or 'value'}: expected {type_signature}, got {found}")
        return None
    return jnp.asarray(value, type_signature.dtype)


def _convert_struct(value: Any, struct_type: StructType, path: str, problems: list[str]) -> Any:
    elements = containers.unpack(value)
    if elements is None or len(elements) != len(struct_type):
        got = f"{value!r:.80}" if elements is None else f"{len(elements)} elements"
        problems.append(f"{path or 'value'}: expected {struct_type}, got {got}")
        return None
    names = [name for name, _ in struct_type.items()]
    given = dict(elements)
    if isinstance(value, Mapping) and set(given) == set(names):
        elements = [(name, given[name]) for name in names]
    converted: list[Any] = []
    for index, ((name, element_type), (given_name, element)) in enumerate(
        zip(struct_type.items(), elements, strict=True)
    ):
        inner = f"{path}.{name}".lstrip(".") if name is not None else f"{path}[{index}]"
        if given_name not in (None, name):
            problems.append(f"{inner}: got an element with the name `{given_name}`")
        converted.append(_convert(element, element_type, inner, problems))
    return tuple(converted)


def is_python_number(value: Any) -> bool:
    """Whether this is a number of Python itself; an `np.float64` is a `float`, but has a dtype."""
    return isinstance(value, (bool, int, float, complex)) and not isinstance(value, np.generic)


def describe_leaf(value: Any) -> TensorType | None:
    """The type of an array, a tracer or a Python number; None for anything else."""
    if is_python_number(value):
        return TensorType(dtypes.infer_dtype(value))
    if not isinstance(value, (np.ndarray, np.generic, jax.Array)):
        return None
    # Random keys have a dtype that is JAX's alone; strings have one that is NumPy's alone.
    if not isinstance(value.dtype, np.dtype) or value.dtype.kind in "OSU":
        return None
    dtype = dtypes.find_dtype(jax.dtypes.canonicalize_dtype(value.dtype))
    if dtype is None:
        return None
    return TensorType(dtype, [size if isinstance(size, int) else None for size in value.shape])


def describe(value: Any, path: str, problems: list[str]) -> Type | None:
    """The type of a Python structure of arrays and numbers, with its containers.

    Args:
      value: the structure.
      path: where it is in a larger one, for messages.
      problems: what has no type is told here.

    Returns:
      The type; None where there were problems.
    """
    elements = containers.unpack(value)
    if elements is None:
        leaf = describe_leaf(value)
        if leaf is None:
            problems.append(f"{path}: got {value!r:.80} of the type `{type(value).__name__}`")
        return leaf
    described: list[tuple[str | None, Type]] = []
    for index, (name, element) in enumerate(elements):
        inner = f"{path}[{index}]" if name is None else f"{path}.{name}"
        element_type = describe(element, inner, problems)
        if element_type is not None:
            described.append((name, element_type))
    if len(described) != len(elements):
        return None
    container = containers.container_of(value)
    return (
        StructType(described) if container is None else StructWithPythonType(described, container)
    )


def abstract(type_signature: Type, unknown: Any) -> Any:
    """A canonical structure of shapes and dtypes, with `unknown` for unknown dimensions."""
    if isinstance(type_signature, StructType):
        return tuple(abstract(element, unknown) for _, element in type_signature.items())
    assert isinstance(type_signature, TensorType)
    assert type_signature.shape is not None
    shape = tuple(unknown if size is None else size for size in type_signature.shape)
    return jax.ShapeDtypeStruct(shape, type_signature.dtype)


def has_unknown_dimension(type_signature: Type | None) -> bool:
    """Whether a tensor in the type has a dimension that is not known."""
    return type_signature is not None and any(
        isinstance(part, TensorType) and part.shape is not None and None in part.shape
        for part in preorder(type_signature)
    )


def is_jax_type(type_signature: Type) -> bool:
    """Whether values of the type are arrays of numbers, or structures of them."""
    return all(
        (isinstance(part, TensorType) and not dtypes.is_string(part.dtype))
        or isinstance(part, StructType)
        for part in preorder(type_signature)
    )


def parameter_problems(type_signature: Type, allow_64_bits: bool) -> list[str]:
    """Tells why values of a type cannot be the argument of a JAX function; empty if they can.

    Args:
      type_signature: the type of the parameter.
      allow_64_bits: whether JAX keeps 64 bits.
    """
    problems: list[str] = []
    for part in preorder(type_signature):
        if isinstance(part, TensorType):
            if dtypes.is_string(part.dtype):
                problems.append(f"parameter: JAX has no strings, got {part}")
            elif part.shape is None:
                problems.append(f"parameter: JAX needs the rank of an array, got {part}")
            elif not allow_64_bits and is_wide(part.dtype):
                problems.append(f"parameter: JAX would cut {part} to 32 bits")
        elif not isinstance(part, StructType):
            problems.append(f"parameter: expected tensors and structures of them, got {part}")
            if isinstance(part, SequenceType):
                break
    return problems


def is_wide(dtype: np.dtype[Any]) -> bool:
    """Whether JAX, as it is configured by default, would shorten this dtype."""
    return dtype.name in ("int64", "uint64", "float64", "complex128")


def to_numpy(value: Any) -> Any:
    """Turns a canonical structure of JAX arrays into one of numpy arrays and scalars."""
    return map_canonical(lambda leaf: np.asarray(leaf)[()], value)


def map_canonical(fn: Callable[[Any], Any], value: Any) -> Any:
    """Applies a function to the leaves of nested tuples."""
    if isinstance(value, tuple):
        return tuple(map_canonical(fn, element) for element in value)
    return fn(value)
