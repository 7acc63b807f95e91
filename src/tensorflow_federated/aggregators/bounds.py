"""Estimation processes that give an aggregator a number, such as a norm or a bound."""

from __future__ import annotations

from typing import Any

import numpy as np

from tensorflow_federated.core import dtypes, errors, intrinsics, placements, tracing
from tensorflow_federated.core.types import FederatedType, StructType, TensorType
from tensorflow_federated.templates import estimation_process

NORM_TYPE = TensorType(np.float32)


def constant_process(number: float) -> estimation_process.EstimationProcess:
    """A process without state that always reports one float32 number."""
    state_type = FederatedType((), placements.SERVER)

    def initialize_fn() -> tracing.Value:
        return intrinsics.federated_value((), placements.SERVER)

    def next_fn(state: tracing.Value, value: tracing.Value) -> tracing.Value:
        del value
        return state

    def report_fn(state: tracing.Value) -> tracing.Value:
        del state
        return intrinsics.federated_value(np.float32(number), placements.SERVER)

    return estimation_process.EstimationProcess(
        tracing.federated_computation(initialize_fn),
        tracing.federated_computation(
            next_fn, state_type, FederatedType(NORM_TYPE, placements.CLIENTS)
        ),
        tracing.federated_computation(report_fn, state_type),
    )


def check_process(
    process: estimation_process.EstimationProcess, label: str, reported: TensorType | None
) -> None:
    """Checks that a process takes one number of each client and reports one at the server.

    Args:
      process: the process.
      label: the name of the argument, for messages.
      reported: the type of what it has to report; None for any floating number.

    Raises:
      TypeMismatchError: if it does something else.
    """
    problems: list[str] = []
    taken, given = process.next.type_signature.parameter, process.next.type_signature.result
    at_clients = FederatedType(NORM_TYPE, placements.CLIENTS)
    if not isinstance(taken, StructType) or len(taken) != 2:
        problems.append(f"{label}.next: expected two arguments, a state and a number, got {taken}")
    elif not taken[1].is_assignable_from(at_clients):
        problems.append(f"{label}.next: expected a second argument {at_clients}, got {taken[1]}")
    if not process.state_type.is_assignable_from(given):
        problems.append(f"{label}.next: expected the state as the result, got {given}")
    report: Any = process.report.type_signature.result
    is_number = (
        isinstance(report, FederatedType)
        and report.placement is placements.SERVER
        and isinstance(report.member, TensorType)
        and report.member.shape == ()
        and dtypes.is_floating(report.member.dtype)
    )
    if not is_number or (reported is not None and not reported.is_assignable_from(report.member)):
        wanted = "a floating number" if reported is None else str(reported)
        problems.append(f"{label}.report: expected {wanted} at SERVER, got {report}")
    if problems:
        raise errors.TypeMismatchError(
            f"`{label}` cannot be used for an estimate.",
            problems=problems,
            signature=process.next.type_signature,
            fix="for example `tff.aggregators.PrivateQuantileEstimationProcess.no_noise(...)`.",
        )
