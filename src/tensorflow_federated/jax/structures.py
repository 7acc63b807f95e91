"""Structures of JAX arrays: between the canonical tuples of the engine and the user's containers.

The functions here run while JAX traces, so arrays may be tracers.
"""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.export

from tensorflow_federated.core import containers, dtypes, errors, fields, paths
from tensorflow_federated.core.types import (
    SequenceType,
    StructType,
    StructWithPythonType,
    TensorType,
    Type,
    preorder,
)
from tensorflow_federated.jax import arrays


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
            fix="give the structure, the shapes and the dtypes of the signature.",
        )
    return result


def _convert(value: Any, type_signature: Type, path: str, problems: list[str]) -> Any:
    if isinstance(type_signature, StructType):
        return _convert_struct(value, type_signature, path, problems)
    value = arrays.plain(value)
    found = arrays.describe(value, arrays.jax_number_dtype)
    if found is None or not isinstance(type_signature, TensorType):
        got = errors.describe_object(value)
        problems.append(f"{path or 'value'}: expected {type_signature}, got {got}")
        return None
    if arrays.is_python_number(value) and not type_signature.shape:
        reason = dtypes.mismatch_with(value, type_signature.dtype)
    elif jax.export.is_symbolic_dim(value) and dtypes.is_integer(type_signature.dtype):
        reason = None
    elif not type_signature.is_assignable_from(found):
        reason = f"expected {type_signature}, got {found}"
    else:
        reason = arrays.loss_in(value, type_signature.dtype)
    if reason is not None:
        problems.append(f"{path or 'value'}: {reason}")
        return None
    return arrays.to_array(value, type_signature.dtype)


def _convert_struct(value: Any, struct_type: StructType, path: str, problems: list[str]) -> Any:
    if value is None and struct_type.python_container is type(None):
        return ()
    elements = containers.unpack(value)
    if elements is None or len(elements) != len(struct_type):
        got = errors.describe_object(value) if elements is None else f"{len(elements)} elements"
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
        inner = paths.to_element(path, name, index)
        if given_name not in (None, name):
            problems.append(f"{inner}: got an element with the name `{given_name}`")
        converted.append(_convert(element, element_type, inner, problems))
    return tuple(converted)


@dataclasses.dataclass(frozen=True)
class Reading:
    """How the result of a function is read as a type.

    Attributes:
      number_dtype: the dtype of a Python number.
      key_orders: for the keys of a dict their order in the type; those of another dict are sorted,
        as JAX sorts them. None if the keys of every dict stay as they are.
    """

    number_dtype: arrays.NumberDType
    key_orders: Mapping[frozenset[str], tuple[str, ...]] | None


def key_orders(type_signature: Type | None) -> dict[frozenset[str], tuple[str, ...]]:
    """The orders of the keys of the dicts in a type; of two orders of one set, the first."""
    orders: dict[frozenset[str], tuple[str, ...]] = {}
    for part in () if type_signature is None else preorder(type_signature):
        if isinstance(part, StructType) and _is_unordered(part.python_container):
            names = tuple(str(name) for name, _ in part.items())
            orders.setdefault(frozenset(names), names)
    return orders


def _is_unordered(container: type[Any] | None) -> bool:
    """Whether JAX takes the keys of such a container for a set."""
    return (
        container is not None
        and issubclass(container, Mapping)
        and not issubclass(container, collections.OrderedDict)
    )


def describe(value: Any, path: str, reading: Reading, problems: list[str]) -> Type | None:
    """The type of a Python structure of arrays and numbers, with its containers.

    `None` inside of a structure is a structure without elements, as in JAX.

    Args:
      value: the structure.
      path: where it is in a larger one, for messages.
      reading: how to read it.
      problems: what has no type is told here.

    Returns:
      The type; None where there were problems.
    """
    if value is None:
        return StructWithPythonType([], type(None))
    problem = _node_problem(value)
    if problem is not None:
        problems.append(f"{path}: {problem}")
        return None
    elements = containers.unpack(value)
    if elements is None:
        return _describe_leaf(value, path, reading, problems)
    if reading.key_orders is not None and _is_unordered(type(value)):
        by_name = {str(name): element for name, element in elements}
        order = reading.key_orders.get(frozenset(by_name)) or sorted(by_name)
        elements = [(name, by_name[name]) for name in order]
    described: list[tuple[str | None, Type]] = []
    for index, (name, element) in enumerate(elements):
        inner = paths.to_element(path, name, index)
        element_type = describe(element, inner, reading, problems)
        if element_type is not None:
            described.append((name, element_type))
    if len(described) != len(elements):
        return None
    return containers.type_of(value, described)


def _describe_leaf(
    value: Any, path: str, reading: Reading, problems: list[str]
) -> TensorType | None:
    value = arrays.plain(value)
    problem: str | None = None
    found = None
    try:
        found = arrays.describe(value, reading.number_dtype)
    except errors.TypeMismatchError as error:
        problem = error.summary
    if problem is None:
        problem = (
            f"got {errors.describe_object(value)}"
            if found is None
            else arrays.loss_in(value, found.dtype)
        )
    if problem is not None:
        problems.append(f"{path}: {problem}")
        return None
    return found


def _node_problem(value: Any) -> str | None:
    """Why a structure cannot be built again from its elements alone; None if it can."""
    if isinstance(value, Mapping):
        names = [key for key in value if not isinstance(key, str)]
        return f"the key {names[0]!r} of a dict is no string" if names else None
    if isinstance(value, (list, tuple)):
        return None
    children = jax.tree_util.tree_leaves(value, is_leaf=lambda part: part is not value)
    if len(children) == 1 and children[0] is value:
        return None
    elements = fields.named_fields(value)
    kind = type(value).__name__
    if elements is None:
        return f"a `{kind}` cannot be built again from its arrays"
    known = {id(child) for child in children}
    static = [name for name, element in elements if id(element) not in known]
    if not static:
        return None
    return f"a `{kind}` cannot be built again from its arrays without `{'`, `'.join(static)}`"


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


def parameter_problems(type_signature: Type) -> list[str]:
    """Tells why values of a type cannot be the argument of a JAX function; empty if they can."""
    problems: list[str] = []
    for part in preorder(type_signature):
        if isinstance(part, TensorType):
            if dtypes.is_string(part.dtype):
                problems.append(f"parameter: JAX has no strings, got {part}")
            elif part.shape is None:
                problems.append(f"parameter: JAX needs the rank of an array, got {part}")
        elif not isinstance(part, StructType):
            problems.append(f"parameter: expected tensors and structures of them, got {part}")
            if isinstance(part, SequenceType):
                break
    return problems


def map_canonical(fn: Callable[[Any], Any], value: Any) -> Any:
    """Applies a function to the leaves of nested tuples."""
    if isinstance(value, tuple):
        return tuple(map_canonical(fn, element) for element in value)
    return fn(value)
