"""Portable computations: traced by JAX to find their types, run by every back end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tensorflow_federated.core import errors, ir
from tensorflow_federated.core.local_computations import PORTABLE, LocalComputation
from tensorflow_federated.core.types import Type
from tensorflow_federated.jax import application, structures, tracing


def trace(fn: Callable[..., Any], parameter_type: Type | None, unpack: bool, name: str) -> ir.Local:
    """Traces a portable function; the tracer of `portable_computation`."""
    if parameter_type is not None:
        problems = structures.parameter_problems(parameter_type, allow_64_bits=True)
        if problems:
            raise errors.TypeMismatchError(
                f"`{name}` cannot be a portable computation of this argument.",
                problems=problems,
                signature=parameter_type,
                fix="portable computations take numbers, booleans, and structures of them.",
            )
    function = tracing.of_one_argument(fn, unpack)
    type_signature = application.infer_function_type(
        application.JaxFunction(function, uses_64_bits=True), parameter_type, name
    )
    return ir.Local(LocalComputation(PORTABLE, function, type_signature, name))
