"""Python structures that have the form of a type."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

from tensorflow_federated.core import containers, errors, structure, types
from tensorflow_federated.core.types import (
    FederatedType,
    SequenceType,
    StructType,
    TensorType,
    Type,
)


def build(type_signature: Type, make: Callable[[Type], Any]) -> Any:
    """A Python structure in the containers of a type.

    Args:
      type_signature: the type.
      make: gives what stands for a type that is no struct; it is asked in order.

    Returns:
      The structure.

    Examples:
      >>> import numpy as np
      >>> build(types.to_type({"a": np.int32, "b": [np.bool_]}), str)
      {'a': 'int32', 'b': ['bool']}
    """
    if not isinstance(type_signature, StructType):
        return make(type_signature)
    elements = [build(each, make) for each in type_signature.children()]
    return containers.pack(type_signature, elements)


def map_leaves(type_signature: Type, fn: Callable[[Type], Type]) -> Type:
    """The type with other types in the place of those below all its structs.

    Args:
      type_signature: the type.
      fn: gives the type to take the place of one that is no struct.

    Returns:
      The type, with the names and containers of the given one.

    Examples:
      >>> import numpy as np
      >>> print(map_leaves(types.to_type({"a": np.int32}), lambda leaf: SequenceType(leaf)))
      <a=int32*>
    """
    if not isinstance(type_signature, StructType):
        return fn(type_signature)
    elements = [(name, map_leaves(each, fn)) for name, each in type_signature.items()]
    return types.in_container(elements, type_signature.python_container)


def structure_from_tensor_type_tree(fn: Callable[[TensorType], Any], type_spec: object) -> Any:
    """Applies a function to the tensor types of a structure.

    Args:
      fn: a function of a `TensorType`.
      type_spec: a tensor or struct type, or anything that `tff.to_type` makes one of.

    Returns:
      The results, in the containers of the type.

    Raises:
      StructureError: if a part of the type is neither a tensor nor a struct, or a struct without a
        container has named and unnamed elements.

    Examples:
      >>> import numpy as np
      >>> structure_from_tensor_type_tree(lambda t: t.shape, {"a": np.int32, "b": (np.int32, [2])})
      {'a': (), 'b': (2,)}
    """
    type_signature = types.to_type(type_spec)
    if isinstance(type_signature, TensorType):
        return fn(type_signature)
    if not isinstance(type_signature, StructType):
        raise errors.StructureError(
            "only tensor and struct types have the form of a Python structure.",
            problems=[f"type: got {type_signature}"],
        )
    elements = [structure_from_tensor_type_tree(fn, each) for each in type_signature.children()]
    return _packed(type_signature, elements)


def type_to_py_container(value: Any, type_spec: Type) -> Any:
    """Turns the structs of a value into the Python containers of its type.

    Args:
      value: a value of the type; a value at the clients and a sequence are lists. Everything that
        is no `tff.structure.Struct` stays as it is.
      type_spec: the type.

    Returns:
      The value in the containers of the type.

    Raises:
      StructureError: if a struct has not the names of its type, or names that the container cannot
        have, or lacks those that it must have.

    Examples:
      >>> import numpy as np
      >>> value = structure.Struct.unnamed(1, structure.Struct.named(a=2))
      >>> type_to_py_container(value, types.to_type([np.int32, {"a": np.int32}]))
      [1, {'a': 2}]
    """
    if isinstance(type_spec, FederatedType):
        if type_spec.all_equal:
            return type_to_py_container(value, type_spec.member)
        return _each_in_container(value, type_spec.member)
    if isinstance(type_spec, SequenceType):
        return _each_in_container(value, type_spec.element)
    if not isinstance(type_spec, StructType) or not isinstance(value, structure.Struct):
        return value
    elements = structure.to_elements(cast("structure.Struct[Any]", value))
    names = [name for name, _ in type_spec.items()]
    if len(elements) != len(names) or any(
        given not in (None, name) for (given, _), name in zip(elements, names, strict=True)
    ):
        raise errors.StructureError(
            "the elements of the value are not those of its type.",
            problems=[f"value: expected {type_spec}, got {value}"],
        )
    converted = [
        type_to_py_container(element, element_type)
        for (_, element), element_type in zip(elements, type_spec.children(), strict=True)
    ]
    return _packed(type_spec, converted)


def _each_in_container(value: Any, member_type: Type) -> Any:
    if not isinstance(value, list):
        return value
    return [type_to_py_container(each, member_type) for each in cast("list[Any]", value)]


def _packed(struct_type: StructType, elements: list[Any]) -> Any:
    named = [name is not None for name, _ in struct_type.items()]
    container = struct_type.python_container
    problem = None
    if any(named) and not all(named):
        problem = "it has named and unnamed elements"
    elif container in (list, tuple) and any(named):
        problem = f"a {container.__name__} has no names"
    elif container is not None and issubclass(container, Mapping) and not all(named):
        problem = f"a {container.__name__} needs names"
    if problem is not None:
        raise errors.StructureError(
            "a struct cannot take the form of a Python container.",
            problems=[f"{struct_type}: {problem}"],
            fix="name all elements or none, as the container needs it.",
        )
    return containers.pack(struct_type, elements)
