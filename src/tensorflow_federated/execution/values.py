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

import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, cast

import numpy as np

from tensorflow_federated.core import (
    computations,
    containers,
    errors,
    ir,
    paths,
    placements,
    type_predicates,
)
from tensorflow_federated.core.types import (
    FederatedType,
    FunctionType,
    SequenceType,
    StructType,
    TensorType,
    Type,
)
from tensorflow_federated.execution import (
    client_data,
    cohorts,
    sequences,
    structure_mismatches,
    tensors,
)
from tensorflow_federated.execution.problems import Problems

_Converter = tensors.Converter

_Presenter = Callable[[Any], Any]
"""Turns a canonical value into what a user gets."""

# How many types keep what converts their values: more than a program uses by turns.
_MOST_CONVERTERS = 1024


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
    canonical = _converter(type_signature)(value, path, problems)
    if problems:
        problems.raise_if_any(_part_with_problems(type_signature, path, problems.lines))
    return canonical


def _part_with_problems(type_signature: Type, path: str, problems: Iterable[str]) -> Type:
    """The smallest part of a structure that all problems are in, for a message one can read."""
    while isinstance(type_signature, StructType):
        inside = [
            (element, inner)
            for index, (name, element) in enumerate(type_signature.items())
            for inner in [paths.to_element(path, name, index)]
            if all(line.startswith((f"{inner}:", f"{inner}.", f"{inner}[")) for line in problems)
        ]
        if not inside:
            return type_signature
        type_signature, path = inside[0]
    return type_signature


@functools.lru_cache(maxsize=_MOST_CONVERTERS)
def _converter(type_signature: Type) -> _Converter:
    """What turns a value of one type into a canonical one; made once for each type."""
    match type_signature:
        case TensorType():
            return tensors.converter(type_signature)
        case StructType():
            return _struct_converter(type_signature)
        case SequenceType(element=element):
            return lambda value, path, problems: client_data.to_sequence(
                value, element, path, problems, _convert
            )
        case FederatedType(placement=placement) if placement == placements.CLIENTS:
            convert_member = _converter(type_signature.member)
            return lambda value, path, problems: _convert_clients(
                value, type_signature, convert_member, path, problems
            )
        case FederatedType(member=member):
            return _converter(member)
        case FunctionType():
            return lambda value, path, problems: _convert_function(
                value, type_signature, path, problems
            )
        case _:
            return lambda value, path, problems: problems.add(path, type_signature, value)


def _convert(value: Any, type_signature: Type, path: str, problems: Problems) -> Any:
    return _converter(type_signature)(value, path, problems)


def _struct_converter(struct_type: StructType) -> _Converter:
    names = ir.element_names(struct_type)
    is_composite = containers.is_composite(struct_type)
    each = [
        (paths.step(name, index), _converter(struct_type[index]))
        for index, name in enumerate(names)
    ]

    def convert(value: Any, path: str, problems: Problems) -> Any:
        if value is None and struct_type.python_container is type(None):
            return ()
        elements = containers.unpack(value)
        if elements is None or (is_composite and isinstance(value, list)):
            problems.add(path, struct_type, value)
            return None
        ordered = containers.in_order(elements, names)
        if ordered is None:
            problems.add_text(path, structure_mismatches.describe(elements, names))
            return None
        return tuple(
            [
                convert_element(element, path + inner, problems)
                for element, (inner, convert_element) in zip(ordered, each, strict=True)
            ]
        )

    return convert


def _convert_clients(
    value: Any,
    federated_type: FederatedType,
    convert_member: _Converter,
    path: str,
    problems: Problems,
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
        return convert_member(value, path, problems)
    try:
        clients = cohorts.values_of_clients(value, member)
    except errors.TypeMismatchError as error:
        for problem in error.problems:
            problems.add_line(problem.replace("dataset[*]", path, 1))
        return None
    if isinstance(member, SequenceType):
        _check_lists(value, clients, federated_type, path)
    if clients is None:
        raise errors.InvalidNonAllEqualValueError(
            "a value at the clients is given as a list, with one value for each client.",
            problems=[f"{path}: expected a list, got {problems.describe(value)}"],
            signature=federated_type,
            fix=cohorts.how_to_give(value),
        )
    if isinstance(member, SequenceType):
        return client_data.to_sequences(clients, member.element, path, problems, _convert)
    return [
        convert_member(client, f"{path}[{index}]", problems) for index, client in enumerate(clients)
    ]


def _check_lists(
    value: Any, clients: list[Any] | None, federated_type: FederatedType, path: str
) -> None:
    """Raises where the list of clients, or that of a client's elements, was left out.

    A client can be given as one element, without a list around it. Where all are, they may be the
    elements of one client as well, and nothing tells which was meant.
    """
    assert isinstance(federated_type.member, SequenceType)
    element = federated_type.member.element
    noun, nouns = ("batch", "batches") if sequences.is_batched(element) else ("element", "elements")
    if not isinstance(value, list) and client_data.is_one_element(value, element):
        got, fix = f"one {noun}", f"for one client that has one {noun}, write `[[{noun}]]`."
    elif (
        clients is not None
        and len(clients) > 1
        and all(client_data.is_one_element(client, element) for client in clients)
    ):
        got = f"a list of {len(clients)} {nouns}"
        fix = (
            f"if one client has them all, write `[client_data]`; if each client has one {noun}, "
            f"`[[{noun}] for {noun} in client_data]`."
        )
    else:
        return
    kind = errors.TypeMismatchError if clients else errors.InvalidNonAllEqualValueError
    raise kind(
        "the data of the clients is given as a list, with one dataset for each client.",
        problems=[f"{path}: expected a list of datasets, or of lists of {nouns}, got {got}"],
        signature=federated_type,
        fix=fix,
    )


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
    return _presenter(type_signature)(canonical)


@functools.lru_cache(maxsize=_MOST_CONVERTERS)
def _presenter(type_signature: Type) -> _Presenter:
    """What turns canonical values of one type into Python values; made once for each type."""
    match type_signature:
        case StructType():
            each = [_presenter(element) for _, element in type_signature.items()]
            pack = containers.packer(type_signature)
            return lambda canonical: pack(
                [present(element) for present, element in zip(each, canonical, strict=True)]
            )
        case SequenceType(element=element):
            return functools.partial(_present_sequence, _presenter(element))
        case FederatedType(member=member):
            present_member = _presenter(member)
            if type_predicates.is_each_own(type_signature):
                return lambda canonical: [present_member(each) for each in canonical]
            return present_member
        case TensorType(shape=()):
            return _present_scalar
        case _:
            return _present_array


def _present_array(canonical: Any) -> Any:
    """An array that the user may write to: frameworks share their memory with some of ours."""
    if isinstance(canonical, np.ndarray):
        array = cast("np.ndarray[Any, Any]", canonical)
        return array if array.flags.writeable else array.copy()
    return canonical


def _present_sequence(present_element: _Presenter, sequence: sequences.Sequence) -> Any:
    if sequence.dataset is not None:
        return sequence.dataset
    return [present_element(each) for each in sequence.elements()]


def _present_scalar(canonical: Any) -> Any:
    is_scalar = isinstance(canonical, (np.generic, bytes))
    return cast("Any", canonical if is_scalar else np.asarray(canonical)[()])


def cardinality(argument: Any, parameter_type: Type | None) -> int | None:
    """The number of clients of a call.

    Args:
      argument: the canonical argument.
      parameter_type: its type, None if there is none.

    Returns:
      The number of values that each argument at the clients has; None if there is no such argument.

    Raises:
      CardinalityError: if the arguments disagree.
    """
    if parameter_type is None:
        return None
    return agreed_count(list(_client_counts(argument, parameter_type, "argument")), parameter_type)


def agreed_count(found: Sequence[tuple[str, int]], parameter_type: Type) -> int | None:
    """The number of clients that all parts of an argument agree about.

    Args:
      found: the path of each part that tells it, and the number.
      parameter_type: the type of the argument, for the message.

    Returns:
      The number; None if no part tells it.

    Raises:
      CardinalityError: if they disagree.

    Examples:
      >>> agreed_count([("argument.x", 2), ("argument.y", 2)], TensorType(np.int32))
      2
    """
    counts = {count for _, count in found}
    if len(counts) > 1:
        raise errors.CardinalityError(
            "the arguments disagree about the number of clients.",
            problems=[f"{path}: values of {count} clients" for path, count in found],
            signature=parameter_type,
            fix="give every client one value in each argument.",
        )
    return counts.pop() if counts else None


def _client_counts(value: Any, type_signature: Type, path: str) -> Iterator[tuple[str, int]]:
    if isinstance(type_signature, StructType):
        for index, (name, element) in enumerate(type_signature.items()):
            yield from _client_counts(value[index], element, paths.to_element(path, name, index))
    elif type_predicates.is_each_own(type_signature):
        yield path, len(value)
