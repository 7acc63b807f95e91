"""`@tff.jax.computation`: a Python function on JAX arrays becomes a local computation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tensorflow_federated.core import callsites, computations, containers, errors, ir
from tensorflow_federated.core.local_computations import LocalComputation
from tensorflow_federated.core.types import FunctionType, StructType, TensorType, Type, preorder
from tensorflow_federated.jax import application, arrays, precision, structures


def trace(fn: Callable[..., Any], parameter_type: Type | None, unpack: bool, name: str) -> ir.Local:
    """Traces a function on JAX arrays; the tracer of `tff.jax.computation`."""
    where = callsites.line_of(fn)
    if parameter_type is not None:
        _check_parameter(parameter_type, name, where)
    uses_64_bits = precision.has_64_bits() or precision.asks_for_64_bits(parameter_type)
    function = application.JaxFunction(of_one_argument(fn, unpack), uses_64_bits)
    reading = structures.Reading(arrays.jax_number_dtype, structures.key_orders(parameter_type))
    traced = application.TracedFunction(function, parameter_type, name, where, reading)
    return ir.Local(LocalComputation("jax", function, traced.infer_type(), name))


def step(
    fn: Callable[[Any, Any], Any],
    state_type: Type,
    batch_type: Type,
    name: str,
) -> ir.Local:
    """See `jax.step_computation`."""
    parameter_type = StructType([("state", state_type), ("batch", batch_type)])
    function_type = FunctionType(parameter_type, state_type)
    function = application.JaxFunction(
        lambda argument: fn(argument["state"], argument["batch"]),
        precision.has_64_bits() or precision.asks_for_64_bits(parameter_type),
    )
    return ir.Local(LocalComputation("jax", function, function_type, name))


def of_one_argument(fn: Callable[..., Any], unpack: bool) -> Callable[..., Any]:
    """The function as one of its packed argument."""
    if not unpack:
        return fn
    call = computations.taking_elements(fn)

    def packed(argument: Any) -> Any:
        elements = containers.unpack(argument)
        assert elements is not None
        return call(elements)

    return packed


def _check_parameter(parameter_type: Type, name: str, where: str | None) -> None:
    problems = structures.parameter_problems(parameter_type)
    if not problems:
        return
    signature = errors.signature_without_result(parameter_type)
    if any(not isinstance(part, (TensorType, StructType)) for part in preorder(parameter_type)):
        raise errors.TypeMismatchError(
            f"`{name}` cannot be a JAX computation: of its parameter only tensors, and structures "
            "of them, can be JAX arrays.",
            problems=problems,
            signature=signature,
            where=where,
            fix="take one element as the argument, and apply the computation to sequences with "
            "`tff.sequence_reduce` or `tff.sequence_map`, to federated values with "
            "`tff.federated_map`.",
        )
    raise errors.TracingError(
        f"`{name}` cannot be a JAX computation of this argument.",
        problems=problems,
        signature=signature,
        where=where,
        fix="give a type of numbers with a rank that is known.",
    )
