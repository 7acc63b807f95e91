"""From forms back to computations."""

from __future__ import annotations

from collections.abc import Callable

from tensorflow_federated.backends.mapreduce import errors
from tensorflow_federated.backends.mapreduce.broadcast_form import BroadcastForm
from tensorflow_federated.backends.mapreduce.distribute_aggregate_form import (
    DistributeAggregateForm,
)
from tensorflow_federated.backends.mapreduce.map_reduce_form import MapReduceForm
from tensorflow_federated.compiler import result_types
from tensorflow_federated.core import arguments, intrinsics, ir, placements, structure, tracing
from tensorflow_federated.core import errors as core_errors
from tensorflow_federated.core.computations import ConcreteComputation
from tensorflow_federated.core.tracing import Value
from tensorflow_federated.core.types import FederatedType, FunctionType, StructType, Type


@core_errors.boundary
def get_computation_for_broadcast_form(bf: BroadcastForm) -> ConcreteComputation:
    """Makes the computation of a `BroadcastForm`.

    Type: ``(<S@SERVER,{D}@CLIENTS> -> {R}@CLIENTS)``

    Args:
      bf: the form.

    Returns:
      The computation.

    Raises:
      FormPartError: if `bf` is no `BroadcastForm`.

    Examples:
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> form = tff.backends.mapreduce.BroadcastForm(
      ...     tff.jax.computation(lambda x: 2 * x, np.int32),
      ...     tff.jax.computation(lambda context, y: context + y, np.int32, np.int32),
      ... )
      >>> add_twice = tff.backends.mapreduce.get_computation_for_broadcast_form(form)
      >>> print(add_twice.type_signature)
      (<int32@SERVER,{int32}@CLIENTS> -> {int32}@CLIENTS)
      >>> add_twice(10, [1, 2])
      [np.int32(21), np.int32(22)]
    """
    _check_form(bf, BroadcastForm)
    server_type = bf.compute_server_context.type_signature.parameter
    processing_type = bf.client_processing.type_signature.parameter
    assert isinstance(processing_type, StructType)
    parameter_type = StructType(
        [
            (bf.server_data_label, FederatedType(server_type, placements.SERVER)),
            (bf.client_data_label, FederatedType(processing_type[1], placements.CLIENTS)),
        ]
    )

    def compute(argument: Value) -> Value:
        context = intrinsics.federated_map(bf.compute_server_context, argument[0])
        received = intrinsics.federated_broadcast(context)
        return intrinsics.federated_map(bf.client_processing, (received, argument[1]))

    return tracing.federated_computation(compute, parameter_type)


@core_errors.boundary
def get_computation_for_distribute_aggregate_form(
    daf: DistributeAggregateForm,
) -> ConcreteComputation:
    """Makes the computation of a `DistributeAggregateForm`.

    Args:
      daf: the form.

    Returns:
      The computation, of the type `daf.type_signature`.

    Raises:
      FormPartError: if `daf` is no `DistributeAggregateForm`.

    Examples:
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> @tff.federated_computation(
      ...     tff.FederatedType(np.int32, tff.SERVER), tff.FederatedType(np.int32, tff.CLIENTS)
      ... )
      ... def total(state, values):
      ...     return state, tff.federated_sum(values)
      >>> form = tff.backends.mapreduce.get_distribute_aggregate_form_for_computation(total)
      >>> again = tff.backends.mapreduce.get_computation_for_distribute_aggregate_form(form)
      >>> again(7, [1, 2])
      (np.int32(7), np.int32(3))
    """
    _check_form(daf, DistributeAggregateForm)

    def compute(argument: Value) -> Value:
        prepared = daf.server_prepare(argument[0])
        received = daf.server_to_client_broadcast(prepared[0])
        updates = daf.client_work(argument[1], received)
        totals = daf.client_to_server_aggregation(prepared[1], updates)
        return daf.server_result(prepared[1], totals)

    return _traced(compute, daf.type_signature)


@core_errors.boundary
def get_computation_for_map_reduce_form(mrf: MapReduceForm) -> ConcreteComputation:
    """Makes the computation of a `MapReduceForm`.

    Args:
      mrf: the form.

    Returns:
      The computation, of the type `mrf.type_signature`.

    Raises:
      FormPartError: if `mrf` is no `MapReduceForm`.

    Examples:
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> @tff.federated_computation(
      ...     tff.FederatedType(np.int32, tff.SERVER), tff.FederatedType(np.int32, tff.CLIENTS)
      ... )
      ... def total(state, values):
      ...     return state, tff.federated_sum(values)
      >>> form = tff.backends.mapreduce.get_map_reduce_form_for_computation(total)
      >>> again = tff.backends.mapreduce.get_computation_for_map_reduce_form(form)
      >>> again(7, [1, 2])
      (np.int32(7), np.int32(3))

    Differs from TFF: the names of the result, and its structure, are kept.
    """
    _check_form(mrf, MapReduceForm)
    result_type = mrf.type_signature.result

    def compute(argument: Value) -> Value:
        state, data = argument[0], argument[1]
        context = intrinsics.federated_map(mrf.prepare, state)
        received = intrinsics.federated_broadcast(context)
        updates = intrinsics.federated_map(mrf.work, (data, received))
        total = intrinsics.federated_aggregate(
            updates[0], mrf.zero(), mrf.accumulate, mrf.merge, mrf.report
        )
        totals = [
            total,
            _summed(intrinsics.federated_secure_sum_bitwidth, updates[1], mrf.secure_sum_bitwidth),
            _summed(intrinsics.federated_secure_sum, updates[2], mrf.secure_sum_max_input),
            _summed(
                intrinsics.federated_secure_modular_sum,
                updates[3],
                mrf.secure_modular_sum_modulus,
            ),
        ]
        updated = intrinsics.federated_map(mrf.update, (state, tuple(totals)))
        return _apart(updated, result_type)

    return _traced(compute, mrf.type_signature)


def _summed(
    secure_sum: Callable[[Value, Value], Value], values: Value, parameter: ConcreteComputation
) -> Value:
    """The secure sums of the elements of a structure, each with its own parameter."""
    if not len(values):
        empty: structure.Struct[object] = structure.Struct([])
        return intrinsics.federated_value(empty, placements.SERVER)
    parameters = tracing.to_value(parameter())
    sums = [secure_sum(values[index], parameters[index]) for index in range(len(values))]
    return intrinsics.federated_zip(tuple(sums))


def _apart(value: Value, declared: Type) -> Value:
    """A value at the server as a structure of values there, as far as the type is one."""
    if isinstance(declared, StructType):
        elements = [
            _apart(value[index], element) for index, (_, element) in enumerate(declared.items())
        ]
        return tracing.to_value(structure.Struct([(None, element) for element in elements]))
    return value


def _traced(compute: Callable[[Value], Value], declared: FunctionType) -> ConcreteComputation:
    """The computation that a function traces, of the type that is declared."""
    traced = tracing.federated_computation(compute, declared.parameter)
    assert isinstance(traced.node, ir.Lambda)
    node = result_types.with_result_type(traced.node, declared.result)
    return ConcreteComputation(node, "round")


def _check_form(form: object, cls: type) -> None:
    arguments.check_instance(
        "form",
        form,
        cls,
        f"this is made of a `{cls.__name__}`.",
        fix=f"give a `tff.backends.mapreduce.{cls.__name__}`.",
        error=errors.FormPartError,
    )
