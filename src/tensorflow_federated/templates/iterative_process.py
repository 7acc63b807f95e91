"""Processes that keep a state from one call to the next."""

from __future__ import annotations

from tensorflow_federated.core import computations, html, type_relations
from tensorflow_federated.core import errors as core_errors
from tensorflow_federated.core.types import StructType, Type
from tensorflow_federated.templates import errors


class IterativeProcess:
    """A first state, and a computation that takes a state and gives the next.

    Type: ``initialize: ( -> S)``, ``next: (S -> S)`` or ``(<S,A,...> -> S)`` or
    ``(<S,A,...> -> <S,B,...>)``.

    ::

        state = process.initialize()
        for data in rounds:
            state = process.next(state, data)

    Examples:
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> process = IterativeProcess(
      ...     tff.jax.computation(lambda: np.int32(0)),
      ...     tff.jax.computation(lambda total, x: total + x, np.int32, np.int32),
      ... )
      >>> state = process.initialize()
      >>> for x in [1, 2, 3]:
      ...     state = process.next(state, x)
      >>> int(state), str(process.state_type)
      (6, 'int32')
    """

    @core_errors.boundary
    def __init__(
        self,
        initialize_fn: computations.Computation,
        next_fn: computations.Computation,
        next_is_multi_arg: bool | None = None,
    ) -> None:
        """Builds a process of two computations.

        Args:
          initialize_fn: gives the first state; takes no argument.
          next_fn: takes a state, alone or as the first of several arguments, and returns the next
            state, alone or as the first element of its result.
          next_is_multi_arg: whether the state is the first of several arguments; False says that
            the argument as a whole is the state, and by default the types say which it is.

        Raises:
          TemplateNotComputationError: if one of the two is no computation.
          TemplateInitFnParamNotEmptyError: if `initialize_fn` takes an argument.
          TemplateNextFnNumArgsError: if `next_fn` takes no argument, or not several where
            `next_is_multi_arg` says so.
          TemplateStateNotAssignableError: if a state that is given is not one that is taken.
        """
        check_computation("initialize_fn", initialize_fn)
        check_computation("next_fn", next_fn)
        initialize_type = initialize_fn.type_signature
        if initialize_type.parameter is not None:
            raise errors.TemplateInitFnParamNotEmptyError(
                "`initialize_fn` must take no argument.",
                problems=[f"parameter: got {initialize_type.parameter}"],
                signature=initialize_type,
                fix="what the first state depends on can be captured, or come with `next_fn`.",
            )
        self._state_type = _taken_state_type(initialize_type.result, next_fn, next_is_multi_arg)
        _check_returned_state(self._state_type, next_fn)
        self._initialize_fn = initialize_fn
        self._next_fn = next_fn

    @property
    def initialize(self) -> computations.Computation:
        """The computation that gives the first state."""
        return self._initialize_fn

    @property
    def next(self) -> computations.Computation:
        """The computation that takes a state and gives the next."""
        return self._next_fn

    @property
    def state_type(self) -> Type:
        """The type of the state that `next` takes."""
        return self._state_type

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of the state {self._state_type.compact_representation()}>"

    def _repr_html_(self) -> str:
        parts = {"initialize": self._initialize_fn, "next": self._next_fn}
        return "".join(
            html.of_function(
                f"{type(self).__name__}.{name}",
                type_relations.layout_of(part.type_signature),
                f"tff.explain(process.{name}) shows what the server and the clients do.",
            )
            for name, part in parts.items()
        )


def check_computation(label: str, candidate: object) -> None:
    """Checks that a part of a process is a computation.

    Args:
      label: the name of the argument.
      candidate: what was given for it.

    Raises:
      TemplateNotComputationError: if it is none.
    """
    if not isinstance(candidate, computations.Computation):
        raise errors.TemplateNotComputationError(
            f"`{label}` must be a computation.",
            problems=[f"{label}: got {core_errors.describe_object(candidate)}"],
            fix="decorate the function, and give the types of its parameters: "
            "`@tff.federated_computation(type, ...)` or `@tff.tensorflow.computation(type, ...)`.",
        )


def _taken_state_type(
    initial: Type, next_fn: computations.Computation, is_multi_arg: bool | None
) -> Type:
    """The type of the state that `next_fn` takes."""
    next_type = next_fn.type_signature
    parameter = next_type.parameter
    if parameter is None:
        raise errors.TemplateNextFnNumArgsError(
            "`next_fn` must take the state.",
            problems=["parameter: got none"],
            signature=next_type,
            fix=f"declare a parameter of the type {initial}.",
        )
    first = parameter[0] if isinstance(parameter, StructType) and len(parameter) else None
    if is_multi_arg and first is None:
        raise errors.TemplateNextFnNumArgsError(
            "`next_fn` must take the state as the first of its arguments.",
            problems=[f"parameter: expected a structure of one or more elements, got {parameter}"],
            signature=next_type,
            fix="declare the types of all parameters of `next_fn`, that of the state first.",
        )
    candidates = {
        None: [parameter, first],
        True: [first],
        False: [parameter],
    }[is_multi_arg]
    for candidate in candidates:
        if candidate is not None and candidate.is_assignable_from(initial):
            return candidate
    taken = first if is_multi_arg is not False and first is not None else parameter
    raise errors.TemplateStateNotAssignableError(
        "`next_fn` must take the state that `initialize_fn` gives.",
        problems=[f"state: `initialize_fn` gives {initial}, `next_fn` takes {taken}"],
        signature=next_type,
        fix=f"declare the first parameter of `next_fn` as {initial}.",
    )


def _check_returned_state(state_type: Type, next_fn: computations.Computation) -> None:
    result = next_fn.type_signature.result
    returned = [result]
    if isinstance(result, StructType) and len(result):
        returned.append(result[0])
    if not any(state_type.is_assignable_from(each) for each in returned):
        raise errors.TemplateStateNotAssignableError(
            "`next_fn` must return a state that it can take again.",
            problems=[f"state: `next_fn` takes {state_type}, and returns {returned[-1]}"],
            signature=next_fn.type_signature,
            fix="return the next state, alone or first, in the type of the state.",
        )
