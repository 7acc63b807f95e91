"""Checks that the kinds of processes share."""

from __future__ import annotations

import collections
from collections.abc import Sequence
from typing import Any

from tensorflow_federated.core import placements, tracing
from tensorflow_federated.core.computations import Computation
from tensorflow_federated.core.types import FederatedType, SequenceType, StructType, Type
from tensorflow_federated.learning.templates import errors
from tensorflow_federated.templates import errors as template_errors
from tensorflow_federated.templates import iterative_process


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


def is_data_type(member: Type) -> bool:
    """Whether a type is a sequence or a structure of sequences."""
    if isinstance(member, StructType):
        return len(member) > 0 and all(is_data_type(element) for element in member)
    return isinstance(member, SequenceType)


def member_of(federated_type: Type) -> Type:
    """The type of a value without its placement."""
    return federated_type.member if isinstance(federated_type, FederatedType) else federated_type


def get_hparams_or_default(state_type: Type, get_hparams_fn: Any) -> Computation:
    """Checks the computation that reads hyperparameters; without one, there are none.

    Args:
      state_type: the type of the state, without placement.
      get_hparams_fn: a computation of the type ``(S -> H)``, or None.

    Returns:
      The computation.

    Raises:
      TemplateNotComputationError: if it is something else.
      GetHparamsTypeError: if it does not take the state.
    """
    if get_hparams_fn is None:

        def no_hparams(state: Any) -> Any:
            del state
            return collections.OrderedDict()

        return tracing.federated_computation(no_hparams, state_type)
    iterative_process.check_computation("get_hparams_fn", get_hparams_fn)
    taken = get_hparams_fn.type_signature.parameter
    if taken is None or not taken.is_assignable_from(state_type):
        raise errors.GetHparamsTypeError(
            "`get_hparams_fn` must take the state.",
            problems=[f"parameter: expected {state_type}, got {taken}"],
            signature=get_hparams_fn.type_signature,
            fix=f"declare the parameter as {state_type}.",
        )
    return get_hparams_fn


def set_hparams_or_default(
    state_type: Type, set_hparams_fn: Any, hparams_type: Type
) -> Computation:
    """Checks the computation that sets hyperparameters; without one, the state stays.

    Args:
      state_type: the type of the state, without placement.
      set_hparams_fn: a computation of the type ``(<S,H> -> S)``, or None.
      hparams_type: the type of the hyperparameters, for the default.

    Returns:
      The computation.

    Raises:
      TemplateNotComputationError: if it is something else.
      SetHparamsTypeError: if it does not take the state first, and give a state.
    """
    if set_hparams_fn is None:

        def unchanged(state: Any, hparams: Any) -> Any:
            del hparams
            return state

        return tracing.federated_computation(unchanged, state_type, hparams_type)
    iterative_process.check_computation("set_hparams_fn", set_hparams_fn)
    check_setter(set_hparams_fn, state_type, "hparams", errors.SetHparamsTypeError)
    return set_hparams_fn


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
