"""`tff.profile`: where the time of calls goes, by stage, and what was done."""

from __future__ import annotations

import contextlib
import io
import json
import threading
from collections.abc import Iterator

import numpy as np
import pytest

import tensorflow_federated as tff
from tensorflow_federated.execution import profiles, profiling

FLOATS = tff.FederatedType(np.float32, tff.CLIENTS)


@tff.federated_computation(FLOATS)
def average(readings):
    return tff.federated_mean(readings)


@tff.federated_computation(FLOATS)
def total(readings):
    return tff.federated_sum(readings)


class Clock:
    """Stands still until it is told to go on."""

    def __init__(self) -> None:
        self.now = 100.0

    def perf_counter(self) -> float:
        return self.now

    def passes(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(profiling, "time", clock)
    monkeypatch.setattr(profiles, "time", clock)
    return clock


@contextlib.contextmanager
def thread_in(stage: profiling.Stage) -> Iterator[None]:
    """Another thread is in a stage meanwhile; nobody has handed its context on to it."""
    is_in, may_leave = threading.Event(), threading.Event()

    def work() -> None:
        with profiling.span(stage):
            is_in.set()
            may_leave.wait()

    thread = threading.Thread(target=work)
    thread.start()
    is_in.wait()
    try:
        yield
    finally:
        may_leave.set()
        thread.join()


def seconds(call: profiles.CallProfile) -> dict[str, float]:
    return {name: stage.seconds for name, stage in call.stages.items() if stage.seconds}


def thread_seconds(call: profiles.CallProfile) -> dict[str, float]:
    return {
        name: stage.thread_seconds for name, stage in call.stages.items() if stage.thread_seconds
    }


def test_each_computation_has_its_calls():
    with tff.profile(print=False) as profile:
        average([1.0])
        total([1.0, 2.0])
        average([3.0])
    assert [(call.name, call.calls) for call in profile.calls] == [("average", 2), ("total", 1)]
    assert profile.total.calls == 3


def test_calls_take_no_longer_than_the_block():
    with tff.profile(print=False) as profile:
        average([1.0, 2.0])
    assert 0 < profile.total.seconds <= profile.seconds


def test_time_of_a_call_is_divided_among_its_stages(clock):
    with tff.profile(print=False) as profile, profiling.call(average):
        with profiling.span("data"):
            clock.passes(1)
        with profiling.span("compute"):
            clock.passes(2)
        clock.passes(4)
    [call] = profile.calls
    assert seconds(call) == {"data": 1, "compute": 2, "other": 4}
    assert call.seconds == 7


def test_stage_inside_another_interrupts_it(clock):
    with tff.profile(print=False) as profile, profiling.call(average), profiling.span("compute"):
        clock.passes(1)
        with profiling.span("compile"):
            clock.passes(2)
        clock.passes(4)
    assert seconds(profile.calls[0]) == {"compute": 5, "compile": 2}


def test_threads_share_the_time_by_the_clock_and_have_their_own(clock):
    with tff.profile(print=False) as profile, profiling.call(average):
        with thread_in("compute"), thread_in("compute"), thread_in("data"):
            clock.passes(3)
        clock.passes(1)
    [call] = profile.calls
    assert seconds(call) == {"compute": 2, "data": 1, "other": 1}
    assert thread_seconds(call) == {"compute": 6, "data": 3, "other": 1}
    assert call.thread_seconds == 9


def test_call_inside_another_belongs_to_it(clock):
    with tff.profile(print=False) as profile, profiling.call(average):
        clock.passes(1)
        with profiling.call(total), profiling.span("server"):
            clock.passes(2)
    [call] = profile.calls
    assert (call.name, call.calls, call.seconds) == ("average", 1, 3)
    assert seconds(call) == {"server": 2, "other": 1}


def test_work_outside_of_calls_is_told_apart(clock):
    with tff.profile(print=False) as profile:
        with profiling.span("data"):
            clock.passes(1)
        with profiling.call(average):
            clock.passes(2)
        clock.passes(4)
    assert seconds(profile.outside) == {"data": 1}
    assert profile.total.seconds == 2
    assert profile.seconds == 7


def test_what_was_done_is_counted_and_divided_by_the_time(clock):
    with tff.profile(print=False) as profile, profiling.call(average):
        profiling.count(clients=10, examples=200)
        profiling.count(clients=10, compilations=1, failed_clients=2)
        clock.passes(4)
    [call] = profile.calls
    assert (call.clients, call.examples, call.compilations) == (20, 200, 1)
    assert call.failed_clients == 2
    assert (call.clients_per_second, call.examples_per_second) == (5, 50)


def test_profiles_can_be_nested(clock):
    with tff.profile(print=False) as outer:
        with profiling.call(average):
            clock.passes(1)
        with tff.profile(print=False) as inner, profiling.call(average), profiling.span("data"):
            clock.passes(2)
    assert seconds(inner.total) == {"data": 2}
    assert seconds(outer.total) == {"data": 2, "other": 1}
    assert outer.total.calls == 2


def test_calls_of_other_threads_are_measured():
    with tff.profile(print=False) as profile:
        threads = [threading.Thread(target=average, args=[[1.0, 2.0]]) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert [(call.name, call.calls) for call in profile.calls] == [("average", 4)]


def test_what_a_worker_process_did_is_part_of_the_call(clock):
    with profiling.collect() as measured:
        with profiling.span("compute"):
            clock.passes(3)
        profiling.count(clients=5)
    with tff.profile(print=False) as profile, profiling.call(average):
        clock.passes(4)
        profiling.absorb(measured)
    [call] = profile.calls
    assert seconds(call) == {"compute": 3, "other": 1}
    assert thread_seconds(call) == {"compute": 3, "other": 1}
    assert call.clients == 5


def test_call_that_fails_is_measured():
    profile = tff.profile(print=False)
    with contextlib.suppress(TypeError), profile:
        average(["text"])
    assert profile.total.calls == 1


def test_nothing_is_recorded_after_the_block():
    with tff.profile(print=False) as profile:
        average([1.0])
    before = profile.to_dict()
    average([1.0])
    assert profile.to_dict() == before
    assert not profiling.is_recording()


def test_all_numbers_fit_into_json():
    with tff.profile(print=False) as profile:
        average([1.0])
    read = json.loads(json.dumps(profile.to_dict()))
    assert read["calls"][0]["name"] == "average"
    assert read["total"]["stages"].keys() == {
        "data", "compile", "compute", "reduce", "server", "other"
    }  # fmt: skip


def test_peak_memory_is_what_the_block_needed():
    with tff.profile(print=False) as profile:
        needed = np.ones(2**23, np.float64)
        del needed
    assert (profile.peak_memory or 0) > 2**26
    assert (profile.memory_growth or 0) >= 2**25


def measured_profile(clock: Clock, file: io.StringIO | None = None) -> profiles.Profile:
    with tff.profile(file=file, print=file is not None) as profile:
        for _ in range(2):
            with profiling.call(average):
                with profiling.span("data"):
                    clock.passes(0.25)
                with profiling.span("compute"), thread_in("compute"):
                    clock.passes(1)
                profiling.count(clients=100, examples=5000, compilations=1, failed_clients=1)
        with profiling.call(total):
            clock.passes(0.5)
        with profiling.span("data"):
            clock.passes(0.001)
        clock.passes(1)
    return profile


def without_memory(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.splitlines() if "memory" not in line)


def test_table_is_printed_at_the_end(clock, golden):
    file = io.StringIO()
    measured_profile(clock, file)
    golden.check("table", without_memory(file.getvalue()))


def test_text_of_a_profile_is_its_table(clock):
    file = io.StringIO()
    assert str(measured_profile(clock, file)) == file.getvalue()


def test_block_without_calls_says_so(capsys):
    with tff.profile():
        pass
    assert capsys.readouterr().out.startswith("No computation was called")


def test_terminal_shows_styles(clock):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    file = Terminal()
    measured_profile(clock).show(file)
    assert "\x1b[1m" in file.getvalue()


def test_computations_of_one_name_are_told_apart():
    def make():
        return tff.federated_computation(lambda x: tff.federated_sum(x), FLOATS)

    first, second = make(), make()
    with tff.profile(print=False) as profile:
        first([1.0])
        second([1.0])
        average([1.0])
    first_line, second_line = [
        line for line in str(profile).splitlines() if "test_profiles.py" in line
    ]
    assert first_line.startswith("<lambda> 1, test_profiles.py:")
    assert second_line.startswith("<lambda> 2, test_profiles.py:")


def test_the_rows_of_batches_are_the_examples():
    batches = tff.FederatedType(
        tff.SequenceType((tff.TensorType(np.float32, [None, 2]), tff.TensorType(np.int32, [None]))),
        tff.CLIENTS,
    )
    counted = tff.jax.computation(lambda state, batch: state + 1, np.int32, batches.member.element)

    @tff.federated_computation(batches)
    def count(data):
        return tff.federated_sum(tff.sequence_reduce(data, np.int32(0), counted))

    def batch(size):
        return np.ones([size, 2], np.float32), np.ones(size, np.int32)

    with tff.profile(print=False) as profile:
        assert count([[batch(3), batch(1)], [batch(2)]]) == 3
    assert profile.total.examples == 6
