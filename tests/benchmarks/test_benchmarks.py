"""The benchmarks: their workload, their tables, and that nothing grows with the rounds."""

from __future__ import annotations

import dataclasses
import importlib
import json
import pathlib
import subprocess
import sys
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

FOLDER = pathlib.Path(__file__).parent.parent.parent / "benchmarks"


def load(monkeypatch: pytest.MonkeyPatch, name: str) -> Any:
    """A module of the benchmarks, which import each other by their bare names."""
    monkeypatch.syspath_prepend(FOLDER)
    others = ("common", "comparisons", "contestant", "engine", "peers", "products", "report")
    for each in (*others, "workload", name):
        monkeypatch.delitem(sys.modules, each, raising=False)
    return importlib.import_module(name)


@pytest.fixture
def workload(monkeypatch) -> Any:
    return load(monkeypatch, "workload")


@pytest.fixture
def report(monkeypatch) -> Any:
    return load(monkeypatch, "report")


@pytest.mark.slow
def test_everybody_has_the_same_clients(workload):
    first, second = workload.Population(), workload.Population()
    np.testing.assert_array_equal(first.images, second.images)
    assert len(first.offsets) == workload.NUM_CLIENTS + 1
    assert workload.client_sizes().mean() == pytest.approx(workload.MEAN_EXAMPLES, rel=0.1)


@pytest.mark.parametrize(("data", "is_same"), [("same", True), ("new", False), ("fresh", False)])
def test_cohorts_are_the_same_or_new_in_each_round(workload, data, is_same):
    program = workload.Program(clients=50, data=data)
    first, second = (workload.cohort(program, number) for number in (0, 1))
    assert len(set(first.tolist())) == 50
    np.testing.assert_array_equal(first, workload.cohort(program, 0))
    assert np.array_equal(first, second) == is_same


def test_cohort_may_exceed_the_population(workload):
    program = workload.Program(clients=5 * workload.NUM_CLIENTS)
    assert len(workload.cohort(program, 0)) == 5 * workload.NUM_CLIENTS


def test_shares_deal_out_every_client_evenly(workload):
    clients = workload.cohort(workload.Program(clients=100), 0)
    shares = workload.shares(clients, 3)
    assert sorted(np.concatenate(shares)) == sorted(clients)
    loads = [workload.batch_counts(share).sum() for share in shares]
    assert max(loads) - min(loads) <= workload.batch_counts(clients).max()


def figures() -> dict[str, Any]:
    comparison = {
        "title": "softmax",
        "kind": "round",
        "own": {"name": "this package, JAX", "median_seconds": 0.02},
        "others": [
            {
                "against": "TFF 0.87",
                "goal": 45,
                "median_seconds": 1.0,
                "ratio": 50.0,
                "is_reached": True,
            },
            {
                "against": "by hand, JAX",
                "goal": 0.8,
                "median_seconds": 0.01,
                "ratio": 0.5,
                "is_reached": False,
            },
            {"against": "FedJAX", "goal": 3.5},
            {
                "against": "by hand, Keras",
                "goal": None,
                "median_seconds": 0.03,
                "ratio": 1.5,
                "is_reached": None,
            },
        ],
    }
    return {
        "date": "2026-01-02T03:04:05+00:00",
        "machine": {"processor": "a processor", "cores": 2},
        "load_1_minute_before": 0.1,
        "versions": {"python": "3.11.7", "numpy": "2.1"},
        "comparisons": [comparison],
        "scaling": {
            "sizes": [
                {"clients": 10, "median_seconds_per_client": 2e-4, "peak_mib": 500.0},
                {
                    "clients": 5000,
                    "median_seconds_per_client": 1.5e-4,
                    "seconds_per_client_more": 1.4e-4,
                    "peak_mib": 600.0,
                },
            ],
            "cost_ratio": 1.33,
            "cost_goal": 1.25,
            "cost_is_reached": False,
            "memory_growth_mib": 100.0,
            "memory_goal_mib": 200.0,
            "memory_is_reached": True,
        },
    }


def test_table_has_goals_verdicts_and_who_is_not_installed(report, golden):
    golden.check("table", report.table(figures()))


def test_lines_for_a_terminal(report, golden):
    told = figures()
    lines = [
        *report.comparison_lines(told["comparisons"][0]),
        *report.scaling_lines(told["scaling"]),
    ]
    golden.check("lines", "\n".join(lines))


def test_table_goes_between_the_markers(report):
    page = f"before\n\n{report.BEGIN}\n\nold\n\n{report.END}\n\nafter\n"
    written = report.inserted(page, "new")
    assert written == page.replace("old", "new")
    assert report.inserted(written, "new") == written


def test_page_has_the_markers(report, repository):
    page = (repository / "docs" / "performance.md").read_text(encoding="utf-8")
    assert report.inserted(page, "text").count("text") >= 1


def test_plot_is_drawn_alike_from_the_same_figures(report, tmp_path):
    first, second = tmp_path / "first.svg", tmp_path / "second.svg"
    report.plot(figures(), first)
    report.plot(figures(), second)
    assert ElementTree.parse(first).getroot().tag.endswith("svg")
    assert first.read_bytes() == second.read_bytes()


@pytest.fixture
def floors(monkeypatch) -> Any:
    return load(monkeypatch, "floors")


def speeds() -> dict[str, Any]:
    of_kernels = {"NumPy": [1e9, 2e9], "XLA": [2e9, 3e9], "TensorFlow": [1e9, 1e9]}
    names = ("dense 784-10", "dense 784-10, kernel's gradient")
    return {"copied_bytes_per_second": [1e10, 2e10], "products": dict.fromkeys(names, of_kernels)}


def test_floor_is_what_the_batches_of_a_round_take_at_the_best_speed(floors):
    comparison = floors.comparisons.COMPARISONS[0]
    floor = floors.floor(comparison, speeds())
    flops = 2 * 2 * 20 * 784 * 10 * floor["batches"]
    best = max(floors.comparisons.CORES * 2e9, 3e9)
    assert floor["products_seconds"] == pytest.approx(flops / best)
    assert floor["memory_seconds"] == pytest.approx(floor["batches"] * 20 * 784 * 4 / 2e10)
    assert floor["floor_seconds"] == floor["products_seconds"]


def test_the_tutorial_has_the_batches_of_all_its_epochs(floors):
    tutorial = floors.comparisons.TUTORIAL
    one_epoch = floors.batches(dataclasses.replace(tutorial, preprocessing="batches"), 1)
    assert 4 * one_epoch < floors.batches(tutorial, 1) <= 5 * one_epoch


def test_table_of_floors_has_everybody_who_was_measured(floors, golden, monkeypatch):
    monkeypatch.setattr(floors.comparisons, "CORES", 2)
    least = {"batches": 500, "products_seconds": 0.01, "memory_seconds": 0.002}
    told = {**speeds(), "workloads": {"softmax": {**least, "floor_seconds": 0.01}}}
    golden.check("floors", floors.table(told, figures()["comparisons"]))


def test_page_has_the_markers_of_the_floors(floors, report, repository):
    page = (repository / "docs" / "performance.md").read_text(encoding="utf-8")
    written = report.inserted(page, "the floors", floors.BEGIN, floors.END)
    assert f"{floors.BEGIN}\n\nthe floors\n\n{floors.END}" in written


def run(script: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, str(FOLDER / script), *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def readings_of(way: str, rounds: int, every: int) -> list[dict[str, float]]:
    program = (
        "import json, sys; sys.path.insert(0, sys.argv[1]); import memory_rounds\n"
        "print(json.dumps(memory_rounds.measure(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(FOLDER), way, str(rounds), str(every)],
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
@pytest.mark.parametrize("way", ["JAX", "Keras", "client data", "pipelines"])
def test_rounds_leave_no_threads_files_or_objects_behind(way):
    readings = readings_of(way, 150, 10)
    settled = readings[len(readings) // 2 :]
    assert len({each["threads"] for each in settled}) == 1
    assert len({each["files"] for each in settled}) == 1
    # A round has some hundred clients: what was kept of each would be thousands of objects.
    assert settled[-1]["objects"] - settled[0]["objects"] < 500


@pytest.mark.slow
@pytest.mark.parametrize("script", ["convolutions.py", "floors.py", "overheads.py", "pooling.py"])
def test_scripts_run(script):
    assert run(script, "--quick")


@pytest.mark.slow
def test_comparison_runs_without_other_libraries():
    told = run("engine.py", "--quick", "--only", "CNN, 10 clients, JAX")
    assert "by hand, JAX" in told
