"""How far a call has come, for whoever watches: a bar in the terminal.

It counts the clients of the step that runs, and says which call of its computation this is. It is
drawn once a call takes longer than a second, so that fast rounds stay quiet, and is gone when the
call ends.
"""

from __future__ import annotations

import contextlib
import dataclasses
import multiprocessing
import os
import sys
import threading
import time
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING

from tensorflow_federated.core import arguments, errors
from tensorflow_federated.execution import profiling

if TYPE_CHECKING:
    from rich import console
    from rich import progress as rich_progress

_SECONDS_BEFORE_SHOWN = 1.0
_VARIABLE = "TFF_PROGRESS"
_STATES = {"0": False, "1": True, "": None}

_chosen: bool | None = None


@errors.boundary
def show_progress(enabled: bool | None = None) -> None:
    """Says whether calls that take longer than a second show a bar.

    The bar shows the computation, which call of it this is, the clients that are done, how many
    these are a second, and the time that has passed. It is drawn on standard error, and gone when
    the call ends; what the program prints in the meantime appears above it.

    Without a call of this function the environment variable `TFF_PROGRESS` decides, `0` or `1`; and
    without that there is a bar where both standard output and standard error are a terminal. There
    is none in notebooks unless it is asked for: there it needs `ipywidgets` to be drawn in place.

    Args:
      enabled: True for a bar in any case, False for none; None for what is said above.

    Raises:
      ArgumentError: if `enabled` is something else, or `TFF_PROGRESS` says something else.

    Examples:
      >>> import tensorflow_federated as tff
      >>> tff.show_progress(False)
      >>> tff.show_progress(None)
    """
    global _chosen
    if enabled is not None:
        arguments.check_instance(
            "enabled",
            enabled,
            bool,
            "progress is shown, or not.",
            fix="give True, False, or None to let the terminal decide.",
        )
    _chosen = enabled
    profiling.follow_calls(_is_shown())


@contextlib.contextmanager
def of_clients(label: str, total: int) -> Generator[Callable[[int], None]]:
    """Shows how many of the clients of a step are done, if anybody watches.

    Args:
      label: what they do.
      total: how many there are.

    Yields:
      A function that is told, by any thread, how many more are done.
    """
    if not _is_shown():
        yield _ignore
        return
    # The call that comes next is known by name, if this one was not.
    profiling.follow_calls(True)
    call = profiling.current_call()
    title = label if call is None else f"{call.name}, call {call.number}: {label}"
    bar = _Bar(title, total, time.perf_counter() if call is None else call.started)
    waits = _SECONDS_BEFORE_SHOWN - (time.perf_counter() - bar.started)
    timer = threading.Timer(max(waits, 0.0), _display.show, [bar])
    timer.daemon = True
    timer.start()
    try:
        yield lambda more: _display.advance(bar, more)
    finally:
        timer.cancel()
        _display.drop(bar)


def _ignore(more: int) -> None:
    del more


def _is_shown() -> bool:
    if _chosen is not None:
        return _chosen
    told = os.environ.get(_VARIABLE, "").strip()
    if told not in _STATES:
        raise errors.ArgumentError(
            f"the environment variable `{_VARIABLE}` is 0 or 1.",
            problems=[f"{_VARIABLE}: got {told!r}"],
            fix="set it to 1 to see how far calls have come, to 0 not to, or not at all.",
        )
    said = _STATES[told]
    return _is_terminal() if said is None else said


def _is_terminal() -> bool:
    if os.environ.get("TERM") == "dumb" or multiprocessing.parent_process() is not None:
        return False
    # A stream is None in a program without a console.
    streams = (sys.stdout, sys.stderr)
    return all(stream is not None and stream.isatty() for stream in streams)


@dataclasses.dataclass(eq=False)
class _Bar:
    """The clients of one step."""

    title: str
    total: int
    started: float
    done: int = 0
    task: rich_progress.TaskID | None = None
    is_dropped: bool = False

    def clients_per_second(self) -> str:
        """In words, once there is something to divide."""
        seconds = time.perf_counter() - self.started
        return f"{self.done / seconds:,.3g} clients/s" if self.done and seconds else ""


class _Display:
    """The one place on the screen for all bars; there is none while there are no bars."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._progress: rich_progress.Progress | None = None

    def show(self, bar: _Bar) -> None:
        """Draws a bar, if it is not dropped already."""
        with self._lock:
            if bar.is_dropped:
                return
            if self._progress is None:
                self._progress = _new_progress()
                self._progress.start()
            bar.task = self._progress.add_task(
                bar.title, total=bar.total, completed=bar.done, rate=bar.clients_per_second()
            )
            for task in self._progress.tasks:
                if task.id == bar.task:
                    task.start_time = bar.started

    def advance(self, bar: _Bar, more: int) -> None:
        """Lets a bar grow."""
        with self._lock:
            bar.done += more
            if self._progress is not None and bar.task is not None:
                rate = bar.clients_per_second()
                self._progress.update(bar.task, completed=bar.done, rate=rate)

    def drop(self, bar: _Bar) -> None:
        """Removes a bar, and the display with the last one."""
        with self._lock:
            bar.is_dropped = True
            if self._progress is None or bar.task is None:
                return
            self._progress.remove_task(bar.task)
            if not self._progress.tasks:
                self._progress.stop()
                self._progress = None


def _new_progress() -> rich_progress.Progress:
    # Loaded when there is something to show.
    from rich import progress

    return progress.Progress(
        progress.TextColumn("{task.description}", markup=False),
        progress.BarColumn(),
        progress.TextColumn("{task.completed:,}/{task.total:,} clients"),
        progress.TextColumn("{task.fields[rate]}"),
        progress.TimeElapsedColumn(),
        console=_console(),
        transient=True,
        get_time=time.perf_counter,
    )


def _console() -> console.Console:
    from rich import console

    return console.Console(stderr=True)


_display = _Display()
profiling.follow_calls(bool(os.environ.get(_VARIABLE)) or _is_terminal())
