"""What is the least time that a round can take on this machine, whoever runs it?

Measures how fast `products.py` is. The products of all batches at the best of these speeds are one
floor of a round, what has to come through memory at the speed of a copy another. Both can be done
at the same time, so the larger one is the least time.

Writes `results/floors.json`, and from it and from `results/engine.json` a table in
`docs/performance.md`: how many times as fast as each of the others anybody could be.

    python benchmarks/floors.py
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
from typing import Any

import common
import comparisons
import engine
import products
import report
import workload
from workload import BATCH_SIZE, NUM_PIXELS, TUTORIAL_EPOCHS

BEGIN = "<!-- Written by benchmarks/floors.py from here on. -->"
END = "<!-- Written by benchmarks/floors.py up to here. -->"
# Weights of more bytes do not stay in the cache of a core.
CACHE_BYTES = 2**20


def batches(program: workload.Program, repeats: int) -> int:
    """The batches of a round, the median of the rounds that are measured."""
    rounds = range(engine.WARM_UP_ROUNDS, engine.WARM_UP_ROUNDS + repeats)
    epochs = 1 if program.preprocessing == "batches" else TUTORIAL_EPOCHS
    counts = -(-epochs * workload.client_sizes() // BATCH_SIZE)
    return int(statistics.median(counts[workload.cohort(program, i)].sum() for i in rounds))


def fastest(speeds: list[float]) -> float:
    """What all cores can do at most, also where other programs take part of them."""
    in_one, in_all = speeds
    return max(comparisons.CORES * in_one, in_all)


def floor(comparison: comparisons.Comparison, figures: dict[str, Any]) -> dict[str, Any]:
    """The least time of a round."""
    its_products = products.MODELS[comparison.program.model]
    number = batches(comparison.program, comparison.repeats)
    best = {
        name: max(fastest(each) for each in of.values()) for name, of in figures["products"].items()
    }
    kernels = 4 * sum(each.depth * each.columns for each in its_products if each.transposed is None)
    # Weights are read in both passes, and written.
    moved = 4 * BATCH_SIZE * NUM_PIXELS + (3 * kernels if kernels > CACHE_BYTES else 0)
    of_products = number * sum(each.flops / best[each.name] for each in its_products)
    of_memory = number * moved / max(figures["copied_bytes_per_second"])
    return {
        "batches": number,
        "products_seconds": of_products,
        "memory_seconds": of_memory,
        "floor_seconds": max(of_products, of_memory),
    }


def table(figures: dict[str, Any], measured: list[dict[str, Any]]) -> str:
    """The floors, and how they compare with what was measured, as Markdown."""
    lines = [
        "| workload | batches | products | memory | against | there | at most |",
        "|---|---:|---:|---:|---|---:|---:|",
    ]
    for comparison in measured:
        least = figures["workloads"].get(comparison["title"])
        if least is None:
            continue
        times = (report.seconds(least[f"{part}_seconds"]) for part in ("products", "memory"))
        start = [comparison["title"], f"{least['batches']:,}", *times]
        for row in ({"against": "this package", **comparison["own"]}, *comparison["others"]):
            if "median_seconds" not in row:
                continue
            ratio = row["median_seconds"] / least["floor_seconds"]
            cells = *start, row["against"], report.seconds(row["median_seconds"]), f"{ratio:.3g}x"
            lines.append(f"| {' | '.join(cells)} |")
            start = [""] * len(start)
    lines += [
        "",
        f"| product | {' | '.join(products.KERNELS)} |",
        "|---|" + "---:|" * len(products.KERNELS),
    ]
    for name, of in figures["products"].items():
        cells = (
            " / ".join(f"{each / 1e9:.3g}" for each in of[kernel]) for kernel in products.KERNELS
        )
        lines.append(f"| {name} | {' | '.join(cells)} |")
    one, all_cores = (each / 1e9 for each in figures["copied_bytes_per_second"])
    lines += [
        "",
        f"Products in GFLOP/s, in one thread / in {comparisons.CORES} at once. A copy reads and "
        f"writes {one:.3g} / {all_cores:.3g} GB/s.",
    ]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="one turn; writes no results")
    repeats = 1 if parser.parse_args().quick else 40
    if any(os.environ.get(name) != value for name, value in products.ENVIRONMENT.items()):
        os.execve(
            sys.executable, [sys.executable, *sys.argv], {**os.environ, **products.ENVIRONMENT}
        )
    figures: dict[str, Any] = {
        "copied_bytes_per_second": products.copy_speeds(repeats),
        "products": {
            each.name: products.speeds(each, repeats)
            for model in products.MODELS.values()
            for each in model
        },
    }
    rounds = [each for each in comparisons.COMPARISONS if each.kind == "round"]
    figures["workloads"] = {each.title: floor(each, figures) for each in rounds}
    measured = json.loads(report.RESULTS.read_text(encoding="utf-8"))["comparisons"]
    text = table(figures, measured)
    print(text)
    if repeats > 1:
        print(f"Written to {common.write_results('floors', figures)}")
        page = report.PAGE.read_text(encoding="utf-8")
        report.PAGE.write_text(report.inserted(page, text, BEGIN, END), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
