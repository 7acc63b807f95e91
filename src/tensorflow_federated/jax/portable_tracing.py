"""Portable computations: traced by JAX to find their types, run by every back end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tensorflow_federated.core import callsites, dtypes, errors, ir, types
from tensorflow_federated.core.local_computations import PORTABLE, LocalComputation
from tensorflow_federated.core.types import StructType, Type
from tensorflow_federated.jax import application, structures, tracing


def trace(fn: Callable[..., Any], parameter_type: Type | None, unpack: bool, name: str) -> ir.Local:
    """Traces a portable function; the tracer of `portable_computation`."""
    where = callsites.line_of(fn)
    if parameter_type is not None:
        parameter_type = _with_empty_tuples(parameter_type)
        problems = structures.parameter_problems(parameter_type)
        if problems:
            raise errors.TypeMismatchError(
                f"`{name}` cannot be a portable computation of this argument.",
                problems=problems,
                signature=errors.signature_without_result(parameter_type),
                where=where,
                fix="portable computations take numbers, booleans, and structures of them.",
            )
    function = tracing.of_one_argument(fn, unpack)
    traced = application.TracedFunction(
        application.JaxFunction(function, uses_64_bits=True),
        parameter_type,
        name,
        where,
        structures.Reading(dtypes.infer_dtype, key_orders=None),
    )
    return ir.Local(LocalComputation(PORTABLE, function, traced.infer_type(), name))


def _with_empty_tuples(type_signature: Type) -> Type:
    """The type with tuples for `None`, which is a leaf to portable functions, and no array."""
    if not isinstance(type_signature, StructType):
        return type_signature
    elements = [(name, _with_empty_tuples(each)) for name, each in type_signature.items()]
    container = type_signature.python_container
    return types.in_container(elements, tuple if container is type(None) else container)
