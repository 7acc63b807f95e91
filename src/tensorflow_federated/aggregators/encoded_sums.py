"""Sums of values that clients encode, so that less is sent."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

import numpy as np

from tensorflow_federated.aggregators import factory, parameters, random_draws
from tensorflow_federated.core import (
    dtypes,
    errors,
    intrinsics,
    local_intrinsics,
    placements,
    portable,
    tracing,
    trees,
    type_trees,
)
from tensorflow_federated.core.types import FederatedType, StructType, TensorType, Type
from tensorflow_federated.execution import leaves
from tensorflow_federated.jax import portable_computation
from tensorflow_federated.templates import aggregation_process, measured_process

_KEY_TYPE = TensorType(np.int64, [2])


@runtime_checkable
class Encoder(Protocol):
    """A way to send a tensor."""

    def encode(self, x: portable.Array, key: portable.Array) -> Any:
        """What a client sends; a portable function.

        Args:
          x: the tensor.
          key: a random key, int64[2], for this tensor of this client in this round alone.

        Returns:
          Arrays, or a structure of them.
        """
        ...

    def decode(self, encoded: Any) -> portable.Array:
        """The tensor that is added up, of the shape and dtype of `x`; a portable function."""
        ...


EncoderFn = Callable[[TensorType], Encoder | None]
"""Chooses how the tensors of a type are sent; as they are, if it gives None."""


class UniformQuantization:
    """Sends each element as one of ``2**bits`` even steps between the extremes of its tensor.

    What is sent are unsigned integers of 8 or 16 bits and the two extremes. An element is wrong by
    half a step at most, or with random rounding by less than one step and by nothing on average. A
    tensor that has NaN or infinite elements has no finite ones afterwards.

    Examples:
      >>> import numpy as np
      >>> quantization = UniformQuantization(bits=2, stochastic=False)
      >>> encoded = quantization.encode(np.float32([0.0, 1.0, 0.4]), np.int64([1, 2]))
      >>> encoded[0].tolist()
      [0, 3, 1]
      >>> [round(float(x), 4) for x in quantization.decode(encoded)]
      [0.0, 1.0, 0.3333]
    """

    def __init__(
        self, bits: int, stochastic: bool = True, min_max: tuple[float, float] | None = None
    ) -> None:
        """Chooses the steps.

        Args:
          bits: how many, from 1 to 16.
          stochastic: whether an element is rounded up with the probability that makes its mean
            right, instead of to the nearest step.
          min_max: the extremes, to which elements are clipped; by default those of each tensor.

        Raises:
          TypeMismatchError: if an argument is of another kind.
          AggregatorError: if a number is out of range.
        """
        self._bits = parameters.check_integer(bits, "quantization_bits", at_least=1)
        if self._bits > 16:
            raise errors.AggregatorError(
                "`quantization_bits` is out of range.",
                problems=[f"quantization_bits: expected 1 to 16, got {bits}"],
                fix="give at most 16, or send the values as they are.",
            )
        self._is_random = parameters.check_flag(stochastic, "stochastic")
        self._extremes = None if min_max is None else _check_extremes(min_max)

    def encode(self, x: portable.Array, key: portable.Array) -> Any:
        """The steps of the elements, and the two extremes; a portable function."""
        xp = portable.namespace_of(x, key)
        dtype = xp.dtype_of(x)
        if self._extremes is None:
            low, high = xp.min(x), xp.max(x)
        else:
            low, high = (xp.asarray(number, dtype) for number in self._extremes)
            x = xp.clip(x, low, high)
        spread = high - low
        is_point = spread == xp.zeros_like(spread)
        scale = float(2**self._bits - 1) / xp.where(is_point, xp.ones_like(spread), spread)
        steps = (x - low) * scale
        if self._is_random:
            shape = [int(size or 0) for size in xp.shape_of(x)]
            below = xp.floor(steps)
            rest = xp.cast(steps - below, np.float64)
            is_up = random_draws.uniform(key, shape) < rest
            steps = below + xp.cast(is_up, dtype)
        else:
            steps = xp.round(steps)
        steps = xp.where(xp.isfinite(steps), steps, xp.zeros_like(steps))
        steps = xp.clip(steps, 0.0, float(2**self._bits - 1))
        return xp.cast(steps, np.uint8 if self._bits <= 8 else np.uint16), xp.stack([low, high])

    def decode(self, encoded: Any) -> portable.Array:
        """The elements again; a portable function."""
        steps, extremes = encoded
        xp = portable.namespace_of(steps, extremes)
        low, high = (xp.sum(xp.slice(extremes, start, start + 1)) for start in (0, 1))
        size = (high - low) / float(2**self._bits - 1)
        return xp.cast(steps, xp.dtype_of(extremes)) * size + low


class EncodedSumFactory(factory.UnweightedAggregationFactory):
    """Adds up values that clients send encoded, each tensor by an encoder of its own.

    Type of `next`: ``(<state=S@SERVER,value={V}@CLIENTS> ->
    <state=S@SERVER,result=V@SERVER,measurements=<>@SERVER>)``, V of tensors that can be added up.
    What a client sends is decoded before it is added. The state has nothing in it, in the structure
    of V; there are no measurements.

    Examples:
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> factory = EncodedSumFactory.quantize_above_threshold(
      ...     quantization_bits=1, threshold=2, stochastic=False
      ... )
      >>> process = factory.create(tff.TensorType(np.float32, [4]))
      >>> process.next(process.initialize(), [[0.0, 1.0, 0.2, 0.9], [2.0, 2.0, 4.0, 3.5]]).result
      array([2., 3., 4., 5.], dtype=float32)

    Differs from TFF: an encoder is any object with two portable functions, see `Encoder`, and its
    function is asked with a `tff.TensorType`; those of `tensorflow_model_optimization` are refused.
    What is random follows from the seed of the execution context.
    """

    @classmethod
    @errors.boundary
    def quantize_above_threshold(
        cls, quantization_bits: int = 8, threshold: int = 20000, **kwargs: Any
    ) -> EncodedSumFactory:
        """Quantizes the tensors with many elements, and sends the others as they are.

        Args:
          quantization_bits: the bits of one element, from 1 to 16.
          threshold: tensors with more elements are quantized.
          **kwargs: `stochastic`, True by default, and `min_max`: see
            `aggregators.encoded_sums.UniformQuantization`.

        Returns:
          The aggregator.

        Raises:
          TypeMismatchError: if an argument is of another kind, or unknown.
          AggregatorError: if a number is out of range.
        """
        unknown = sorted(set(kwargs) - {"stochastic", "min_max"})
        if unknown:
            raise errors.TypeMismatchError(
                "`quantize_above_threshold` does not take these arguments.",
                problems=[f"{name}: expected `stochastic` or `min_max`" for name in unknown],
                fix="leave them out.",
            )
        quantization = UniformQuantization(quantization_bits, **kwargs)
        parameters.check_integer(threshold, "threshold", at_least=0)

        def choose(tensor_type: TensorType) -> Encoder | None:
            return (
                quantization
                if math.prod(size or 0 for size in tensor_type.shape or ()) > threshold
                else None
            )

        return cls(choose)

    @errors.boundary
    def __init__(self, encoder_fn: EncoderFn) -> None:
        """Chooses the encoders.

        Args:
          encoder_fn: a function from the type of a tensor to an encoder, an object with the
            portable functions `encode` and `decode`; or to None.

        Raises:
          TypeMismatchError: if it is no function.
        """
        if not callable(encoder_fn):
            raise errors.TypeMismatchError(
                "`encoder_fn` must be a function.",
                problems=[f"encoder_fn: got {errors.describe_object(encoder_fn)}"],
                fix="for example `EncodedSumFactory.quantize_above_threshold()`.",
            )
        self._encoder_fn = encoder_fn

    @errors.boundary
    def create(self, value_type: Type) -> aggregation_process.AggregationProcess:
        """Makes the process for a type of value.

        Args:
          value_type: a tensor of numbers, or a structure of such tensors, of known shapes.

        Returns:
          The process.

        Raises:
          TypeMismatchError: if there is something else in the type, or an encoder is none.
        """
        checked = _check_type(factory.check_value_type(value_type))
        found: list[Any] = list(leaves.leaf_types(checked))
        encoders = [_check_encoder(self._encoder_fn(leaf), leaf) for leaf in found]
        encode = _encoding(encoders, checked)
        encoded_type: Any = encode.type_signature.result

        def zeros() -> Any:
            return tuple(portable.NUMPY.zeros(leaf.shape, leaf.dtype) for leaf in found)

        def accumulate(total: Any, encoded: Any) -> Any:
            return tuple(
                old + (part if encoder is None else encoder.decode(part))
                for encoder, old, part in zip(encoders, total, encoded, strict=True)
            )

        def merge(first: Any, second: Any) -> Any:
            return tuple(a + b for a, b in zip(first, second, strict=True))

        def take_apart(total: Any) -> Any:
            remaining = iter(total)
            return type_trees.build(checked, lambda _: next(remaining))

        start = portable_computation(zeros)
        total_type: Any = start.type_signature.result
        add = portable_computation(accumulate, total_type, encoded_type)
        add_totals = portable_computation(merge, total_type, total_type)
        report = portable_computation(take_apart, total_type)

        def initialize_fn() -> Any:
            return intrinsics.federated_value(
                type_trees.build(checked, lambda _: ()), placements.SERVER
            )

        def next_fn(state: Any, value: Any) -> measured_process.MeasuredProcessOutput:
            total = intrinsics.federated_aggregate(
                intrinsics.federated_map(encode, value), start(), add, add_totals, report
            )
            nothing = intrinsics.federated_value((), placements.SERVER)
            return measured_process.MeasuredProcessOutput(state, total, nothing)

        initialize = tracing.federated_computation(initialize_fn)
        return aggregation_process.AggregationProcess(
            initialize,
            tracing.federated_computation(
                next_fn,
                initialize.type_signature.result,
                FederatedType(checked, placements.CLIENTS),
            ),
        )


def _encoding(encoders: list[Encoder | None], value_type: Type) -> Any:
    """What a client does: from its value to what it sends of each tensor."""
    count = sum(encoder is not None for encoder in encoders)

    def encoded(value: Any, keys: Any) -> Any:
        remaining = iter(keys)
        return tuple(
            leaf if encoder is None else encoder.encode(leaf, next(remaining))
            for encoder, leaf in zip(encoders, trees.leaves(value), strict=True)
        )

    keys_type = StructType([_KEY_TYPE] * count)
    encode = portable_computation(encoded, value_type, keys_type)

    def with_keys(value: Any) -> Any:
        return encode(value, tuple(local_intrinsics.random_key() for _ in range(count)))

    return tracing.federated_computation(with_keys, value_type)


def _check_encoder(encoder: Any, leaf: TensorType) -> Encoder | None:
    if encoder is None:
        return None
    if not isinstance(encoder, Encoder):
        raise errors.TypeMismatchError(
            "`encoder_fn` must give encoders.",
            problems=[
                f"encoder_fn({leaf}): expected an object with the functions `encode` and `decode`, "
                f"or None, got {errors.describe_object(encoder)}"
            ],
            fix="for quantization take `EncodedSumFactory.quantize_above_threshold()`.",
        )
    if isinstance(encoder, UniformQuantization) and not dtypes.is_floating(leaf.dtype):
        raise errors.TypeMismatchError(
            "only floating tensors can be quantized.",
            problems=[f"value_type: expected floating numbers, found {leaf}"],
            fix="raise the `threshold`, so that this tensor is sent as it is.",
        )
    return encoder


def _check_type(value_type: TensorType | StructType) -> TensorType | StructType:
    problems = [
        f"value_type: expected a tensor of numbers of known shape, found {leaf}"
        for leaf in leaves.leaf_types(value_type)
        if not isinstance(leaf, TensorType)
        or leaf.shape is None
        or None in leaf.shape
        or leaf.dtype.kind in "bUSO"
    ]
    if problems:
        raise errors.TypeMismatchError(
            "values of this type cannot be added up.",
            problems=problems,
            signature=value_type,
            fix="give numbers of a shape that is known.",
        )
    return value_type


def _check_extremes(given: Any) -> tuple[float, float]:
    extremes = trees.leaves(given)
    if len(extremes) != 2 or not extremes[0] < extremes[1]:
        raise errors.AggregatorError(
            "`min_max` must be two numbers.",
            problems=[f"min_max: expected a smaller and a larger number, got {given!r}"],
            fix="for example `min_max=(-1.0, 1.0)`.",
        )
    return float(extremes[0]), float(extremes[1])
