"""Processes that give a result and measurements besides their next state."""

from __future__ import annotations

import collections
from collections.abc import Mapping
from typing import Any

import attrs

from tensorflow_federated.core import (
    computations,
    containers,
    intrinsics,
    placements,
    tracing,
    types,
    value_tables,
)
from tensorflow_federated.core import errors as core_errors
from tensorflow_federated.core.types import FederatedType, StructType, Type
from tensorflow_federated.templates import errors, iterative_process


@attrs.frozen(eq=False, repr=False, slots=False)
class MeasuredProcessOutput:
    """What `next` of a measured process returns.

    Attributes:
      state: the next state.
      result: what the process is for.
      measurements: what it tells of this call: metrics, counts, norms.

    Examples:
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> process = tff.aggregators.SumFactory().create(tff.to_type(np.int32))
      >>> process.next(process.initialize(), [1, 2])
      MeasuredProcessOutput(state=(), result=np.int32(3), measurements=())
    """

    state: Any
    result: Any
    measurements: Any

    _repr_html_ = value_tables.to_html

    def __repr__(self) -> str:
        return value_tables.to_text(self)


containers.register_container("templates.MeasuredProcessOutput", MeasuredProcessOutput)


class MeasuredProcess(iterative_process.IterativeProcess):
    """An iterative process that returns a `MeasuredProcessOutput`.

    Type: ``initialize: ( -> S)``, ``next: (<S,...> -> <state=S,result=R,measurements=M>)``.

    Examples:
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> process = MeasuredProcess(
      ...     tff.jax.computation(lambda: np.int32(0)),
      ...     tff.jax.computation(
      ...         lambda calls, x: MeasuredProcessOutput(calls + 1, 2 * x, {"input": x}),
      ...         np.int32,
      ...         np.int32,
      ...     ),
      ... )
      >>> output = process.next(process.initialize(), 5)
      >>> int(output.state), int(output.result), int(output.measurements["input"])
      (1, 10, 5)
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
          initialize_fn: as for `IterativeProcess`.
          next_fn: as for `IterativeProcess`; returns a `MeasuredProcessOutput`.
          next_is_multi_arg: as for `IterativeProcess`.

        Raises:
          TemplateNotMeasuredProcessOutputError: if `next_fn` returns something else.
          TemplateError: where `IterativeProcess` raises one.
        """
        super().__init__(initialize_fn, next_fn, next_is_multi_arg)
        result = next_fn.type_signature.result
        if not _is_output(result):
            raise errors.TemplateNotMeasuredProcessOutputError(
                "`next_fn` of a measured process must return a `MeasuredProcessOutput`.",
                problems=[f"result: got {_described(result)}"],
                signature=next_fn.type_signature,
                fix="return tff.templates.MeasuredProcessOutput(state, result, measurements).",
            )


def _is_output(result: Type) -> bool:
    return isinstance(result, StructType) and result.python_container is MeasuredProcessOutput


def _described(result: Type) -> str:
    container = result.python_container if isinstance(result, StructType) else None
    return str(result) if container is None else f"{result} as a `{container.__name__}`"


@core_errors.boundary
def chain_measured_processes(
    measured_processes: Mapping[str, MeasuredProcess],
) -> MeasuredProcess:
    """Passes a value through several processes, one after the other.

    Type: ``(<state=<a=S,b=T>@SERVER,values=V> -> <state=<a=S,b=T>@SERVER,result=R,
    measurements=<a=M,b=N>@SERVER>)``: the result of each process is the value of the next one.

    Args:
      measured_processes: the processes by name, in order; each of the type
        ``(<S@SERVER,V> -> <state=S@SERVER,result=R,measurements=M@SERVER>)``.

    Returns:
      One process, whose state and measurements have the names of the processes.

    Raises:
      TemplateError: if there is no process, one has no state at the server, or does not take the
        result of the one before it.

    Examples:
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> broadcast = tff.learning.templates.build_broadcast_process(tff.to_type(np.int32))
      >>> total = tff.aggregators.SumFactory().create(tff.to_type(np.int32))
      >>> chained = chain_measured_processes({"send": broadcast, "total": total})
      >>> print(chained.next.type_signature.result["result"])
      int32@SERVER
    """
    _check_composable(measured_processes)
    first = next(iter(measured_processes.values()))
    value_type = _value_type(first)
    for (name, process), (previous_name, previous) in zip(
        list(measured_processes.items())[1:], measured_processes.items(), strict=False
    ):
        given = _result_type(previous)
        if not _value_type(process).is_assignable_from(given):
            raise errors.TemplateError(
                "each process must take the result of the one before it.",
                problems=[
                    f"{name}: expected {given}, the result of `{previous_name}`, "
                    f"takes {_value_type(process)}"
                ],
                fix="put a process between them that turns the one into the other.",
            )

    def next_fn(state: tracing.Value, values: tracing.Value) -> MeasuredProcessOutput:
        states: collections.OrderedDict[str, Any] = collections.OrderedDict()
        measurements: collections.OrderedDict[str, Any] = collections.OrderedDict()
        for name, process in measured_processes.items():
            output = process.next(state[name], values)
            states[name], measurements[name] = output.state, output.measurements
            values = output.result
        return MeasuredProcessOutput(
            intrinsics.federated_zip(states), values, intrinsics.federated_zip(measurements)
        )

    initialize_fn = _composed_initialization(measured_processes)
    state_type = _composed_state_type(measured_processes)
    return MeasuredProcess(
        initialize_fn, tracing.federated_computation(next_fn, state_type, value_type)
    )


@core_errors.boundary
def concatenate_measured_processes(
    measured_processes: Mapping[str, MeasuredProcess],
) -> MeasuredProcess:
    """Runs several processes side by side, each on its own value.

    Type: ``(<state=<a=S,b=T>@SERVER,values=<a=V,b=W>> -> <state=<a=S,b=T>@SERVER,
    result=<a=Q,b=R>,measurements=<a=M,b=N>@SERVER>)``.

    Args:
      measured_processes: the processes by name; each of the type
        ``(<S@SERVER,V> -> <state=S@SERVER,result=R,measurements=M@SERVER>)``.

    Returns:
      One process, whose state, values, results and measurements have the names of the processes.

    Raises:
      TemplateError: if there is no process, or one has no state at the server.

    Examples:
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> total = tff.aggregators.SumFactory().create(tff.to_type(np.int32))
      >>> both = concatenate_measured_processes({"a": total, "b": total})
      >>> both.next(both.initialize(), {"a": [1, 2], "b": [10, 20]}).result["b"]
      np.int32(30)
    """
    _check_composable(measured_processes)

    def next_fn(state: tracing.Value, values: tracing.Value) -> MeasuredProcessOutput:
        outputs = [
            (name, process.next(state[name], values[name]))
            for name, process in measured_processes.items()
        ]

        def gathered(part: str) -> collections.OrderedDict[str, Any]:
            return collections.OrderedDict((name, output[part]) for name, output in outputs)

        return MeasuredProcessOutput(
            intrinsics.federated_zip(gathered("state")),
            gathered("result"),
            intrinsics.federated_zip(gathered("measurements")),
        )

    values_type = types.to_type(
        collections.OrderedDict(
            (name, _value_type(process)) for name, process in measured_processes.items()
        )
    )
    initialize_fn = _composed_initialization(measured_processes)
    state_type = _composed_state_type(measured_processes)
    return MeasuredProcess(
        initialize_fn, tracing.federated_computation(next_fn, state_type, values_type)
    )


def _check_composable(measured_processes: Mapping[str, MeasuredProcess]) -> None:
    if not measured_processes:
        raise errors.TemplateError("there is no process to compose.", fix="give one or more.")
    problems: list[str] = []
    for name, process in measured_processes.items():
        state_type = process.state_type
        if not (
            isinstance(state_type, FederatedType) and state_type.placement is placements.SERVER
        ):
            problems.append(f"{name}: expected a state at SERVER, got {state_type}")
        parameter = process.next.type_signature.parameter
        if not isinstance(parameter, StructType) or len(parameter) != 2:
            problems.append(f"{name}: expected `next` of a state and a value, takes {parameter}")
    if problems:
        raise errors.TemplateError(
            "these processes cannot be composed.",
            problems=problems,
            signature="(<S@SERVER,V> -> <state=S@SERVER,result=R,measurements=M@SERVER>)",
            fix="build each process of federated computations of a state and a value.",
        )


def _value_type(process: MeasuredProcess) -> Type:
    parameter = process.next.type_signature.parameter
    assert isinstance(parameter, StructType)
    return parameter[1]


def _result_type(process: MeasuredProcess) -> Type:
    result = process.next.type_signature.result
    assert isinstance(result, StructType)
    return result[1]


def _composed_initialization(
    measured_processes: Mapping[str, MeasuredProcess],
) -> computations.Computation:
    def initialize_fn() -> tracing.Value:
        return intrinsics.federated_zip(
            collections.OrderedDict(
                (name, process.initialize()) for name, process in measured_processes.items()
            )
        )

    return tracing.federated_computation(initialize_fn)


def _composed_state_type(measured_processes: Mapping[str, MeasuredProcess]) -> FederatedType:
    members: collections.OrderedDict[str, Type] = collections.OrderedDict()
    for name, process in measured_processes.items():
        state_type = process.state_type
        assert isinstance(state_type, FederatedType)
        members[name] = state_type.member
    return FederatedType(types.to_type(members), placements.SERVER)
