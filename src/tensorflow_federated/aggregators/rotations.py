"""Random rotations: before aggregation every element of a tensor becomes a mix of all of them.

What is quantized or clipped element by element is then spread evenly. The rotation is the same for
all clients of a round, and linear, so that the server turns the sum back.
"""

from __future__ import annotations

import abc
import collections
import math
from typing import Any

import numpy as np

from tensorflow_federated.aggregators import factory, random_draws, sums
from tensorflow_federated.core import (
    dtypes,
    errors,
    intrinsics,
    local_intrinsics,
    placements,
    portable,
    tracing,
    trees,
)
from tensorflow_federated.core.types import FederatedType, StructType, TensorType, Type
from tensorflow_federated.execution import leaves
from tensorflow_federated.jax import portable_computation
from tensorflow_federated.templates import aggregation_process, measured_process

_SEED_TYPE = TensorType(np.int64, [2])
_DTYPE = np.float32


class _RotationFactory(factory.UnweightedAggregationFactory):
    """What the rotations share."""

    _name: str
    """What its measurements are called."""

    @errors.boundary
    def __init__(
        self,
        inner_agg_factory: factory.UnweightedAggregationFactory | None = None,
        num_repeats: int = 1,
    ) -> None:
        """Chooses what aggregates the rotated values.

        Args:
          inner_agg_factory: aggregates vectors of float32; `SumFactory()` by default.
          num_repeats: how many rotations are applied, one after the other.

        Raises:
          TypeMismatchError: if the aggregator is none without weights.
          AggregatorError: if `num_repeats` is no positive integer.
        """
        self._inner = (
            sums.SumFactory()
            if inner_agg_factory is None
            else factory.check_unweighted(inner_agg_factory, "inner_agg_factory")
        )
        if not isinstance(num_repeats, int) or isinstance(num_repeats, bool) or num_repeats < 1:  # pyright: ignore[reportUnnecessaryIsInstance]
            raise errors.AggregatorError(
                "`num_repeats` is out of range.",
                problems=[
                    "num_repeats: expected an integer that is 1 or more, got "
                    f"{errors.describe_object(num_repeats)}"
                ],
                fix="leave it out for 1.",
            )
        self._num_repeats = num_repeats

    @errors.boundary
    def create(self, value_type: Type) -> aggregation_process.AggregationProcess:
        """Makes the process for a type of value.

        Args:
          value_type: a tensor, or a structure of tensors, all floating or all integers, of known
            shapes.

        Returns:
          The process.

        Raises:
          TypeMismatchError: if there is something else in the type.
        """
        checked = _check_type(factory.check_value_type(value_type))
        rotate = portable_computation(self._rotated, checked, _SEED_TYPE)
        inner = self._inner.create(rotate.type_signature.result)
        inner_result: Any = inner.next.type_signature.result
        found: list[Any] = list(leaves.leaf_types(checked))

        def turned_back(value: Any, seed: Any) -> Any:
            return self._turned_back(value, seed, found)

        turn_back = portable_computation(turned_back, inner_result[1].member, _SEED_TYPE)
        start = portable_computation(_first_seed, _SEED_TYPE)
        draws = self._num_repeats * len(found)

        def seed_after(seed: Any) -> Any:
            return seed + np.array([0, draws], np.int64)

        advance = portable_computation(seed_after, _SEED_TYPE)

        def first_seed() -> Any:
            return start(local_intrinsics.server_random_key())

        draw_seed = tracing.federated_computation(first_seed)

        def initialize_fn() -> Any:
            seed = intrinsics.federated_eval(draw_seed, placements.SERVER)
            return intrinsics.federated_zip((inner.initialize(), seed))

        def next_fn(state: Any, value: Any) -> measured_process.MeasuredProcessOutput:
            seed = state[1]
            rotated = intrinsics.federated_map(
                rotate, (value, intrinsics.federated_broadcast(seed))
            )
            output: Any = inner.next(state[0], rotated)
            measurements = collections.OrderedDict({self._name: output.measurements})
            return measured_process.MeasuredProcessOutput(
                intrinsics.federated_zip((output.state, intrinsics.federated_map(advance, seed))),
                intrinsics.federated_map(turn_back, (output.result, seed)),
                intrinsics.federated_zip(measurements),
            )

        initialize = tracing.federated_computation(initialize_fn)
        return aggregation_process.AggregationProcess(
            initialize,
            tracing.federated_computation(
                next_fn,
                initialize.type_signature.result,
                FederatedType(checked, placements.CLIENTS),
            ),
        )

    def _rotated(self, value: Any, seed: Any) -> Any:
        xp = portable.namespace_of(value, seed)
        vectors: list[Any] = []
        for index, leaf in enumerate(trees.leaves(value)):
            vector = xp.reshape(xp.cast(leaf, _DTYPE), [-1])
            size = _size_of(xp, vector)
            padding = self._padded_size(size) - size
            vector = xp.concat([vector, xp.zeros([padding], _DTYPE)])
            for stream in self._streams(index):
                vector = self._forward(vector, seed, stream)
            vectors.append(vector)
        return trees.pack_like(value, vectors)

    def _turned_back(self, value: Any, seed: Any, types: list[Any]) -> Any:
        xp = portable.namespace_of(value, seed)
        tensors: list[Any] = []
        for index, (vector, leaf) in enumerate(zip(trees.leaves(value), types, strict=True)):
            for stream in reversed(self._streams(index)):
                vector = self._backward(vector, seed, stream)
            tensor = xp.reshape(xp.slice(vector, 0, math.prod(leaf.shape)), leaf.shape)
            tensors.append(
                xp.cast(xp.round(tensor) if dtypes.is_integer(leaf.dtype) else tensor, leaf.dtype)
            )
        return trees.pack_like(value, tensors)

    def _streams(self, index: int) -> range:
        return range(index * self._num_repeats, (index + 1) * self._num_repeats)

    @abc.abstractmethod
    def _padded_size(self, size: int) -> int: ...

    @abc.abstractmethod
    def _forward(self, vector: Any, seed: Any, stream: int) -> Any: ...

    @abc.abstractmethod
    def _backward(self, vector: Any, seed: Any, stream: int) -> Any: ...


class HadamardTransformFactory(_RotationFactory):
    """Aggregates after a random rotation of each tensor, by signs and a Hadamard matrix.

    Type of `next`: ``(<state=<S,int64[2]>@SERVER,value={V}@CLIENTS> ->
    <state=<S,int64[2]>@SERVER,result=V@SERVER,measurements=<hd=M>@SERVER>)``, with the state S and
    the measurements M of the inner aggregator.

    Each tensor, as a vector filled up with zeros to a power of two n, becomes ``H D v``: the signs
    D are drawn for each tensor and round, and ``H`` is the Walsh-Hadamard matrix divided by
    ``sqrt(n)``. Both keep norms. The inner aggregator sees float32 vectors. The server applies the
    inverse; integers are rounded. The cost is ``O(n log n)``.

    The signs follow from a seed in the state, drawn when the process starts, and a count of draws.

    Examples:
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> process = HadamardTransformFactory().create(tff.TensorType(np.float32, [4]))
      >>> output = process.next(process.initialize(), [[1.0, 2.0, 3.0, 4.0], [0.5, 0.0, -1.0, 2.0]])
      >>> [round(float(x), 4) for x in output.result]
      [1.5, 2.0, 2.0, 6.0]

    Source: A. Suresh et al., "Distributed mean estimation with limited communication" (ICML 2017,
    arXiv:1611.00429).

    Differs from TFF: the seed is that of the execution context, not the time.
    """

    _name = "hd"

    def _padded_size(self, size: int) -> int:
        return 2 ** max(size - 1, 0).bit_length()

    def _forward(self, vector: Any, seed: Any, stream: int) -> Any:
        size = _size_of(portable.namespace_of(vector), vector)
        return _hadamard(vector * random_draws.signs(seed, size, stream))

    def _backward(self, vector: Any, seed: Any, stream: int) -> Any:
        size = _size_of(portable.namespace_of(vector), vector)
        return _hadamard(vector) * random_draws.signs(seed, size, stream)


class DiscreteFourierTransformFactory(_RotationFactory):
    """Aggregates after a random rotation of each tensor, by angles and a Fourier transform.

    Type of `next`: ``(<state=<S,int64[2]>@SERVER,value={V}@CLIENTS> ->
    <state=<S,int64[2]>@SERVER,result=V@SERVER,measurements=<dft=M>@SERVER>)``, with the state S and
    the measurements M of the inner aggregator.

    Each tensor, as a vector filled up with a zero if its size is odd, is read as n complex numbers,
    of which its first half are the real parts. Each is turned by an angle that is drawn for each
    tensor and round; then the discrete Fourier transform divided by ``sqrt(n)`` is applied. Both
    keep norms. The inner aggregator sees float32 vectors, the real parts before the imaginary ones.
    The server applies the inverse; integers are rounded. The cost is ``O(n log n)``.

    The angles follow from a seed in the state, drawn when the process starts, and a count of draws.

    Examples:
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> process = DiscreteFourierTransformFactory().create(tff.TensorType(np.float32, [4]))
      >>> output = process.next(process.initialize(), [[1.0, 2.0, 3.0, 4.0], [0.5, 0.0, -1.0, 2.0]])
      >>> [round(float(x), 4) for x in output.result]
      [1.5, 2.0, 2.0, 6.0]

    Source: P. Kairouz et al., "The distributed discrete Gaussian mechanism for federated learning
    with secure aggregation" (ICML 2021, arXiv:2102.06387).

    Differs from TFF: the seed is that of the execution context, not the time.
    """

    _name = "dft"

    def _padded_size(self, size: int) -> int:
        return max(2, size + size % 2)

    def _forward(self, vector: Any, seed: Any, stream: int) -> Any:
        xp = portable.namespace_of(vector, seed)
        count = _size_of(xp, vector) // 2
        turned = _complex(xp, vector) * _phases(seed, count, stream, 1.0)
        return _parts(xp, xp.fft(turned)) * (1.0 / math.sqrt(count))

    def _backward(self, vector: Any, seed: Any, stream: int) -> Any:
        xp = portable.namespace_of(vector, seed)
        count = _size_of(xp, vector) // 2
        turned = xp.ifft(_complex(xp, vector * math.sqrt(count)))
        return _parts(xp, turned * _phases(seed, count, stream, -1.0))


def _hadamard(vector: Any) -> Any:
    """The product with the Walsh-Hadamard matrix, divided by the root of its size.

    In each of the log2(n) steps pairs of the two halves become neighbours: the sum, the difference.
    """
    xp = portable.namespace_of(vector)
    size = _size_of(xp, vector)
    for _ in range(size.bit_length() - 1):
        first, second = xp.slice(vector, 0, size // 2), xp.slice(vector, size // 2, size)
        vector = xp.reshape(xp.stack([first + second, first - second], axis=1), [size])
    return vector * (1.0 / math.sqrt(size))


def _complex(xp: portable.ArrayNamespace, vector: Any) -> Any:
    half = _size_of(xp, vector) // 2
    real, imaginary = (
        xp.cast(xp.slice(vector, start, start + half), np.complex64) for start in (0, half)
    )
    return real + imaginary * 1j


def _parts(xp: portable.ArrayNamespace, numbers: Any) -> Any:
    return xp.concat([xp.real(numbers), xp.imag(numbers)])


def _phases(seed: Any, count: int, stream: int, direction: float) -> Any:
    """Complex numbers of modulus 1 and random angles, or their inverses."""
    xp = portable.namespace_of(seed)
    turns = random_draws.uniform(seed, [count], stream)
    cosine = xp.cast(xp.cos(turns * (2.0 * math.pi)), np.complex64)
    # The sine, by an angle of a quarter less.
    sine = xp.cast(xp.cos(turns * (2.0 * math.pi) - 0.5 * math.pi) * direction, np.complex64)
    return cosine + sine * 1j


def _first_seed(key: Any) -> Any:
    """A seed with a count of draws, from 0, as its second word."""
    return key * np.array([1, 0], np.int64)


def _size_of(xp: portable.ArrayNamespace, vector: Any) -> int:
    (size,) = xp.shape_of(vector)
    assert size is not None
    return size


def _check_type(value_type: TensorType | StructType) -> TensorType | StructType:
    found: list[Any] = list(leaves.leaf_types(value_type))
    problems = [
        f"value_type: expected a tensor of known shape, found {leaf}"
        for leaf in found
        if not isinstance(leaf, TensorType) or leaf.shape is None or None in leaf.shape
    ]
    if not problems and not any(
        all(is_kind(leaf.dtype) for leaf in found)
        for is_kind in (dtypes.is_floating, dtypes.is_integer)
    ):
        problems = [
            f"value_type: expected all floating tensors, or all of integers, got {value_type}"
        ]
    if problems:
        raise errors.TypeMismatchError(
            "tensors of this type cannot be rotated.",
            problems=problems,
            signature=value_type,
            fix="cast them to float32 at the clients first.",
        )
    return value_type
