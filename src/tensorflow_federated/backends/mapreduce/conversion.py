"""From computations to forms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tensorflow_federated.backends.mapreduce import errors, map_reduce_parts
from tensorflow_federated.backends.mapreduce.broadcast_form import BroadcastForm
from tensorflow_federated.backends.mapreduce.distribute_aggregate_form import (
    DistributeAggregateForm,
)
from tensorflow_federated.backends.mapreduce.map_reduce_form import MapReduceForm
from tensorflow_federated.compiler import local_parts, normal_forms, phases, random_keys, rounds
from tensorflow_federated.core import errors as core_errors
from tensorflow_federated.core import ir, placements
from tensorflow_federated.core.computations import ConcreteComputation
from tensorflow_federated.core.placements import PlacementLiteral
from tensorflow_federated.core.types import FederatedType, FunctionType, StructType, Type

BuildingBlockFn = Callable[[Any], Any]
"""Turns a program into another of the same type."""


@core_errors.boundary
def check_computation_compatible_with_map_reduce_form(
    comp: ConcreteComputation, *, tff_internal_preprocessing: BuildingBlockFn | None = None
) -> ir.Lambda:
    """Checks that a `MapReduceForm` can be made of a computation.

    It can if the computation

    - is of the type ``(<S@SERVER,{D}@CLIENTS> -> <S@SERVER,X@SERVER>)``, where the second S can be
      assigned to the first;
    - is one round: nothing that comes from the clients is sent to them;
    - aggregates with sums, means, extremes, `federated_aggregate` and the three secure sums only.

    Args:
      comp: the computation.
      tff_internal_preprocessing: changes the program before it is checked; None leaves it.

    Returns:
      The program that the form is made of: each call has a name; means are written as sums,
      extremes as folds, and selections as broadcasts.

    Raises:
      FormPartError: if `comp` is no computation.
      FormSignatureError: if it has another type.
      CommunicationError: if it is more than one round, aggregates otherwise, or would draw one
        random key of the server twice.

    Examples:
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> @tff.federated_computation(
      ...     tff.FederatedType(np.int32, tff.SERVER), tff.FederatedType(np.int32, tff.CLIENTS)
      ... )
      ... def total(state, values):
      ...     return state, tff.federated_sum(values)
      >>> print(tff.backends.mapreduce.check_computation_compatible_with_map_reduce_form(total))
      (arg -> (let v=federated_sum(arg.values) in <arg.state,v>))
    """
    node = _program("MapReduceForm", comp, tff_internal_preprocessing)
    _check_map_reduce_signature(node.type_signature)
    simple = normal_forms.without_selections(normal_forms.to_simple(node))
    phases.Phases(simple)
    program = normal_forms.with_accumulators(simple)
    map_reduce_parts.check_aggregations(program)
    return program


@core_errors.boundary
def get_map_reduce_form_for_computation(
    comp: ConcreteComputation,
    grappler_config: Any = None,
    *,
    tff_internal_preprocessing: BuildingBlockFn | None = None,
) -> MapReduceForm:
    """Makes a `MapReduceForm` of a computation.

    What the server computes both for the clients and for its result is computed in `prepare` and
    again in `update`: a `MapReduceForm` keeps nothing in between. So the two should agree: a
    random number that is drawn there is another one each time, and a random key of the server is
    refused. A `DistributeAggregateForm` keeps it.

    Args:
      comp: a computation that `check_computation_compatible_with_map_reduce_form` lets pass.
      grappler_config: has no effect: each back end makes its graphs as it sees fit.
      tff_internal_preprocessing: changes the program first; None leaves it.

    Returns:
      The form.

    Raises:
      FormPartError: if `comp` is no computation.
      FormSignatureError: if it has another type than a round.
      CommunicationError: if it is more than one round, or aggregates otherwise.

    Examples:
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> @tff.federated_computation(
      ...     tff.FederatedType(np.int32, tff.SERVER), tff.FederatedType(np.float32, tff.CLIENTS)
      ... )
      ... def average(state, values):
      ...     return state, tff.federated_mean(values)
      >>> form = tff.backends.mapreduce.get_map_reduce_form_for_computation(average)
      >>> print(form.accumulate.type_signature)
      (<<<float32,int32>>,<<float32,int32>>> -> <<float32,int32>>)
      >>> form.update(0, ((np.float32(6), np.int32(4)),))
      Traceback (most recent call last):
        ...
      tensorflow_federated.core.errors.types.TypeMismatchError: ...
      >>> form.update(0, ((((np.float32(6), np.int32(4)),), (), (), ())))
      (np.int32(0), np.float32(1.5))

    Differs from TFF: a mean without weights counts the clients in int32; sequences are allowed.
    """
    del grappler_config
    program = check_computation_compatible_with_map_reduce_form(
        comp, tff_internal_preprocessing=tff_internal_preprocessing
    )
    declared = comp.type_signature
    parts = map_reduce_parts.Parts(program, declared)
    prepare, update = parts.prepare(), parts.update()
    random_keys.check_drawn_once(
        (prepare, update),
        random_keys.count_server_draws(program),
        "what `prepare` computes, and `update` again",
    )
    bitwidth, max_input, modulus = (
        parts.secure_parameter(uri) for uri in map_reduce_parts.SECURE_SUMS
    )
    return MapReduceForm(
        declared,
        prepare=ConcreteComputation(prepare, "prepare"),
        work=ConcreteComputation(parts.work(), "work"),
        zero=ConcreteComputation(parts.zero(), "zero"),
        accumulate=ConcreteComputation(parts.accumulate(), "accumulate"),
        merge=ConcreteComputation(parts.merge(), "merge"),
        report=ConcreteComputation(parts.report(), "report"),
        secure_sum_bitwidth=ConcreteComputation(bitwidth, "secure_sum_bitwidth"),
        secure_sum_max_input=ConcreteComputation(max_input, "secure_sum_max_input"),
        secure_modular_sum_modulus=ConcreteComputation(modulus, "secure_modular_sum_modulus"),
        update=ConcreteComputation(update, "update"),
    )


@core_errors.boundary
def get_distribute_aggregate_form_for_computation(
    comp: ConcreteComputation, *, tff_internal_preprocessing: BuildingBlockFn | None = None
) -> DistributeAggregateForm:
    """Makes a `DistributeAggregateForm` of a computation.

    Args:
      comp: a computation of the type ``(<S,D> -> <S,X>)``, with S and X at the server or without
        placement, and D at the clients, which is one round: nothing that comes from the clients is
        sent to them.
      tff_internal_preprocessing: changes the program first; None leaves it.

    Returns:
      The form. Its aggregations are those of the computation, means and secure sums included.

    Raises:
      FormPartError: if `comp` is no computation.
      FormSignatureError: if it has another type.
      CommunicationError: if it is more than one round.

    Examples:
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> @tff.federated_computation(
      ...     tff.FederatedType(np.int32, tff.SERVER), tff.FederatedType(np.int32, tff.CLIENTS)
      ... )
      ... def total(state, values):
      ...     return state, tff.federated_sum(values)
      >>> form = tff.backends.mapreduce.get_distribute_aggregate_form_for_computation(total)
      >>> print(form.server_result.type_signature)
      (<<int32@SERVER>,<int32@SERVER>> -> <int32@SERVER,int32@SERVER>)
    """
    node = _program("DistributeAggregateForm", comp, tff_internal_preprocessing)
    _check_distribute_aggregate_signature(node.type_signature)
    cut = rounds.cut_round(normal_forms.without_selections(normal_forms.to_simple(node)))
    return DistributeAggregateForm(
        comp.type_signature,
        server_prepare=ConcreteComputation(cut.prepare, "server_prepare"),
        server_to_client_broadcast=ConcreteComputation(cut.broadcast, "server_to_client_broadcast"),
        client_work=ConcreteComputation(cut.work, "client_work"),
        client_to_server_aggregation=ConcreteComputation(
            cut.aggregate, "client_to_server_aggregation"
        ),
        server_result=ConcreteComputation(cut.finish, "server_result"),
    )


@core_errors.boundary
def get_broadcast_form_for_computation(
    comp: ConcreteComputation,
    grappler_config: Any = None,
    *,
    tff_internal_preprocessing: BuildingBlockFn | None = None,
) -> BroadcastForm:
    """Makes a `BroadcastForm` of a computation.

    Args:
      comp: a computation of the type ``(<S@SERVER,{D}@CLIENTS> -> {R}@CLIENTS)`` that aggregates
        nothing.
      grappler_config: has no effect: each back end makes its graphs as it sees fit.
      tff_internal_preprocessing: changes the program first; None leaves it.

    Returns:
      The form.

    Raises:
      FormPartError: if `comp` is no computation.
      FormSignatureError: if it has another type.
      CommunicationError: if it aggregates.

    Examples:
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> @tff.federated_computation(
      ...     tff.FederatedType(np.int32, tff.SERVER), tff.FederatedType(np.int32, tff.CLIENTS)
      ... )
      ... def pair(x, y):
      ...     return tff.federated_zip((tff.federated_broadcast(x), y))
      >>> tff.backends.mapreduce.get_broadcast_form_for_computation(pair).summary()
      compute_server_context: (int32 -> <int32>)
      client_processing     : (<<int32>,int32> -> <int32,int32>)
    """
    del grappler_config
    node = _program("BroadcastForm", comp, tff_internal_preprocessing)
    _check_broadcast_signature(node.type_signature)
    program = normal_forms.without_selections(normal_forms.to_simple(node))
    aggregations = [
        f"{call.function}: brings the clients' values to the server"
        for call in phases.aggregations(program).values()
    ]
    if aggregations:
        raise core_errors.CommunicationError(
            "a `BroadcastForm` cannot be made of a computation that aggregates.",
            problems=aggregations,
            signature=node.type_signature,
            fix="make a `MapReduceForm` of the part that aggregates, and send its result in a "
            "computation of its own.",
        )
    cut = rounds.cut_sending(program)
    labels = ir.element_names(_structure(comp.type_signature.parameter))
    return BroadcastForm(
        ConcreteComputation(local_parts.to_local(cut.prepare), "compute_server_context"),
        ConcreteComputation(local_parts.to_local(cut.work), "client_processing"),
        server_data_label=labels[0],
        client_data_label=labels[1],
    )


def _program(
    form: str, comp: object, preprocessing: BuildingBlockFn | None
) -> ir.Lambda | ir.Local:
    if not isinstance(comp, ConcreteComputation):
        raise errors.FormPartError(
            f"a `{form}` is made of a computation.",
            problems=[f"comp: got {core_errors.describe_object(comp)}"],
            fix="decorate the function, and give the types of its parameters.",
        )
    node = comp.to_building_block()
    return node if preprocessing is None else preprocessing(node)


def _check_map_reduce_signature(function_type: FunctionType) -> None:
    problems: list[str] = []
    parameter, result = _pair(function_type.parameter), _pair(function_type.result)
    if parameter is None or not (
        _is_one_value(parameter[0], placements.SERVER)
        and _is_one_value(parameter[1], placements.CLIENTS)
    ):
        problems.append(
            f"parameter: expected <S@SERVER,{{D}}@CLIENTS>, got {function_type.parameter}"
        )
    if result is None or not (
        _is_one_value(result[0], placements.SERVER) and _is_all_at(result[1], placements.SERVER)
    ):
        problems.append(f"result: expected <S@SERVER,X@SERVER>, got {function_type.result}")
    _raise_signature("MapReduceForm", function_type, problems)
    _check_state("MapReduceForm", function_type)


def _check_distribute_aggregate_signature(function_type: FunctionType) -> None:
    problems: list[str] = []
    parameter, result = _pair(function_type.parameter), _pair(function_type.result)
    if (
        parameter is None
        or phases.is_at(parameter[0], placements.CLIENTS)
        or not _is_all_at(parameter[1], placements.CLIENTS)
    ):
        problems.append(
            "parameter: expected <S,D> with S at SERVER and D at CLIENTS, "
            f"got {function_type.parameter}"
        )
    if result is None or phases.is_at(function_type.result, placements.CLIENTS):
        problems.append(f"result: expected <S,X> at SERVER, got {function_type.result}")
    _raise_signature("DistributeAggregateForm", function_type, problems)
    _check_state("DistributeAggregateForm", function_type)


def _check_broadcast_signature(function_type: FunctionType) -> None:
    problems: list[str] = []
    parameter = _pair(function_type.parameter)
    if parameter is None or not (
        _is_one_value(parameter[0], placements.SERVER)
        and _is_one_value(parameter[1], placements.CLIENTS)
    ):
        problems.append(
            f"parameter: expected <S@SERVER,{{D}}@CLIENTS>, got {function_type.parameter}"
        )
    if not _is_one_value(function_type.result, placements.CLIENTS):
        problems.append(f"result: expected {{R}}@CLIENTS, got {function_type.result}")
    fix = "take the server's data and the clients' data, and return one value at the clients."
    _raise_signature("BroadcastForm", function_type, problems, fix)


def _check_state(form: str, function_type: FunctionType) -> None:
    """Raises an error if the state of the next round is not one that a round takes."""
    parameter, result = _structure(function_type.parameter), _structure(function_type.result)
    problems = parameter[0].differences(result[0], path="result[0]")
    fix = "return a state that the next round can take."
    _raise_signature(form, function_type, problems, fix)


def _raise_signature(
    form: str, function_type: FunctionType, problems: list[str], fix: str | None = None
) -> None:
    if problems:
        raise errors.FormSignatureError(
            f"a `{form}` cannot be made of a computation of this type.",
            problems=problems,
            signature=function_type,
            fix=fix
            or "take and return two values each, the state first; `tff.federated_zip` makes one of "
            "several.",
        )


def _pair(type_signature: Type | None) -> StructType | None:
    """The type, if it is a structure of two."""
    if isinstance(type_signature, StructType) and len(type_signature) == 2:
        return type_signature
    return None


def _structure(type_signature: Type | None) -> StructType:
    assert isinstance(type_signature, StructType)
    return type_signature


def _is_one_value(type_signature: Type, placement: PlacementLiteral) -> bool:
    return isinstance(type_signature, FederatedType) and type_signature.placement is placement


def _is_all_at(type_signature: Type, placement: PlacementLiteral) -> bool:
    """Whether a type is made of values at one place, and of structures."""
    if isinstance(type_signature, StructType):
        return all(_is_all_at(element, placement) for _, element in type_signature.items())
    return _is_one_value(type_signature, placement)
