"""Says how the aggregations of a program are done in parts: by accumulators that are merged."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

from tensorflow_federated.compiler import lowering
from tensorflow_federated.core import ir, portable, shapes, trees, type_predicates, type_trees
from tensorflow_federated.core.types import FunctionType, StructType, TensorType, Type


@dataclasses.dataclass(frozen=True)
class Accumulation:
    """One aggregation by accumulators: each takes in some of the clients, and they are merged.

    Attributes:
      value: the value at the clients, of the type T.
      zero: an accumulator that no client has come to, of the type A and without placement; None
        where the type says too little to make one.
      accumulate: `(<A,T> -> A)`.
      merge: `(<A,A> -> A)`.
      report: `(A -> R)`.
    """

    value: ir.Node
    zero: ir.Node | None
    accumulate: ir.Node
    merge: ir.Node
    report: ir.Node

    @property
    def accumulator_type(self) -> Type:
        """The type A."""
        report_type = self.report.type_signature
        assert isinstance(report_type, FunctionType)
        assert report_type.parameter is not None
        return report_type.parameter


def of_aggregation(call: ir.Call) -> Accumulation | None:
    """How an aggregation is done by accumulators.

    Args:
      call: the call of an aggregation.

    Returns:
      The accumulation; None for an aggregation that is neither a sum nor done by accumulators as
      it is: one that they must not see, as the secure ones are, or that is to be written otherwise
      first, as means are.
    """
    assert isinstance(call.function, ir.Intrinsic)
    assert call.argument is not None
    if call.function.uri == "federated_sum":
        return _of_sum(call.argument)
    if call.function.uri == "federated_aggregate":
        return Accumulation(*(ir.select(call.argument, index) for index in range(5)))
    return None


def identity(name: str, type_signature: Type) -> ir.Lambda:
    """The function that gives its argument back."""
    return ir.Lambda(name, type_signature, ir.Reference(name, type_signature))


def _of_sum(value: ir.Node) -> Accumulation:
    member = ir.unplaced(value.type_signature)
    add = lowering.portable(_add, "add", StructType([member, member]), member)
    zero = None
    if _has_known_shapes(member):
        zeros = functools.partial(type_trees.build, member, _zeros)
        zero = ir.Call(lowering.portable(zeros, "zero", None, member))
    return Accumulation(value, zero, add, add, identity("same", member))


def _add(argument: tuple[Any, Any]) -> Any:
    first, second = argument
    return trees.map_structure(_add_arrays, first, second)


def _add_arrays(x: Any, y: Any) -> Any:
    xp = portable.namespace_of(x, y)
    return xp.cast(lowering.widened(x) + lowering.widened(y), xp.dtype_of(x))


def _zeros(type_signature: Type) -> Any:
    assert isinstance(type_signature, TensorType)
    sizes = [size for size in type_signature.shape or () if size is not None]
    return portable.NUMPY.zeros(sizes, type_signature.dtype)


def _has_known_shapes(type_signature: Type) -> bool:
    return not type_predicates.contains(
        type_signature,
        lambda each: isinstance(each, TensorType) and not shapes.is_shape_fully_defined(each.shape),
    )
