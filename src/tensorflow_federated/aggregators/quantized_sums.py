"""Sums of numbers by a secure sum of integers: each number becomes one of 2**32 steps."""

from __future__ import annotations

from typing import Any

import numpy as np

from tensorflow_federated.core import (
    containers,
    errors,
    intrinsics,
    placements,
    portable,
    tracing,
    trees,
)
from tensorflow_federated.core.types import FederatedType, StructType, TensorType, Type
from tensorflow_federated.execution import leaves
from tensorflow_federated.jax import portable_computation

_LARGEST = 2**32 - 1
_BITWIDTH = 32
_DTYPES = tuple(map(np.dtype, (np.int32, np.int64, np.float32, np.float64)))


@errors.boundary
def secure_quantized_sum(client_value: Any, lower_bound: Any, upper_bound: Any) -> tracing.Value:
    """Adds up the clients' numbers securely, after bringing them between bounds.

    Type: ``(<{V}@CLIENTS,B@SERVER,B@SERVER> -> V@SERVER)``, V of tensors of int32, int64, float32
    or float64, B one number of the dtype of all tensors, or one for each in the structure of V.

    Each element x becomes ``min(max(x, lower), upper)``, then the nearest of ``2**32`` even steps
    between the bounds, which are integers from 0 to ``2**32 - 1``; `federated_secure_sum_bitwidth`
    adds these up, and the server turns the sum back. With integers the sum is exact where
    ``upper - lower < 2**32``. With floating numbers an element of one client is wrong by
    ``(upper - lower) / 2**33`` at most, beside the precision of the dtype. NaN counts as 0, brought
    between the bounds.

    Args:
      client_value: a value at the clients.
      lower_bound: the smallest number, or one for each tensor; numbers, or values at the server.
      upper_bound: the largest number, likewise.

    Returns:
      The sum, of the type of one client's value, at the server.

    Raises:
      PlacementError: if the value is not at the clients.
      TypeMismatchError: if the dtypes or structures do not fit; one of its subclasses.
      AggregatorError: if a lower bound that is a number is above the upper one.

    Examples:
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> @tff.federated_computation(tff.FederatedType(np.float32, tff.CLIENTS))
      ... def total(values):
      ...     low, high = np.float32(-1), np.float32(1)
      ...     return tff.aggregators.secure_quantized_sum(values, low, high)
      >>> float(total([0.5, 0.25, 7.0]))
      1.75

    Differs from TFF: NaN counted as the lower bound. Bounds in the wrong order were taken.
    """
    value = _check_value(client_value)
    lower, upper = _check_bounds(lower_bound, upper_bound)
    value_type: Any = value.type_signature
    bound_type: Any = lower.type_signature
    member_type, bound_member = value_type.member, bound_type.member
    _check_fit(member_type, bound_member)
    to_steps = portable_computation(_to_steps, member_type, bound_member, bound_member)
    steps_type = to_steps.type_signature.result
    dtypes_of_leaves = _dtypes_of(member_type)

    def from_steps(steps: Any, low: Any, high: Any, count: Any) -> Any:
        return _from_steps(steps, low, high, count, dtypes_of_leaves)

    steps = intrinsics.federated_map(
        to_steps,
        (
            value,
            intrinsics.federated_broadcast(lower),
            intrinsics.federated_broadcast(upper),
        ),
    )
    one = intrinsics.federated_value(1, placements.CLIENTS)
    count = intrinsics.federated_secure_sum_bitwidth(one, 1)
    total = intrinsics.federated_secure_sum_bitwidth(steps, _BITWIDTH)
    turn_back = portable_computation(
        from_steps, steps_type, bound_member, bound_member, TensorType(np.int32)
    )
    return intrinsics.federated_map(turn_back, (total, lower, upper, count))


def _check_value(given: Any) -> tracing.Value:
    value = tracing.as_value(given, used="tff.aggregators.secure_quantized_sum")
    value_type = value.type_signature
    if not isinstance(value_type, FederatedType) or value_type.placement is not placements.CLIENTS:
        raise errors.PlacementError(
            "`secure_quantized_sum` adds up values of the clients.",
            problems=[f"client_value: expected a value at CLIENTS, got {value_type}"],
            fix="give a value at CLIENTS.",
        )
    problems = [
        f"client_value: expected int32, int64, float32 or float64, found {leaf}"
        for leaf in leaves.leaf_types(value_type.member)
        if not (isinstance(leaf, TensorType) and leaf.dtype in _DTYPES)
    ]
    if problems:
        raise errors.UnsupportedDTypeError(
            "values of this dtype cannot be quantized.",
            problems=problems,
            signature=value_type,
            fix="cast them to a floating dtype of 32 or 64 bits at the clients first.",
        )
    return value


def _check_bounds(lower: Any, upper: Any) -> tuple[tracing.Value, tracing.Value]:
    if isinstance(lower, tracing.Value) != isinstance(upper, tracing.Value):
        raise errors.BoundsDifferentTypesError(
            "both bounds must be numbers, or both values at the server.",
            problems=[
                f"lower_bound: got {errors.describe_object(lower)}",
                f"upper_bound: got {errors.describe_object(upper)}",
            ],
            fix="place the number too, with `tff.federated_value(number, tff.SERVER)`.",
        )
    if not isinstance(lower, tracing.Value):
        check_order(lower, upper)
        lower = intrinsics.federated_value(lower, placements.SERVER)
        upper = intrinsics.federated_value(upper, placements.SERVER)
    lower_type, upper_type = lower.type_signature, upper.type_signature
    if lower_type != upper_type:
        raise errors.BoundsDifferentSignaturesError(
            "both bounds must have one type.",
            problems=[f"lower_bound: got {lower_type}", f"upper_bound: got {upper_type}"],
            fix="give both the dtype of the value.",
        )
    placed: Any = lower_type
    if not isinstance(lower_type, FederatedType) or placed.placement is not placements.SERVER:
        raise errors.BoundsNotPlacedAtServerError(
            "bounds that are values must be at the server.",
            problems=[f"lower_bound: expected a value at SERVER, got {lower_type}"],
            fix="aggregate them first, or give numbers.",
        )
    return lower, upper


def check_order(lower: Any, upper: Any) -> None:
    """Raises `AggregatorError` if a lower bound that is a number is above the upper one."""
    pairs = list(zip(trees.leaves(lower), trees.leaves(upper), strict=False))
    problems = [
        f"lower_bound: {low} is above the upper bound {high}"
        for low, high in pairs
        if bool(np.any(np.asarray(low) > np.asarray(high)))
    ]
    if problems:
        raise errors.AggregatorError(
            "the lower bound must not be above the upper one.",
            problems=problems,
            fix="exchange them.",
        )


def _check_fit(member: Type, bound: Type) -> None:
    """Checks that there is one bound for all tensors, or one for each."""
    value_dtypes = _dtypes_of(member)
    bound_leaves: list[Any] = list(leaves.leaf_types(bound))
    problems = [f"value: got {member}", f"bounds: got {bound}"]
    if isinstance(bound, StructType):
        fits = isinstance(member, StructType) and _form(member) == _form(bound)
        if not fits or value_dtypes != [leaf.dtype for leaf in bound_leaves]:
            raise errors.StructuredBoundsTypeMismatchError(
                "structures of bounds must have the structure of the value, and its dtypes.",
                problems=problems,
                fix="give one bound for each tensor of the value, of its dtype.",
            )
    elif any(dtype != bound_leaves[0].dtype for dtype in value_dtypes):
        if isinstance(member, StructType):
            raise errors.ScalarBoundStructValueDTypeError(
                "one bound for all tensors must have the dtype of all of them.",
                problems=problems,
                fix="give a structure of bounds, each of the dtype of its tensor.",
            )
        raise errors.ScalarBoundSimpleValueDTypeError(
            "the bounds must have the dtype of the value.",
            problems=problems,
            fix=f"for example `np.{value_dtypes[0].name}(...)`.",
        )


def _dtypes_of(type_signature: Type) -> list[np.dtype[Any]]:
    found: list[Any] = list(leaves.leaf_types(type_signature))
    return [leaf.dtype for leaf in found]


def _form(type_signature: Type) -> Any:
    if not isinstance(type_signature, StructType):
        return None
    return [(name, _form(element)) for name, element in type_signature.items()]


def _pairs(value: Any, low: Any, high: Any) -> list[tuple[Any, Any, Any]]:
    parts = trees.leaves(value)
    if containers.unpack(low) is None:
        return [(leaf, low, high) for leaf in parts]
    return list(zip(parts, trees.leaves(low), trees.leaves(high), strict=True))


def _to_steps(value: Any, low: Any, high: Any) -> Any:
    """The step of each element, an int64 from 0 to 2**32 - 1."""
    return trees.pack_like(value, [_steps_of(*each) for each in _pairs(value, low, high)])


def _steps_of(x: Any, low: Any, high: Any) -> Any:
    xp = portable.namespace_of(x, low, high)
    if xp.dtype_of(x).kind == "i":
        shift = xp.cast(xp.clip(x, low, high), np.int64) - xp.cast(low, np.int64)
        return shift // _step_size(xp.cast(low, np.int64), xp.cast(high, np.int64))
    number = xp.clip(without_nan(x), low, high)
    scale = _steps_in_one(low, high)
    step = _whole(xp.cast(number, np.float64) * scale) - _whole(xp.cast(low, np.float64) * scale)
    return xp.clip(step, xp.asarray(0, np.int64), xp.asarray(_LARGEST, np.int64))


def _from_steps(steps: Any, low: Any, high: Any, count: Any, leaf_dtypes: list[Any]) -> Any:
    totals = [
        xp_cast(_total_of(total, lower, upper, count, dtype), dtype)
        for (total, lower, upper), dtype in zip(_pairs(steps, low, high), leaf_dtypes, strict=True)
    ]
    return trees.pack_like(steps, totals)


def xp_cast(x: Any, dtype: Any) -> Any:
    """Changes the dtype of an array of any framework."""
    return portable.namespace_of(x).cast(x, dtype)


def _total_of(total: Any, low: Any, high: Any, count: Any, dtype: np.dtype[Any]) -> Any:
    xp = portable.namespace_of(total, low, high, count)
    clients = xp.cast(count, np.int64)
    if dtype.kind == "i":
        lowest, highest = xp.cast(low, np.int64), xp.cast(high, np.int64)
        return total * _step_size(lowest, highest) + clients * lowest
    scale = _steps_in_one(low, high)
    # What clients subtracted, by the same rounding: a sum of zeros is zero exactly.
    shifted = total + _whole(xp.cast(low, np.float64) * scale) * clients
    spread = xp.cast(high - low, np.float64)
    number = xp.cast(shifted, np.float64) * (spread / float(_LARGEST))
    is_point = low == high
    return xp.where(is_point, xp.cast(clients, np.float64) * xp.cast(low, np.float64), number)


def _step_size(low: Any, high: Any) -> Any:
    """The integers in one step: 1 where 2**32 - 1 steps are enough."""
    xp = portable.namespace_of(low, high)
    return xp.maximum((high - low - 1) // _LARGEST + 1, 1)


def _steps_in_one(low: Any, high: Any) -> Any:
    """The steps between two numbers whose difference is 1; 0 if the bounds are equal."""
    xp = portable.namespace_of(low, high)
    spread = xp.cast(high - low, np.float64)
    is_zero = spread == xp.zeros_like(spread)
    steps = float(_LARGEST) / xp.where(is_zero, xp.ones_like(spread), spread)
    return xp.where(is_zero, xp.zeros_like(spread), steps)


def _whole(number: Any) -> Any:
    """The nearest int64 of a float64; one that is too large becomes the largest float below."""
    xp = portable.namespace_of(number)
    most = 2.0**63 - 1024.0
    return xp.cast(xp.clip(xp.round(number), -most, most), np.int64)


def without_nan(x: Any) -> Any:
    """An array with zeros in the place of NaN, which alone differs from itself."""
    xp = portable.namespace_of(x)
    is_number = x == x
    return xp.where(is_number, x, xp.zeros_like(x))
