"""Client data that is given as arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tensorflow_federated.core import errors
from tensorflow_federated.simulation.datasets import client_data, columns, examples

if TYPE_CHECKING:
    import tensorflow as tf


class ClientArrays(client_data.ArrayClientData):
    """The examples of all clients, end to end in one array for each feature.

    A client is some rows of these arrays. Nothing is copied, neither here nor when the data of a
    client is used: an engine gets the arrays themselves, the same in every round, and row numbers.
    So the arrays must not be changed as long as the client data is used.

    Examples:
      The owner of each row is known:

      >>> import numpy as np
      >>> from tensorflow_federated.simulation import datasets
      >>> images, labels = np.zeros((5, 28, 28), np.float32), np.arange(5, dtype=np.int32)
      >>> data = datasets.ClientArrays(
      ...     {"x": images, "y": labels}, owners=["bob", "ann", "bob", "ann", "ann"]
      ... )
      >>> data.client_ids, data.client_examples("ann")["y"]
      (['ann', 'bob'], array([1, 3, 4], dtype=int32))

      Or the clients lie one after the other:

      >>> data = datasets.ClientArrays(
      ...     (images, labels), client_ids=["ann", "bob"], offsets=[0, 3, 5]
      ... )
      >>> data.client_examples("bob")[1]
      array([3, 4], dtype=int32)

    TFF has no such client data.
    """

    @errors.boundary
    def __init__(
        self,
        arrays: Any,
        *,
        owners: npt.ArrayLike | None = None,
        client_ids: Iterable[str] | None = None,
        offsets: npt.ArrayLike | None = None,
    ) -> None:
        """Says which rows of the arrays are whose.

        Args:
          arrays: An array, or a dictionary or a tuple of such, with the examples of all clients
            along the first axis; of NumPy, or of any framework whose arrays NumPy can read.
          owners: The client that each row belongs to: strings, or integers, which become strings.
            The clients are then in sorted order; integers are sorted as numbers.
          client_ids: With `offsets`: the clients, in the order in which they lie. Without it they
            are called `'0'`, `'1'`, and so on.
          offsets: int64[clients + 1]: client `k` has the rows `offsets[k]:offsets[k + 1]`.

        Raises:
          DatasetError: If the arrays differ in length, or `owners` or `offsets` does not fit them,
            or there is no client; a `ValueError`.
        """
        store = examples.map_leaves(_to_column(""), arrays)
        num_rows = examples.count(store)
        if (owners is None) == (offsets is None) or (owners is not None and client_ids is not None):
            raise errors.DatasetError(
                "it is not known which rows are whose.",
                problems=[
                    f"{name}: {'not given' if value is None else 'given'}"
                    for name, value in (
                        ("owners", owners),
                        ("client_ids", client_ids),
                        ("offsets", offsets),
                    )
                ],
                fix="give `owners=`, the client of each row; or `client_ids=` and `offsets=`.",
            )
        if owners is not None:
            starts, order = _by_owner(np.asarray(owners), num_rows)
        else:
            starts, order = _by_offsets(np.asarray(offsets), client_ids, num_rows), None
        self._set(store, starts, order)

    @classmethod
    @errors.boundary
    def from_clients(cls, clients: Mapping[str, Any]) -> ClientArrays:
        """Puts the arrays of clients, each given apart, end to end; they are copied once.

        Args:
          clients: For each client id the client's examples: a list or an array with one entry per
            example, or a dictionary or a tuple of such; `[]` for none. Python integers become
            int32, floats float32, strings `bytes`.

        Raises:
          TypeMismatchError: If `clients` is no mapping; a `TypeError`.
          DatasetError: If there is no client, or the clients' examples are not alike; a
            `ValueError`.

        Examples:
          >>> from tensorflow_federated.simulation import datasets
          >>> clients = {"a": ([1.0, 2.0], [0, 1]), "b": ([5.0], [1])}
          >>> datasets.ClientArrays.from_clients(clients).client_examples("a")
          (array([1., 2.], dtype=float32), array([0, 1], dtype=int32))
        """
        made = cls.__new__(cls)
        made._set(*end_to_end("clients", clients))
        return made

    def _set(
        self,
        store: examples.Examples,
        starts: Mapping[str, tuple[int, int]],
        order: np.ndarray | None = None,
    ) -> None:
        if not starts:
            raise errors.DatasetError("There is no client.", fix="give at least one client.")
        self._columns = store
        self._starts = starts
        self._order = order
        self._store = columns.Store(store, starts, order)

    @property
    def client_ids(self) -> list[str]:
        return list(self._starts)

    def example_source(self) -> columns.Store:
        return self._store

    def client_examples(self, client_id: str) -> examples.Examples:
        self.check_client_id(client_id)
        return self._store.examples(client_id)

    def has_examples(self, client_id: str) -> bool:
        self.check_client_id(client_id)
        return self._starts[client_id][1] > 0

    def create_tf_dataset_from_all_clients(self, seed: client_data.Seed = None) -> tf.data.Dataset:
        tf = client_data.import_tensorflow("`create_tf_dataset_from_all_clients`")
        client_ids = client_data.shuffled(self.client_ids, seed)
        return tf.data.Dataset.from_tensor_slices(self._concatenated(client_ids))

    @property
    def serializable_dataset_fn(self) -> Callable[[Any], tf.data.Dataset]:
        """A function from a client id to the client's dataset; its trace holds all data."""
        tf = client_data.import_tensorflow("`serializable_dataset_fn`")

        all_examples = self._concatenated(self.client_ids)
        # Where each client's examples start, and where the last one's end.
        counts = [count for _, count in self._starts.values()]
        offsets = np.cumsum([0, *counts], dtype=np.int64)

        def dataset_fn(client_id: Any) -> tf.data.Dataset:
            positions = tf.where(tf.equal(tf.constant(self.client_ids), client_id))
            found = tf.debugging.assert_equal(
                tf.size(positions), 1, message="There is no client of this id."
            )
            with tf.control_dependencies([found] if found is not None else []):
                position = tf.reshape(positions, [-1])[0]
            start, stop = tf.gather(offsets, position), tf.gather(offsets, position + 1)
            return tf.data.Dataset.from_tensor_slices(
                examples.map_leaves(
                    lambda column: tf.convert_to_tensor(column)[start:stop], all_examples
                )
            )

        return dataset_fn

    def _concatenated(self, client_ids: list[str]) -> examples.Examples:
        """Returns the examples of these clients end to end."""
        bounds = [self._starts[client_id] for client_id in client_ids]
        ranges = [np.arange(start, start + count) for start, count in bounds]
        rows = (
            np.concatenate(ranges) if self._order is None else self._order[np.concatenate(ranges)]
        )
        return examples.map_leaves(lambda column: column[rows], self._columns)


def _by_owner(
    owners: np.ndarray, num_rows: int
) -> tuple[dict[str, tuple[int, int]], np.ndarray | None]:
    """The rows of each client, from the owner of each row."""
    if owners.shape != (num_rows,) or owners.dtype.kind not in "iuUSO":
        raise errors.DatasetError(
            "`owners` does not say whose each row is.",
            problems=[
                f"owners: expected {num_rows} strings or integers, got "
                f"{owners.dtype.name}{list(owners.shape)}"
            ],
            fix="give the client of each row, in the order of the rows.",
        )
    ids, numbers, counts = np.unique(owners, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    starts = {
        each.decode() if isinstance(each, bytes) else str(each): (int(end - count), int(count))
        for each, end, count in zip(ids.tolist(), ends, counts, strict=True)
    }
    in_order = bool(np.all(numbers[1:] >= numbers[:-1]))
    return starts, None if in_order else np.argsort(numbers, kind="stable")


def _by_offsets(
    offsets: np.ndarray, client_ids: Iterable[str] | None, num_rows: int
) -> dict[str, tuple[int, int]]:
    """The rows of each client, from where the clients begin and end."""
    problems: list[str] = []
    if offsets.ndim != 1 or offsets.dtype.kind not in "iu" or len(offsets) < 2:
        problems.append(f"offsets: expected integers, got {offsets.dtype}{list(offsets.shape)}")
        ids = []
    else:
        if offsets[0] < 0 or offsets[-1] > num_rows or np.any(np.diff(offsets) < 0):
            problems.append(f"offsets: expected numbers that grow from 0 to {num_rows} at most")
        ids = list(map(str, range(len(offsets) - 1) if client_ids is None else client_ids))
        if len(ids) != len(offsets) - 1:
            problems.append(
                f"client_ids: expected {len(offsets) - 1}, one less than offsets, got {len(ids)}"
            )
        if len(set(ids)) < len(ids):
            problems.append("client_ids: one is there more than once")
    if problems:
        raise errors.DatasetError(
            "the rows cannot be cut into clients.",
            problems=problems,
            fix="give one id for each client, and one offset more than clients.",
        )
    bounds = offsets.tolist()
    return {
        client_id: (start, end - start)
        for client_id, start, end in zip(ids, bounds, bounds[1:], strict=False)
    }


def end_to_end(
    name: str, clients: Mapping[str, Any]
) -> tuple[examples.Examples, dict[str, tuple[int, int]]]:
    """One store of examples that are given client by client, and where each client begins."""
    if not isinstance(clients, Mapping):
        raise errors.TypeMismatchError(
            f"`{name}` is a `{type(clients).__name__}`, not a dictionary.",
            fix="give `{'client': examples, ...}`.",
        )
    if not clients:
        raise errors.DatasetError("There is no client.", fix="give at least one client.")
    own = {
        client_id: examples.map_leaves(_to_column(f" of the client {client_id!r}"), given)
        for client_id, given in clients.items()
    }
    counts = {client_id: examples.count(value) for client_id, value in own.items()}
    first_id = next((name for name, size in counts.items() if size), next(iter(own)))
    own = {
        client_id: value if counts[client_id] else _empty_like(value, own[first_id])
        for client_id, value in own.items()
    }
    _check_alike(own, first_id)
    store = examples.map_leaves(
        lambda *leaves: examples.to_column(np.concatenate(leaves)), *own.values()
    )
    starts: dict[str, tuple[int, int]] = {}
    end = 0
    for client_id, count in counts.items():
        starts[client_id] = end, count
        end += count
    return store, starts


def _check_alike(own: Mapping[str, examples.Examples], first_id: str) -> None:
    """Raises unless the examples of all clients are like those of the client `first_id`."""
    expected = examples.describe(own[first_id])
    problems = [
        f"{client_id!r}: {found}"
        for client_id, value in own.items()
        if (found := examples.describe(value)) != expected
    ]
    if problems:
        raise errors.DatasetError(
            f"The clients have different kinds of examples; {first_id!r} has {expected}.",
            problems=problems[:5] + [f"and {len(problems) - 5} more clients"] * (len(problems) > 5),
            fix="give all clients the same features, dtypes and shapes.",
        )


def _to_column(whose: str) -> Callable[[Any], np.ndarray]:
    def to_column(leaf: Any) -> np.ndarray:
        try:
            return examples.to_column(leaf)
        except errors.FederatedError:
            raise
        except (TypeError, ValueError, OverflowError) as error:
            raise errors.DatasetError(
                f"A value{whose} cannot be read as an array.",
                problems=[f"{type(leaf).__name__}: {error}"],
                fix="give lists of one shape, or arrays.",
            ) from error

    return to_column


def _empty_like(value: examples.Examples, model: examples.Examples) -> examples.Examples:
    """Returns no examples, of the kind that `model` has where `value` (`[]`) does not say."""
    try:
        return examples.map_leaves(
            lambda column, like: like[:0] if column.shape == (0,) else column, value, model
        )
    except (TypeError, LookupError):
        return value
