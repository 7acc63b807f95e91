"""The batches of all clients, as one client would have them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from tensorflow_federated.core import containers, errors, trees


class PooledData:
    """The examples of all clients, in an order that is drawn for each epoch."""

    def __init__(self, client_data: Iterable[Any], seed: int) -> None:
        """Reads the batches of all clients into arrays.

        Args:
          client_data: the data of each client, batches of arrays.
          seed: what the order of the examples follows from.

        Raises:
          PoolingError: if the batches cannot be put together.
        """
        batches = [batch for data in client_data for batch in batches_of(data)]
        sizes = [_size(batch) for batch in batches]
        if not sum(sizes):
            raise PoolingError(
                "there are no examples to train on.",
                problems=[f"train_data: {len(batches)} batches of all clients, all empty"],
                fix="give the datasets of clients that have examples.",
            )
        self._form = batches[0]
        self._leaves = _concatenated(batches)
        self.batch_size = max(sizes)
        self.num_examples = sum(sizes)
        self._seed = seed

    def epoch(self, number: int) -> list[Any]:
        """The batches of one pass over all examples.

        Args:
          number: the number of the pass; each has an order of its own.

        Returns:
          Batches of the size of the clients' largest, but for the last.
        """
        order = np.random.default_rng((self._seed, number)).permutation(self.num_examples)
        parts = [
            order[start : start + self.batch_size]
            for start in range(0, self.num_examples, self.batch_size)
        ]
        return [
            trees.pack_like(self._form, [leaf[rows] for leaf in self._leaves]) for rows in parts
        ]


def batches_of(client_data: Any) -> list[Any]:
    """The batches of a client as arrays of NumPy, whatever its dataset is."""
    if hasattr(client_data, "as_numpy_iterator"):
        return list(client_data.as_numpy_iterator())
    return [trees.map_structure(np.asarray, batch) for batch in client_data]


def _size(batch: Any) -> int:
    first, *_ = trees.leaves(batch)
    if np.ndim(first) == 0:
        raise PoolingError(
            "the examples of all clients cannot be put together.",
            problems=[f"train_data: expected batches, got a scalar, {first!r:.60}"],
            fix="batch the datasets: `dataset.batch(20)`.",
        )
    return len(first)


def _concatenated(batches: Sequence[Any]) -> list[np.ndarray]:
    """One array for each leaf, with the examples of all batches."""
    columns = list(zip(*(trees.leaves(batch) for batch in batches), strict=True))
    forms = [{np.shape(part)[1:] for part in column} for column in columns]
    problems = [
        f"train_data, part {index} of a batch: got the shapes {sorted(shapes)} of an example"
        for index, shapes in enumerate(forms)
        if len(shapes) > 1
    ]
    if problems:
        raise PoolingError(
            "the examples of all clients cannot be put together.",
            problems=problems,
            fix="pad or cut them to one shape, in the preprocessing of each client's dataset.",
        )
    return [np.concatenate(column) for column in columns]


def check_batches(candidate: Any, argument: str) -> list[Any]:
    """Checks that something is a list of clients' datasets, and returns it as a list.

    Args:
      candidate: what was given.
      argument: the name of the argument.

    Raises:
      PoolingError: if it is none, or empty.
    """
    is_list = isinstance(candidate, (list, tuple)) or (
        isinstance(candidate, Iterable)
        and containers.unpack(candidate) is None
        and not hasattr(candidate, "as_numpy_iterator")
    )
    clients = list(candidate) if is_list else []
    if not clients:
        got = "an empty list" if is_list else errors.describe_object(candidate)
        raise PoolingError(
            "`tff.learning.compare_with_centralized` needs the datasets of some clients.",
            problems=[f"{argument}: expected a list of datasets, got {got}"],
            fix="give a list with one dataset for each client, as `process.next` takes it.",
        )
    return clients


class PoolingError(errors.FederatedError, ValueError, known_as="ValueError"):
    """The data of clients cannot be put together into the data of one.

    Fails: `compare_with_centralized(model_fn, [dataset_of_scalars], sgd)`.
    Mended: `compare_with_centralized(model_fn, [dataset_of_scalars.batch(20)], sgd)`.
    """
