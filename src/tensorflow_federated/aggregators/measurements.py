"""Measurements that are added to those of an aggregator."""

from __future__ import annotations

import collections
import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from tensorflow_federated.aggregators import factory
from tensorflow_federated.core import errors, intrinsics, tracing
from tensorflow_federated.core.types import FederatedType, StructType, Type
from tensorflow_federated.templates import aggregation_process, measured_process

_Factory = TypeVar("_Factory", bound=factory.AggregationFactory)
MeasurementFn = Callable[..., Any]
"""Gives values at the server, by name."""


@errors.boundary
def add_measurements(
    inner_agg_factory: _Factory,
    *,
    client_measurement_fn: MeasurementFn | None = None,
    server_measurement_fn: MeasurementFn | None = None,
) -> _Factory:
    """Adds measurements to those of an aggregator.

    State and result are those of the inner aggregator. Measurements: its own, by name, then those
    of the clients and those of the server; of two with one name the later one is kept.

    Args:
      inner_agg_factory: the aggregator.
      client_measurement_fn: a function of the clients' values and, if the aggregator has weights,
        of the weights, both at the clients, to an ordered dict of values at the server. It
        aggregates them itself, by `tff.federated_sum` for example.
      server_measurement_fn: a function of the result at the server, to such a dict.

    Returns:
      An aggregator, with weights if the inner one has them.

    Raises:
      TypeMismatchError: if the first argument is no aggregator.
      AggregatorError: if there is no function, or one takes another number of arguments.

    Examples:
      >>> import collections
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> factory = tff.aggregators.add_measurements(
      ...     tff.aggregators.SumFactory(),
      ...     client_measurement_fn=lambda value: collections.OrderedDict(
      ...         largest=tff.federated_max(value)
      ...     ),
      ... )
      >>> process = factory.create(tff.to_type(np.float32))
      >>> process.next(process.initialize(), [1.0, 4.0]).measurements
      OrderedDict([('largest', np.float32(4.0))])
    """
    factory.check_any(inner_agg_factory, "inner_agg_factory")
    is_weighted = isinstance(inner_agg_factory, factory.WeightedAggregationFactory)
    if client_measurement_fn is None and server_measurement_fn is None:
        raise errors.AggregatorError(
            "there is nothing to measure.",
            problems=["client_measurement_fn: got None", "server_measurement_fn: got None"],
            fix="give one of the functions, or both.",
        )
    _check_arity(client_measurement_fn, "client_measurement_fn", 1 + is_weighted)
    _check_arity(server_measurement_fn, "server_measurement_fn", 1)

    def create(value_type: Type, *weight_type: Type) -> aggregation_process.AggregationProcess:
        inner: Any = inner_agg_factory.create(value_type, *weight_type)

        def next_fn(state: Any, *values: Any) -> Any:
            output: Any = inner.next(state, *values)
            measured = _named(output.measurements)
            if client_measurement_fn is not None:
                measured.update(_named(client_measurement_fn(*values)))
            if server_measurement_fn is not None:
                measured.update(_named(server_measurement_fn(output.result)))
            return measured_process.MeasuredProcessOutput(
                output.state, output.result, intrinsics.federated_zip(measured)
            )

        return aggregation_process.AggregationProcess(
            inner.initialize,
            factory.trace_next(
                next_fn,
                inner.initialize.type_signature.result,
                factory.check_value_type(value_type),
                *[factory.check_value_type(each, "weight_type") for each in weight_type],
            ),
        )

    made: Any = factory.like(inner_agg_factory, create)
    return made


def _named(measurements: Any) -> collections.OrderedDict[str, Any]:
    """Measurements by name; one without a name has its position for it."""
    if not isinstance(measurements, tracing.Value):
        return collections.OrderedDict(measurements)
    member: Any = measurements.type_signature
    member = member.member if isinstance(member, FederatedType) else member
    if not isinstance(member, StructType):
        return collections.OrderedDict(inner=measurements)
    return collections.OrderedDict(
        (name or str(index), measurements[index]) for index, (name, _) in enumerate(member.items())
    )


def _check_arity(fn: MeasurementFn | None, label: str, expected: int) -> None:
    if fn is None:
        return
    try:
        inspect.signature(fn).bind(*[None] * expected)
    except TypeError as error:
        raise errors.AggregatorError(
            f"`{label}` takes another number of arguments.",
            problems=[f"{label}: expected {expected}, got {inspect.signature(fn)}"],
            fix="it takes the clients' values, and with an aggregator with weights these too."
            if label.startswith("client")
            else "it takes the result of the aggregation.",
        ) from error
