"""`@tff.jax.computation`: a Python function on JAX arrays becomes a local computation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tensorflow_federated.core import callsites, computations, containers, errors, ir
from tensorflow_federated.core.local_computations import LocalComputation
from tensorflow_federated.core.types import StructType, TensorType, Type, preorder
from tensorflow_federated.jax import application, precision, structures


def trace(fn: Callable[..., Any], parameter_type: Type | None, unpack: bool, name: str) -> ir.Local:
    """Traces a function on JAX arrays; the tracer of `tff.jax.computation`."""
    uses_64_bits = precision.is_configured_for_64_bits()
    if parameter_type is not None:
        _check_parameter(parameter_type, uses_64_bits, name, callsites.line_of(fn))
    function = application.JaxFunction(of_one_argument(fn, unpack), uses_64_bits)
    type_signature = application.infer_function_type(function, parameter_type, name)
    return ir.Local(LocalComputation("jax", function, type_signature, name))


def of_one_argument(fn: Callable[..., Any], unpack: bool) -> Callable[..., Any]:
    """The function as one of its packed argument."""
    if not unpack:
        return fn

    def packed(argument: Any) -> Any:
        elements = containers.unpack(argument)
        assert elements is not None
        return computations.call_unpacked(fn, elements)

    return packed


def _check_parameter(
    parameter_type: Type, uses_64_bits: bool, name: str, where: str | None
) -> None:
    problems = structures.parameter_problems(parameter_type, uses_64_bits)
    if not problems:
        return
    parts = list(preorder(parameter_type))
    if any(not isinstance(part, (TensorType, StructType)) for part in parts):
        raise errors.TypeMismatchError(
            f"`{name}` cannot be a JAX computation: of its parameter only tensors, and structures "
            "of them, can be JAX arrays.",
            problems=problems,
            signature=parameter_type,
            where=where,
            fix="take one element as the argument, and apply the computation to sequences with "
            "`tff.sequence_reduce` or `tff.sequence_map`, to federated values with "
            "`tff.federated_map`.",
        )
    wide = any(isinstance(part, TensorType) and structures.is_wide(part.dtype) for part in parts)
    raise errors.TracingError(
        f"`{name}` cannot be a JAX computation of this argument.",
        problems=problems,
        signature=parameter_type,
        where=where,
        fix="use 32-bit dtypes, or set `jax.config.update('jax_enable_x64', True)` first."
        if wide
        else "give a type of numbers with a rank that is known.",
    )
