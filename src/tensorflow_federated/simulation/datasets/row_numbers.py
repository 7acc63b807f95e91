"""Which examples the rows of a client are: what a `Preprocessing` means, in numbers."""

from __future__ import annotations

import functools
import hashlib
import os
import threading

import numpy as np

from tensorflow_federated.simulation.datasets.preprocessing import Preprocessing

# How many ways to cut rows into batches are remembered.
_MOST_OFFSETS = 4096
_DRAW_BYTES = 32
_KEY_BYTES = 16


def draw(preprocessing: Preprocessing, round_number: int | None) -> bytes:
    """What the random orders of one cohort are drawn from, together with the clients' ids."""
    if not preprocessing.shuffle:
        return b""
    if preprocessing.seed is None:
        return os.urandom(_DRAW_BYTES)
    text = f"{int(preprocessing.seed)},{int(round_number or 0)}"
    return hashlib.blake2b(text.encode(), digest_size=_DRAW_BYTES).digest()


def num_rows(preprocessing: Preprocessing, count: int) -> int:
    """How many rows a client with `count` examples has, all epochs together."""
    rows = preprocessing.epochs * _num_used(preprocessing, count)
    if preprocessing.drop_remainder:
        assert preprocessing.batch_size is not None
        rows -= rows % preprocessing.batch_size
    return rows


def num_elements(preprocessing: Preprocessing, count: int) -> int:
    """How many batches, or examples, a client with `count` examples has."""
    rows = num_rows(preprocessing, count)
    return rows if preprocessing.batch_size is None else -(-rows // preprocessing.batch_size)


def are_in_order(preprocessing: Preprocessing) -> bool:
    """Whether the rows of each client are its first examples, or all, each once and in order."""
    return preprocessing.epochs == 1 and not preprocessing.shuffle


def positions(
    preprocessing: Preprocessing, count: int, client_id: str, draw: bytes
) -> np.ndarray | None:
    """Which of a client's examples its rows are.

    Args:
      preprocessing: What is done with them.
      count: How many examples the client has.
      client_id: The client.
      draw: What `draw` returned for the cohort.

    Returns:
      int64[number of rows]: for each row the number of the example; None if the rows are the
      examples as they are.
    """
    used, rows = _num_used(preprocessing, count), num_rows(preprocessing, count)
    if preprocessing.shuffle:
        order = _random_orders(preprocessing.epochs, used, _key(draw, client_id))
    elif rows == count and preprocessing.epochs == 1:
        return None
    else:
        order = np.arange(used)
        if preprocessing.epochs > 1:
            order = np.tile(order, preprocessing.epochs)
    return order[:rows]


def offsets(preprocessing: Preprocessing, count: int) -> np.ndarray | None:
    """Where the batches of a client with `count` examples begin, and where the last one ends.

    Returns:
      int64[number of batches + 1], not to be written to; None without `batch_size`.
    """
    if preprocessing.batch_size is None:
        return None
    return _batch_offsets(num_rows(preprocessing, count), int(preprocessing.batch_size))


def _num_used(preprocessing: Preprocessing, count: int) -> int:
    return count if preprocessing.max_examples is None else min(count, preprocessing.max_examples)


@functools.lru_cache(maxsize=_MOST_OFFSETS)
def _batch_offsets(rows: int, batch_size: int) -> np.ndarray:
    offsets = np.minimum(np.arange(0, rows + batch_size, batch_size, dtype=np.int64), rows)
    offsets.flags.writeable = False
    return offsets


def _key(draw: bytes, client_id: str) -> np.ndarray:
    """What Philox is keyed by for one client of one cohort: uint64[2]."""
    name = str(client_id).encode("utf-8", "surrogatepass")
    digest = hashlib.blake2b(name, key=draw, digest_size=_KEY_BYTES).digest()
    return np.frombuffer(digest, "<u8")


def _random_orders(epochs: int, count: int, key: np.ndarray) -> np.ndarray:
    """A random order of `count` examples for each epoch, end to end: int64[epochs * count].

    The order that random words are sorted into: the words of Philox are the same in every version
    of NumPy, what its generators make of them need not be.
    """
    words = _random_words(epochs * count, key).reshape(epochs, count)
    return np.argsort(words, axis=1, kind="stable").astype(np.int64, copy=False).reshape(-1)


class _OfThread(threading.local):
    """A generator that is given another key for each client, which is cheaper than a new one."""

    def __init__(self) -> None:
        self.philox = np.random.Philox(key=0)


_of_thread = _OfThread()
_START = np.zeros(4, np.uint64)


def _random_words(count: int, key: np.ndarray) -> np.ndarray:
    """The first words of Philox 4x64 with this key: uint64[count]."""
    philox = _of_thread.philox
    philox.state = {
        "bit_generator": "Philox",
        "state": {"counter": _START, "key": key},
        "buffer": _START,
        "buffer_pos": len(_START),
        "has_uint32": 0,
        "uinteger": 0,
    }
    return philox.random_raw(count)
