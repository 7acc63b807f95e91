"""Structures of tensors, aggregated as one vector."""

from __future__ import annotations

import math
from typing import Any, TypeVar

from tensorflow_federated.aggregators import factory
from tensorflow_federated.core import dtypes, errors, intrinsics, portable, trees, type_trees
from tensorflow_federated.core.types import StructType, TensorType, Type
from tensorflow_federated.execution import leaves
from tensorflow_federated.jax import portable_computation
from tensorflow_federated.templates import aggregation_process, measured_process

_Factory = TypeVar("_Factory", bound=factory.AggregationFactory)


@errors.boundary
def concat_factory(inner_agg_factory: _Factory) -> _Factory:
    """Puts all tensors of a value end to end, aggregates the vector, and takes the result apart.

    Some aggregators treat each tensor by itself; as one vector, all are treated alike. State and
    measurements are those of the inner aggregator.

    Args:
      inner_agg_factory: aggregates vectors, with weights or without.

    Returns:
      An aggregator, with weights if the inner one has them, of values whose tensors have one dtype,
      of numbers, and known shapes.

    Raises:
      TypeMismatchError: if the argument is no aggregator.

    Examples:
      >>> import collections
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> factory = tff.aggregators.concat_factory(tff.aggregators.SumFactory())
      >>> process = factory.create(tff.to_type(collections.OrderedDict(a=np.int32, b=np.int32)))
      >>> process.next(process.initialize(), [{"a": 1, "b": 2}, {"a": 3, "b": 4}]).result
      OrderedDict([('a', np.int32(4)), ('b', np.int32(6))])

    Differs from TFF: what is no aggregator is refused here, not when the process is made.
    """
    factory.check_any(inner_agg_factory, "inner_agg_factory")

    def create(value_type: Type, *weight_type: Type) -> aggregation_process.AggregationProcess:
        checked = _check_type(factory.check_value_type(value_type))
        vector = VectorForm(checked)
        inner: Any = inner_agg_factory.create(vector.vector_type, *weight_type)
        inner_result: Any = inner.next.type_signature.result
        flatten = portable_computation(vector.flatten, checked)
        take_apart = portable_computation(vector.take_apart, inner_result[1].member)

        def next_fn(state: Any, value: Any, *weights: Any) -> Any:
            output: Any = inner.next(state, intrinsics.federated_map(flatten, value), *weights)
            result = intrinsics.federated_map(take_apart, output.result)
            return measured_process.MeasuredProcessOutput(output.state, result, output.measurements)

        return aggregation_process.AggregationProcess(
            inner.initialize,
            factory.trace_next(
                next_fn,
                inner.initialize.type_signature.result,
                checked,
                *[factory.check_value_type(each, "weight_type") for each in weight_type],
            ),
        )

    made: Any = factory.like(inner_agg_factory, create)
    return made


class VectorForm:
    """A structure of tensors of one dtype, as one vector.

    Attributes:
      vector_type: the type of the vector.
    """

    def __init__(self, value_type: TensorType | StructType) -> None:
        """Takes a structure of tensors with known shapes."""
        found: list[Any] = list(leaves.leaf_types(value_type))
        self._value_type = value_type
        self._shapes = [leaf.shape for leaf in found]
        self._sizes = [math.prod(shape) for shape in self._shapes]
        self.vector_type = TensorType(found[0].dtype, [sum(self._sizes)])

    def flatten(self, value: Any) -> portable.Array:
        """The tensors end to end, each in row-major order; a portable function."""
        xp = portable.namespace_of(value)
        return xp.concat([xp.reshape(leaf, [-1]) for leaf in trees.leaves(value)])

    def take_apart(self, vector: portable.Array) -> Any:
        """The structure of tensors of a vector; a portable function."""
        xp = portable.namespace_of(vector)
        parts: list[Any] = []
        start = 0
        for shape, size in zip(self._shapes, self._sizes, strict=True):
            parts.append(xp.reshape(xp.slice(vector, start, start + size), shape))
            start += size
        remaining = iter(parts)
        return type_trees.build(self._value_type, lambda _: next(remaining))


def _check_type(value_type: TensorType | StructType) -> TensorType | StructType:
    found: list[Any] = list(leaves.leaf_types(value_type))
    problems = [
        f"value_type: expected tensors of numbers with known shapes, found {leaf}"
        for leaf in found
        if not isinstance(leaf, TensorType)
        or leaf.shape is None
        or None in leaf.shape
        or not (dtypes.is_floating(leaf.dtype) or dtypes.is_integer(leaf.dtype))
    ]
    if not problems and len({leaf.dtype for leaf in found}) != 1:
        problems = [f"value_type: expected tensors of one dtype, got {value_type}"]
    if problems:
        raise errors.TypeMismatchError(
            "tensors of this type cannot be put end to end.",
            problems=problems,
            signature=value_type,
            fix="cast them to one dtype at the clients first.",
        )
    return value_type
