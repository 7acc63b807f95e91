"""What a pipeline of `tf.data` does to the order of its source, worked out on positions.

A pipeline of the usual form gives rows of its source: repeated, shuffled, left out, in batches. Its
`Columns` are then the arrays of the source, and the positions of the rows. Nothing is copied.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
import threading
from collections.abc import Callable, Iterable
from typing import TypeAlias

import numpy as np

from tensorflow_federated.tensorflow import shuffles

# How many bytes of orders are kept, and an order of how many bytes is still kept.
_ROOM = 64 * 2**20
_LARGEST = _ROOM // 8


class EndlessError(Exception):
    """A pipeline has no end."""


class UnknownOrderError(Exception):
    """The order of a pipeline is TensorFlow's to say."""


@dataclasses.dataclass(frozen=True)
class Batch:
    """`dataset.batch(size, drop_remainder)`; once in a pipeline."""

    size: int
    drops_remainder: bool


@dataclasses.dataclass(frozen=True)
class Repeat:
    """`dataset.repeat(count)`; without end if it is -1."""

    count: int


@dataclasses.dataclass(frozen=True)
class Take:
    """`dataset.take(count)`; all if it is -1."""

    count: int


@dataclasses.dataclass(frozen=True)
class Skip:
    """`dataset.skip(count)`; all if it is -1."""

    count: int


@dataclasses.dataclass(frozen=True)
class Shard:
    """`dataset.shard(count, index)`."""

    count: int
    index: int


@dataclasses.dataclass(frozen=True)
class Cache:
    """`dataset.cache()`: what comes in is the same in every iteration."""


@dataclasses.dataclass(frozen=True)
class Shuffle:
    """`dataset.shuffle(buffer, ...)`, with the two halves of its seed; both 0 if it has none."""

    buffer: int
    seed: int
    seed2: int
    reshuffles: bool

    @property
    def is_seeded(self) -> bool:
        """Whether its order is the same each time that it starts afresh."""
        return bool(self.seed or self.seed2)


Stage: TypeAlias = Batch | Repeat | Take | Skip | Shard | Cache | Shuffle


@dataclasses.dataclass(frozen=True)
class Order:
    """The elements of a pipeline over a source of rows.

    Attributes:
      rows: int64[m]: the rows of the source, in order; None if they are its first ones, in order.
      count: the number of rows, m.
      offsets: int64[n+1]: batch i is `rows[offsets[i]:offsets[i+1]]`; None if each row is an
        element.
    """

    rows: np.ndarray | None
    count: int
    offsets: np.ndarray | None

    @property
    def size(self) -> int:
        """How many bytes it takes."""
        return sum(each.nbytes for each in (self.rows, self.offsets) if each is not None)


def is_seeded(stages: Iterable[Stage]) -> bool:
    """Whether a pipeline gives the same each time that it starts afresh."""
    return all(stage.is_seeded for stage in stages if isinstance(stage, Shuffle))


def order_of(count: int, stages: tuple[Stage, ...]) -> Order:
    """The order that a pipeline gives the rows of its source.

    Args:
      count: the number of rows of the source.
      stages: what the pipeline does, in order.

    Returns:
      The order; if every shuffle has a seed it is always the same. Its arrays cannot be written to.

    Raises:
      EndlessError: if the pipeline has no end.
      UnknownOrderError: if its order is not worked out here.
    """
    if not is_seeded(stages):
        return _order_of(count, stages)
    key = (count, stages)
    order = _kept.get(key)
    if order is None:
        order = _order_of(count, stages)
        _kept.put(key, order)
    return order


def row_count(count: int, stages: Iterable[Stage]) -> int | None:
    """How many rows a pipeline gives, without working out which.

    Args:
      count: the number of rows of its source.
      stages: what the pipeline does, in order.

    Returns:
      The number; None if the pipeline has no end, or if that is not known before it is worked out.

    Examples:
      >>> row_count(50, [Repeat(2), Batch(20, False), Take(3)])
      60
    """
    rows, size, has_part = count, 1, False
    for stage in stages:
        # All elements have `size` rows; but the last one may have fewer, and `has_part` if such a
        # one may be another than the last one.
        if has_part and isinstance(stage, (Take, Skip, Shard)):
            return None
        match stage:
            case Batch():
                size = stage.size
                rows -= rows % size if stage.drops_remainder else 0
            case Repeat(times):
                if times < 0 and rows:
                    return None
                rows, has_part = rows * times, has_part or bool(rows % size)
            case Take(number):
                rows = rows if number < 0 else min(rows, number * size)
            case Skip(number):
                rows = 0 if number < 0 else max(rows - number * size, 0)
            case Shard(number, index):
                elements = range(-(-rows // size))[index::number]
                is_cut = bool(rows % size) and bool(elements) and elements[-1] == rows // size
                rows = len(elements) * size - (size - rows % size if is_cut else 0)
            case Shuffle():
                has_part = has_part or bool(rows % size)
            case Cache():
                pass
    return rows


class _KeptOrders:
    """The orders that were used last, as many as there is room for."""

    def __init__(self, room: int, largest: int) -> None:
        self._room, self._largest = room, largest
        self._orders: dict[tuple[int, tuple[Stage, ...]], Order] = {}
        self._taken = 0
        self._lock = threading.Lock()

    def get(self, key: tuple[int, tuple[Stage, ...]]) -> Order | None:
        """The order of a pipeline, if it is kept."""
        with self._lock:
            order = self._orders.pop(key, None)
            if order is not None:
                self._orders[key] = order
            return order

    def put(self, key: tuple[int, tuple[Stage, ...]], order: Order) -> None:
        """Keeps an order, in the place of those that were not used for longest."""
        size = order.size + 512
        with self._lock:
            if size > self._largest or key in self._orders:
                return
            self._orders[key] = order
            self._taken += size
            while self._taken > self._room:
                oldest = next(iter(self._orders))
                self._taken -= self._orders.pop(oldest).size + 512


_kept = _KeptOrders(_ROOM, _LARGEST)


_Iterate: TypeAlias = Callable[[float], np.ndarray]
"""Goes through a pipeline once more, up to a number of elements: which elements it gives."""


def _order_of(count: int, stages: tuple[Stage, ...]) -> Order:
    cut = next((i for i, stage in enumerate(stages) if isinstance(stage, Batch)), len(stages))
    elements, changes = _iterations(
        lambda limit: np.arange(min(count, limit), dtype=np.int64), stages[:cut]
    )
    if cut == len(stages):
        return _finished(elements(math.inf), None)
    batch = stages[cut]
    assert isinstance(batch, Batch)
    batches = _Batches(elements, batch)
    iterate, _ = _iterations(batches.iterate, stages[cut + 1 :], changes)
    return _finished(*batches.gathered(iterate(math.inf)))


def _finished(rows: np.ndarray, offsets: np.ndarray | None) -> Order:
    for each in (rows, offsets):
        if each is not None:
            each.flags.writeable = False
    are_first = not len(rows) or (rows[0] == 0 and bool((np.diff(rows) == 1).all()))
    return Order(None if are_first else rows, len(rows), offsets)


class _Batches:
    """The batches that one iteration after the other cuts its rows into, numbered."""

    def __init__(self, elements: _Iterate, batch: Batch) -> None:
        self._elements, self._batch = elements, batch
        self._rows: list[np.ndarray] = []
        self._starts: list[np.ndarray] = []
        self._stops: list[np.ndarray] = []
        self._row_count = 0
        self._batch_count = 0

    def iterate(self, limit: float) -> np.ndarray:
        """The numbers of the first `limit` batches of a new iteration."""
        size = self._batch.size
        rows = self._elements(limit * size)
        starts = np.arange(0, len(rows), size, dtype=np.int64)
        if self._batch.drops_remainder:
            starts = starts[: len(rows) // size]
        self._rows.append(rows)
        self._starts.append(starts + self._row_count)
        self._stops.append(np.minimum(starts + size, len(rows)) + self._row_count)
        first = self._batch_count
        self._row_count += len(rows)
        self._batch_count += len(starts)
        return np.arange(first, self._batch_count, dtype=np.int64)

    def gathered(self, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The rows of the batches of these numbers, and where each batch ends."""
        offsets = np.zeros(len(numbers) + 1, np.int64)
        if not len(numbers):
            return np.zeros(0, np.int64), offsets
        rows = _joined(self._rows)
        starts, stops = _joined(self._starts)[numbers], _joined(self._stops)[numbers]
        sizes = stops - starts
        np.cumsum(sizes, out=offsets[1:])
        if (starts[1:] == stops[:-1]).all():
            return rows[starts[0] : stops[-1]], offsets
        inside = np.arange(offsets[-1]) - np.repeat(offsets[:-1], sizes)
        return rows[np.repeat(starts, sizes) + inside], offsets


def _joined(parts: list[np.ndarray]) -> np.ndarray:
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _iterations(
    source: _Iterate, stages: tuple[Stage, ...], changes: bool = False
) -> tuple[_Iterate, bool]:
    """What goes through a source and these stages, and whether that `changes` from time to time."""
    iterate = source
    for stage in stages:
        match stage:
            case Batch():
                raise UnknownOrderError
            case Cache():
                iterate, changes = _cached(iterate) if changes else iterate, False
            case Shuffle():
                iterate, changes = _shuffled(iterate, stage), changes or stage.reshuffles
            case Repeat(count):
                iterate = _repeated(iterate, count, changes)
            case Take(count):
                iterate = iterate if count < 0 else _taken(iterate, count)
            case Skip(count):
                iterate = _taken(iterate, 0) if count < 0 else _skipped(iterate, count)
            case Shard(count, index):
                iterate = _sharded(iterate, count, index)
    return iterate, changes


def _taken(source: _Iterate, count: int) -> _Iterate:
    return lambda limit: source(min(limit, count))


def _skipped(source: _Iterate, count: int) -> _Iterate:
    return lambda limit: source(limit + count)[count:]


def _sharded(source: _Iterate, count: int, index: int) -> _Iterate:
    return lambda limit: (
        source((limit - 1) * count + index + 1)[index::count] if limit else source(0)
    )


def _repeated(source: _Iterate, count: int, changes: bool) -> _Iterate:
    """The source time after time; it need not be gone through again if that `changes` nothing."""
    most = math.inf if count < 0 else count
    ended = False

    def iterate(limit: float) -> np.ndarray:
        nonlocal ended
        if ended and changes:
            # At its end TensorFlow starts its input once more, but not if it fuses the two.
            raise UnknownOrderError
        parts: list[np.ndarray] = []
        rest, times = limit, 0
        while times < most and rest > 0:
            part = source(rest)
            if not len(part):
                break
            if most == limit == math.inf:
                raise EndlessError
            if not changes:
                times_more = min(most, math.ceil(rest / len(part)) if rest < math.inf else most)
                tiled = np.tile(part, int(times_more))
                return tiled if rest == math.inf else tiled[: int(rest)]
            parts.append(part)
            rest, times = rest - len(part), times + 1
        ended = rest > 0
        return _joined(parts) if parts else source(0)

    return iterate


def _cached(source: _Iterate) -> _Iterate:
    """The elements of the first iteration, every time; the source changes from one to the next."""
    first: list[np.ndarray] = []

    def iterate(limit: float) -> np.ndarray:
        if not first:
            first.append(source(math.inf))
        if limit < len(first[0]):
            # TensorFlow throws away what it has kept of an iteration that stops early.
            raise UnknownOrderError
        return first[0]

    return iterate


def _shuffled(source: _Iterate, stage: Shuffle) -> _Iterate:
    seeds = (stage.seed, stage.seed2)
    if not stage.is_seeded:
        first, second = np.random.default_rng().integers(1, 2**63, size=2).tolist()
        seeds = (first, second)
    seeds_of_iterations = (
        shuffles.iteration_seeds(*seeds) if stage.reshuffles else itertools.repeat(seeds)
    )

    def iterate(limit: float) -> np.ndarray:
        rows = source(limit + stage.buffer - 1)
        numbers = shuffles.random_numbers(*next(seeds_of_iterations), len(rows))
        shuffled = rows[shuffles.order(len(rows), stage.buffer, numbers)]
        return shuffled if limit == math.inf else shuffled[: int(limit)]

    return iterate
