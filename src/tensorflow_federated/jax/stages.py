"""Client steps over batches of several sizes that may not be padded: one size after the other.

So run steps for which no masked form is found, such as one with a median; see `masked_forms`.

A program has the shapes of its batches, and one that had those of all sizes would be compiled anew
for each cohort. So there is one program for each size, which takes the states of some clients
through their next batches of that size; one that these states start from; and one that makes the
results of the last states and adds them up. Each is the whole of what a client does, cut off where
it comes to a loop over batches that another program runs.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from tensorflow_federated.core.types import Type
from tensorflow_federated.execution import leaves as tensor_leaves
from tensorflow_federated.jax import domain, executables, layout, masking

# How many clients go through the programs at a time, and how many bytes their states have.
_MOST_CLIENTS = 16
_MOST_BYTES = 64 * 2**20

Leaves = list[Any]
Work = Callable[..., Leaves]


class Stages:
    """Runs a client step in several programs."""

    def __init__(
        self,
        work: Work,
        accumulate: Callable[[Leaves, Leaves], Leaves],
        programs: executables.Programs,
        uses: Sequence[masking.SequenceUse | None],
    ) -> None:
        """Compiles nothing yet.

        Args:
          work: what one client does; see `client_step.ClientLoop.work`.
          accumulate: adds the results of a client to totals.
          programs: compiles programs and keeps them.
          uses: for each leaf of the inputs that is a sequence, how it is used.
        """
        self._work, self._accumulate, self._programs = work, accumulate, programs
        self._uses = uses
        self._group_sizes: dict[tuple[int, ...], int] = {}

    def run(
        self, data: Any, totals: Leaves, runs: Sequence[layout.Runs | None], count: int
    ) -> tuple[Leaves, Any]:
        """Runs the step for the clients of a chunk, in order.

        Args:
          data: what `work` takes.
          totals: what accumulation starts from, leaf by leaf.
          runs: for each leaf of the inputs, the runs of batches, if they are of several sizes.
          count: the number of clients.

        Returns:
          The totals, leaf by leaf, and whether all selected keys were offered; on the device.
        """
        loops = sorted(
            (read, leaf)
            for leaf, use in enumerate(self._uses)
            if use is not None and runs[leaf] is not None
            for read in use.reads
        )
        cut = tuple(leaf for leaf, its_runs in enumerate(runs) if its_runs is not None)
        size = self._group_size(data, cut, len(loops)) if loops else count
        are_keys_offered: Any = np.True_
        for first in range(0, count, size):
            group = range(first, min(first + size, count))
            states: list[Leaves] = []
            for _, leaf in loops:
                its_runs = runs[leaf]
                assert its_runs is not None
                states.append(self._start(data, cut, states, group, size))
                states[-1] = self._loop(data, cut, states, group, its_runs)
            span = np.array([group.start, len(group)], np.int32)
            totals, are_keys_offered = self._programs.run(
                functools.partial(self._finish, cut),
                ("finish", cut),
                (data, span, states, totals, are_keys_offered),
            )
        return totals, are_keys_offered

    def _start(
        self, data: Any, cut: tuple[int, ...], states: list[Leaves], group: range, size: int
    ) -> Leaves:
        span = np.array([group.start, len(group)], np.int32)
        return self._programs.run(
            functools.partial(self._first_states, cut, size),
            ("start", cut, size),
            (data, span, states),
        )

    def _loop(
        self, data: Any, cut: tuple[int, ...], states: list[Leaves], group: range, runs: layout.Runs
    ) -> Leaves:
        """Takes the states through all batches: those of one size, of all clients, at a time."""
        *earlier, current = states
        size = len(current[0]) if current else len(group)
        most = max(run.size for its_runs in runs for run in its_runs)
        for step in itertools.zip_longest(*(runs[client] for client in group)):
            for rows in sorted({run.size for run in step if run is not None}):
                chosen = [
                    (slot, run.first, run.last)
                    for slot, run in enumerate(step)
                    if run is not None and run.size == rows
                ]
                schedule = np.zeros([size, 3], np.int32)
                schedule[: len(chosen)] = chosen
                span = np.array([group.start, len(chosen)], np.int32)
                # One loop less is compiled in two thirds of the time.
                is_single = all(last - first == 1 for _, first, last in chosen) and rows < most
                current = self._programs.run(
                    functools.partial(self._next_states, cut, rows, is_single),
                    ("loop", cut, rows, is_single),
                    (data, span, schedule, earlier, current),
                )
        return current

    def _group_size(self, data: Any, cut: tuple[int, ...], loop_count: int) -> int:
        """How many clients go through the programs at a time."""
        if cut not in self._group_sizes:
            specs = jax.eval_shape(
                functools.partial(self._first_states, cut, 1), data, np.zeros(2, np.int32), []
            )
            state_bytes = sum(spec.dtype.itemsize * math.prod(spec.shape) for spec in specs)
            fitting = _MOST_BYTES // max(state_bytes * loop_count, 1)
            self._group_sizes[cut] = max(1, min(_MOST_CLIENTS, fitting))
        return self._group_sizes[cut]

    def _cut_off(
        self, data: Any, cut: tuple[int, ...], client: Any, slot: Any, states: list[Leaves]
    ) -> _Cut:
        """What a client does, up to the loop after those whose last states are given."""
        walk = _Walk(cut, [_rows(leaves, slot) for leaves in states])
        try:
            self._work(client, data, walk.as_read)
        except _Cut as found:
            return found
        raise AssertionError("there is no such loop")

    def _first_states(
        self, cut: tuple[int, ...], size: int, data: Any, span: Any, states: list[Leaves]
    ) -> Leaves:
        def zero_of(slot: Any) -> Leaves:
            return self._cut_off(data, cut, span[0] + slot, slot, states).zero

        specs = jax.eval_shape(zero_of, np.int32(0))
        buffers = [jnp.zeros([size, *spec.shape], spec.dtype) for spec in specs]

        def turn(slot: Any, buffers: Leaves) -> Leaves:
            return _with_rows(buffers, slot, zero_of(slot))

        return lax.fori_loop(np.int32(0), span[1], turn, buffers)

    def _next_states(
        self,
        cut: tuple[int, ...],
        rows: int,
        is_single: bool,
        data: Any,
        span: Any,
        schedule: Any,
        earlier: list[Leaves],
        current: Leaves,
    ) -> Leaves:
        def turn(position: Any, current: Leaves) -> Leaves:
            slot, first, last = (schedule[position, i] for i in range(3))
            found = self._cut_off(data, cut, span[0] + slot, slot, earlier)
            state = _rows(current, slot)
            if is_single:
                state = found.stepped(first, state, rows)
            else:
                step = functools.partial(found.stepped, rows=rows)
                state = lax.fori_loop(first, last, step, state)
            return _with_rows(current, slot, state)

        return lax.fori_loop(np.int32(0), span[1], turn, current)

    def _finish(
        self,
        cut: tuple[int, ...],
        data: Any,
        span: Any,
        states: list[Leaves],
        totals: Leaves,
        are_keys_offered: Any,
    ) -> tuple[Leaves, Any]:
        def turn(slot: Any, carried: tuple[Leaves, Any]) -> tuple[Leaves, Any]:
            totals, are_keys_offered = carried
            walk = _Walk(cut, [_rows(leaves, slot) for leaves in states])
            *results, are_offered = self._work(span[0] + slot, data, walk.as_read)
            return self._accumulate(totals, results), are_keys_offered & are_offered

        return lax.fori_loop(np.int32(0), span[1], turn, (totals, are_keys_offered))


def _rows(buffers: Leaves, slot: Any) -> Leaves:
    return [lax.dynamic_index_in_dim(buffer, slot, keepdims=False) for buffer in buffers]


def _with_rows(buffers: Leaves, slot: Any, rows: Leaves) -> Leaves:
    return [
        lax.dynamic_update_index_in_dim(buffer, row, slot, 0)
        for buffer, row in zip(buffers, rows, strict=True)
    ]


class _Cut(BaseException):
    """Ends what a client does where it comes to a loop that another program runs."""

    def __init__(
        self, sequence: domain.ColumnSequence, step: domain.Step, zero: Leaves, zero_type: Type
    ) -> None:
        super().__init__()
        self.zero = zero
        self._sequence, self._step, self._zero_type = sequence, step, zero_type

    def stepped(self, index: Any, state: Leaves, rows: int) -> Leaves:
        """The state after a batch that has so many rows."""
        value = tensor_leaves.unflatten(state, self._zero_type)
        stepped = self._step(value, self._sequence.element(index, rows))
        return domain.as_declared(stepped, self._zero_type)


class _Walk:
    """One time that what a client does is carried out, with the last states of some loops."""

    def __init__(self, cut: tuple[int, ...], states: list[Leaves]) -> None:
        self._cut = cut
        self._states = iter(states)

    def as_read(self, position: int, sequence: domain.ColumnSequence) -> domain.TracedSequence:
        return _CutSequence(sequence, self._states) if position in self._cut else sequence


class _CutSequence:
    """A sequence over which another program loops."""

    def __init__(self, sequence: domain.ColumnSequence, states: Any) -> None:
        self._sequence, self._states = sequence, states

    def reduce(self, step: domain.Step, zero: Any, zero_type: Type) -> Any:
        """The last state, if it is given."""
        state = next(self._states, None)
        if state is None:
            raise _Cut(self._sequence, step, domain.as_declared(zero, zero_type), zero_type)
        return tensor_leaves.unflatten(state, zero_type)
