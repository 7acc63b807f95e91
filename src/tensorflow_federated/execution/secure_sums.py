"""What is checked of a secure sum that is simulated: that the clients kept what they promised."""

from __future__ import annotations

from typing import Any

from tensorflow_federated.core import errors, intrinsic_defs, type_constraints
from tensorflow_federated.core.types import Type
from tensorflow_federated.execution import leaves

_FIXES = {
    "federated_secure_modular_sum": "give a modulus from 1 to the largest number of the dtype.",
    "federated_secure_sum": "raise `max_input`, or clip the values at the clients first.",
    "federated_secure_sum_bitwidth": "raise `bitwidth`, up to "
    f"{intrinsic_defs.LARGEST_BITWIDTH}, or clip the values at the clients first.",
}


def check_promises(uri: str, breaches: Any, breaches_type: Type) -> None:
    """Raises an error if clients sent what they should not have.

    Args:
      uri: the secure sum.
      breaches: for each tensor of the value, the number of clients that broke their promise; a
        canonical value.
      breaches_type: its type, of the structure of the value.

    Raises:
      SecureSumError: if one number is not 0.
    """
    numbers = [int(count) for count in leaves.flatten(breaches, breaches_type)]
    if not any(numbers):
        return
    definition = intrinsic_defs.get(uri)
    bound = definition.parameters[1]
    paths = [path for path, _ in type_constraints.leaves(breaches_type)]
    if uri == "federated_secure_modular_sum":
        problems = [
            f"{bound}: the one for value{path} is less than 1, or larger than its dtype can hold"
            for path, number in zip(paths, numbers, strict=True)
            if number
        ]
    else:
        limit = "`max_input`" if uri == "federated_secure_sum" else "`bitwidth` allows"
        problems = [
            f"value{path}: {_clients(number)} more than {limit}"
            for path, number in zip(paths, numbers, strict=True)
            if number
        ]
    raise errors.SecureSumError(
        f"the values of some clients are not what `{uri}` was told.",
        problems=problems,
        signature=definition.signature,
        fix=_FIXES[uri],
    )


def _clients(number: int) -> str:
    return "1 client has" if number == 1 else f"{number} clients have"
