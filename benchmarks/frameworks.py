"""How fast is one model in each framework that this package has models in?

The same rounds of federated averaging run with the model in Keras on TensorFlow, Keras on JAX,
TensorFlow and JAX, each in a process of its own, by turns. None is to be at less than half the
speed of the fastest.

Writes `results/frameworks.json`, and a table in `docs/performance.md`.

    python benchmarks/frameworks.py
    python benchmarks/frameworks.py --quick

`--quick` only tries whether everything runs. Ends with status 1 if one of them fails.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import signal
import statistics
import sys
from typing import Any

import common
import engine
import report
import workload
from comparisons import Runner

BEGIN = "<!-- Written by benchmarks/frameworks.py from here on. -->"
END = "<!-- Written by benchmarks/frameworks.py up to here. -->"
MOST_TIMES = 2.0


@dataclasses.dataclass(frozen=True)
class Form:
    """A framework, and how a model is written in it.

    Attributes:
      name: as tables have it.
      form: that of `workload.Program`.
      keras: what Keras runs on.
    """

    name: str
    form: str
    keras: str = "tensorflow"

    @property
    def runner(self) -> Runner:
        """Who runs it."""
        return Runner(self.name, "frameworks_program", None, (("KERAS_BACKEND", self.keras),))


FORMS = (
    Form("Keras on TensorFlow, `from_keras_model`", "Keras"),
    Form("Keras on TensorFlow, `functional_model_from_keras`", "Keras, functional"),
    Form("Keras on JAX, `from_keras_model`", "Keras", "jax"),
    Form("Keras on JAX, `functional_model_from_keras`", "Keras, functional", "jax"),
    Form("TensorFlow, `VariableModel`", "TensorFlow, variables"),
    Form("TensorFlow, `FunctionalModel`", "TensorFlow, functional"),
    Form("JAX, `FunctionalModel`", "JAX, functional"),
)
PROGRAMS = {
    "softmax, 100 clients": (workload.Program("softmax", 100), 15),
    "CNN, 10 clients": (workload.Program("cnn", 10), 9),
}


def measure(program: workload.Program, repeats: int, forms: list[Form]) -> list[dict[str, Any]]:
    """The figures of each form, in one workload."""
    with contextlib.ExitStack() as stack:
        running: list[engine.Contestant] = []
        rows: list[dict[str, Any]] = []
        for form in forms:
            chosen = dataclasses.replace(program, form=form.form)
            contestant = stack.enter_context(engine.started(form.runner, sys.executable, chosen))
            built = contestant.answer()
            first = contestant.run_round(0)
            for number in range(1, engine.WARM_UP_ROUNDS):
                contestant.run_round(number)
            running.append(contestant)
            rows.append(
                {
                    "form": form.name,
                    "build_seconds": built["build_seconds"],
                    "first_round_seconds": first["seconds"],
                    "seconds": [],
                    "processor_seconds": [],
                }
            )
        for turn in range(repeats):
            # Round after round another one begins.
            for offset in range(len(running)):
                position = (turn + offset) % len(running)
                answer = running[position].run_round(engine.WARM_UP_ROUNDS + turn)
                for name in ("seconds", "processor_seconds"):
                    rows[position][name].append(answer[name])
    for row in rows:
        row["median_seconds"] = statistics.median(row["seconds"])
        row["shortest_seconds"] = min(row["seconds"])
    fastest = min(rows, key=lambda row: row["median_seconds"])
    for row in rows:
        pairs = zip(row["seconds"], fastest["seconds"], strict=True)
        row["ratio"] = statistics.median(own / least for own, least in pairs)
        row["is_reached"] = row["ratio"] <= MOST_TIMES
    return rows


def lines_of(workloads: dict[str, list[dict[str, Any]]]) -> list[str]:
    """The table, as Markdown."""
    lines = [
        "| workload | model | round | processor | of fastest | at most | | first round | build |",
        "|---|---|---:|---:|---:|---:|---|---:|---:|",
    ]
    for title, rows in workloads.items():
        start = title
        for row in rows:
            cells = (
                start,
                row["form"],
                report.seconds(row["median_seconds"]),
                report.seconds(statistics.median(row["processor_seconds"])),
                f"{row['ratio']:.2f}x",
                report.goal(MOST_TIMES),
                report.verdict(row["is_reached"]),
                report.seconds(row["first_round_seconds"]),
                report.seconds(row["build_seconds"]),
            )
            lines.append(f"| {' | '.join(cells)} |")
            start = ""
    return lines


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="try whether everything runs")
    parser.add_argument("--only", default="", help="the workloads whose titles hold this text")
    parser.add_argument("--forms", default="", help="the forms whose names hold this text")
    arguments = parser.parse_args()
    # An end from outside, too, takes the contestants along.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    forms = [form for form in FORMS if arguments.forms in form.name]
    workloads: dict[str, list[dict[str, Any]]] = {}
    for title, (program, repeats) in PROGRAMS.items():
        if arguments.only not in title:
            continue
        if arguments.quick:
            program, repeats = dataclasses.replace(program, clients=3), 1
        try:
            workloads[title] = measure(program, repeats, forms)
        except engine.ContestantFailed as error:
            print(error)
            return 1
    text = "\n".join(lines_of(workloads))
    print(text)
    if not (arguments.quick or arguments.only or arguments.forms):
        print(f"Written to {common.write_results('frameworks', {'workloads': workloads})}")
        page = report.PAGE.read_text(encoding="utf-8")
        report.PAGE.write_text(report.inserted(page, text, BEGIN, END), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
