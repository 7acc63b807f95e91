"""Where the examples of clients lie: in one store that all share, or read client by client.

Examples are columns: one array for each leaf of an example, with the examples along the first axis.
"""

from __future__ import annotations

import abc
import dataclasses
import functools
import math
import threading
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from tensorflow_federated.core import errors, types
from tensorflow_federated.core.types import TensorType, Type
from tensorflow_federated.execution import kept_values
from tensorflow_federated.execution import leaves as tensor_leaves
from tensorflow_federated.simulation.datasets import examples

Map = Callable[[Any], Any]
"""From the examples of a client, a structure of arrays, to another one with as many examples."""


@dataclasses.dataclass(frozen=True, slots=True)
class ClientRows:
    """The examples of one client, as rows of arrays that other clients may share.

    Attributes:
      leaves: the arrays.
      count: how many examples the client has.
      start: the first of the rows `start:start+count` that they are, or that `order` tells.
      order: int64: the rows are `order[start:start+count]`; None: they lie side by side.
    """

    leaves: tuple[np.ndarray, ...]
    count: int
    start: int = 0
    order: np.ndarray | None = None

    def rows(self, positions: np.ndarray | None) -> np.ndarray | None:
        """The rows of the arrays that some of the client's examples are.

        Args:
          positions: the numbers of the examples; None for all.

        Returns:
          int64: the rows; None if the arrays are these examples.
        """
        if self.order is not None:
            own = self.order[self.start : self.start + self.count]
            return own if positions is None else own[positions]
        if positions is not None:
            return positions + self.start if self.start else positions
        if self.start or self.count != len(self.leaves[0]):
            return np.arange(self.start, self.start + self.count)
        return None

    def gathered(self) -> list[np.ndarray]:
        """The client's own examples; views where they lie side by side."""
        if self.order is not None:
            own = self.order[self.start : self.start + self.count]
            return [_read_only(leaf[own]) for leaf in self.leaves]
        return [leaf[self.start : self.start + self.count] for leaf in self.leaves]


@dataclasses.dataclass(frozen=True, slots=True)
class SharedRows:
    """The examples of several clients, as rows of arrays that they share.

    Attributes:
      leaves: the arrays.
      starts: int64[clients], for each client the first of its rows `start:start+count`, or of those
        that `order` tells.
      counts: how many examples each client has.
      order: see `ClientRows`.
    """

    leaves: tuple[np.ndarray, ...]
    starts: np.ndarray
    counts: list[int]
    order: np.ndarray | None


class Source(abc.ABC):
    """The examples of clients. Several threads may use it at once."""

    @property
    @abc.abstractmethod
    def form(self) -> Any:
        """The structure of an example, with anything in the place of its leaves."""

    @property
    @abc.abstractmethod
    def example_type(self) -> Type:
        """The type of one example."""

    @abc.abstractmethod
    def count(self, client_id: str) -> int | None:
        """How many examples a client has, if that is known without reading them."""

    @abc.abstractmethod
    def client(self, client_id: str) -> ClientRows:
        """The examples of a client, read if they have to be."""

    def shared(self, client_ids: Sequence[str]) -> SharedRows | None:
        """The examples of several clients; None if they are not rows of the same arrays."""
        del client_ids
        return None

    def examples(self, client_id: str) -> examples.Examples:
        """The examples of a client, in their containers."""
        return pack(self.client(client_id).gathered(), self.form)


class Store(Source):
    """Examples of all clients in one array for each leaf; clients are rows of it."""

    def __init__(
        self,
        columns: examples.Examples,
        starts: Mapping[str, tuple[int, int]],
        order: np.ndarray | None = None,
    ) -> None:
        """Makes a store of arrays, which are not copied.

        Args:
          columns: the arrays, in the structure of an example.
          starts: for each client where its rows begin, and how many they are.
          order: int64: row i of a client is `order[start + i]`; None: it is `start + i`.
        """
        self._form = columns
        self._leaves = tuple(leaf for _, leaf in examples.named_leaves(columns))
        self._example_type = examples.example_type(columns)
        self._starts = starts
        self._order = order
        self._mapped: weakref.WeakValueDictionary[Map, MappedStore] = weakref.WeakValueDictionary()

    @property
    def form(self) -> Any:
        return self._form

    @property
    def example_type(self) -> Type:
        return self._example_type

    @property
    def num_rows(self) -> int:
        """The number of rows of the store."""
        return len(self._leaves[0])

    @property
    def client_ids(self) -> Iterable[str]:
        """The ids of all clients."""
        return self._starts.keys()

    def count(self, client_id: str) -> int:
        return self._starts[client_id][1]

    def client(self, client_id: str) -> ClientRows:
        start, count = self._starts[client_id]
        return ClientRows(self._leaves, count, start, self._order)

    def shared(self, client_ids: Sequence[str]) -> SharedRows:
        found = [self._starts[client_id] for client_id in client_ids]
        starts = np.array([start for start, _ in found], np.int64)
        return SharedRows(self._leaves, starts, [count for _, count in found], self._order)

    def mapped(self, function: Map) -> MappedStore:
        """The store of what a function makes of the clients' examples, the same while one is used.

        So the training and the test clients of one store, say, share it.
        """
        try:
            found = self._mapped.get(function)
            if found is None:
                found = self._mapped[function] = MappedStore(self, function)
        except TypeError:  # It cannot be hashed, or not be referred to weakly.
            return MappedStore(self, function)
        return found


class Mapped(Source):
    """What a function makes of the examples of each client that is used, each time.

    The first client that has examples tells their type.
    """

    def __init__(self, source: Source, function: Map, client_ids: Iterable[str]) -> None:
        self._source = source
        self._function = function
        self._ids = client_ids

    @property
    def form(self) -> Any:
        return self._first

    @property
    def example_type(self) -> Type:
        return self._example_type

    @functools.cached_property
    def _example_type(self) -> Type:
        return examples.example_type(self._first)

    @functools.cached_property
    def _first(self) -> Any:
        """No example, of the kind that the function gives."""
        client_id = None
        for client_id in self._ids:
            if self._source.count(client_id) != 0 and self._source.client(client_id).count:
                break
        # Where nobody has examples the function has to tell from none what it makes of them.
        assert client_id is not None, "there is no client data without clients"
        columns = self._apply(client_id, self._source.client(client_id))
        return examples.map_leaves(lambda column: column[:0].copy(), columns)

    def _apply(self, client_id: str, rows: ClientRows) -> examples.Examples:
        """What the function makes of one client's examples, checked."""
        try:
            given = self._function(pack(rows.gathered(), self._source.form))
        except Exception as error:
            error.add_note(f"`map` was given the examples of client {client_id!r}.")
            raise
        try:
            columns = examples.map_leaves(examples.to_column, given)
            count = examples.count(columns)
        except (TypeError, ValueError) as error:
            raise _wrong_map(
                client_id, f"expected a structure of arrays: {error}".splitlines()[0]
            ) from error
        if count != rows.count:
            raise _wrong_map(client_id, f"got {count} examples of {rows.count}")
        return columns

    def count(self, client_id: str) -> int | None:
        return self._source.count(client_id)

    def client(self, client_id: str) -> ClientRows:
        rows = self._source.client(client_id)
        columns = self._apply(client_id, rows) if rows.count else self._first
        found = examples.example_type(columns)
        if found != self.example_type:
            problems = self.example_type.differences(found, path="example")
            raise _wrong_map(
                client_id, *(problems or [f"expected {self.example_type}, got {found}"])
            )
        leaves = tuple(leaf for _, leaf in examples.named_leaves(columns))
        return ClientRows(leaves, len(leaves[0]))


class MappedStore(Source):
    """What a function makes of all clients of a store: a store too, made when it is first used."""

    def __init__(self, store: Store, function: Map) -> None:
        self._store = store
        self._by_client = Mapped(store, function, store.client_ids)
        self._lock = threading.Lock()
        self._made: Store | None = None
        self._fails_for_some = False

    @property
    def by_client(self) -> Mapped:
        """The same examples, made client by client."""
        return self._by_client

    @property
    def form(self) -> Any:
        return self._by_client.form

    @property
    def example_type(self) -> Type:
        return self._by_client.example_type

    def count(self, client_id: str) -> int:
        return self._store.count(client_id)

    @property
    def num_bytes(self) -> int:
        """How many bytes its arrays take, or will."""
        return self._store.num_rows * num_bytes_of_example(self.example_type)

    def client(self, client_id: str) -> ClientRows:
        return (self._store_made() or self._by_client).client(client_id)

    def shared(self, client_ids: Sequence[str]) -> SharedRows | None:
        made = self._store_made()
        return None if made is None else made.shared(client_ids)

    def _store_made(self) -> Store | None:
        """The store; None if the function fails for some client."""
        with self._lock:
            if self._made is None and not self._fails_for_some:
                try:
                    self._made = self._make()
                except Exception:
                    # For which client it fails, only the calls for single ones tell.
                    self._fails_for_some = True
            return self._made

    def _make(self) -> Store:
        ids = list(self._store.client_ids)
        starts: dict[str, tuple[int, int]] = {}
        end = 0
        for client_id in ids:
            starts[client_id] = end, self._store.count(client_id)
            end += self._store.count(client_id)
        leaves = [np.empty((end, *shape), dtype) for shape, dtype in _arrays(self.example_type)]
        for client_id in ids:
            start, count = starts[client_id]
            if count:
                made = self._by_client.client(client_id)
                for leaf, own in zip(leaves, made.leaves, strict=True):
                    leaf[start : start + count] = own
        return Store(pack([_read_only(leaf) for leaf in leaves], self.form), starts)


class Files(Source):
    """Examples that are read client by client."""

    def __init__(self, types_of_leaves: Any, read: Callable[[str], examples.Examples]) -> None:
        """Says how to read.

        Args:
          types_of_leaves: the structure of an example, with the types of its leaves.
          read: reads the examples of a client.
        """
        self._form = types_of_leaves
        self._example_type = types.to_type(types_of_leaves)
        self._read = read

    @property
    def form(self) -> Any:
        return self._form

    @property
    def example_type(self) -> Type:
        return self._example_type

    def count(self, client_id: str) -> int | None:
        return None

    def client(self, client_id: str) -> ClientRows:
        columns = self._read(client_id)
        leaves = tuple(leaf for _, leaf in examples.named_leaves(columns))
        return ClientRows(leaves, examples.count(columns))


class Kept(Source):
    """Examples of a source, of which those that were used last are kept."""

    def __init__(self, source: Source, room: int) -> None:
        """Keeps examples.

        Args:
          source: what reads or makes them.
          room: how many bytes of them are kept.
        """
        self._source = source
        self._room = room
        self._clients = kept_values.KeptValues(room)

    @property
    def form(self) -> Any:
        return self._source.form

    @property
    def example_type(self) -> Type:
        return self._source.example_type

    def count(self, client_id: str) -> int | None:
        found = self._clients.get(client_id)
        return self._source.count(client_id) if found is None else found.count

    def client(self, client_id: str) -> ClientRows:
        rows = self._clients.get(client_id)
        if rows is None:
            rows = self._source.client(client_id)
            self._clients.put(client_id, rows, sum(map(kept_values.num_bytes, rows.leaves)))
        return rows

    def __getstate__(self) -> dict[str, Any]:
        return {"source": self._source, "room": self._room}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)


def prepared(source: Source, function: Map | None, client_ids: Iterable[str], room: int) -> Source:
    """The examples of a source after a function, kept where they would have to be made again.

    Args:
      source: the examples.
      function: what is applied to them; None for nothing.
      client_ids: the clients that will be used.
      room: how many bytes may be kept.
    """
    if function is None:
        return source if isinstance(source, (Store, MappedStore, Kept)) else Kept(source, room)
    if not isinstance(source, Store):
        return Kept(Mapped(source, function, client_ids), room)
    mapped = source.mapped(function)
    return mapped if mapped.num_bytes <= room else Kept(mapped.by_client, room)


def pack(leaves: Iterable[Any], form: Any) -> Any:
    """Puts leaves into the containers of a structure."""
    given = iter(leaves)
    return examples.map_leaves(lambda _: next(given), form)


def num_bytes_of_example(example_type: Type) -> int:
    """How many bytes the arrays of a store take for each example."""
    return sum(math.prod(shape) * dtype.itemsize for shape, dtype in _arrays(example_type))


def _arrays(example_type: Type) -> list[tuple[tuple[int, ...], np.dtype[Any]]]:
    """The shape and dtype of each leaf of an example."""
    return [
        (tuple(size or 0 for size in leaf.shape or ()), tensor_leaves.array_dtype(leaf))
        for leaf in tensor_leaves.leaf_types(example_type)
        if isinstance(leaf, TensorType)
    ]


def _read_only(array: np.ndarray) -> np.ndarray:
    array.flags.writeable = False
    return array


def _wrong_map(client_id: str, *problems: str) -> errors.DatasetError:
    return errors.DatasetError(
        "`map` does not make examples out of a client's examples.",
        problems=[f"client {client_id!r}: {problem}" for problem in problems],
        fix="return one row for each row that is given, of the same structure, dtypes and shapes "
        "for every client.",
    )
