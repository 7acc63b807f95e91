"""The operators that send each client the slices of a server's value that it asks for."""

from __future__ import annotations

from typing import Any

from tensorflow_federated.core import errors, intrinsic_calls
from tensorflow_federated.core.tracing import Value


@errors.boundary
def federated_secure_select(
    client_keys: Any, max_key: Any, server_val: Any, select_fn: Any
) -> Value:
    """Sends each client the slices that it asks for, without showing the server which ones.

    Type: ``(<{K}@CLIENTS,int32@SERVER,T@SERVER,(<T,int32> -> U)> -> {U*}@CLIENTS)``

    The same as `federated_select`. Here the secrecy is simulated; a context made with
    `simulate_secure=False` refuses to run it.

    Args:
      client_keys: as for `federated_select`.
      max_key: as for `federated_select`.
      server_val: as for `federated_select`.
      select_fn: as for `federated_select`.

    Returns:
      The sequence of slices of each client.

    Raises:
      PlacementError: as for `federated_select`.
      TypeMismatchError: as for `federated_select`.
      ClientError: as for `federated_select`.

    Examples:
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> @tff.jax.computation((np.float32, [3]), np.int32)
      ... def row(table, key):
      ...     return table[key]
      >>> @tff.federated_computation(
      ...     tff.FederatedType((np.int32, [1]), tff.CLIENTS),
      ...     tff.FederatedType((np.float32, [3]), tff.SERVER),
      ... )
      ... def rows(keys, table):
      ...     size = tff.federated_value(3, tff.SERVER)
      ...     return tff.federated_secure_select(keys, size, table, row)
      >>> rows([[2], [0]], [1.0, 10.0, 100.0])
      [[np.float32(100.0)], [np.float32(1.0)]]
    """
    return intrinsic_calls.call(
        "federated_secure_select", client_keys, max_key, server_val, select_fn
    )


@errors.boundary
def federated_select(client_keys: Any, max_key: Any, server_val: Any, select_fn: Any) -> Value:
    """Sends each client the slices of a server's value that it asks for.

    Type: ``(<{K}@CLIENTS,int32@SERVER,T@SERVER,(<T,int32> -> U)> -> {U*}@CLIENTS)``, K is int32[k].

    A client with the keys ``k_1, ..., k_n`` gets the sequence ``select_fn(server_val, k_1), ...,
    select_fn(server_val, k_n)``.

    Args:
      client_keys: int32[k] at the clients, for a known k: the keys of each client.
      max_key: int32 at the server: every key is at least 0, and less than this.
      server_val: a value at the server, or a structure of such.
      select_fn: a computation of the type ``(<T,int32> -> U)``: the slice for a key.

    Returns:
      The sequence of slices of each client, in the order of its keys.

    Raises:
      PlacementError: if the keys are not at the clients, or the others not at the server.
      TypeMismatchError: if the types do not fit together.
      ClientError: when the computation runs, if a key is out of range.

    Examples:
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> @tff.jax.computation((np.float32, [3]), np.int32)
      ... def row(table, key):
      ...     return table[key]
      >>> @tff.federated_computation(
      ...     tff.FederatedType((np.int32, [2]), tff.CLIENTS),
      ...     tff.FederatedType(np.int32, tff.SERVER),
      ...     tff.FederatedType((np.float32, [3]), tff.SERVER),
      ... )
      ... def total_of_rows(keys, size, table):
      ...     rows = tff.federated_select(keys, size, table, row)
      ...     return tff.sequence_sum(rows)
      >>> print(total_of_rows.type_signature.result)
      {float32}@CLIENTS
      >>> total_of_rows([[0, 1], [2, 2]], 3, [1.0, 10.0, 100.0])
      [np.float32(11.0), np.float32(200.0)]

    Differs from TFF: the keys are compared with `max_key`.
    """
    return intrinsic_calls.call("federated_select", client_keys, max_key, server_val, select_fn)
