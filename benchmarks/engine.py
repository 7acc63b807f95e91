"""How fast are rounds, compared with other libraries and with programs by hand?

Runs the comparisons of `comparisons.py`. Everybody has a process that lives through a comparison
and runs a round when it is told to, so that all can take turns: round after round each of them runs
the same cohort, and their order turns too. So whatever else the machine does meets all of them. Of
the times of the rounds the median and the shortest are told, and of the ratios within each turn the
median.

Then it measures what a client costs in cohorts of 10 to 5,000, and the memory that these need.

Writes `results/engine.json`, and the table and the plot of `docs/performance.md` from it.

    python benchmarks/engine.py --tff-python /path/to/python/with/tff --fedjax-python ...
    python benchmarks/engine.py --quick

An interpreter can also be named by a variable: `TFF_PYTHON`, `FEDJAX_PYTHON`, `PFL_PYTHON`. Whoever
has none is told to be not installed. `--quick` only tries whether everything runs. Ends with status
1 if this package fails in a comparison, which is then left out.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import itertools
import json
import os
import pathlib
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from typing import IO, Any

import common
import comparisons
import numpy as np
import report
import workload
from comparisons import Comparison, Runner, Scaling

FOLDER = pathlib.Path(__file__).parent
WARM_UP_ROUNDS = 3
# What a contestant has said last, if it fails.
LAST_LINES = 12


Versions = dict[str, dict[str, str]]
"""By the names of those who run, the versions of what they run on."""


class ContestantFailed(Exception):
    """A process ended, or said what is no answer; with the last that it wrote."""


class Contestant:
    """A process that runs rounds, and what it answers."""

    def __init__(self, runner: Runner, process: subprocess.Popen[str], log: IO[str]) -> None:
        """Takes over a process that was started."""
        self.runner = runner
        self._process = process
        self._log = log

    def answer(self) -> dict[str, Any]:
        """The next answer."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._log.seek(0)
            said = "".join(self._log.readlines()[-LAST_LINES:])
            raise ContestantFailed(f"{self.runner.name} has ended:\n{said}")
        return json.loads(line)

    def ask(self, command: str) -> dict[str, Any]:
        """Gives a command, and waits for the answer."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(command + "\n")
            self._process.stdin.flush()
        return self.answer()

    def run_round(self, number: int) -> dict[str, Any]:
        """Runs a round, and tells how long it took."""
        return self.ask(f"round {number}")


@contextlib.contextmanager
def started(runner: Runner, python: str, program: workload.Program) -> Iterator[Contestant]:
    """Starts a contestant; what it has started and left behind ends with it."""
    environment = {
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "CUDA_VISIBLE_DEVICES": "-1",
        "JAX_PLATFORMS": "cpu",
        **os.environ,
        "TFF_PROGRESS": "0",
        **dict(runner.environment),
    }
    command = [python, "-m", f"peers.{runner.module}", json.dumps(dataclasses.asdict(program))]
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as log:
        process = subprocess.Popen(
            command,
            cwd=FOLDER,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,
        )
        try:
            yield Contestant(runner, process, log)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()


def compare_rounds(
    comparison: Comparison, pythons: dict[Runner, str], versions: Versions
) -> dict[Runner, list[float]]:
    """The seconds of each round, of everybody who has an interpreter and does not fail."""
    with contextlib.ExitStack() as stack:
        running: list[Contestant] = []
        for runner, python in pythons.items():
            program = comparison.program_of(runner)
            contestant = stack.enter_context(started(runner, python, program))
            with _failures_told(runner):
                versions[runner.name] = contestant.answer()["versions"]
                for number in range(WARM_UP_ROUNDS):
                    contestant.run_round(number)
                running.append(contestant)
        times: dict[Runner, list[float]] = {each.runner: [] for each in running}
        for turn in range(comparison.repeats):
            for contestant in (*running[turn % len(running) :], *running[: turn % len(running)]):
                answer = contestant.run_round(WARM_UP_ROUNDS + turn)
                times[contestant.runner].append(answer["seconds"])
    return times


def compare_starts(
    comparison: Comparison, pythons: dict[Runner, str], versions: Versions
) -> dict[Runner, list[float]]:
    """The seconds from the start of a process to the end of its first round."""
    times: dict[Runner, list[float]] = {}
    for _ in range(comparison.repeats):
        for runner, python in pythons.items():
            start = time.perf_counter()
            program = comparison.program_of(runner)
            with _failures_told(runner), started(runner, python, program) as contestant:
                built = contestant.answer()
                versions[runner.name] = built["versions"]
                contestant.run_round(0)
                passed = time.perf_counter() - start
                uncounted = built["draw_seconds"] + built["import_seconds"]
                times.setdefault(runner, []).append(passed - uncounted)
    return times


@contextlib.contextmanager
def _failures_told(runner: Runner) -> Iterator[None]:
    """Goes on without somebody who fails; a failure of this package ends the benchmark."""
    try:
        yield
    except ContestantFailed as error:
        if runner.option is None:
            raise
        print(f"  {error}", flush=True)


def run_comparison(
    comparison: Comparison, given: dict[str, str | None], versions: Versions
) -> dict[str, Any]:
    """The figures of one comparison."""
    runners = [comparison.own, *(runner for runner, _ in comparison.goals)]
    found = {runner: comparisons.interpreter_of(runner, given) for runner in runners}
    pythons = {runner: python for runner, python in found.items() if python is not None}
    measure = compare_rounds if comparison.kind == "round" else compare_starts
    times = measure(comparison, pythons, versions)
    own = times[comparison.own]
    rows: list[dict[str, Any]] = []
    for runner, goal in comparison.goals:
        row: dict[str, Any] = {"against": runner.name, "goal": goal}
        if runner in times:
            ratios = [other / ours for other, ours in zip(times[runner], own, strict=True)]
            ratio = statistics.median(ratios)
            row |= {**_figures(times[runner]), "ratio": ratio, "ratios": ratios}
            row["is_reached"] = None if goal is None else ratio >= goal
        rows.append(row)
    return {
        "title": comparison.title,
        "kind": comparison.kind,
        "program": dataclasses.asdict(comparison.program),
        "own": {"name": comparison.own.name, **_figures(own)},
        "others": rows,
    }


def _figures(times: Sequence[float]) -> dict[str, Any]:
    return {
        "median_seconds": statistics.median(times),
        "shortest_seconds": min(times),
        "seconds": list(times),
    }


def run_scaling(scaling: Scaling) -> dict[str, Any]:
    """What a client costs in cohorts of each size, what one more costs, and the memory at most.

    Cohorts differ in how many batches their clients have on average, small ones most: the cost is
    that of as many batches as a client of the population has. A round has a fixed cost, which few
    clients share; what counts is how much more a client costs in a larger cohort than in a smaller.
    """
    average = float(workload.batch_counts(np.arange(workload.NUM_CLIENTS)).mean())
    rows: list[dict[str, Any]] = []
    with contextlib.ExitStack() as stack:
        programs = [workload.Program(clients=size) for size in scaling.sizes]
        running = [
            stack.enter_context(started(scaling.own, sys.executable, program))
            for program in programs
        ]
        costs: list[list[float]] = [[] for _ in programs]
        for contestant in running:
            contestant.answer()
            for number in range(WARM_UP_ROUNDS):
                contestant.run_round(number)
        for turn in range(scaling.repeats):
            number = WARM_UP_ROUNDS + turn
            for program, contestant, found in zip(programs, running, costs, strict=True):
                batches = workload.batch_counts(workload.cohort(program, number)).sum()
                seconds = contestant.run_round(number)["seconds"]
                found.append(seconds / float(batches) * average)
        for program, contestant, found in zip(programs, running, costs, strict=True):
            rows.append(
                {
                    "clients": program.clients,
                    "median_seconds_per_client": statistics.median(found),
                    "shortest_seconds_per_client": min(found),
                    "seconds_per_client": found,
                    "peak_mib": contestant.ask("memory")["peak_mib"],
                }
            )
    for smaller, larger in itertools.pairwise(rows):
        seconds = [row["clients"] * row["median_seconds_per_client"] for row in (smaller, larger)]
        more = larger["clients"] - smaller["clients"]
        larger["seconds_per_client_more"] = (seconds[1] - seconds[0]) / more
    costs_of_sizes = [row["median_seconds_per_client"] for row in rows]
    cost = max(larger / smaller for smaller, larger in itertools.combinations(costs_of_sizes, 2))
    memory = max(row["peak_mib"] for row in rows) - rows[0]["peak_mib"]
    return {
        "own": scaling.own.name,
        "sizes": rows,
        "cost_ratio": cost,
        "cost_goal": scaling.most_cost,
        "cost_is_reached": cost <= scaling.most_cost,
        "memory_growth_mib": memory,
        "memory_goal_mib": scaling.most_memory_mib,
        "memory_is_reached": memory <= scaling.most_memory_mib,
    }


def merged(before: dict[str, Any], figures: dict[str, Any]) -> dict[str, Any]:
    """The results of an earlier run, with those of some comparisons that were run again."""
    found = {each["title"]: each for each in (*before["comparisons"], *figures["comparisons"])}
    titles = [each.title for each in comparisons.COMPARISONS]
    return {
        "load_1_minute_before": figures["load_1_minute_before"],
        "versions_of_others": {
            **before["versions_of_others"],
            **figures["versions_of_others"],
        },
        "comparisons": [found[title] for title in titles if title in found],
        "scaling": before["scaling"],
    }


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="try whether everything runs")
    parser.add_argument(
        "--only", help="the comparisons whose titles hold this text; others keep their results"
    )
    for option, runner in comparisons.OPTIONS.items():
        parser.add_argument(f"--{option}", help=f"an interpreter that has {runner.name}")
    arguments = parser.parse_args()
    given = {option: getattr(arguments, option.replace("-", "_")) for option in comparisons.OPTIONS}
    chosen = [
        comparisons.quick(each) if arguments.quick else each
        for each in comparisons.COMPARISONS
        if not arguments.only or arguments.only in each.title
    ]
    # An end from outside, too, takes the contestants along.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    has_failed = False
    start = time.perf_counter()
    figures: dict[str, Any] = {
        "load_1_minute_before": round(os.getloadavg()[0], 2),
        "versions_of_others": {},
        "comparisons": [],
    }
    for comparison in chosen:
        print(f"{comparison.title} ({time.perf_counter() - start:.0f} s)", flush=True)
        try:
            found = run_comparison(comparison, given, figures["versions_of_others"])
        except ContestantFailed as error:
            has_failed = True
            print(f"  {error}", flush=True)
            continue
        figures["comparisons"].append(found)
        for line in report.comparison_lines(found):
            print(f"  {line}", flush=True)
    if not arguments.only:
        scaling = comparisons.SCALING
        if arguments.quick:
            scaling = dataclasses.replace(scaling, sizes=(2, 5), repeats=1)
        print(f"cohorts of {scaling.sizes} ({time.perf_counter() - start:.0f} s)", flush=True)
        figures["scaling"] = run_scaling(scaling)
        for line in report.scaling_lines(figures["scaling"]):
            print(f"  {line}", flush=True)
    print(f"{time.perf_counter() - start:.0f} s in all")
    if not arguments.quick:
        if arguments.only:
            figures = merged(report.read(), figures)
        print(f"Written to {common.write_results('engine', figures)}")
        report.write()
    return int(has_failed)


if __name__ == "__main__":
    sys.exit(main())
