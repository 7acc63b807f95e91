"""The boundary between Python values and canonical values.

Canonical values are what the engines work on:

- a tensor: a numpy array or scalar of the type's dtype; strings are `bytes`, or object arrays of
  `bytes`;
- a structure: a tuple of its elements, in order;
- a sequence: a `sequences.Sequence`;
- a function: a `Computation`;
- a federated value: at CLIENTS a list with the value of each client, at SERVER, and where all are
  equal, the one value.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

import numpy as np

from tensorflow_federated.core import (
    computations,
    containers,
    errors,
    fields,
    ir,
    placements,
)
from tensorflow_federated.core.types import (
    FederatedType,
    FunctionType,
    SequenceType,
    StructType,
    TensorType,
    Type,
)
from tensorflow_federated.execution import client_data, sequences, tensors
from tensorflow_federated.execution.problems import Problems


def to_canonical(value: Any, type_signature: Type, path: str = "argument") -> Any:
    """Turns a Python value into a canonical value of a type.

    Args:
      value: a value of the type, in any container that fits; arrays of any framework.
      type_signature: the type.
      path: how messages call the value.

    Returns:
      The canonical value.

    Raises:
      TypeMismatchError: if the value is not of the type; the message names every place.
      InvalidNonAllEqualValueError: if a value at the clients is no list.

    Examples:
      >>> from tensorflow_federated.core import types
      >>> to_canonical({"b": True, "a": 1}, types.to_type([("a", np.int32), ("b", np.bool_)]))
      (np.int32(1), np.True_)
    """
    problems = Problems()
    canonical = _convert(value, type_signature, path, problems)
    if problems:
        problems.raise_if_any(_part_with_problems(type_signature, path, problems.lines))
    return canonical


def _part_with_problems(type_signature: Type, path: str, problems: Iterable[str]) -> Type:
    """The smallest part of a structure that all problems are in, for a message one can read."""
    while isinstance(type_signature, StructType):
        inside = [
            (element, inner)
            for index, (name, element) in enumerate(type_signature.items())
            for inner in [_element_path(path, name, index)]
            if all(line.startswith((f"{inner}:", f"{inner}.", f"{inner}[")) for line in problems)
        ]
        if not inside:
            return type_signature
        type_signature, path = inside[0]
    return type_signature


def _convert(value: Any, type_signature: Type, path: str, problems: Problems) -> Any:
    match type_signature:
        case TensorType():
            return tensors.to_canonical(value, type_signature, path, problems)
        case StructType():
            return _convert_struct(value, type_signature, path, problems)
        case SequenceType(element=element):
            return client_data.to_sequence(value, element, path, problems, _convert)
        case FederatedType(placement=placement) if placement == placements.CLIENTS:
            return _convert_clients(value, type_signature, path, problems)
        case FederatedType(member=member):
            return _convert(value, member, path, problems)
        case FunctionType():
            return _convert_function(value, type_signature, path, problems)
        case _:
            problems.add(path, type_signature, value)
            return None


def _convert_struct(value: Any, struct_type: StructType, path: str, problems: Problems) -> Any:
    elements = containers.unpack(value)
    if elements is None:
        problems.add(path, struct_type, value)
        return None
    names = ir.element_names(struct_type)
    ordered = order_elements(elements, names)
    if ordered is None:
        given = ", ".join(str(name) if name else "?" for name, _ in elements)
        problems.add_text(
            path, f"expected {len(names)} elements, {struct_type}, got {len(elements)}: <{given}>"
        )
        return None
    return tuple(
        _convert(element, struct_type[index], _element_path(path, names[index], index), problems)
        for index, element in enumerate(ordered)
    )


def order_elements(
    elements: list[tuple[str | None, Any]], names: list[str | None]
) -> list[Any] | None:
    """The elements of a structure in the order of a type; None if they are not those of the type.

    Examples:
      >>> order_elements([("b", 2), ("a", 1)], ["a", "b"])
      [1, 2]
    """
    if len(elements) != len(names):
        return None
    given = [name for name, _ in elements]
    if given == names or all(name is None for name in given):
        return [element for _, element in elements]
    if None in given or None in names or set(given) != set(names):
        return None
    by_name = dict(elements)
    return [by_name[name] for name in names]


def _element_path(path: str, name: str | None, index: int) -> str:
    return f"{path}[{index}]" if name is None else f"{path}.{name}"


def _convert_clients(
    value: Any, federated_type: FederatedType, path: str, problems: Problems
) -> Any:
    member = federated_type.member
    if federated_type.all_equal:
        is_scalar = isinstance(member, TensorType) and member.shape == ()
        if isinstance(value, list) and is_scalar:
            raise errors.InvalidNonAllEqualValueError(
                "all clients have the same value here, so one value must be given.",
                problems=[f"{path}: got a list of {len(cast('list[Any]', value))}"],
                signature=federated_type,
            )
        return _convert(value, member, path, problems)
    clients: Any = value
    if not isinstance(member, SequenceType):
        dataset = sequences.from_dataset(value, member)
        if dataset is not None:
            return list(dataset.elements())
    if not isinstance(clients, (list, tuple)) or fields.is_named_tuple(clients):
        raise errors.InvalidNonAllEqualValueError(
            "a value at the clients is given as a list, with one value for each client.",
            problems=[f"{path}: expected a list, got {problems.describe(value)}"],
            signature=federated_type,
            fix=_fix_for_clients(clients),
        )
    return [
        _convert(client, member, f"{path}[{index}]", problems)
        for index, client in enumerate(cast("list[Any]", clients))
    ]


def _fix_for_clients(value: Any) -> str:
    if isinstance(value, Mapping):
        return "give the values of the clients without their names: `list(clients.values())`."
    if isinstance(value, Iterator):
        return "make a list of it: `list(clients)`."
    return "write `[value]` for one client."


def _convert_function(
    value: Any, function_type: FunctionType, path: str, problems: Problems
) -> Any:
    if isinstance(value, computations.PolymorphicComputation):
        value = value.fn_for_argument_type(function_type.parameter)
    if not isinstance(value, computations.ConcreteComputation):
        problems.add(path, function_type, value)
        return None
    for difference in function_type.differences(value.type_signature, path=path):
        problems.add_line(difference)
    return value


def to_python(canonical: Any, type_signature: Type) -> Any:
    """Turns a canonical value into what a user gets.

    Scalars come as numpy scalars of the dtype, strings as `bytes`, structures in the containers
    of their type, a sequence as the dataset it is, or else as a list of its elements, a value at
    the clients as a list.

    Args:
      canonical: a canonical value of the type.
      type_signature: the type.

    Returns:
      The Python value.
    """
    match type_signature:
        case StructType():
            elements = [
                to_python(element, element_type)
                for element, (_, element_type) in zip(
                    canonical, type_signature.items(), strict=True
                )
            ]
            return containers.pack(type_signature, elements)
        case SequenceType(element=element):
            sequence = cast("sequences.Sequence", canonical)
            if sequence.dataset is not None:
                return sequence.dataset
            return [to_python(each, element) for each in sequence.elements()]
        case FederatedType(member=member, placement=placement, all_equal=all_equal):
            if placement == placements.CLIENTS and not all_equal:
                return [to_python(each, member) for each in canonical]
            return to_python(canonical, member)
        case TensorType(shape=()):
            return np.asarray(canonical)[()] if not isinstance(canonical, bytes) else canonical
        case _:
            return canonical


def cardinality(argument: Any, parameter_type: Type | None) -> int:
    """The number of clients of a call.

    Args:
      argument: the canonical argument.
      parameter_type: its type, None if there is none.

    Returns:
      The number of values that each argument at the clients has; 0 if there is no such argument.

    Raises:
      CardinalityError: if the arguments disagree.
    """
    if parameter_type is None:
        return 0
    found = list(_client_counts(argument, parameter_type, "argument"))
    counts = {count for _, count in found}
    if len(counts) > 1:
        raise errors.CardinalityError(
            "the arguments disagree about the number of clients.",
            problems=[f"{path}: values of {count} clients" for path, count in found],
            signature=parameter_type,
            fix="give every client one value in each argument.",
        )
    return counts.pop() if counts else 0


def _client_counts(value: Any, type_signature: Type, path: str) -> Iterator[tuple[str, int]]:
    if isinstance(type_signature, StructType):
        for index, (name, element) in enumerate(type_signature.items()):
            yield from _client_counts(value[index], element, _element_path(path, name, index))
    elif _is_each_own(type_signature):
        yield path, len(value)


def _is_each_own(type_signature: Type) -> bool:
    """Whether each client has a value of its own."""
    if not isinstance(type_signature, FederatedType) or type_signature.all_equal:
        return False
    return type_signature.placement == placements.CLIENTS
