"""Clients side by side: the work of several as one batched program, for accelerators."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from tensorflow_federated.jax import devices

# More lanes than the clients of a chunk would stay empty.
_MOST_LANES = 64

# How many copies of its state a lane holds: the state, its gradients, what an optimizer and a loop
# keep of them.
_COPIES = 8

Work = Callable[[Any], list[Any]]
"""What one client does: from its position to its results."""


def count_for(chosen: int | None, state_bytes: int, is_batchable: bool) -> int:
    """How many clients work side by side.

    Args:
      chosen: how many the caller asks for; None to choose.
      state_bytes: how many bytes a client is sent, and gives back.
      is_batchable: whether work can be batched at all without doing it one after the other.

    Returns:
      The number, 1 on a processor if it is not asked for more.
    """
    if chosen is not None:
        return max(chosen, 1)
    device = devices.default_device()
    if device.platform == "cpu" or not is_batchable:
        return 1
    memory = devices.device_memory(device) // 4
    return max(1, min(_MOST_LANES, memory // (_COPIES * max(state_bytes, 1))))


def order_of(sizes: np.ndarray, capacity: int) -> np.ndarray:
    """In which order clients take lanes, so that neighbours take as long as each other.

    Args:
      sizes: how much each client has to do.
      capacity: the number of clients to pad to; positions without a client come last.

    Returns:
      int32[capacity], positions of clients.

    Examples:
      >>> print(order_of(np.array([5, 9, 7]), 4))
      [1 2 0 3]
    """
    by_size = np.argsort(-sizes, kind="stable")
    return np.concatenate([by_size, np.arange(len(sizes), capacity)]).astype(np.int32)


def run(work: Work, lanes: int, order: Any, count: Any) -> list[Any]:
    """Does the work of all clients, some of them at a time; in a trace.

    A lane whose client is done waits, its values masked, until all of its group are.

    Args:
      work: what one client does.
      lanes: how many clients work at a time.
      order: int32[capacity], a multiple of `lanes`, the order in which clients are taken.
      count: how many clients there are.

    Returns:
      The results, each with a leading dimension of `capacity`, by the position of the client.
    """
    specs = jax.eval_shape(work, jax.ShapeDtypeStruct((), np.int32))
    buffers = [jnp.zeros([len(order), *spec.shape], spec.dtype) for spec in specs]

    def group(index: Any, buffers: Sequence[Any]) -> list[Any]:
        clients = lax.dynamic_slice_in_dim(order, index * np.int32(lanes), lanes)
        results = jax.vmap(work)(clients)
        return [
            buffer.at[clients].set(result) for buffer, result in zip(buffers, results, strict=True)
        ]

    groups = (count + np.int32(lanes - 1)) // np.int32(lanes)
    return lax.fori_loop(np.int32(0), groups, group, buffers)
