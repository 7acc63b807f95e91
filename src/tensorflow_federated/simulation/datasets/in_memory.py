"""Client data that is given as arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from tensorflow_federated.core import errors
from tensorflow_federated.simulation.datasets import client_data, examples

if TYPE_CHECKING:
    import tensorflow as tf


class TestClientData(client_data.ClientData):
    """Client data that lies in memory, for tests and for small data sets.

    Examples:
      >>> from tensorflow_federated.simulation import datasets
      >>> data = datasets.TestClientData(
      ...     {
      ...         "a": {"x": [[1.0, 2.0], [3.0, 4.0]], "y": [0, 1]},
      ...         "b": {"x": [[5.0, 6.0]], "y": [1]},
      ...     }
      ... )
      >>> data.client_examples("b")
      {'x': array([[5., 6.]], dtype=float32), 'y': array([1], dtype=int32)}

    Differs from TFF: arrays and named tuples are taken too, a client may have no examples (`[]`),
    and clients whose examples differ in structure, dtype or shape are refused here, not where they
    are used.
    """

    __test__ = False  # The name looks like a test's to pytest.

    def __init__(self, tensor_slices_dict: Mapping[str, Any]) -> None:
        """Builds the client data.

        Args:
          tensor_slices_dict: For each client id the client's examples: a list or an array with one
            entry per example, or a dictionary or a tuple of such. Python integers become int32,
            floats float32, strings `bytes`.

        Raises:
          TypeMismatchError: If `tensor_slices_dict` is no mapping; a `TypeError`.
          DatasetError: If there is no client, or the clients' examples are not alike; a
            `ValueError`.
        """
        if not isinstance(tensor_slices_dict, Mapping):
            raise errors.TypeMismatchError(
                f"`tensor_slices_dict` is a `{type(tensor_slices_dict).__name__}`, "
                "not a dictionary.",
                fix="give `{'client': examples, ...}`.",
            )
        if not tensor_slices_dict:
            raise errors.DatasetError("There is no client.", fix="give at least one client.")
        columns = {
            client_id: examples.map_leaves(_client_column(client_id), client_examples)
            for client_id, client_examples in tensor_slices_dict.items()
        }
        self._counts = {client_id: examples.count(value) for client_id, value in columns.items()}
        first_id = next((name for name, size in self._counts.items() if size), next(iter(columns)))
        self._examples = {
            client_id: value if self._counts[client_id] else _empty_like(value, columns[first_id])
            for client_id, value in columns.items()
        }
        self._check_alike(first_id)

    def _check_alike(self, first_id: str) -> None:
        """Raises unless the examples of all clients are like those of the client `first_id`."""
        expected = examples.describe(self._examples[first_id])
        problems = [
            f"{client_id!r}: {found}"
            for client_id, value in self._examples.items()
            if (found := examples.describe(value)) != expected
        ]
        if problems:
            raise errors.DatasetError(
                f"The clients have different kinds of examples; {first_id!r} has {expected}.",
                problems=problems[:5]
                + [f"and {len(problems) - 5} more clients"] * (len(problems) > 5),
                fix="give all clients the same features, dtypes and shapes.",
            )

    @property
    def client_ids(self) -> list[str]:
        return list(self._examples)

    @property
    def element_type_structure(self) -> Any:
        tf = client_data.import_tensorflow("`element_type_structure`")

        def spec(column: np.ndarray) -> Any:
            dtype = tf.string if column.dtype == object else tf.as_dtype(column.dtype)
            return tf.TensorSpec(column.shape[1:], dtype)

        return examples.map_leaves(spec, next(iter(self._examples.values())))

    def client_examples(self, client_id: str) -> examples.Examples:
        self.check_client_id(client_id)
        return self._examples[client_id]

    def has_examples(self, client_id: str) -> bool:
        self.check_client_id(client_id)
        return self._counts[client_id] > 0

    def create_tf_dataset_for_client(self, client_id: str) -> tf.data.Dataset:
        tf = client_data.import_tensorflow("`create_tf_dataset_for_client`")
        return tf.data.Dataset.from_tensor_slices(self.client_examples(client_id))

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
        offsets = np.cumsum([0, *self._counts.values()], dtype=np.int64)

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
        chosen = [self._examples[client_id] for client_id in client_ids]
        return examples.map_leaves(lambda *columns: np.concatenate(columns), *chosen)


def _client_column(client_id: str) -> Callable[[Any], np.ndarray]:
    def to_column(leaf: Any) -> np.ndarray:
        try:
            return examples.to_column(leaf)
        except errors.FederatedError:
            raise
        except (TypeError, ValueError, OverflowError) as error:
            raise errors.DatasetError(
                f"A value of the client {client_id!r} cannot be read as an array.",
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
