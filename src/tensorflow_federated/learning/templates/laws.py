"""Checks that the kinds of processes share."""

from __future__ import annotations

from collections.abc import Sequence

from tensorflow_federated.core import placements
from tensorflow_federated.core.computations import Computation
from tensorflow_federated.core.types import FederatedType, SequenceType, StructType, Type
from tensorflow_federated.learning.templates import errors
from tensorflow_federated.templates import errors as template_errors


def check_number_of_arguments(what: str, next_fn: Computation, names: Sequence[str]) -> None:
    """Checks how many arguments a `next_fn` takes.

    Args:
      what: the kind of the process, for messages.
      next_fn: the computation.
      names: what its arguments are.

    Raises:
      TemplateNextFnNumArgsError: if it takes more or fewer.
    """
    parameter = next_fn.type_signature.parameter
    number = len(parameter) if isinstance(parameter, StructType) else 1
    if number != len(names) or not isinstance(parameter, StructType):
        raise template_errors.TemplateNextFnNumArgsError(
            f"`next_fn` of a {what} takes {len(names)} arguments.",
            problems=[f"parameter: expected {len(names)} elements, got {parameter}"],
            signature=next_fn.type_signature,
            fix=f"take {', '.join(names)}.",
        )


def check_placements(
    what: str,
    next_fn: Computation,
    parts: Sequence[tuple[str, Type, placements.PlacementLiteral]],
    error_class: type[errors.TemplatePlacementError] = errors.TemplatePlacementError,
) -> None:
    """Checks where the parts of the types of a process are placed.

    Args:
      what: the kind of the process, for messages.
      next_fn: its computation, for messages.
      parts: each part with its name, its type and where it has to be.
      error_class: what is raised.

    Raises:
      TemplatePlacementError: if a part is placed elsewhere, or not at all.
    """
    problems = [
        f"{name}: expected a value at {placement}, got {part}"
        for name, part, placement in parts
        if not (isinstance(part, FederatedType) and part.placement is placement)
    ]
    if problems:
        raise error_class(
            f"a {what} cannot be made of this `next_fn`.",
            problems=problems,
            signature=next_fn.type_signature,
            fix="declare the parameters, and place the results, where the message says.",
        )


def _is_data_type(member: Type) -> bool:
    """Whether a type is a sequence or a structure of sequences."""
    if isinstance(member, StructType):
        return len(member) > 0 and all(_is_data_type(element) for element in member)
    return isinstance(member, SequenceType)


def member_of(federated_type: Type) -> Type:
    """The type of a value without its placement."""
    return federated_type.member if isinstance(federated_type, FederatedType) else federated_type


def check_data(data_type: Type, next_fn: Computation) -> None:
    """Checks that clients' data is a sequence or a structure of sequences.

    Args:
      data_type: its type, without placement.
      next_fn: the computation that takes it, for messages.

    Raises:
      ClientDataTypeError: if it is something else.
    """
    if not _is_data_type(data_type):
        raise errors.ClientDataTypeError(
            "the clients' data must be a sequence, or a structure of sequences.",
            problems=[f"the data of `next_fn`: expected T*, got {data_type}"],
            signature=next_fn.type_signature,
            fix="declare the parameter as "
            "`tff.FederatedType(tff.SequenceType(batch_type), tff.CLIENTS)`.",
        )


def check_getter(
    getter: Computation,
    state_type: Type,
    name: str,
    error_class: type[template_errors.TemplateError],
) -> None:
    """Checks that a computation takes a state.

    Args:
      getter: the computation.
      state_type: the type of the state, without placement.
      name: its name, for messages.
      error_class: what is raised.

    Raises:
      TemplateError: if it does not; of the given class.
    """
    taken = getter.type_signature.parameter
    if taken is None or not taken.is_assignable_from(state_type):
        raise error_class(
            f"`{name}` must take the state.",
            problems=[f"parameter: expected {state_type}, got {taken}"],
            signature=getter.type_signature,
            fix=f"declare the parameter as {state_type}.",
        )


def check_setter(
    setter: Computation,
    state_type: Type,
    name: str,
    error_class: type[template_errors.TemplateError],
) -> None:
    """Checks that a computation takes a state and something else, and gives a state.

    Args:
      setter: the computation.
      state_type: the type of the state, without placement.
      name: what it sets, for messages.
      error_class: what is raised.

    Raises:
      TemplateError: if it does not; of the given class.
    """
    parameter, result = setter.type_signature.parameter, setter.type_signature.result
    problems: list[str] = []
    if not isinstance(parameter, StructType) or len(parameter) != 2:
        problems.append(f"parameter: expected <state={state_type},{name}=...>, got {parameter}")
    elif not parameter[0].is_assignable_from(state_type):
        problems.append(f"parameter[0]: expected {state_type}, got {parameter[0]}")
    if not state_type.is_assignable_from(result):
        problems.append(f"result: expected {state_type}, got {result}")
    if problems:
        raise error_class(
            f"`set_{name}` must take a state and {name}, and return a state.",
            problems=problems,
            signature=setter.type_signature,
            fix=f"write a computation of the type (<state=S,{name}=...> -> S), S the state's type.",
        )
