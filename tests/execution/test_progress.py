"""The bar of a call that takes long: when it is shown, what it says, and that it goes away."""

from __future__ import annotations

import io
import sys
import threading

import numpy as np
import pytest
from rich import console as rich_console
from rich import progress as rich_progress

import tensorflow_federated as tff
from tensorflow_federated.execution import profiling, progress

FLOATS = tff.FederatedType(np.float32, tff.CLIENTS)


@tff.federated_computation(FLOATS)
def average(readings):
    return tff.federated_mean(readings)


class Terminal(io.StringIO):
    """A terminal that says when something was first drawn on it."""

    def __init__(self) -> None:
        super().__init__()
        self.is_drawn_on = threading.Event()

    def isatty(self):
        return True

    def write(self, text):
        self.is_drawn_on.set()
        return super().write(text)


def display() -> rich_progress.Progress:
    """What is drawn now."""
    shown = progress._display._progress
    assert shown is not None
    return shown


@pytest.fixture
def terminal(monkeypatch) -> Terminal:
    """A terminal on which bars are drawn, at once."""
    terminal = Terminal()
    screen = rich_console.Console(file=terminal, force_terminal=True, width=120, color_system=None)
    monkeypatch.setattr(progress, "_console", lambda: screen)
    monkeypatch.setattr(progress, "_SECONDS_BEFORE_SHOWN", 0.0)
    return terminal


@pytest.fixture(autouse=True)
def unchosen(monkeypatch):
    monkeypatch.delenv("TFF_PROGRESS", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    yield
    tff.show_progress(None)


def test_bar_says_the_call_and_the_clients(terminal):
    tff.show_progress(True)
    average([1.0])
    with profiling.call(average), progress.of_clients("client step 1", 1000) as advance:
        call = profiling.current_call()
        assert call is not None
        advance(400)
        assert terminal.is_drawn_on.wait(60)
        advance(10)
        display().refresh()
    drawn = terminal.getvalue()
    assert f"average, call {call.number}: client step 1" in drawn
    assert call.number >= 2
    assert "410/1,000 clients" in drawn
    assert "clients/s" in drawn


def test_bar_is_gone_after_the_call(terminal):
    tff.show_progress(True)
    with progress.of_clients("work", 2):
        assert terminal.is_drawn_on.wait(60)
    drawn, _, after_the_last_erasing = terminal.getvalue().rpartition("\x1b[2K")
    assert "0/2 clients" in drawn
    assert "clients" not in after_the_last_erasing
    assert progress._display._progress is None


def test_parallel_calls_share_one_display(terminal):
    tff.show_progress(True)
    with progress.of_clients("first", 2):
        assert terminal.is_drawn_on.wait(60)
        shown = display()
        terminal.is_drawn_on.clear()
        with progress.of_clients("second", 3):
            while len(shown.tasks) < 2:
                assert terminal.is_drawn_on.wait(60)
            assert display() is shown
        assert [task.description for task in shown.tasks] == ["first"]


def test_threads_advance_one_bar(terminal):
    tff.show_progress(True)
    with progress.of_clients("work", 800) as advance:
        assert terminal.is_drawn_on.wait(60)
        threads = [
            threading.Thread(target=lambda: [advance(1) for _ in range(100)]) for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        [task] = display().tasks
        assert task.completed == 800


def test_fast_call_shows_nothing(terminal, monkeypatch):
    monkeypatch.setattr(progress, "_SECONDS_BEFORE_SHOWN", 3600.0)
    tff.show_progress(True)
    with progress.of_clients("work", 2) as advance:
        advance(2)
    assert terminal.getvalue() == ""


def test_bar_goes_away_when_the_call_fails(terminal):
    tff.show_progress(True)

    def fail() -> None:
        with progress.of_clients("work", 2):
            assert terminal.is_drawn_on.wait(60)
            raise ValueError("failed")

    with pytest.raises(ValueError, match="failed"):
        fail()
    assert progress._display._progress is None


@pytest.mark.parametrize(
    ("stdout", "stderr", "variable", "chosen", "is_shown"),
    [
        (Terminal, Terminal, None, None, True),
        (Terminal, io.StringIO, None, None, False),
        (io.StringIO, Terminal, None, None, False),
        (io.StringIO, io.StringIO, "1", None, True),
        (Terminal, Terminal, "0", None, False),
        (Terminal, Terminal, "0", True, True),
        (io.StringIO, io.StringIO, "1", False, False),
    ],
)
def test_choice_goes_before_the_variable_and_that_before_the_terminal(
    monkeypatch, terminal, stdout, stderr, variable, chosen, is_shown
):
    monkeypatch.setattr(sys, "stdout", stdout())
    monkeypatch.setattr(sys, "stderr", stderr())
    if variable is not None:
        monkeypatch.setenv("TFF_PROGRESS", variable)
    tff.show_progress(chosen)
    with progress.of_clients("work", 2):
        assert not is_shown or terminal.is_drawn_on.wait(60)
    assert bool(terminal.getvalue()) == is_shown


def test_without_terminal_nothing_is_loaded_or_printed(run_python):
    printed = run_python("""
        import sys
        import numpy as np
        import tensorflow_federated as tff

        total = tff.federated_computation(
            lambda x: tff.federated_sum(x), tff.FederatedType(np.int32, tff.CLIENTS)
        )
        total([1, 2])
        print(sorted(name for name in sys.modules if name.split(".")[0] == "rich"))
    """)
    assert printed == "[]\n"


def test_wrong_choices_say_what_is_right(monkeypatch, golden):
    with pytest.raises(TypeError) as caught:
        tff.show_progress("yes")
    golden.check("argument", str(caught.value))
    with monkeypatch.context() as patch:
        patch.setenv("TFF_PROGRESS", "yes")
        with pytest.raises(TypeError, match="TFF_PROGRESS") as caught:
            tff.show_progress(None)
    golden.check("variable", str(caught.value))
