"""Where the time of a call goes, for whoever asks: `tff.profile` asks.

Engines and back ends say with `span` in which stage a thread is, and with `count` what was done.
Contexts say with `call` which computation is called. Nothing is kept unless a `Recorder` records;
then each thing is noted for the outermost call that it belongs to. A call is known to the threads
that work for it by a context variable; where that was not handed on, and one call alone is open, it
is for that one. What happens outside of calls is noted apart.

Worker processes have calls of their own: `collect` notes what one does, in a form that can be sent,
and `absorb` adds it to the call in the process that asked.
"""

from __future__ import annotations

import collections
import contextlib
import contextvars
import dataclasses
import threading
import time
import types
import weakref
from collections.abc import Generator
from typing import Literal, Protocol

from tensorflow_federated.core import callsites

Stage = Literal["data", "compile", "compute", "reduce", "server"]

STAGES: tuple[Stage, ...] = ("data", "compile", "compute", "reduce", "server")
COUNTS = ("clients", "examples", "compilations", "failed_clients")


class _Named(Protocol):
    __name__: str


@dataclasses.dataclass
class Measured:
    """What was measured of calls; it can be sent from a worker process.

    Attributes:
      wall: the seconds of each stage; while several threads are in stages, these share the time.
      threads: the seconds of each stage, summed over the threads that were in it.
      idle: the seconds in which no thread was in a stage.
      away: the seconds of each stage in worker processes, summed over these.
      counts: how many clients, examples, compilations and failed clients there were.
    """

    wall: dict[str, float] = dataclasses.field(default_factory=lambda: dict.fromkeys(STAGES, 0.0))
    threads: dict[str, float] = dataclasses.field(
        default_factory=lambda: dict.fromkeys(STAGES, 0.0)
    )
    idle: float = 0.0
    away: dict[str, float] = dataclasses.field(default_factory=lambda: dict.fromkeys(STAGES, 0.0))
    counts: dict[str, int] = dataclasses.field(default_factory=lambda: dict.fromkeys(COUNTS, 0))


class Timeline:
    """Divides the time from its start on among the stages that threads are in."""

    def __init__(self, measured: Measured, lock: threading.Lock) -> None:
        """Starts now.

        Args:
          measured: what the times are added to.
          lock: held while it changes.
        """
        self._measured = measured
        self._lock = lock
        self._working: collections.Counter[str] = collections.Counter()
        self._last = time.perf_counter()

    def change(self, leaves: Stage | None, enters: Stage | None) -> None:
        """Notes that a thread leaves one stage and enters another."""
        with self._lock:
            self._advance()
            if leaves is not None:
                self._working[leaves] -= 1
            if enters is not None:
                self._working[enters] += 1

    def count(self, added: dict[str, int]) -> None:
        """Adds to what was done."""
        with self._lock:
            for name, number in added.items():
                self._measured.counts[name] += number

    def absorb(self, other: Measured) -> None:
        """Adds what was measured in another process."""
        with self._lock:
            for stage in STAGES:
                self._measured.away[stage] += other.threads[stage] + other.away[stage]
        self.count(other.counts)

    def close(self) -> None:
        """Counts the time until now."""
        with self._lock:
            self._advance()

    def _advance(self) -> None:
        now = time.perf_counter()
        passed, self._last = now - self._last, now
        threads = self._working.total()
        if not threads:
            self._measured.idle += passed
            return
        for stage, number in self._working.items():
            self._measured.wall[stage] += passed * number / threads
            self._measured.threads[stage] += passed * number


@dataclasses.dataclass(eq=False)
class CallRecord:
    """The calls of one computation while a recorder records.

    Attributes:
      name: the name of the computation.
      where: the line of the user's that the first call came from, if it is known.
      calls: how many calls have ended, or failed.
      seconds: how long they took.
      measured: where the time went.
    """

    name: str
    where: str | None = None
    calls: int = 0
    seconds: float = 0.0
    measured: Measured = dataclasses.field(default_factory=Measured)


class Recorder:
    """Records all calls of this process that begin while it records, in whatever thread."""

    def __init__(self) -> None:
        """Makes a recorder; it records from `start` to `stop`."""
        self.lock = threading.Lock()
        self.records: dict[int, CallRecord] = {}
        self.outside = Measured()
        self._computations: list[object] = []
        self._outside_timeline = Timeline(self.outside, self.lock)

    def start(self) -> None:
        """Begins."""
        global _recorders
        self._outside_timeline = Timeline(self.outside, self.lock)
        with _lock:
            _recorders = (*_recorders, self)

    def stop(self) -> None:
        """Ends."""
        global _recorders
        with _lock:
            _recorders = tuple(each for each in _recorders if each is not self)
        self._outside_timeline.close()

    @property
    def outside_timeline(self) -> Timeline:
        """Where what happens outside of calls is noted."""
        return self._outside_timeline

    def record_of(self, computation: _Named) -> CallRecord:
        """The record of the calls of a computation, which it keeps alive."""
        with self.lock:
            key = id(computation)
            if key not in self.records:
                self._computations.append(computation)
                where = callsites.find_user_line()
                self.records[key] = CallRecord(computation.__name__, where)
            return self.records[key]


class Call:
    """The call of a computation, while it runs.

    Attributes:
      name: the name of the computation.
      number: which of its calls in this process it is, from 1.
      started: when it began, on the clock of `time.perf_counter`.
      timelines: where its time is noted; none unless somebody records.
      is_open: whether it runs still.
    """

    def __init__(self, computation: _Named, number: int) -> None:
        """Begins a call."""
        self.name = computation.__name__
        self.number = number
        self.started = time.perf_counter()
        self.is_open = True
        self._records = [(each, each.record_of(computation)) for each in _recorders]
        self.timelines = tuple(
            Timeline(record.measured, recorder.lock) for recorder, record in self._records
        )

    def close(self) -> None:
        """Ends the call."""
        self.is_open = False
        for timeline in self.timelines:
            timeline.close()
        for recorder, record in self._records:
            with recorder.lock:
                record.calls += 1
                record.seconds += time.perf_counter() - self.started


class _Nothing:
    """What is entered where nobody records."""

    __slots__ = ()

    def __enter__(self) -> None:
        return None

    def __exit__(self, *error: object) -> None:
        return None


class _Span:
    """A thread in a stage."""

    __slots__ = ("_stage", "_timelines")

    def __init__(self, stage: Stage) -> None:
        self._stage: Stage = stage
        self._timelines: tuple[Timeline, ...] = ()

    def __enter__(self) -> None:
        self._timelines = _current_timelines()
        frames = _thread_frames()
        outer = self._outer(frames)
        frames.append((self._timelines, self._stage))
        for timeline in self._timelines:
            timeline.change(outer, self._stage)

    def __exit__(self, *error: object) -> None:
        frames = _thread_frames()
        frames.pop()
        outer = self._outer(frames)
        for timeline in self._timelines:
            timeline.change(self._stage, outer)

    def _outer(self, frames: list[_Frame]) -> Stage | None:
        """The stage that this one interrupts, if it belongs to the same call."""
        if frames and frames[-1][0] == self._timelines:
            return frames[-1][1]
        return None


class _OpenCall:
    """Makes a call the current one."""

    __slots__ = ("_call", "_token")

    def __init__(self, call: Call) -> None:
        self._call = call

    def __enter__(self) -> None:
        self._token = _current.set(self._call)
        with _lock:
            _open_calls.append(self._call)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: types.TracebackType | None,
    ) -> None:
        with _lock:
            _open_calls.remove(self._call)
        _current.reset(self._token)
        self._call.close()


_Frame = tuple[tuple[Timeline, ...], Stage]

_NOTHING = _Nothing()
_lock = threading.Lock()
_recorders: tuple[Recorder, ...] = ()
_is_followed = False
_open_calls: list[Call] = []
_numbers: weakref.WeakKeyDictionary[object, int] = weakref.WeakKeyDictionary()
_current: contextvars.ContextVar[Call | None] = contextvars.ContextVar(
    "tensorflow_federated_call", default=None
)
_threads = threading.local()


def call(computation: _Named) -> _OpenCall | _Nothing:
    """Notes that a computation is called, until the end of the `with` block.

    A call inside another one belongs to that.

    Args:
      computation: the computation.

    Returns:
      What to enter.
    """
    outer = _current.get()
    if outer is not None and outer.is_open:
        return _NOTHING
    number = _numbers.get(computation, 0) + 1
    _numbers[computation] = number
    return _OpenCall(Call(computation, number)) if _recorders or _is_followed else _NOTHING


def follow_calls(is_followed: bool) -> None:
    """Says whether `current_call` is asked for although nobody records."""
    global _is_followed
    _is_followed = is_followed


def current_call() -> Call | None:
    """The outermost call that this thread works for, as far as that is known."""
    found = _current.get()
    if found is not None and found.is_open:
        return found
    with _lock:
        return _open_calls[0] if len(_open_calls) == 1 else None


def is_recording() -> bool:
    """Whether anybody asks where the time goes."""
    return bool(_recorders)


def span(stage: Stage) -> _Span | _Nothing:
    """Notes the time that a `with` block takes as time of a stage, if anybody listens.

    A span inside another one of the same thread interrupts that.

    Args:
      stage: `data`, where data is read and laid out; `compile`; `compute`, the work of clients;
        `reduce`, where results are merged; `server`.

    Returns:
      What to enter.
    """
    return _Span(stage) if _recorders else _NOTHING


def count(
    *, clients: int = 0, examples: int = 0, compilations: int = 0, failed_clients: int = 0
) -> None:
    """Notes what was done, if anybody listens.

    Args:
      clients: the number of clients whose work was run.
      examples: the number of examples that was worked on, each as often as it was.
      compilations: how often something was traced or compiled.
      failed_clients: the number of clients whose work failed, and did not end the call.
    """
    if _recorders:
        added = {
            "clients": clients,
            "examples": examples,
            "compilations": compilations,
            "failed_clients": failed_clients,
        }
        for timeline in _current_timelines():
            timeline.count(added)


@contextlib.contextmanager
def collect() -> Generator[Measured]:
    """Measures a `with` block of a worker process as if it were a call.

    Where somebody records in this process already, the block is measured by that alone.

    Yields:
      What was measured, once the block has ended.
    """
    measured = Measured()
    if is_recording():
        yield measured
        return
    recorder = Recorder()
    recorder.start()
    try:
        with call(_Collected()):
            yield measured
    finally:
        recorder.stop()
        [record] = recorder.records.values()
        measured.threads.update(record.measured.threads)
        measured.away.update(record.measured.away)
        measured.counts.update(record.measured.counts)


def absorb(measured: Measured) -> None:
    """Adds what a worker process has measured to the current call, if anybody listens."""
    if _recorders:
        for timeline in _current_timelines():
            timeline.absorb(measured)


class _Collected:
    """Stands for the computation of a call that another process made."""

    __name__ = "work for another process"


def _thread_frames() -> list[_Frame]:
    """The stages that this thread is in, the outermost first."""
    frames: list[_Frame] | None = getattr(_threads, "frames", None)
    if frames is None:
        frames = _threads.frames = []
    return frames


def _current_timelines() -> tuple[Timeline, ...]:
    found = current_call()
    if found is not None:
        return found.timelines
    return tuple(each.outside_timeline for each in _recorders)
