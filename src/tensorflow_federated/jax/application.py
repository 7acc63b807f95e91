"""Applies local computations to JAX arrays, while JAX traces, and finds their result types."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.export

from tensorflow_federated.core import contexts, errors, ir
from tensorflow_federated.core.computations import ConcreteComputation
from tensorflow_federated.core.local_computations import PORTABLE, LocalComputation
from tensorflow_federated.core.types import (
    FunctionType,
    StructType,
    StructWithPythonType,
    TensorType,
    Type,
)
from tensorflow_federated.jax import precision, structures

# Two sizes with many divisors, so that what is split or reshaped into rows can be traced at both.
_PROBE_SIZES = (24, 48)


@dataclasses.dataclass(frozen=True)
class JaxFunction:
    """The function of a JAX computation.

    Attributes:
      function: from the argument in its Python containers to the result in its own.
      uses_64_bits: whether JAX kept 64 bits where the computation was made.
    """

    function: Callable[..., Any]
    uses_64_bits: bool


class InliningContext:
    """Calls of computations inside a JAX trace: they become part of it."""

    def invoke(self, comp: ConcreteComputation, arg: Any) -> Any:
        """Inlines a computation."""
        node, parameter_type = comp.node, comp.type_signature.parameter
        if not (isinstance(node, ir.Local) and is_applicable(node.computation)):
            raise errors.TypeMismatchError(
                f"`{comp.__name__}` cannot be called inside a JAX computation.",
                problems=["computation: expected one of JAX"],
                signature=comp.type_signature.compact_representation(),
                fix="decorate it with `@tff.jax.computation`, or compose the two in a "
                "`@tff.federated_computation`.",
            )
        argument = None
        with precision.with_64_bits(True):
            if parameter_type is not None:
                argument = structures.to_canonical(
                    arg, parameter_type, f"the argument of `{comp.__name__}`"
                )
            result = apply(node.computation, argument)
        return structures.to_containers(result, comp.type_signature.result)


def is_applicable(computation: LocalComputation) -> bool:
    """Whether a computation can be part of a JAX trace."""
    return computation.backend in ("jax", PORTABLE)


def apply(computation: LocalComputation, argument: Any) -> Any:
    """Applies a JAX or portable computation to canonical arrays or tracers.

    To be called where JAX keeps 64 bits.

    Args:
      computation: the computation.
      argument: nested tuples of arrays; None if it takes none.

    Returns:
      Nested tuples of arrays, of the dtypes of the result type.
    """
    function, uses_64_bits = _function_of(computation)
    parameter, result_type = (
        computation.type_signature.parameter,
        computation.type_signature.result,
    )
    with precision.with_64_bits(uses_64_bits), contexts.install(InliningContext()):
        if parameter is None:
            result = function()
        else:
            result = function(structures.to_containers(argument, parameter))
        return structures.to_canonical(result, result_type, f"the result of `{computation.name}`")


def _function_of(computation: LocalComputation) -> tuple[Callable[..., Any], bool]:
    if computation.backend == PORTABLE:
        return computation.function, True
    assert isinstance(computation.function, JaxFunction)
    return computation.function.function, computation.function.uses_64_bits


def infer_function_type(
    function: JaxFunction, parameter_type: Type | None, name: str
) -> FunctionType:
    """Finds the type of a function by abstract evaluation: nothing is computed.

    A dimension of the parameter that is not known is traced as a symbol, the same one for all such
    dimensions. If the function asks for more than is known of a symbol, it is traced at two sizes
    instead, and what differs between the results is not known either.

    Args:
      function: the function.
      parameter_type: the type of its parameter; None if it takes none.
      name: the name of the computation, for messages.

    Returns:
      Its type, with the containers that it returned.

    Raises:
      TypeMismatchError: if it returned nothing, or something that is no array.
    """
    if not structures.has_unknown_dimension(parameter_type):
        return FunctionType(parameter_type, _infer_at(function, parameter_type, None, name))
    (symbol,) = jax.export.symbolic_shape("n")
    try:
        result_type = _infer_at(function, parameter_type, symbol, name)
    except errors.FederatedError:
        raise
    except Exception:
        # What a function may not ask of a symbol it may ask of a size; its own errors come again.
        small, large = (_infer_at(function, parameter_type, size, name) for size in _PROBE_SIZES)
        result_type = _generalized(small, large, name)
    return FunctionType(parameter_type, result_type)


def _infer_at(function: JaxFunction, parameter_type: Type | None, unknown: Any, name: str) -> Type:
    found: list[Any] = []

    def flat(*argument: Any) -> None:
        with precision.with_64_bits(function.uses_64_bits), contexts.install(InliningContext()):
            if parameter_type is None:
                result = function.function()
            else:
                result = function.function(structures.to_containers(argument[0], parameter_type))
            found.append(_described(result, name))

    with precision.with_64_bits(True):
        specs = () if parameter_type is None else (structures.abstract(parameter_type, unknown),)
        jax.eval_shape(flat, *specs)
    return found[0]


def _described(result: Any, name: str) -> Type:
    if result is None:
        raise errors.TypeMismatchError(
            f"`{name}` returned `None`, and a computation has to return a value.",
            fix="end the function with `return ...`.",
        )
    problems: list[str] = []
    described = structures.describe(result, "result", problems)
    if described is None:
        raise errors.TypeMismatchError(
            f"`{name}` returned something that is no array and no structure of arrays.",
            problems=problems,
            fix="return arrays, numbers, and lists, tuples, dicts, named tuples, attrs or "
            "dataclass instances of these.",
        )
    return described


def _generalized(small: Type, large: Type, name: str) -> Type:
    """The type that holds the results for both sizes of the unknown dimensions."""
    match small, large:
        case TensorType(), TensorType() if _same_but_for_sizes(small, large):
            sizes = zip(small.shape or (), large.shape or (), strict=True)
            return TensorType(small.dtype, [a if a == b else None for a, b in sizes])
        case StructType(), StructType() if ir.element_names(small) == ir.element_names(large):
            elements = zip(small.items(), large.items(), strict=True)
            return _with_elements(
                small, [(key, _generalized(a, b, name)) for (key, a), (_, b) in elements]
            )
        case _:
            raise errors.TypeMismatchError(
                f"`{name}` returns different types for different sizes of its argument.",
                problems=[
                    f"for {size} rows: {result}"
                    for size, result in zip(_PROBE_SIZES, (small, large), strict=True)
                ],
                fix="return the same structure, dtypes and ranks for every size.",
            )


def _same_but_for_sizes(small: TensorType, large: TensorType) -> bool:
    return small.dtype == large.dtype and len(small.shape or ()) == len(large.shape or ())


def _with_elements(struct_type: StructType, elements: list[tuple[str | None, Type]]) -> Type:
    if isinstance(struct_type, StructWithPythonType):
        return StructWithPythonType(elements, struct_type.python_container)
    return StructType(elements)
