"""What is done with the examples of a client before they are used, as a declaration."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from tensorflow_federated.core import errors

# How much of what a `map` gave, or of what was read from a file, is kept between rounds.
_ROOM = 512 * 2**20


@dataclasses.dataclass(frozen=True, kw_only=True)
class Preprocessing:
    """What is done with the examples of every client, in this order: a declaration, not a program.

    1. `map`: a function is applied to all examples of a client at once;
    2. `max_examples`: the first so many are taken;
    3. `shuffle`: they are put into a random order, another one in each epoch;
    4. `epochs`: the epochs follow each other;
    5. `batch_size`: the rows are cut into batches, which may reach from one epoch into the next;
       the last one is shorter, unless `drop_remainder` leaves it out.

    Nothing of this copies examples: a client is a list of row numbers of arrays that all clients
    share. `map` alone makes new arrays, once.

    The order of a client is a function of `seed`, the client's id, the epoch and the number of the
    round that is given to `cohort` (0 if none is given), and of nothing else: not of the other
    clients of the cohort, nor of when and where the client is worked on. Without a `seed` every
    call of `cohort` draws a new order.

    Attributes:
      epochs: How often each client's examples are gone through; at least 1.
      shuffle: Whether each epoch has a random order; all orders are equally likely.
      seed: Of the random orders, an integer of at least 0; None for orders that differ each time.
      batch_size: How many examples make a batch; None for single examples.
      max_examples: How many examples of a client are used at most; None for all.
      drop_remainder: Whether a last batch of fewer than `batch_size` examples is left out.
      map: A function from the examples of one client, a structure of NumPy arrays with the examples
        along the first axis, to another such structure with as many examples. It must give the same
        result each time, and may not write into its argument. It is called client by client, for
        those that have examples: where the examples are in memory for all clients when the first
        one is used, and else for each client when that one is used.
      max_cached_bytes: How many bytes of what `map` gave, or of what was read from a file, are kept
        between rounds. What is above is made again when it is needed.

    Examples:
      >>> import tensorflow_federated as tff
      >>> train = tff.simulation.datasets.TestClientData({"a": [1, 2, 3], "b": [4, 5]})
      >>> train = train.preprocess(Preprocessing(epochs=2, batch_size=4, map=lambda x: 10 * x))
      >>> for batches in train.cohort(["a", "b"]):
      ...     print(batches.client_id, [batch.tolist() for batch in batches])
      a [[10, 20, 30, 10], [20, 30]]
      b [[40, 50, 40, 50]]

    TFF has no such declaration.
    """

    epochs: int = 1
    shuffle: bool = False
    seed: int | None = None
    batch_size: int | None = None
    max_examples: int | None = None
    drop_remainder: bool = False
    map: Callable[[Any], Any] | None = None
    max_cached_bytes: int = _ROOM

    def __post_init__(self) -> None:
        """Checks the arguments.

        Raises:
          DatasetError: If one is outside its range, or has no effect; a `ValueError`.
        """
        problems = [
            *_check_count("epochs", self.epochs, 1, is_optional=False),
            *_check_flag("shuffle", self.shuffle),
            *_check_count("seed", self.seed, 0),
            *_check_count("batch_size", self.batch_size, 1),
            *_check_count("max_examples", self.max_examples, 1),
            *_check_flag("drop_remainder", self.drop_remainder),
            *_check_count("max_cached_bytes", self.max_cached_bytes, 0, is_optional=False),
        ]
        if self.map is not None and not callable(self.map):
            problems.append(
                f"map: expected a function, got {errors.describe_object(self.map)}",
            )
        if self.seed is not None and not self.shuffle:
            problems.append("seed: has no effect without `shuffle=True`")
        if self.drop_remainder and self.batch_size is None:
            problems.append("drop_remainder: has no effect without `batch_size`")
        if problems:
            raise errors.DatasetError(
                "this is no preprocessing.",
                problems=problems,
                fix="change the arguments that are named.",
            )


# What users call is made by `dataclass`.
Preprocessing.__init__ = errors.boundary(Preprocessing.__init__)


def _check_count(name: str, value: Any, smallest: int, *, is_optional: bool = True) -> list[str]:
    if value is None and is_optional:
        return []
    if isinstance(value, (int, np.integer)) and not isinstance(value, bool) and value >= smallest:
        return []
    or_none = " or None" if is_optional else ""
    return [f"{name}: expected an integer of at least {smallest}{or_none}, got {value!r}"]


def _check_flag(name: str, value: Any) -> list[str]:
    if isinstance(value, (bool, np.bool_)):
        return []
    return [f"{name}: expected True or False, got {value!r}"]
