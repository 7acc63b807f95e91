"""The interface of a data set that is split over clients."""

from __future__ import annotations

import abc
import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from tensorflow_federated.core import errors, type_trees, types
from tensorflow_federated.core.types import TensorType, Type
from tensorflow_federated.execution import leaves as tensor_leaves
from tensorflow_federated.simulation.datasets import columns, examples
from tensorflow_federated.simulation.datasets.preprocessing import Preprocessing

if TYPE_CHECKING:
    import tensorflow as tf

Seed: TypeAlias = int | Sequence[int] | None

# How many unknown clients a message names.
_MOST_SHOWN = 5


class UnknownClientError(errors.DatasetError, KeyError, known_as="KeyError"):
    """A client id is not one of the data set's.

    Fails: `client_data.create_tf_dataset_for_client('nobody')`.
    Mended: use one of `client_data.client_ids`.
    """


def import_tensorflow(what: str) -> ModuleType:
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
    `client_ids` and, where the data lies in arrays or in a file, `client_examples`, `cohort` and
    `preprocess` with a `Preprocessing` work without it.

    Examples:
      >>> from tensorflow_federated.simulation import datasets
      >>> client_data = datasets.TestClientData({"a": [1, 2, 3], "b": [4, 5]})
      >>> client_data.client_ids
      ['a', 'b']
      >>> client_data.client_examples("b")
      array([4, 5], dtype=int32)
      >>> train = client_data.preprocess(datasets.Preprocessing(batch_size=2, epochs=2))
      >>> [[batch.tolist() for batch in client] for client in train.cohort(["b", "a"])]
      [[[4, 5], [4, 5]], [[1, 2], [3, 1], [2, 3]]]
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

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {len(self.client_ids)} clients>"

    @errors.boundary
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

    @errors.boundary
    def preprocess(
        self, preprocess_fn: Callable[[tf.data.Dataset], tf.data.Dataset] | Preprocessing
    ) -> ClientData:
        """Returns the same clients with each one's examples preprocessed.

        Args:
          preprocess_fn: A function from a `tf.data.Dataset` to a `tf.data.Dataset`, which is called
            when a client's dataset is asked for; or a `Preprocessing`, a declaration, which needs
            no TensorFlow and is much faster.

        Raises:
          TypeMismatchError: If `preprocess_fn` is a TFF computation or cannot be called; a
            `TypeError`.
          DatasetError: If it is a `Preprocessing` and these clients' examples have been put in
            batches, shuffled or repeated by another one already.

        Differs from TFF: a `Preprocessing` is taken too.
        """
        if isinstance(preprocess_fn, Preprocessing):
            from tensorflow_federated.simulation.datasets import columnar_client_data

            return columnar_client_data.ColumnarClientData(self, preprocess_fn)
        return PreprocessClientData(self, preprocess_fn)

    @errors.boundary
    def cohort(self, client_ids: Iterable[str], round_number: int | None = None) -> list[Any]:
        """Returns the data of some clients, to be given to a computation: the cohort of a round.

        `process.next(state, client_data.cohort(client_ids))` is a round. Where the examples lie in
        arrays or in a file, and are preprocessed by a `Preprocessing` or not at all, these are
        `ClientBatches`, for which no example is read or copied here; for others, whose datasets are
        made by functions of TensorFlow, `tf.data.Dataset`s.

        Args:
          client_ids: The clients, in order; one may be there more than once.
          round_number: What the random orders of a seeded `Preprocessing` depend on, besides the
            clients: another number, another order. Without it they are the same in every round.

        Returns:
          The data of each client.

        Raises:
          UnknownClientError: If there is no such client; a `KeyError` and a `ValueError`. The
            message names all that are unknown.
          DatasetError: If `client_ids` is one string, or `round_number` is no integer of at least
            0.

        Examples:
          >>> from tensorflow_federated import simulation
          >>> train, _ = simulation.datasets.digits.load_data()
          >>> shuffled = simulation.datasets.Preprocessing(shuffle=True, seed=1, batch_size=20)
          >>> train = train.preprocess(shuffled)
          >>> sample = simulation.build_uniform_sampling_fn(train.client_ids, random_seed=1)
          >>> train.cohort(sample(0, 2), round_number=0)[0]
          <ClientBatches of 'client_14': 2 of <label=int32[?],pixels=float32[?,8,8]>>
        """
        chosen = self.checked_cohort(client_ids, round_number)
        return [self.create_tf_dataset_for_client(client_id) for client_id in chosen]

    def checked_cohort(
        self, client_ids: Iterable[str], round_number: int | None = None
    ) -> list[str]:
        """The arguments of `cohort` as a list, checked; raises as it does."""
        is_number = isinstance(round_number, (int, np.integer)) and round_number >= 0
        if round_number is not None and not is_number:
            raise errors.DatasetError(
                f"`round_number` is an integer of at least 0, and is {round_number!r}.",
                fix="count the rounds from 0.",
            )
        if isinstance(client_ids, (str, bytes)):
            raise errors.DatasetError(
                f"a cohort is a list of clients, and {client_ids!r} is one string.",
                fix=f"write `cohort([{client_ids!r}])` for one client.",
            )
        chosen = list(client_ids)
        unknown = [each for each in chosen if each not in self._client_id_set]
        if unknown:
            raise self._unknown(list(dict.fromkeys(unknown)))
        return chosen

    def example_source(self) -> columns.Source:
        """Where the clients' examples lie, for those who lay them out themselves."""
        form = examples.map_leaves(types.to_type, self.element_type_structure)
        return columns.Files(form, self.client_examples)

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
            raise self._unknown([client_id])

    def _unknown(self, client_ids: list[Any]) -> UnknownClientError:
        """The error that tells of ids that are unknown, at least one."""
        known = self._client_id_set
        near = {
            client_id: errors.suggest_name(str(client_id), map(str, known))
            for client_id in client_ids[:_MOST_SHOWN]
        }
        if len(client_ids) == 1:
            [nearest] = near.values()
            return UnknownClientError(
                f"There is no client {client_ids[0]!r} among the {len(known)}.",
                fix=f"did you mean {nearest!r}?" if nearest else "use one of `client_ids`.",
            )
        problems = [
            f"{client_id!r}: unknown" + (f"; did you mean {nearest!r}?" if nearest else "")
            for client_id, nearest in near.items()
        ]
        if len(client_ids) > len(near):
            problems.append(f"and {len(client_ids) - len(near)} more")
        return UnknownClientError(
            f"{len(client_ids)} of these clients are not among the {len(known)}.",
            problems=problems,
            fix="use ids of `client_ids`, which are strings.",
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
                fix="give a function from a `tf.data.Dataset` to a `tf.data.Dataset`, or a "
                "`tff.simulation.datasets.Preprocessing`; a TFF computation is applied to the "
                "datasets inside another computation.",
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

    @errors.boundary
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

    @errors.boundary
    def create_tf_dataset_for_client(self, client_id: str) -> tf.data.Dataset:
        self.check_client_id(client_id)
        return self._source.create_tf_dataset_for_client(client_id)

    def client_examples(self, client_id: str) -> examples.Examples:
        self.check_client_id(client_id)
        return self._source.client_examples(client_id)

    def has_examples(self, client_id: str) -> bool:
        self.check_client_id(client_id)
        return self._source.has_examples(client_id)

    @errors.boundary
    def cohort(self, client_ids: Iterable[str], round_number: int | None = None) -> list[Any]:
        return self._source.cohort(self.checked_cohort(client_ids, round_number), round_number)

    def example_source(self) -> columns.Source:
        return self._source.example_source()


class ArrayClientData(ClientData):
    """Client data whose examples lie in arrays or in a file, not in a function of TensorFlow."""

    @functools.cached_property
    def _own_batches(self) -> ClientData:
        """These clients without preprocessing, which keeps what it read."""
        return self.preprocess(Preprocessing())

    @errors.boundary
    def cohort(self, client_ids: Iterable[str], round_number: int | None = None) -> list[Any]:
        return self._own_batches.cohort(self.checked_cohort(client_ids, round_number), round_number)

    @property
    def element_type_structure(self) -> Any:
        tf = import_tensorflow("`element_type_structure`")
        return tensor_specs(tf, self.example_source().example_type)

    @errors.boundary
    def create_tf_dataset_for_client(self, client_id: str) -> tf.data.Dataset:
        import_tensorflow("`create_tf_dataset_for_client`")
        from tensorflow_federated.tensorflow import recorded_datasets

        self.check_client_id(client_id)
        source = self._own_batches.example_source()
        rows = source.client(client_id)
        return recorded_datasets.of_client(
            columns.pack(rows.leaves, source.form),
            client_id,
            rows.rows(None),
            owner=source if isinstance(source, columns.Store) else None,
        )


def tensor_specs(tf: ModuleType, element_type: Type) -> Any:
    """The structure of `tf.TensorSpec`s of a type of tensors."""

    def spec(leaf: TensorType) -> Any:
        dtype = tf.string if leaf.dtype == np.dtype(np.str_) else tf.as_dtype(leaf.dtype)
        return tf.TensorSpec(leaf.shape, dtype)

    return type_trees.structure_from_tensor_type_tree(spec, element_type)


def dataset_fn_of(
    read: Callable[[str], examples.Examples], source: columns.Source, *, is_repeatable: bool
) -> Callable[[Any], tf.data.Dataset]:
    """A traceable function from a client id to a dataset of rows that are read in this process.

    Args:
      read: reads the rows of a client.
      source: tells what a row is.
      is_repeatable: whether the same rows are read each time.
    """
    tf = import_tensorflow("`serializable_dataset_fn`")
    specs = [tensor_specs(tf, leaf) for leaf in tensor_leaves.leaf_types(source.example_type)]

    def read_leaves(client_id: bytes) -> list[np.ndarray]:
        return [leaf for _, leaf in examples.named_leaves(read(client_id.decode()))]

    def dataset_fn(client_id: Any) -> tf.data.Dataset:
        if tf.executing_eagerly():
            rows = read(tf.convert_to_tensor(client_id).numpy().decode())
            return tf.data.Dataset.from_tensor_slices(rows)
        dtypes = [spec.dtype for spec in specs]
        leaves = tf.numpy_function(read_leaves, [client_id], dtypes, stateful=not is_repeatable)
        for leaf, spec in zip(leaves, specs, strict=True):
            leaf.set_shape((None, *spec.shape))
        return tf.data.Dataset.from_tensor_slices(columns.pack(leaves, source.form))

    return dataset_fn


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
