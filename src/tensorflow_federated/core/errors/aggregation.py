"""Errors about aggregators."""

from __future__ import annotations

from tensorflow_federated.core.errors.root import FederatedError
from tensorflow_federated.core.errors.types import TypeMismatchError


class AggregatorError(FederatedError, ValueError, known_as="ValueError"):
    """An aggregator is given a number that it cannot work with.

    Fails: `tff.aggregators.SecureSumFactory(upper_bound_threshold=1, lower_bound_threshold=5)`.
    Mended: `tff.aggregators.SecureSumFactory(upper_bound_threshold=5, lower_bound_threshold=1)`.
    """


class UnsupportedDTypeError(TypeMismatchError):
    """Values of a dtype cannot be quantized.

    Fails: `tff.aggregators.secure_quantized_sum(value, -1.0, 1.0)` of float16 values.
    Mended: cast them to float32 at the clients first.
    """


class BoundsDifferentTypesError(TypeMismatchError):
    """One bound of a quantized sum is a value of the program, and the other is a constant.

    Fails: `tff.aggregators.secure_quantized_sum(value, 0.0, upper_bound_at_server)`.
    Mended: place both: `tff.federated_value(np.float32(0), tff.SERVER)`.
    """


class BoundsDifferentSignaturesError(TypeMismatchError):
    """The bounds of a quantized sum are of two types.

    Fails: `tff.aggregators.secure_quantized_sum(value, np.float32(-1), np.int32(1))`.
    Mended: `tff.aggregators.secure_quantized_sum(value, np.float32(-1), np.float32(1))`.
    """


class BoundsNotPlacedAtServerError(TypeMismatchError):
    """The bounds of a quantized sum are not at the server.

    Fails: `tff.aggregators.secure_quantized_sum(value, low_at_clients, high_at_clients)`.
    Mended: give numbers, or values at the server.
    """


class StructuredBoundsTypeMismatchError(TypeMismatchError):
    """The bounds of a quantized sum are structures, but not of the form of the value.

    Fails: `tff.aggregators.secure_quantized_sum(value, [0.0, 0.0], [1.0, 1.0])` of one tensor.
    Mended: one bound for all tensors, or one for each, in the same structure and dtypes.
    """


class ScalarBoundStructValueDTypeError(TypeMismatchError):
    """A quantized sum has one bound for tensors of several dtypes, or of another dtype.

    Fails: `tff.aggregators.secure_quantized_sum(value, 0.0, 1.0)` of float32 and int32 tensors.
    Mended: structures of bounds, each of the dtype of its tensor.
    """


class ScalarBoundSimpleValueDTypeError(TypeMismatchError):
    """The bounds of a quantized sum are of another dtype than the value.

    Fails: `tff.aggregators.secure_quantized_sum(value, 0.0, 1.0)` of int32 values.
    Mended: `tff.aggregators.secure_quantized_sum(value, np.int32(0), np.int32(1))`.
    """
