"""Sums in which the server learns nothing of one client's value."""

from __future__ import annotations

import collections
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from tensorflow_federated.aggregators import bounds, factory, parameters, quantized_sums
from tensorflow_federated.core import (
    dtypes,
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
from tensorflow_federated.templates import (
    aggregation_process,
    estimation_process,
    measured_process,
)

ThresholdType = (
    int | float | np.integer[Any] | np.floating[Any] | estimation_process.EstimationProcess
)
"""What a bound of a secure sum can be given as."""

_COUNT_TYPE = TensorType(np.int32)


class SecureSumFactory(factory.UnweightedAggregationFactory):
    """Adds up values between bounds, by a secure sum of integers.

    Type of `next`: ``(<state=S@SERVER,value={V}@CLIENTS> ->
    <state=S@SERVER,result=V@SERVER,measurements=M@SERVER>)``, V of tensors of one dtype: integers
    for bounds that are integers, float32 or float64 for bounds that are floats or estimated.

    Each element is brought between the bounds. Integers are added up exactly; floating numbers as
    `secure_quantized_sum` does it, in 2**32 steps.

    State: none for constant bounds, that of one process, or ``<S,S>`` of the processes of the upper
    and of the lower bound. Measurements: ``<secure_upper_clipped_count,secure_lower_clipped_count,
    secure_upper_threshold,secure_lower_threshold>``: the clients with an element above and below
    the bounds, counted by secure sums, and the bounds.

    The protocol is that of the context; the local contexts simulate one in plaintext.

    Examples:
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> process = SecureSumFactory(10, -10).create(tff.to_type(np.int32))
      >>> output = process.next(process.initialize(), [1, 20, -3])
      >>> int(output.result), int(output.measurements["secure_upper_clipped_count"])
      (8, 1)

    Differs from TFF: NaN counts as 0, and as above the bound; there it counted as the lower bound,
    unseen.
    """

    @errors.boundary
    def __init__(
        self,
        upper_bound_threshold: ThresholdType,
        lower_bound_threshold: ThresholdType | None = None,
    ) -> None:
        """Chooses the bounds.

        Args:
          upper_bound_threshold: the largest element: an integer, a float, or an estimation process
            that reports it. The process takes of each client its largest element, as float32; or
            without a lower bound its largest absolute element.
          lower_bound_threshold: the smallest element, of the same kind; the negative of the upper
            bound by default.

        Raises:
          TypeMismatchError: if the bounds are of other kinds, or of two.
          AggregatorError: if the upper bound is not above the lower one.
        """
        self._upper, self._lower = upper_bound_threshold, lower_bound_threshold
        self._is_integer = _kind(upper_bound_threshold, "upper_bound_threshold") == "integer"
        if lower_bound_threshold is not None:
            _check_same_kind(upper_bound_threshold, lower_bound_threshold)
        if isinstance(upper_bound_threshold, estimation_process.EstimationProcess):
            bounds.check_process(upper_bound_threshold, "upper_bound_threshold", None)
            if isinstance(lower_bound_threshold, estimation_process.EstimationProcess):
                bounds.check_process(lower_bound_threshold, "lower_bound_threshold", None)
        else:
            _check_constants(upper_bound_threshold, lower_bound_threshold)

    @errors.boundary
    def create(self, value_type: Type) -> aggregation_process.AggregationProcess:
        """Makes the process for a type of value.

        Args:
          value_type: a tensor, or a structure of tensors of one dtype.

        Returns:
          The process.

        Raises:
          TypeMismatchError: if the dtypes are not those that the bounds ask for.
          AggregatorError: if a bound is no number of the dtype.
        """
        checked = self._check_type(factory.check_value_type(value_type))
        first: Any = leaves.leaf_types(checked)[0]
        threshold: _Bounds = (
            _EstimatedBounds(self._upper, self._lower, first.dtype)
            if isinstance(self._upper, estimation_process.EstimationProcess)
            else _ConstantBounds(self._upper, self._lower, first.dtype)
        )
        bound_type = TensorType(first.dtype)
        extremes = portable_computation(_extremes, checked)
        extremes_type = extremes.type_signature.result
        is_above = portable_computation(_is_above, extremes_type, bound_type)
        is_below = portable_computation(_is_below, extremes_type, bound_type)
        add_up = self._integer_sum(checked) if self._is_integer else _quantized_sum

        def next_fn(
            state: tracing.Value, value: tracing.Value
        ) -> measured_process.MeasuredProcessOutput:
            own = intrinsics.federated_map(extremes, value)
            upper, lower = threshold.of(state)
            counts = [
                intrinsics.federated_secure_sum_bitwidth(
                    intrinsics.federated_map(test, (own, intrinsics.federated_broadcast(bound))), 1
                )
                for test, bound in ((is_above, upper), (is_below, lower))
            ]
            measurements = intrinsics.federated_zip(
                collections.OrderedDict(
                    secure_upper_clipped_count=counts[0],
                    secure_lower_clipped_count=counts[1],
                    secure_upper_threshold=upper,
                    secure_lower_threshold=lower,
                )
            )
            return measured_process.MeasuredProcessOutput(
                threshold.next(state, own), add_up(value, lower, upper), measurements
            )

        initialize = tracing.federated_computation(threshold.initialize)
        return aggregation_process.AggregationProcess(
            initialize,
            tracing.federated_computation(
                next_fn,
                initialize.type_signature.result,
                FederatedType(checked, placements.CLIENTS),
            ),
        )

    def _check_type(self, value_type: TensorType | StructType) -> TensorType | StructType:
        found: list[Any] = list(leaves.leaf_types(value_type))
        is_right = dtypes.is_integer if self._is_integer else dtypes.is_floating
        wanted = "integer" if self._is_integer else "floating"
        problems = [
            f"value_type: expected {wanted} tensors for these bounds, found {leaf}"
            for leaf in found
            if not (isinstance(leaf, TensorType) and is_right(leaf.dtype))
        ]
        if not problems and len({leaf.dtype for leaf in found}) != 1:
            problems = [f"value_type: expected tensors of one dtype, got {value_type}"]
        if not problems and not self._is_integer and found[0].dtype.itemsize < 4:
            raise errors.UnsupportedDTypeError(
                "values of this dtype cannot be quantized.",
                problems=[f"value_type: expected float32 or float64, found {found[0]}"],
                fix="cast the values to float32 at the clients first.",
            )
        if problems:
            raise errors.TypeMismatchError(
                "values of this type cannot be added up between these bounds.",
                problems=problems,
                signature=value_type,
                fix="bounds that are integers, `SecureSumFactory(1)`, take integer tensors; bounds "
                "that are floats, `SecureSumFactory(1.0)`, floating ones.",
            )
        return value_type

    def _integer_sum(self, value_type: TensorType | StructType) -> Callable[..., Any]:
        upper: Any = self._upper
        lower: Any = -int(upper) if self._lower is None else self._lower
        bitwidth = max(1, (int(upper) - int(lower)).bit_length())
        first: Any = leaves.leaf_types(value_type)[0]
        bound_type = TensorType(first.dtype)
        shift = portable_computation(_shifted, value_type, bound_type, bound_type)
        shift_back = portable_computation(
            _shifted_back(first.dtype), shift.type_signature.result, bound_type, _COUNT_TYPE
        )

        def add_up(value: Any, low: Any, high: Any) -> Any:
            at_clients = [intrinsics.federated_broadcast(each) for each in (low, high)]
            shifted = intrinsics.federated_map(shift, (value, *at_clients))
            total = intrinsics.federated_secure_sum_bitwidth(shifted, bitwidth)
            one = intrinsics.federated_value(1, placements.CLIENTS)
            count = intrinsics.federated_secure_sum_bitwidth(one, 1)
            return intrinsics.federated_map(shift_back, (total, low, count))

        return add_up


class SecureModularSumFactory(factory.UnweightedAggregationFactory):
    """Adds up integers modulo a number, by a secure sum.

    Type of `next`: ``(<state=<>@SERVER,value={V}@CLIENTS> ->
    <state=<>@SERVER,result=V@SERVER,measurements=<>@SERVER>)``, V of integer tensors. The result is
    from 0 to ``modulus - 1``; or with a symmetric range the sum modulo ``2 * modulus - 1``, from
    ``-(modulus - 1)`` to ``modulus - 1``. Values out of range wrap around. State and measurements
    are empty.

    Examples:
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> process = SecureModularSumFactory(100).create(tff.to_type(np.int32))
      >>> int(process.next(process.initialize(), [60, 70, 1]).result)
      31
    """

    @errors.boundary
    def __init__(self, modulus: int | np.integer[Any], symmetric_range: bool = False) -> None:
        """Chooses the range.

        Args:
          modulus: an integer, at least 1.
          symmetric_range: whether the range is symmetric around zero.

        Raises:
          TypeMismatchError: if the modulus is no integer, or the flag not True or False.
          AggregatorError: if the modulus is below 1.
        """
        if not isinstance(modulus, (int, np.integer)) or isinstance(modulus, bool):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise errors.TypeMismatchError(
                "`modulus` must be an integer.",
                problems=[f"modulus: got {errors.describe_object(modulus)}"],
                fix="for example `SecureModularSumFactory(2**16)`.",
            )
        if modulus < 1:
            raise errors.AggregatorError(
                "`modulus` is out of range.",
                problems=[f"modulus: expected 1 or more, got {modulus}"],
                fix="for example `SecureModularSumFactory(2**16)`.",
            )
        self._modulus = int(modulus)
        self._is_symmetric = parameters.check_flag(symmetric_range, "symmetric_range")

    @errors.boundary
    def create(self, value_type: Type) -> aggregation_process.AggregationProcess:
        """Makes the process for a type of value.

        Args:
          value_type: an integer tensor, or a structure of such tensors.

        Returns:
          The process.

        Raises:
          TypeMismatchError: if a tensor is not of integers.
          SecureSumError: if the modulus is too large for its dtype.
        """
        checked = factory.check_value_type(value_type)
        problems = [
            f"value_type: expected integer tensors, found {leaf}"
            for leaf in leaves.leaf_types(checked)
            if not (isinstance(leaf, TensorType) and dtypes.is_integer(leaf.dtype))
        ]
        if problems:
            raise errors.TypeMismatchError(
                "values of this type cannot be added up modulo an integer.",
                problems=problems,
                signature=checked,
                fix="quantize the values at the clients first.",
            )
        modulus, is_symmetric = self._modulus, self._is_symmetric
        period = 2 * modulus - 1 if is_symmetric else modulus

        def centred(value: Any) -> Any:
            xp = portable.namespace_of(value)

            def of_leaf(x: Any) -> Any:
                return xp.where(x >= modulus, x - period, x)

            return trees.map_structure(of_leaf, value)

        centre = portable_computation(centred, checked) if is_symmetric else None

        def initialize_fn() -> tracing.Value:
            return intrinsics.federated_value((), placements.SERVER)

        def next_fn(
            state: tracing.Value, value: tracing.Value
        ) -> measured_process.MeasuredProcessOutput:
            total = intrinsics.federated_secure_modular_sum(value, period)
            if centre is not None:
                total = intrinsics.federated_map(centre, total)
            return measured_process.MeasuredProcessOutput(state, total, initialize_fn())

        initialize = tracing.federated_computation(initialize_fn)
        return aggregation_process.AggregationProcess(
            initialize,
            tracing.federated_computation(
                next_fn,
                initialize.type_signature.result,
                FederatedType(checked, placements.CLIENTS),
            ),
        )


class _ConstantBounds:
    """Bounds that stay."""

    def __init__(self, upper: Any, lower: Any, dtype: np.dtype[Any]) -> None:
        self._upper = _as_dtype(upper, dtype)
        self._lower = _as_dtype(-upper if lower is None else lower, dtype)

    def initialize(self) -> Any:
        return intrinsics.federated_value((), placements.SERVER)

    def of(self, state: Any) -> tuple[Any, Any]:
        del state
        upper = intrinsics.federated_value(self._upper, placements.SERVER)
        return upper, intrinsics.federated_value(self._lower, placements.SERVER)

    def next(self, state: Any, own: Any) -> Any:
        del own
        return state


class _EstimatedBounds:
    """Bounds that one process reports, or two."""

    def __init__(self, upper: Any, lower: Any, dtype: np.dtype[Any]) -> None:
        self._processes = [upper] if lower is None else [upper, lower]
        reported: Any = upper.report.type_signature.result

        def as_dtype(x: Any) -> Any:
            return quantized_sums.xp_cast(x, dtype)

        def negated(x: Any) -> Any:
            return -x

        self._cast = portable_computation(as_dtype, reported.member)
        self._negate = portable_computation(negated, TensorType(dtype))
        extremes_type = StructType([TensorType(each) for each in (dtype, dtype, np.bool_)])
        self._reports = [
            portable_computation(report, extremes_type)
            for report in ([_largest_absolute] if lower is None else [_largest, _smallest])
        ]

    def initialize(self) -> Any:
        states = [process.initialize() for process in self._processes]
        return states[0] if len(states) == 1 else intrinsics.federated_zip(tuple(states))

    def of(self, state: Any) -> tuple[Any, Any]:
        reported = [
            intrinsics.federated_map(self._cast, process.report(each))
            for process, each in zip(self._processes, self._states(state), strict=True)
        ]
        if len(reported) == 1:
            return reported[0], intrinsics.federated_map(self._negate, reported[0])
        return reported[0], reported[1]

    def next(self, state: Any, own: Any) -> Any:
        states = [
            process.next(each, intrinsics.federated_map(report, own))
            for process, each, report in zip(
                self._processes, self._states(state), self._reports, strict=True
            )
        ]
        return states[0] if len(states) == 1 else intrinsics.federated_zip(tuple(states))

    def _states(self, state: Any) -> list[Any]:
        return [state] if len(self._processes) == 1 else [state[0], state[1]]


_Bounds = _ConstantBounds | _EstimatedBounds


def _quantized_sum(value: Any, low: Any, high: Any) -> Any:
    return quantized_sums.secure_quantized_sum(value, low, high)


def _extremes(value: Any) -> tuple[Any, Any, Any]:
    """The largest and the smallest element, and whether one is NaN, which counts as 0 in both."""
    xp = portable.namespace_of(value)
    found = trees.leaves(value)
    numbers = [quantized_sums.without_nan(leaf) for leaf in found]
    largest = xp.max(xp.stack([xp.max(leaf) for leaf in numbers]))
    smallest = xp.min(xp.stack([xp.min(leaf) for leaf in numbers]))
    has_nan = xp.any(xp.stack([xp.any(leaf != leaf) for leaf in found]))
    return largest, smallest, has_nan


def _is_above(own: Any, bound: Any) -> Any:
    largest, _, has_nan = own
    xp = portable.namespace_of(largest, bound)
    return xp.cast(xp.logical_or(largest > bound, has_nan), np.int32)


def _is_below(own: Any, bound: Any) -> Any:
    _, smallest, _ = own
    return portable.namespace_of(smallest, bound).cast(smallest < bound, np.int32)


def _largest_absolute(own: Any) -> Any:
    xp = portable.namespace_of(own)
    return xp.cast(xp.maximum(xp.abs(own[0]), xp.abs(own[1])), np.float32)


def _largest(own: Any) -> Any:
    return quantized_sums.xp_cast(own[0], np.float32)


def _smallest(own: Any) -> Any:
    return quantized_sums.xp_cast(own[1], np.float32)


def _shifted(value: Any, low: Any, high: Any) -> Any:
    xp = portable.namespace_of(value, low, high)

    def of_leaf(leaf: Any) -> Any:
        return xp.cast(xp.clip(leaf, low, high), np.int64) - xp.cast(low, np.int64)

    return trees.map_structure(of_leaf, value)


def _shifted_back(dtype: np.dtype[Any]) -> Callable[..., Any]:
    def shifted_back(total: Any, low: Any, count: Any) -> Any:
        xp = portable.namespace_of(total, low, count)
        start = xp.cast(low, np.int64) * xp.cast(count, np.int64)

        def of_leaf(leaf: Any) -> Any:
            return xp.cast(leaf + start, dtype)

        return trees.map_structure(of_leaf, total)

    return shifted_back


def _kind(bound: Any, label: str) -> str:
    if isinstance(bound, estimation_process.EstimationProcess):
        return "process"
    if isinstance(bound, (int, np.integer)) and not isinstance(bound, bool):
        return "integer"
    if isinstance(bound, (float, np.floating)):
        return "float"
    raise errors.TypeMismatchError(
        f"`{label}` must be an integer, a float or an estimation process.",
        problems=[f"{label}: got {errors.describe_object(bound)}"],
        fix="for example `SecureSumFactory(upper_bound_threshold=1.0)`.",
    )


def _check_same_kind(upper: Any, lower: Any) -> None:
    kinds = _kind(upper, "upper_bound_threshold"), _kind(lower, "lower_bound_threshold")
    if kinds[0] != kinds[1]:
        raise errors.TypeMismatchError(
            "both bounds must be of one kind.",
            problems=[
                f"upper_bound_threshold: got {errors.describe_object(upper)}",
                f"lower_bound_threshold: got {errors.describe_object(lower)}",
            ],
            fix="give two integers, two floats, or two estimation processes.",
        )


def _check_constants(upper: Any, lower: Any) -> None:
    if lower is None and not upper > 0:
        raise errors.AggregatorError(
            "an upper bound alone must be above zero.",
            problems=[f"upper_bound_threshold: got {upper}; its negative is the lower bound"],
            fix="give a `lower_bound_threshold`.",
        )
    if lower is not None and not upper > lower:
        raise errors.AggregatorError(
            "the upper bound must be above the lower one.",
            problems=[
                f"upper_bound_threshold: got {upper}",
                f"lower_bound_threshold: got {lower}",
            ],
            fix="exchange them.",
        )
    if not math.isfinite(upper) or (lower is not None and not math.isfinite(lower)):
        raise errors.AggregatorError(
            "bounds must be finite.",
            problems=[f"upper_bound_threshold: got {upper}, lower_bound_threshold: {lower}"],
            fix="give numbers that the values hardly ever pass.",
        )


def _as_dtype(bound: Any, dtype: np.dtype[Any]) -> Any:
    if dtype.kind in "iu":
        information = np.iinfo(dtype)
        if not information.min <= int(bound) <= information.max:
            raise errors.AggregatorError(
                "a bound is no number of the dtype of the values.",
                problems=[f"bound: {bound} is not in the range of {dtype.name}"],
                fix=f"give bounds from {information.min} to {information.max}.",
            )
    return np.asarray(bound, dtype)[()]
