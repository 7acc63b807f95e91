"""Local programs of federated ones: the work of the server, of a client, of a first state."""

from __future__ import annotations

from typing import Any

from tensorflow_federated.backends.mapreduce import errors, part_checks
from tensorflow_federated.compiler import local_parts
from tensorflow_federated.core import arguments, ir, placements
from tensorflow_federated.core import errors as core_errors
from tensorflow_federated.core.computations import ConcreteComputation
from tensorflow_federated.core.types import FederatedType, FunctionType


@core_errors.boundary
def consolidate_and_extract_local_processing(
    comp: ir.Node, grappler_config_proto: Any
) -> ir.Lambda:
    """Makes a program without placement of one that stays at one place.

    Type: a program of the type ``(T@P -> U@P)`` gives one of the type ``(T -> U)``, and
    ``( -> U@P)`` gives ``( -> U)``.

    Args:
      comp: the program, as `to_building_block()` of a computation gives it.
      grappler_config_proto: has no effect: each back end makes its graphs as it sees fit.

    Returns:
      The program: calls of local computations, one after the other. `tff.framework` can make a
      computation of it.

    Raises:
      FormPartError: if `comp` is no program of a function.
      PlacementError: if its parameter and its result are at two places.
      CommunicationError: if it sends or aggregates.

    Examples:
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> @tff.federated_computation(tff.FederatedType(np.int32, tff.SERVER))
      ... def pair(x):
      ...     return tff.federated_zip((x, x))
      >>> local = tff.backends.mapreduce.consolidate_and_extract_local_processing(
      ...     pair.to_building_block(), None
      ... )
      >>> print(local.type_signature)
      (int32 -> <int32,int32>)

    Differs from TFF: the result can hold computations of several back ends, and operations on
    sequences.
    """
    del grappler_config_proto
    _check_function(comp)
    return local_parts.to_local(comp)


@core_errors.boundary
def parse_tff_to_tf(comp: ir.Node, grappler_config_proto: Any) -> ir.Lambda:
    """Makes a program of calls of local computations of one without placement.

    Args:
      comp: a program of a function, as `to_building_block()` of a computation gives it.
      grappler_config_proto: has no effect: each back end makes its graphs as it sees fit.

    Returns:
      The program: functions that it defines are gone, and what its result does not need.

    Raises:
      FormPartError: if `comp` is no program of a function, or has a placement in it.

    Examples:
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> @tff.jax.computation(np.int32)
      ... def square(x):
      ...     return x * x
      >>> @tff.federated_computation(np.int32)
      ... def fourth_power(x):
      ...     return square(square(x))
      >>> print(tff.backends.mapreduce.parse_tff_to_tf(fourth_power.to_building_block(), None))
      (arg -> (let v=comp#square(arg),v_1=comp#square(v) in v_1))

    Differs from TFF: the name tells of TensorFlow, and the result is a program of local
    computations of any back end, which the engine makes one step of where it can.
    """
    del grappler_config_proto
    _check_function(comp)
    part_checks.check_local("a program to be parsed has no placement.", {"comp": comp})
    return local_parts.to_local(comp)


@core_errors.boundary
def get_state_initialization_computation(
    initialize_computation: ConcreteComputation, grappler_config: Any = None
) -> ConcreteComputation:
    """Makes a local computation of the one that gives a first state.

    Type: ``( -> S@SERVER)`` gives ``( -> S)``.

    Args:
      initialize_computation: gives the first state, at the server.
      grappler_config: has no effect: each back end makes its graphs as it sees fit.

    Returns:
      The computation without placement.

    Raises:
      FormSignatureError: if the computation takes an argument, or does not return one value at the
        server.
      CommunicationError: if it aggregates.

    Examples:
      >>> import tensorflow_federated as tff
      >>> @tff.federated_computation
      ... def initialize():
      ...     return tff.federated_value(7, tff.SERVER)
      >>> local = tff.backends.mapreduce.get_state_initialization_computation(initialize)
      >>> print(local.type_signature)
      ( -> int32)
      >>> local()
      np.int32(7)
    """
    del grappler_config
    arguments.check_instance(
        "initialize_computation",
        initialize_computation,
        ConcreteComputation,
        "a first state is made by a computation.",
        fix="decorate the function.",
        error=errors.FormPartError,
    )
    function_type = initialize_computation.type_signature
    problems: list[str] = []
    if function_type.parameter is not None:
        problems.append(f"parameter: expected none, got {function_type.parameter}")
    result = function_type.result
    if not isinstance(result, FederatedType) or result.placement is not placements.SERVER:
        problems.append(f"result: expected S@SERVER, got {result}")
    if problems:
        raise errors.FormSignatureError(
            "a first state cannot be made by a computation of this type.",
            problems=problems,
            signature=function_type,
            fix="take no argument, and return one value at the server: `tff.federated_zip` makes "
            "one of several.",
        )
    local = local_parts.to_local(initialize_computation.to_building_block())
    return ConcreteComputation(local, initialize_computation.__name__)


def _check_function(comp: object) -> None:
    if not isinstance(comp, ir.Node) or not isinstance(comp.type_signature, FunctionType):
        raise errors.FormPartError(
            "a local program is made of the program of a function.",
            problems=[f"comp: got {core_errors.describe_object(comp)}"],
            fix="give `computation.to_building_block()`.",
        )
