"""The random keys of clients and of the server: functions of their position, by counting."""

from __future__ import annotations

import numpy as np

from tensorflow_federated.core import errors


def client_keys(seed: int, invocation: int, number: int, client_count: int) -> np.ndarray:
    """The keys that all clients get at one draw.

    The words are those of `numpy.random.SeedSequence(seed, spawn_key=(invocation, number))`, two
    for each client in order: the key of a client does not depend on how many come after it.

    Args:
      seed: the seed of the execution context.
      invocation: the number of the call in that context, from 0.
      number: the number of the draw in the program, from 0; see `compiler.random_keys`.
      client_count: the number of clients.

    Returns:
      int64[client_count, 2].

    Examples:
      >>> keys = client_keys(seed=1, invocation=0, number=0, client_count=3)
      >>> bool((keys[:2] == client_keys(1, 0, 0, 2)).all())
      True
    """
    source = np.random.SeedSequence(seed, spawn_key=(invocation, number))
    words = source.generate_state(2 * client_count, np.uint64)
    return words.view(np.int64).reshape(client_count, 2)


def all_client_keys(seed: int, invocation: int, draw_count: int, client_count: int) -> np.ndarray:
    """The keys that all clients get at all draws of a program, int64[client_count, draw_count, 2].

    Examples:
      >>> all_client_keys(seed=1, invocation=0, draw_count=2, client_count=3).shape
      (3, 2, 2)
    """
    keys = np.empty((client_count, draw_count, 2), np.int64)
    for number in range(draw_count):
        keys[:, number] = client_keys(seed, invocation, number, client_count)
    return keys


def server_key(seed: int, invocation: int, number: int) -> np.ndarray:
    """The key that the server gets at one draw: int64[2].

    The words are those of `numpy.random.SeedSequence(seed, spawn_key=(invocation, number, 1))`:
    other ones than those of the clients.

    Examples:
      >>> import numpy as np
      >>> first = server_key(seed=1, invocation=0, number=0)
      >>> bool((first == client_keys(1, 0, 0, 1)[0]).any())
      False
    """
    source = np.random.SeedSequence(seed, spawn_key=(invocation, number, 1))
    return source.generate_state(2, np.uint64).view(np.int64)


def no_client() -> errors.PlacementError:
    """The error for a key that is asked for where no client works."""
    return errors.PlacementError(
        "a random key is asked for outside of the work of a client.",
        fix="call `random_key` inside a function that is mapped over clients.",
    )


def fresh_seed() -> int:
    """A seed from the operating system's source of randomness."""
    return int(np.random.SeedSequence().generate_state(1, np.uint64)[0])
