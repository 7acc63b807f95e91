"""`tff.profile`: where the time of calls went."""

from __future__ import annotations

import collections
import dataclasses
import io
import os
import pathlib
import sys
import threading
import time
import types
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import IO, TYPE_CHECKING, Any

from tensorflow_federated.core import errors
from tensorflow_federated.execution import profiling
from tensorflow_federated.execution.profiling import Measured

if TYPE_CHECKING:
    from rich import table

_OTHER = "other"
_WIDTH = 100
_MEBIBYTE = 2**20
_SECONDS_BETWEEN_READINGS = 0.01


@dataclasses.dataclass(frozen=True)
class StageTime:
    """How long a stage took.

    Attributes:
      seconds: by the clock. While threads are in different stages these share the time, so that the
        stages of a call add up to the time that the call took.
      thread_seconds: the same, summed over the threads and processes that worked: with two threads
        at work all the time it is twice as much.
    """

    seconds: float
    thread_seconds: float


@dataclasses.dataclass(frozen=True)
class CallProfile:
    """Where the time of the calls of one computation went.

    Attributes:
      name: the name of the computation.
      calls: how often it was called.
      seconds: how long the calls took, by the clock, in all.
      stages: by name, the stages `data`, `compile`, `compute`, `reduce` and `server`, and `other`,
        in which no thread was in one of these.
      clients: the number of clients whose work was run.
      examples: the number of examples that they worked on.
      compilations: how often something was traced or compiled.
      failed_clients: the number of clients whose work failed, so that they were left out or count
        for nothing.
      where: the line of the program that the first call came from, such as `train.py:12`; None if
        it is not known.
    """

    name: str
    calls: int
    seconds: float
    stages: Mapping[str, StageTime]
    clients: int
    examples: int
    compilations: int
    failed_clients: int
    where: str | None = None

    @property
    def seconds_per_call(self) -> float:
        """How long a call took on average."""
        return self.seconds / self.calls if self.calls else 0.0

    @property
    def thread_seconds(self) -> float:
        """How long threads and processes worked, in all."""
        return sum(time.thread_seconds for name, time in self.stages.items() if name != _OTHER)

    @property
    def clients_per_second(self) -> float:
        """The clients of a second of calls."""
        return self.clients / self.seconds if self.seconds else 0.0

    @property
    def examples_per_second(self) -> float:
        """The examples of a second of calls."""
        return self.examples / self.seconds if self.seconds else 0.0


class Profile:
    """What `tff.profile` measures; its numbers can be read during the block and after it.

    Attributes:
      calls: a `CallProfile` for each computation that was called, in the order of the first calls;
        calls that a call makes belong to that.
      total: the sum of them.
      outside: what was done while no call was open, such as to read data ahead.
      seconds: how long the block took.
      peak_memory: the most bytes of this process that were in memory at once; None where the system
        does not tell. Worker processes have memory of their own.
      memory_growth: by how many bytes that exceeds what was in memory at the beginning.
    """

    def __init__(self, *, print: bool, file: IO[str] | None) -> None:
        """Makes a profile; see `profile`."""
        self._recorder = profiling.Recorder()
        self._prints = print
        self._file = file
        self._memory = _Memory()
        self._started = time.perf_counter()
        self._ended: float | None = None

    def __enter__(self) -> Profile:
        self._recorder.start()
        self._memory.start()
        self._started = time.perf_counter()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: types.TracebackType | None,
    ) -> None:
        self._ended = time.perf_counter()
        self._memory.stop()
        self._recorder.stop()
        if self._prints:
            self.show(self._file)

    @property
    def calls(self) -> tuple[CallProfile, ...]:
        """Where the time of each computation's calls went."""
        with self._recorder.lock:
            return tuple(
                _call_profile(each.name, each.calls, each.seconds, each.measured, each.where)
                for each in self._recorder.records.values()
            )

    @property
    def outside(self) -> CallProfile:
        """What was done while no call was open."""
        with self._recorder.lock:
            measured = dataclasses.replace(self._recorder.outside, idle=0.0)
            return _call_profile("outside of calls", 0, sum(measured.wall.values()), measured)

    @property
    def total(self) -> CallProfile:
        """Where the time of all calls went."""
        return _sum("all calls", self.calls)

    @property
    def seconds(self) -> float:
        """How long the block took."""
        ended = time.perf_counter() if self._ended is None else self._ended
        return ended - self._started

    @property
    def peak_memory(self) -> int | None:
        """The most bytes that were in memory at once."""
        return self._memory.peak

    @property
    def memory_growth(self) -> int | None:
        """By how many bytes the peak exceeds what was there at the beginning."""
        return self._memory.growth

    def to_dict(self) -> dict[str, Any]:
        """All numbers, in dicts and lists that JSON can hold."""
        return {
            "seconds": self.seconds,
            "peak_memory": self.peak_memory,
            "memory_growth": self.memory_growth,
            "calls": [dataclasses.asdict(each) for each in self.calls],
            "total": dataclasses.asdict(self.total),
            "outside": dataclasses.asdict(self.outside),
        }

    def show(self, file: IO[str] | None = None) -> None:
        """Prints the table, with colours if it is printed to a terminal.

        Args:
          file: where to print; `sys.stdout` if None.
        """
        stream = sys.stdout if file is None else file
        # Loaded when there is something to print.
        from rich import console

        width = None if stream.isatty() else _WIDTH
        screen = console.Console(file=stream, width=width, highlight=False)
        for part in self._parts():
            screen.print(part, markup=False)

    def __str__(self) -> str:
        stream = io.StringIO()
        self.show(stream)
        return stream.getvalue()

    def __repr__(self) -> str:
        total = self.total
        return f"<Profile: {total.calls} calls, {total.seconds:.3g} s>"

    def _parts(self) -> Iterable[table.Table | str]:
        calls = self.calls
        if not calls:
            yield f"No computation was called in {_seconds(self.seconds)}."
            return
        totals = [self.total] if len(calls) > 1 else []
        outside = [self.outside] if self.outside.seconds else []
        yield _table([*calls, *totals, *outside])
        yield ""
        total = self.total
        yield f"{_seconds(self.seconds)} in all, of which {_seconds(total.seconds)} in calls."
        if self.peak_memory is not None and self.memory_growth is not None:
            peak, growth = self.peak_memory / _MEBIBYTE, self.memory_growth / _MEBIBYTE
            yield f"Peak memory {peak:,.0f} MiB, {growth:,.0f} MiB more than at the beginning."


@errors.boundary
def profile(*, print: bool = True, file: IO[str] | None = None) -> Profile:
    """Measures where the time of the calls in a `with` block goes.

    At the end of the block a table is printed. For each computation that was called it has the
    time, by the clock, that was spent in each stage:

    - `data`: reading the clients' data and laying it out;
    - `compile`: tracing and compiling;
    - `compute`: the work of the clients;
    - `reduce`: bringing the clients' results together;
    - `server`: the work of the server;
    - `other`: everything else.

    While several threads work, they share the time, so the stages add up to the time of the calls.
    The time that the threads, and worker processes, spent in a stage in all is in a column of its
    own: with two threads at work it is up to twice the time by the clock.

    All calls of this process are measured that begin in the block, in whatever thread. Where
    nothing is measured, that it could be costs next to nothing.

    Args:
      print: whether to print the table.
      file: where to print it; `sys.stdout` if None.

    Returns:
      What to enter; it is the `Profile`, which has all numbers.

    Examples:
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> at_clients = tff.FederatedType(np.float32, tff.CLIENTS)
      >>> @tff.federated_computation(at_clients)
      ... def average(readings):
      ...     return tff.federated_mean(readings)
      >>> with tff.profile(print=False) as profile:
      ...     for _ in range(3):
      ...         mean = average([68.5, 70.3, 69.8])
      >>> [call] = profile.calls
      >>> call.name, call.calls, call.clients
      ('average', 3, 9)
      >>> sum(stage.seconds for stage in call.stages.values()) <= call.seconds
      True
    """
    return Profile(print=print, file=file)


def _call_profile(
    name: str, calls: int, seconds: float, measured: Measured, where: str | None = None
) -> CallProfile:
    """The profile of some calls.

    What this process does while workers work is to wait for them: that time is theirs.
    """
    away = sum(measured.away.values())
    waited = min(measured.idle, away)
    stages = {
        stage: StageTime(
            measured.wall[stage] + (waited * measured.away[stage] / away if away else 0.0),
            measured.threads[stage] + measured.away[stage],
        )
        for stage in profiling.STAGES
    }
    stages[_OTHER] = StageTime(measured.idle - waited, measured.idle - waited)
    return CallProfile(name, calls, seconds, stages, **measured.counts, where=where)


def _sum(name: str, calls: Iterable[CallProfile]) -> CallProfile:
    parts = list(calls)
    stages = {
        stage: StageTime(
            sum(each.stages[stage].seconds for each in parts),
            sum(each.stages[stage].thread_seconds for each in parts),
        )
        for stage in (*profiling.STAGES, _OTHER)
    }
    return CallProfile(
        name,
        sum(each.calls for each in parts),
        sum(each.seconds for each in parts),
        stages,
        **{count: sum(getattr(each, count) for each in parts) for count in profiling.COUNTS},
        where=None,
    )


def _titles(calls: Sequence[CallProfile]) -> Iterator[str]:
    """What to call each computation: those of one name are told apart."""
    names = collections.Counter(call.name for call in calls)
    seen: collections.Counter[str] = collections.Counter()
    for call in calls:
        seen[call.name] += 1
        if names[call.name] == 1:
            yield call.name
        elif call.where is None:
            yield f"{call.name} {seen[call.name]}"
        else:
            yield f"{call.name} {seen[call.name]}, {call.where}"


def _table(calls: Sequence[CallProfile]) -> table.Table:
    from rich import box, table

    shown = table.Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    shown.add_column("")
    for title in ("seconds", "share", "each call", "thread-seconds"):
        shown.add_column(title, justify="right")
    for call, title in zip(calls, _titles(calls), strict=True):
        counted = f"{title}, {_number(call.calls, 'call')}" if call.calls else title
        shown.add_row(
            counted,
            f"{call.seconds:.3f}",
            "",
            _seconds(call.seconds_per_call) if call.calls else "",
            f"{call.thread_seconds:.3f}",
            style="bold",
        )
        for name, stage in call.stages.items():
            if stage.thread_seconds:
                shown.add_row(
                    f"  {name}",
                    f"{stage.seconds:.3f}",
                    f"{stage.seconds / call.seconds:.0%}" if call.seconds else "",
                    _seconds(stage.seconds / call.calls) if call.calls else "",
                    "" if name == _OTHER else f"{stage.thread_seconds:.3f}",
                )
        for line in _counts(call):
            shown.add_row(f"  {line}", style="dim")
        shown.add_section()
    return shown


def _counts(call: CallProfile) -> Iterable[str]:
    """What was done, in lines."""
    if call.clients:
        yield f"{_number(call.clients, 'client')}, {call.clients_per_second:,.0f} a second"
    if call.examples:
        yield f"{_number(call.examples, 'example')}, {call.examples_per_second:,.0f} a second"
    if call.compilations:
        yield _number(call.compilations, "compilation")
    if call.failed_clients:
        yield f"{_number(call.failed_clients, 'client')} failed"


def _number(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def _seconds(seconds: float) -> str:
    """A time in three digits, in the unit that fits."""
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-6:.3g} µs"


class _Memory:
    """The memory of this process that is in use, from one time to another.

    The system keeps the most that there ever was. Where that is not passed in between, the most is
    the largest of what a thread of its own reads every few milliseconds.
    """

    def __init__(self) -> None:
        self.peak: int | None = None
        self._before: int | None = None
        self._peak_before: int | None = None
        self._stopped = threading.Event()
        self._reader = threading.Thread(target=self._read, name="tff.profile memory", daemon=True)

    @property
    def growth(self) -> int | None:
        """By how much the most exceeds what there was at the beginning."""
        if self.peak is None or self._before is None:
            return None
        return max(self.peak - self._before, 0)

    def start(self) -> None:
        """Notes what there is, from now on."""
        self._peak_before = _peak_memory()
        self.peak = self._before = _memory()
        if self._before is not None:
            self._reader.start()

    def stop(self) -> None:
        """Notes what there was in between."""
        if self._before is not None:
            self._stopped.set()
            self._reader.join()
        ever = _peak_memory()
        if ever is not None and self._peak_before is not None and ever > self._peak_before:
            self.peak = ever

    def _read(self) -> None:
        while not self._stopped.wait(_SECONDS_BETWEEN_READINGS):
            self._read_once()
        self._read_once()

    def _read_once(self) -> None:
        now = _memory()
        if now is not None and self.peak is not None:
            self.peak = max(self.peak, now)


def _memory() -> int | None:
    try:
        pages = int(pathlib.Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")


def _peak_memory() -> int | None:
    try:
        import resource
    except ImportError:
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
