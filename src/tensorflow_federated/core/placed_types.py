"""Federated types by placement, under their older names."""

from __future__ import annotations

from tensorflow_federated.core import placements
from tensorflow_federated.core.types import FederatedType


def type_at_clients(type_spec: object, all_equal: bool = False) -> FederatedType:
    """Builds the type of a value at the clients: `tff.FederatedType(type_spec, tff.CLIENTS)`.

    Args:
      type_spec: The type of each client's value, or anything that `tff.to_type` takes.
      all_equal: Whether all clients have the same value.

    Returns:
      The federated type.

    Raises:
      ToTypeError: If `type_spec` is no type.
      StructureError: If it holds a federated or function type.

    Examples:
      >>> import numpy as np
      >>> print(type_at_clients(np.int32))
      {int32}@CLIENTS
      >>> print(type_at_clients(np.int32, all_equal=True))
      int32@CLIENTS
    """
    return FederatedType(type_spec, placements.CLIENTS, all_equal)


def type_at_server(type_spec: object) -> FederatedType:
    """Builds the type of a value at the server: `tff.FederatedType(type_spec, tff.SERVER)`.

    Args:
      type_spec: The type of the value, or anything that `tff.to_type` takes.

    Returns:
      The federated type.

    Raises:
      ToTypeError: If `type_spec` is no type.
      StructureError: If it holds a federated or function type.

    Examples:
      >>> import numpy as np
      >>> print(type_at_server(np.int32))
      int32@SERVER
    """
    return FederatedType(type_spec, placements.SERVER)
