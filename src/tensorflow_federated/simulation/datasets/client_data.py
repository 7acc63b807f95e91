"""The interface of a data set that is split over clients."""

from __future__ import annotations

import abc
import functools
import types
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from tensorflow_federated.core import errors
from tensorflow_federated.simulation.datasets import examples

if TYPE_CHECKING:
    import tensorflow as tf

Seed: TypeAlias = int | Sequence[int] | None


class UnknownClientError(errors.DatasetError, KeyError, known_as="KeyError"):
    """A client id is not one of the data set's.

    Fails: `client_data.create_tf_dataset_for_client('nobody')`.
    Mended: use one of `client_data.client_ids`.
    """


def import_tensorflow(what: str) -> types.ModuleType:
    """Returns the module `tensorflow`.

    Args:
      what: What needs it, for the message.

    Raises:
      MissingExtraError: If TensorFlow is not installed.
    """
    try:
        import tensorflow
    except ModuleNotFoundError as error:
        raise errors.missing_extra("tensorflow", what) from error
    return tensorflow


class ClientData(abc.ABC):
    """A data set that is split over clients.

    A subclass gives `client_ids`, `element_type_structure` and `serializable_dataset_fn`; all else
    follows. TensorFlow is needed by what hands out `tf.data.Dataset`s and their specs only:
    `client_ids` and, where the data lies in arrays or in a file, `client_examples` work without it.

    Examples:
      >>> from tensorflow_federated.simulation import datasets
      >>> client_data = datasets.TestClientData({"a": [1, 2, 3], "b": [4, 5]})
      >>> client_data.client_ids
      ['a', 'b']
      >>> client_data.client_examples("b")
      array([4, 5], dtype=int32)
    """

    @property
    @abc.abstractmethod
    def client_ids(self) -> list[str]:
        """The ids of all clients, in a fixed order; a new list each time."""

    @property
    @abc.abstractmethod
    def element_type_structure(self) -> Any:
        """The structure of `tf.TensorSpec`s of one example, the same for all clients."""

    @property
    @abc.abstractmethod
    def serializable_dataset_fn(self) -> Callable[[Any], tf.data.Dataset]:
        """A traceable function from a client id, a string tensor, to the client's dataset."""

    def create_tf_dataset_for_client(self, client_id: str) -> tf.data.Dataset:
        """Returns one client's examples as a `tf.data.Dataset`.

        Args:
          client_id: One of `client_ids`.

        Raises:
          UnknownClientError: If there is no such client; a `KeyError` and a `ValueError`.
        """
        self.check_client_id(client_id)
        return self.serializable_dataset_fn(client_id)

    def create_tf_dataset_from_all_clients(self, seed: Seed = None) -> tf.data.Dataset:
        """Returns the examples of all clients in one dataset, client after client.

        Clients are read as they are reached, not all at once.

        Args:
          seed: Of the random order of the clients: an integer in `[0, 2^32)`, a sequence of such,
            or None for an order that differs at each call. The order inside a client is the
            client's own.
        """
        tf = import_tensorflow("`create_tf_dataset_from_all_clients`")
        client_ids = shuffled(self.client_ids, seed)
        return tf.data.Dataset.from_tensor_slices(client_ids).flat_map(self.serializable_dataset_fn)

    def datasets(
        self, limit_count: int | None = None, seed: Seed = None
    ) -> Iterator[tf.data.Dataset]:
        """Yields the datasets of the clients in a random order.

        Args:
          limit_count: Yield so many at most.
          seed: Of the order, as in `create_tf_dataset_from_all_clients`.
        """
        client_ids = shuffled(self.client_ids, seed)
        if limit_count is not None:
            client_ids = client_ids[: max(limit_count, 0)]
        for client_id in client_ids:
            yield self.create_tf_dataset_for_client(client_id)

    def preprocess(
        self, preprocess_fn: Callable[[tf.data.Dataset], tf.data.Dataset]
    ) -> PreprocessClientData:
        """Returns the same clients with `preprocess_fn` applied to each one's dataset.

        Args:
          preprocess_fn: A function from a `tf.data.Dataset` to a `tf.data.Dataset`. It is called
            when a client's dataset is asked for, not before.

        Raises:
          TypeMismatchError: If `preprocess_fn` is a TFF computation or cannot be called; a
            `TypeError`.
        """
        return PreprocessClientData(self, preprocess_fn)

    @functools.cached_property
    def dataset_computation(self) -> Any:
        """A TFF computation `(str -> T*)` from a client id to the client's dataset."""
        from tensorflow_federated import tensorflow as tensorflow_layer

        @tensorflow_layer.computation(np.str_)
        def dataset_computation(client_id: Any) -> Any:
            return self.serializable_dataset_fn(client_id)

        return dataset_computation

    def client_examples(self, client_id: str) -> examples.Examples:
        """Returns one client's examples as NumPy arrays, with the examples along the first axis.

        A list of what this returns for each of some clients is a value of the type
        `{<...>*}@CLIENTS`, as a list of their datasets is.

        Args:
          client_id: One of `client_ids`.

        Returns:
          One array for each leaf of `element_type_structure`, in the same containers; strings are
          object arrays of `bytes`. The arrays cannot be written to.

        Raises:
          UnknownClientError: If there is no such client.
          DatasetError: If the client's elements differ in shape, as batches do.
        """
        elements = list(self.create_tf_dataset_for_client(client_id).as_numpy_iterator())
        if elements:
            return examples.stack(elements)

        def empty(spec: Any) -> np.ndarray:
            shape = [0, *(size or 0 for size in spec.shape)]
            return examples.to_column(np.empty(shape, spec.dtype.as_numpy_dtype))

        return examples.map_leaves(empty, self.element_type_structure)

    def has_examples(self, client_id: str) -> bool:
        """Returns whether the client has at least one example."""
        return any(True for _ in self.create_tf_dataset_for_client(client_id).take(1))

    def check_client_id(self, client_id: str) -> None:
        """Raises `UnknownClientError` unless `client_id` is one of `client_ids`."""
        if client_id not in self._client_id_set:
            near = errors.suggest_name(str(client_id), map(str, self._client_id_set))
            raise UnknownClientError(
                f"There is no client {client_id!r} among the {len(self._client_id_set)}.",
                fix=f"did you mean {near!r}?" if near else "use one of `client_ids`.",
            )

    @functools.cached_property
    def _client_id_set(self) -> frozenset[str]:
        return frozenset(self.client_ids)

    @classmethod
    def from_clients_and_tf_fn(
        cls,
        client_ids: Iterable[str],
        serializable_dataset_fn: Callable[[Any], tf.data.Dataset],
    ) -> ClientData:
        """Builds client data from a function that makes a client's dataset.

        Args:
          client_ids: The clients, at least one; their order is kept.
          serializable_dataset_fn: A function from a client id to a `tf.data.Dataset`. It must be
            traceable by
            TensorFlow: it is also called with a string tensor.

        Raises:
          DatasetError: If there is no client; a `ValueError`.
          TypeMismatchError: If `serializable_dataset_fn` cannot be called; a `TypeError`.
        """
        return FunctionClientData(client_ids, serializable_dataset_fn)

    @classmethod
    def train_test_client_split(
        cls, client_data: ClientData, num_test_clients: int, seed: Seed = None
    ) -> tuple[ClientData, ClientData]:
        """Splits the clients, not their examples, into training and test clients.

        The test clients are drawn among those with at least one example; clients without any stay
        in the training part.

        Args:
          client_data: The clients to split.
          num_test_clients: How many become test clients; at least 1, fewer than there are.
          seed: Of the draw, as in `create_tf_dataset_from_all_clients`.

        Returns:
          The training clients and the test clients.

        Raises:
          DatasetError: If there are not enough clients, or not enough with data; a `ValueError`.
        """
        client_ids = client_data.client_ids
        if not 0 < num_test_clients < len(client_ids):
            raise errors.DatasetError(
                f"{num_test_clients} of {len(client_ids)} clients cannot become test clients.",
                fix="choose `num_test_clients` so that both parts have a client.",
            )
        candidates = shuffled(client_ids, seed)
        test_ids: list[str] = []
        empty_ids: list[str] = []
        while candidates and len(test_ids) < num_test_clients:
            client_id = candidates.pop()
            (test_ids if client_data.has_examples(client_id) else empty_ids).append(client_id)
        if len(test_ids) < num_test_clients:
            raise errors.DatasetError(
                f"Only {len(test_ids)} clients have examples, and {num_test_clients} are to become "
                "test clients.",
                fix=f"choose `num_test_clients` of at most {len(test_ids)}.",
            )
        train_ids = candidates + empty_ids
        return SubsetClientData(client_data, train_ids), SubsetClientData(client_data, test_ids)


class FunctionClientData(ClientData):
    """Client data made by a function of the client id."""

    def __init__(
        self,
        client_ids: Iterable[str],
        serializable_dataset_fn: Callable[[Any], tf.data.Dataset],
    ) -> None:
        """See `ClientData.from_clients_and_tf_fn`."""
        self._client_ids = list(client_ids)
        if not self._client_ids:
            raise errors.DatasetError("There is no client.", fix="give at least one client id.")
        if not callable(serializable_dataset_fn):
            raise errors.TypeMismatchError(
                f"`serializable_dataset_fn` is a `{type(serializable_dataset_fn).__name__}`, "
                "not a function.",
                fix="give a function from a client id to a `tf.data.Dataset`.",
            )
        self._serializable_dataset_fn = serializable_dataset_fn

    @property
    def client_ids(self) -> list[str]:
        return list(self._client_ids)

    @property
    def element_type_structure(self) -> Any:
        return self._element_spec

    @functools.cached_property
    def _element_spec(self) -> Any:
        return self._serializable_dataset_fn(self._client_ids[0]).element_spec

    @property
    def serializable_dataset_fn(self) -> Callable[[Any], tf.data.Dataset]:
        return self._serializable_dataset_fn


class PreprocessClientData(ClientData):
    """Client data with a function applied to every client's dataset."""

    def __init__(
        self,
        source: ClientData,
        preprocess_fn: Callable[[tf.data.Dataset], tf.data.Dataset],
    ) -> None:
        """See `ClientData.preprocess`."""
        if hasattr(preprocess_fn, "type_signature") or not callable(preprocess_fn):
            raise errors.TypeMismatchError(
                f"`preprocess_fn` is a `{type(preprocess_fn).__name__}`, not a Python function.",
                fix="give a function from a `tf.data.Dataset` to a `tf.data.Dataset`; a TFF "
                "computation is applied to the datasets inside another computation.",
            )
        self._source = source
        self._preprocess_fn = preprocess_fn

    @property
    def client_ids(self) -> list[str]:
        return self._source.client_ids

    @property
    def element_type_structure(self) -> Any:
        return self._element_spec

    @functools.cached_property
    def _element_spec(self) -> Any:
        return self.create_tf_dataset_for_client(self._source.client_ids[0]).element_spec

    def create_tf_dataset_for_client(self, client_id: str) -> tf.data.Dataset:
        return self._preprocessed(self._source.create_tf_dataset_for_client(client_id))

    @property
    def serializable_dataset_fn(self) -> Callable[[Any], tf.data.Dataset]:
        return lambda client_id: self._preprocessed(self._source.serializable_dataset_fn(client_id))

    def _preprocessed(self, dataset: tf.data.Dataset) -> tf.data.Dataset:
        result = self._preprocess_fn(dataset)
        if not hasattr(result, "element_spec"):
            raise errors.TypeMismatchError(
                f"`preprocess_fn` returned a `{type(result).__name__}`, not a `tf.data.Dataset`.",
                fix="return the transformed dataset.",
            )
        return result


class SubsetClientData(ClientData):
    """Some of the clients of other client data."""

    def __init__(self, source: ClientData, client_ids: Sequence[str]) -> None:
        """Keeps the clients `client_ids` of `source`, in this order."""
        for client_id in client_ids:
            source.check_client_id(client_id)
        self._source = source
        self._client_ids = list(client_ids)

    @property
    def client_ids(self) -> list[str]:
        return list(self._client_ids)

    @property
    def element_type_structure(self) -> Any:
        return self._source.element_type_structure

    @property
    def serializable_dataset_fn(self) -> Callable[[Any], tf.data.Dataset]:
        return self._source.serializable_dataset_fn

    def create_tf_dataset_for_client(self, client_id: str) -> tf.data.Dataset:
        self.check_client_id(client_id)
        return self._source.create_tf_dataset_for_client(client_id)

    def client_examples(self, client_id: str) -> examples.Examples:
        self.check_client_id(client_id)
        return self._source.client_examples(client_id)

    def has_examples(self, client_id: str) -> bool:
        self.check_client_id(client_id)
        return self._source.has_examples(client_id)


def shuffled(client_ids: list[str], seed: Seed) -> list[str]:
    """Returns the ids in a random order; the order that a seed gives is TFF's."""
    try:
        random_state = np.random.RandomState(seed)
    except (TypeError, ValueError) as error:
        raise errors.DatasetError(
            f"{seed!r} cannot be a seed.",
            fix="give an integer of at least 0 and less than 2^32, a sequence of such, or None.",
        ) from error
    result = list(client_ids)
    random_state.shuffle(result)
    return result
