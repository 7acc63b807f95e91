"""The columns of pipelines of the usual form: the source as it is, and which of its rows."""

from __future__ import annotations

import collections
import threading
import weakref
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from tensorflow_federated.core import types
from tensorflow_federated.core.types import Type
from tensorflow_federated.execution import sequences
from tensorflow_federated.tensorflow import pipelines, type_specs
from tensorflow_federated.tensorflow.recognition import Pipeline
from tensorflow_federated.tensorflow.row_functions import RowFunction

# A store of this size at most is mapped as a whole, for all clients that share it.
_LARGEST_MAPPED = 128 * 2**20
# Of how many chains of maps the results are kept for one store.
_MOST_MAPPED = 2


class ElementSpec:
    """An `element_spec` of tensors alone, with what follows from it worked out once."""

    def __init__(self, structure: Any) -> None:
        """Takes the structure of `tf.TensorSpec`s."""
        self.structure = structure
        self.flat: tuple[Any, ...] = tuple(tf.nest.flatten(structure))
        self.type: Type = types.to_type(structure)
        self._batched: dict[int | None, ElementSpec] = {}
        self._positions: dict[Type, tuple[int, ...]] = {}

    @classmethod
    def of(cls, structure: Any) -> ElementSpec:
        """The spec of a structure: the same one for the same structure, while it is used."""
        key = _key(structure)
        with _lock:
            spec = _specs.get(key)
            if spec is None:
                spec = _specs[key] = cls(structure)
            if not _latest or _latest[-1] is not spec:
                _latest.append(spec)
            return spec

    @property
    def is_dense(self) -> bool:
        """Whether all components are plain tensors."""
        return all(isinstance(spec, tf.TensorSpec) for spec in self.flat)

    def batched(self, size: int | None) -> ElementSpec:
        """The spec of batches of such elements; of one `size`, or of any."""
        if size not in self._batched:
            specs = [tf.TensorSpec([size, *spec.shape], spec.dtype) for spec in self.flat]
            self._batched[size] = ElementSpec.of(tf.nest.pack_sequence_as(self.structure, specs))
        return self._batched[size]

    def positions(self, element_type: Type) -> tuple[int, ...]:
        """For each leaf of a type that elements have, which component it is."""
        if element_type not in self._positions:
            packed = tf.nest.pack_sequence_as(self.structure, list(range(len(self.flat))))
            positions = tuple(type_specs.flatten_element(packed, element_type))
            self._positions[element_type] = positions
        return self._positions[element_type]


_specs: weakref.WeakValueDictionary[Any, ElementSpec] = weakref.WeakValueDictionary()
# Programs make the datasets of one client after the other: their specs are needed again.
_latest: collections.deque[ElementSpec] = collections.deque(maxlen=16)
_lock = threading.RLock()


def _key(structure: Any) -> Any:
    if isinstance(structure, Mapping):
        return type(structure), tuple((name, _key(each)) for name, each in structure.items())
    if isinstance(structure, tuple):
        return type(structure), tuple(_key(each) for each in structure)
    if isinstance(structure, tf.TypeSpec):
        return structure
    return type(structure), tuple(tf.nest.flatten(structure))


class Store:
    """Arrays of rows that several clients may share, and what maps make of them."""

    def __init__(self, leaves: tuple[np.ndarray, ...]) -> None:
        """Takes the arrays, one for each component."""
        self.leaves = leaves
        self._mapped: collections.OrderedDict[tuple[RowFunction, ...], tuple[np.ndarray, ...]]
        self._mapped = collections.OrderedDict()
        self._lock = threading.Lock()

    @property
    def row_count(self) -> int:
        """The number of rows."""
        return len(self.leaves[0])

    def mapped(self, maps: tuple[RowFunction, ...]) -> tuple[np.ndarray, ...]:
        """What maps make of all rows: the same arrays each time."""
        if not maps:
            return self.leaves
        with self._lock:
            leaves = self._mapped.get(maps)
            if leaves is None:
                leaves = self._mapped[maps] = apply(maps, self.leaves)
                if len(self._mapped) > _MOST_MAPPED:
                    self._mapped.popitem(last=False)
            return leaves

    def is_mapped_whole(self, maps: tuple[RowFunction, ...], row_count: int) -> bool:
        """Whether maps are applied to all rows though only some are wanted."""
        if not any(each.copies for each in maps) or row_count * 2 >= self.row_count:
            return True
        return sum(leaf.nbytes for leaf in self.leaves) <= _LARGEST_MAPPED


def apply(maps: tuple[RowFunction, ...], leaves: tuple[np.ndarray, ...]) -> tuple[np.ndarray, ...]:
    """What maps, one after the other, make of rows."""
    for each in maps:
        leaves = each(leaves)
    return leaves


def columns(
    store: Store,
    rows: np.ndarray | None,
    pipeline: Pipeline,
    spec: ElementSpec,
    element_type: Type,
) -> sequences.Columns | None:
    """The columns of a pipeline.

    Args:
      store: the rows of all clients; the leaves of the pipeline.
      rows: int64: the rows of this client; None for all.
      pipeline: what is done with them.
      spec: the spec of its elements.
      element_type: the type that its elements are to have.

    Returns:
      The columns; None if elements of that type are put together in another way.

    Raises:
      pipelines.EndlessError: if it has no end.
      pipelines.UnknownOrderError: if only TensorFlow knows its order.
    """
    is_batched = sequences.is_batched(element_type)
    if not spec.is_dense or (is_batched and not pipeline.is_batched):
        return None
    if not is_batched and not sequences.is_stacked(element_type):
        return None
    own_count = store.row_count if rows is None else len(rows)
    order = pipelines.order_of(own_count, pipeline.stages)
    if order.rows is not None:
        rows = order.rows if rows is None else rows[order.rows]
    elif rows is not None:
        rows = rows[: order.count]
    if store.is_mapped_whole(pipeline.maps, order.count):
        leaves = store.mapped(pipeline.maps)
        if rows is None and order.count < store.row_count:
            leaves = tuple(leaf[: order.count] for leaf in leaves)
    else:
        assert rows is not None or order.count < store.row_count
        chosen = slice(order.count) if rows is None else rows
        leaves, rows = apply(pipeline.maps, tuple(leaf[chosen] for leaf in store.leaves)), None
    leaves = tuple(leaves[position] for position in spec.positions(element_type))
    if is_batched or not pipeline.is_batched:
        return sequences.Columns(leaves, order.offsets, rows)
    # Full batches of one size are elements of known shapes.
    gathered = sequences.Columns(leaves, order.offsets, rows).gathered()
    assert order.offsets is not None
    size = int(spec.flat[0].shape[0])
    count = len(order.offsets) - 1
    return sequences.Columns(
        tuple(leaf.reshape(count, size, *leaf.shape[1:]) for leaf in gathered.leaves), None
    )
