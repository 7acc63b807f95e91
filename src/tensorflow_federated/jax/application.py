"""Applies local computations to JAX arrays, while JAX traces, and finds their result types."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.core
import jax.export

from tensorflow_federated.core import contexts, errors, ir, types
from tensorflow_federated.core.computations import ConcreteComputation
from tensorflow_federated.core.local_computations import PORTABLE, LocalComputation
from tensorflow_federated.core.types import (
    FunctionType,
    StructType,
    TensorType,
    Type,
)
from tensorflow_federated.jax import mistakes, precision, structures

# Two sizes with many divisors, so that what is split or reshaped into rows can be traced at both.
_PROBE_SIZES = (24, 48)


@dataclasses.dataclass(frozen=True)
class JaxFunction:
    """The function of a JAX computation.

    Attributes:
      function: from the argument in its Python containers to the result in its own.
      uses_64_bits: whether JAX keeps 64 bits in it.
      masked: for a step `(<state,batch> -> state)` of a loop over batches, the same of the first
        rows of a batch: a function of the state, of the batch, and of how many of its rows count,
        int32. What the other rows hold has no effect. None if there is no such function.
    """

    function: Callable[..., Any]
    uses_64_bits: bool
    masked: Callable[..., Any] | None = None


class InliningContext:
    """Calls of computations inside a JAX trace: they become part of it."""

    def invoke(self, comp: ConcreteComputation, arg: Any) -> Any:
        """Inlines a computation."""
        node, function_type = comp.node, comp.type_signature
        if not (isinstance(node, ir.Local) and is_applicable(node.computation)):
            raise errors.TypeMismatchError(
                f"`{comp.__name__}` cannot be called inside a JAX computation.",
                problems=["computation: expected one of JAX"],
                signature=function_type.compact_representation(),
                fix="decorate it with `@tff.jax.computation`, or compose the two in a "
                "`@tff.federated_computation`.",
            )
        if not precision.has_64_bits() and precision.asks_for_64_bits(function_type.result):
            raise errors.TracingError(
                f"`{comp.__name__}` gives 64 bits to a computation in which JAX has 32.",
                problems=[f"result: got {function_type.result}"],
                signature=function_type.compact_representation(),
                fix="give the outer computation a parameter of 64 bits, or set "
                "`jax.config.update('jax_enable_x64', True)` before it is made.",
            )
        argument = None
        with precision.with_64_bits(True):
            if function_type.parameter is not None:
                argument = structures.to_canonical(
                    arg, function_type.parameter, f"the argument of `{comp.__name__}`"
                )
            result = apply(node.computation, argument)
        return structures.to_containers(result, function_type.result)


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
    with (
        precision.with_64_bits(uses_64_bits),
        contexts.install(InliningContext()),
        mistakes.explained(computation.name, parameter),
    ):
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


@dataclasses.dataclass(frozen=True)
class TracedFunction:
    """A function whose type is to be found.

    Attributes:
      function: the function.
      parameter_type: the type of its parameter; None if it takes none.
      name: the name of the computation, for messages.
      where: the line that it is defined in, for messages.
      reading: how its result is read as a type.
    """

    function: JaxFunction
    parameter_type: Type | None
    name: str
    where: str | None
    reading: structures.Reading

    def infer_type(self) -> FunctionType:
        """Finds the type of the function by abstract evaluation: nothing is computed.

        A dimension of the parameter that is not known is traced as a symbol, the same one for all
        such dimensions. If the function asks for more than is known of a symbol, it is traced at
        two sizes instead, and what differs between the results is not known either.

        Returns:
          The type, with the containers that the function returned.

        Raises:
          TypeMismatchError: if it returned nothing, or something that is no array.
          TracedValueError: if it depends on the elements of an array.
        """
        with mistakes.explained(self.name, self.parameter_type):
            return FunctionType(self.parameter_type, self._infer_result())

    def _infer_result(self) -> Type:
        if not structures.has_unknown_dimension(self.parameter_type):
            return self._infer_at(None)
        (symbol,) = jax.export.symbolic_shape("n")
        try:
            return self._infer_at(symbol)
        except errors.FederatedError:
            raise
        except Exception:
            # What a function may not ask of a symbol it may ask of a size; its own errors come
            # again.
            small, large = (self._infer_at(size) for size in _PROBE_SIZES)
            return self._generalized(small, large)

    def _infer_at(self, unknown: Any) -> Type:
        function, parameter_type = self.function, self.parameter_type
        is_inside = isinstance(contexts.current_or_none(), InliningContext)
        found: list[Type] = []

        def canonical(*argument: Any) -> Any:
            with precision.with_64_bits(function.uses_64_bits), contexts.install(InliningContext()):
                if parameter_type is None:
                    result = function.function()
                else:
                    result = function.function(
                        structures.to_containers(argument[0], parameter_type)
                    )
                found.append(self._describe(result))
                return structures.to_canonical(result, found[0], f"the result of `{self.name}`")

        with precision.with_64_bits(True):
            specs = (
                () if parameter_type is None else (structures.abstract(parameter_type, unknown),)
            )
            jaxpr = jax.make_jaxpr(canonical)(*specs)
        # A computation that is made inside of another may use what that one is traced on.
        if not is_inside and any(isinstance(each, jax.core.Tracer) for each in jaxpr.consts):
            raise mistakes.array_of_another_trace(self.name, parameter_type, self.where)
        return found[0]

    def _describe(self, result: Any) -> Type:
        if result is None:
            raise errors.returned_nothing(
                self.name, self.parameter_type, self.where, law=errors.TypeMismatchError
            )
        problems: list[str] = []
        described = structures.describe(result, "result", self.reading, problems)
        if described is None:
            raise self._error(
                "returned something that is no array and no structure of arrays.",
                problems,
                "return arrays, numbers, and lists, tuples, dicts with strings as keys, named "
                "tuples, attrs or dataclass instances of these; of another pytree its "
                "`jax.tree.leaves`.",
            )
        return described

    def _generalized(self, small: Type, large: Type) -> Type:
        """The type that holds the results for both sizes of the unknown dimensions."""
        match small, large:
            case TensorType(), TensorType() if _same_but_for_sizes(small, large):
                sizes = zip(small.shape or (), large.shape or (), strict=True)
                return TensorType(small.dtype, [a if a == b else None for a, b in sizes])
            case StructType(), StructType() if ir.element_names(small) == ir.element_names(large):
                elements = zip(small.items(), large.items(), strict=True)
                return types.in_container(
                    [(key, self._generalized(a, b)) for (key, a), (_, b) in elements],
                    small.python_container,
                )
            case _:
                raise self._error(
                    "returns different types for different sizes of its argument.",
                    [
                        f"for {size} rows: {result}"
                        for size, result in zip(_PROBE_SIZES, (small, large), strict=True)
                    ],
                    "return the same structure, dtypes and ranks for every size.",
                )

    def _error(self, what: str, problems: list[str], fix: str) -> errors.TypeMismatchError:
        return errors.TypeMismatchError(
            f"`{self.name}` {what}",
            problems=problems,
            signature=errors.signature_without_result(self.parameter_type),
            where=self.where,
            fix=fix,
        )


def _same_but_for_sizes(small: TensorType, large: TensorType) -> bool:
    return small.dtype == large.dtype and len(small.shape or ()) == len(large.shape or ())
