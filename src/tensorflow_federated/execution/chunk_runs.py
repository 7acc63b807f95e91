"""Chunks of clients as units of work, and the protocol of what runs them: threads, or processes."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from tensorflow_federated.execution.chunk_worker import ChunkWorker


@dataclasses.dataclass(frozen=True)
class Chunk:
    """Clients of a cohort, in order: what one unit of work has of its own.

    Attributes:
      first: the position in the cohort of its first client.
      clients: for each client input of the step, the canonical value of each client.
      keys: int64[clients, draws, 2], the random keys.
    """

    first: int
    clients: list[list[Any]]
    keys: np.ndarray

    def __len__(self) -> int:
        """The number of clients."""
        return len(self.keys)

    def selected(self, positions: Sequence[int]) -> Chunk:
        """Some of the clients of this chunk, at least one and in order, as a chunk of their own."""
        return Chunk(
            self.first + positions[0],
            [[column[position] for position in positions] for column in self.clients],
            self.keys[positions],
        )


@dataclasses.dataclass(frozen=True)
class FailedClient:
    """A client of a chunk whose work failed.

    Attributes:
      position: its position in the chunk, from 0.
      stage: what was being done.
      error: what was raised.
    """

    position: int
    stage: str
    error: Exception


@dataclasses.dataclass(frozen=True)
class ChunkResult:
    """What became of a chunk.

    Attributes:
      totals: for each aggregate, the values of its clients, accumulated in their order, without
        those that failed; None if none is left.
      kept: for each value that stays at the clients, that of each client that is left, in order.
      failed: the clients whose work failed, in order. Where failures stop a call, the first one
        alone: no client after it was run, and totals and kept values are not used.
      replaced: the positions in the chunk, from 0, of the clients whose own work found that its
        results were not finite, and put others in their place.
    """

    totals: list[Any] | None
    kept: list[list[Any]]
    failed: tuple[FailedClient, ...] = ()
    replaced: tuple[int, ...] = ()


class StepCall(Protocol):
    """One run of a client step for a cohort, as a runner sees it.

    A runner takes the chunks that are needed in whatever order, has `worker` run each, here or in
    another process, and hands every result to `done`, from whatever thread.

    Attributes:
      worker: what runs one chunk.
      broadcast: the values that all clients are sent, canonical.
      zeros: for each aggregate, what accumulation starts from in each chunk.
      chunk_count: the number of chunks.
      round_number: the number of the call of the program, for messages.
    """

    worker: ChunkWorker
    broadcast: tuple[Any, ...]
    zeros: list[Any]
    chunk_count: int
    round_number: int

    def positions(self, index: int) -> list[int]:
        """The positions of the clients of a chunk in the cohort of the call, for messages."""
        ...

    def chunk(self, index: int) -> Chunk:
        """The clients of a chunk; cheap. It must not be asked for after it was done."""
        ...

    def known_sizes(self) -> list[int] | None:
        """The number of rows that each chunk has; None if some are yet to be read."""
        ...

    def is_needed(self, index: int) -> bool:
        """Whether a chunk has to be run: not if an earlier one failed, and that stops the call.

        To be asked right before a chunk is started; the earlier chunks of a failed one are needed
        still, for the failure that is told is that of the first client in the cohort's order.
        """
        ...

    def done(self, index: int, result: ChunkResult) -> None:
        """Takes the result of a chunk, merges it with those of others, and lets go of its data.

        Args:
          index: the position of the chunk.
          result: what became of it; its arrays are the call's own from now on.
        """
        ...


class ChunkRunner(Protocol):
    """Runs the chunks of client steps; the engine has one, and several calls may use it at once.

    Attributes:
      sends_steps: whether other processes run the steps.
    """

    sends_steps: bool

    def run(self, call: StepCall) -> None:
        """Runs all chunks of a call that are needed, and returns when all are done.

        The failure of a client is part of a chunk's result. An exception is a failure of the
        runner, or of the engine, or an interrupt, and ends the call: then no chunk of it is
        running any more, and no thread waits for one.

        Args:
          call: what to run.
        """
        ...
