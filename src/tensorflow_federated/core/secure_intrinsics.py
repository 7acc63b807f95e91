"""The operators that add up the clients' integers without showing the server those of any client.

Here they are simulated: they compute the same, in plaintext, and refuse the same values. A context
made with `simulate_secure=False` refuses to run them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tensorflow_federated.core import errors, intrinsic_calls, intrinsic_defs, ir, paths, structure
from tensorflow_federated.core.tracing import Value, as_value


@errors.boundary
def federated_secure_modular_sum(value: Any, modulus: Any) -> Value:
    """Adds up the clients' integers modulo a number, securely, at the server.

    Type: ``(<{V}@CLIENTS,M> -> V@SERVER)``, V of integer tensors, M one integer or one for each
    tensor of V, in the same structure.

    Computes ``(sum_i v_i) mod m``, a number from 0 to ``m - 1``, leaf by leaf; no sum on the way
    is too large for the dtype.

    Args:
      value: a value at the clients.
      modulus: what to divide by, at least 1; without placement.

    Returns:
      The remainder of the sum, at the server.

    Raises:
      PlacementError: if `value` is not at the clients.
      TypeMismatchError: if a part of it is no integer, or `modulus` is not of its structure.
      SecureSumError: if the modulus is less than 1, or larger than the dtype of the value can hold.

    Examples:
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> @tff.federated_computation(tff.FederatedType(np.int32, tff.CLIENTS))
      ... def remainder(values):
      ...     return tff.federated_secure_modular_sum(values, modulus=4)
      >>> print(remainder.type_signature)
      ({int32}@CLIENTS -> int32@SERVER)
      >>> remainder([1, 2, 3])
      np.int32(2)

    Differs from TFF: a modulus less than 1 is an error; its dtype can be another than the value's.
    """
    bound = as_value(modulus, used="tff.federated_secure_modular_sum")
    _check_constants("federated_secure_modular_sum", "modulus", bound, 1, None)
    return intrinsic_calls.call("federated_secure_modular_sum", value, bound)


@errors.boundary
def federated_secure_sum(value: Any, max_input: Any) -> Value:
    """Adds up the clients' integers, securely, at the server.

    Type: ``(<{V}@CLIENTS,M> -> V@SERVER)``, V of integer tensors, M one integer or one for each
    tensor of V, in the same structure.

    Computes ``sum_i v_i``, leaf by leaf; sums that are too large for the dtype wrap around.

    Args:
      value: a value at the clients; that it is not negative is promised, and not checked.
      max_input: the largest value that a client may have; without placement.

    Returns:
      The sum at the server, of the same type; zeros without clients.

    Raises:
      PlacementError: if `value` is not at the clients.
      TypeMismatchError: if a part of it is no integer, or `max_input` is not of its structure.
      SecureSumError: when the computation runs, if a client has a larger value.

    Examples:
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> @tff.federated_computation(tff.FederatedType(np.int32, tff.CLIENTS))
      ... def total(values):
      ...     return tff.federated_secure_sum(values, max_input=10)
      >>> print(total.type_signature)
      ({int32}@CLIENTS -> int32@SERVER)
      >>> total([1, 2, 3])
      np.int32(6)
    """
    return intrinsic_calls.call("federated_secure_sum", value, max_input)


@errors.boundary
def federated_secure_sum_bitwidth(value: Any, bitwidth: Any) -> Value:
    """Adds up the clients' integers of a number of bits, securely, at the server.

    Type: ``(<{V}@CLIENTS,B> -> V@SERVER)``, V of integer tensors, B one integer or one for each
    tensor of V, in the same structure.

    The same as `federated_secure_sum` with ``max_input = 2**bitwidth - 1``.

    Args:
      value: a value at the clients; that it is not negative is promised, and not checked.
      bitwidth: the number of bits of the largest value of a client, from 0 to 62; without
        placement.

    Returns:
      The sum at the server, of the same type; zeros without clients.

    Raises:
      PlacementError: if `value` is not at the clients.
      TypeMismatchError: if a part of it is no integer, or `bitwidth` is not of its structure.
      SecureSumError: if the bit width is out of range; when the computation runs, also if a client
        has a larger value.

    Examples:
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> @tff.federated_computation(tff.FederatedType(np.int32, tff.CLIENTS))
      ... def total(values):
      ...     return tff.federated_secure_sum_bitwidth(values, bitwidth=8)
      >>> total([1, 2, 255])
      np.int32(258)
    """
    bound = as_value(bitwidth, used="tff.federated_secure_sum_bitwidth")
    largest = intrinsic_defs.LARGEST_BITWIDTH
    _check_constants("federated_secure_sum_bitwidth", "bitwidth", bound, 0, largest)
    return intrinsic_calls.call("federated_secure_sum_bitwidth", value, bound)


def _check_constants(
    uri: str, parameter: str, bound: Value, least: int, largest: int | None
) -> None:
    """Raises an error for a constant that is out of range; other values show when they come."""
    problems: list[str] = []
    allowed = f"at least {least}" if largest is None else f"from {least} to {largest}"

    def visit(node: ir.Node, path: str) -> None:
        if isinstance(node, ir.Struct):
            for index, (name, element) in enumerate(structure.iter_elements(node)):
                visit(element, path + paths.step(name, index))
        elif isinstance(node, ir.Literal):
            number = np.asarray(node.value)
            is_integer = number.shape == () and number.dtype.kind in "iu"
            if is_integer and (number < least or (largest is not None and number > largest)):
                problems.append(f"{path}: expected a number {allowed}, got {number}")

    visit(bound.node, parameter)
    if problems:
        definition = intrinsic_defs.get(uri)
        raise errors.SecureSumError(
            f"`{uri}` cannot be applied to this argument.",
            problems=problems,
            signature=definition.signature,
            fix=definition.hint,
        )
