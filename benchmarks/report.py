"""Writes the table and the plot of `docs/performance.md` from `results/engine.json`.

    python benchmarks/report.py

The table is written between two markers, so that no figure is typed by hand.
"""

from __future__ import annotations

import json
import pathlib
from collections.abc import Iterator, Sequence
from typing import Any

FOLDER = pathlib.Path(__file__).parent
RESULTS = FOLDER / "results" / "engine.json"
PAGE = FOLDER.parent / "docs" / "performance.md"
PLOT = FOLDER.parent / "docs" / "images" / "engine.svg"
BEGIN = "<!-- Written by benchmarks/report.py from here on. -->"
END = "<!-- Written by benchmarks/report.py up to here. -->"


def seconds(value: float) -> str:
    """A time in three digits."""
    return f"{value:.3g} s" if value >= 1 else f"{value * 1e3:.3g} ms"


def verdict(is_reached: bool | None) -> str:
    """Whether a goal is reached, in a word."""
    return "" if is_reached is None else "reached" if is_reached else "**not reached**"


def goal(value: float | None) -> str:
    """A goal, as a factor."""
    return "" if value is None else f"{value:g}x"


def comparison_rows(figures: dict[str, Any]) -> Iterator[Sequence[str]]:
    """The rows of one comparison: whom with, the two times, the ratio, the goal, the verdict."""
    own = seconds(figures["own"]["median_seconds"])
    for row in figures["others"]:
        if "ratio" in row:
            times = own, seconds(row["median_seconds"]), f"{row['ratio']:.3g}x"
            yield row["against"], *times, goal(row["goal"]), verdict(row["is_reached"])
        else:
            yield row["against"], own, "not installed", "", goal(row["goal"]), ""


def comparison_lines(figures: dict[str, Any]) -> Iterator[str]:
    """One comparison, for a terminal."""
    for against, own, other, ratio, wanted, reached in comparison_rows(figures):
        end = f", {ratio}" if ratio else ""
        end += f" (goal {wanted}, {reached.strip('*')})" if wanted and reached else ""
        yield f"{own}, against {against}: {other}{end}"


def scaling_lines(figures: dict[str, Any]) -> Iterator[str]:
    """Cost and memory against the number of clients, for a terminal."""
    for row in figures["sizes"]:
        cost = row["median_seconds_per_client"] * 1e6
        more = row.get("seconds_per_client_more")
        of_one_more = "" if more is None else f", {more * 1e6:.0f} us for one more"
        yield (
            f"{row['clients']:,} clients: {cost:.0f} us each{of_one_more}, "
            f"{row['peak_mib']:.0f} MiB"
        )


def _microseconds(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds * 1e6:.0f} µs"


def table(figures: dict[str, Any]) -> str:
    """All figures as Markdown."""
    lines = [
        "| workload | against | here | there | ratio | at least | |",
        "|---|---|---:|---:|---:|---:|---|",
    ]
    for comparison in figures["comparisons"]:
        title = comparison["title"]
        for row in comparison_rows(comparison):
            lines.append(f"| {title} | {' | '.join(row)} |")
            title = ""
    scaling = figures["scaling"]
    lines += [
        "",
        "| clients of a round | cost of a client | of one more | peak memory |",
        "|---:|---:|---:|---:|",
        *(
            f"| {row['clients']:,} | {row['median_seconds_per_client'] * 1e6:.0f} µs "
            f"| {_microseconds(row.get('seconds_per_client_more'))} "
            f"| {row['peak_mib']:,.0f} MiB |"
            for row in scaling["sizes"]
        ),
        "",
        f"In a larger cohort a client costs at most {scaling['cost_ratio']:.2f} times as much as "
        f"in a smaller one (goal {scaling['cost_goal']:g}, "
        f"{verdict(scaling['cost_is_reached'])}): the cost falls, as more of them share what a "
        "round and a chunk cost in any case. The "
        f"largest needs {scaling['memory_growth_mib']:,.0f} MiB more than the smallest (goal "
        f"{scaling['memory_goal_mib']:g}, {verdict(scaling['memory_is_reached'])}).",
    ]
    machine, versions = figures["machine"], figures["versions"]
    named = ", ".join(f"{name} {version}" for name, version in versions.items())
    lines += [
        "",
        f"Measured on {figures['date'][:10]}, on {machine['cores']} cores ({machine['processor']}) "
        f"with a load of {figures['load_1_minute_before']:g} before; {named}.",
        "",
        f"![Seconds of a round](images/{PLOT.name})",
    ]
    return "\n".join(lines)


def plot(figures: dict[str, Any], path: pathlib.Path) -> None:
    """Draws the seconds of a round of everybody, comparison by comparison."""
    import matplotlib as mpl

    mpl.use("svg")
    # The same figures give the same file.
    mpl.rcParams["svg.hashsalt"] = "engine"
    from matplotlib import pyplot

    drawn = [each for each in figures["comparisons"] if each["kind"] == "round"]
    bars: list[tuple[str, float, str]] = []
    for comparison in drawn:
        bars.append(("this package", comparison["own"]["median_seconds"], "#1a8ca8"))
        bars.extend(
            (row["against"], row["median_seconds"], "#9a9a9a")
            for row in comparison["others"]
            if "ratio" in row
        )
    positions: list[float] = []
    titles: list[tuple[float, str]] = []
    next_position = 0.0
    for comparison in drawn:
        titles.append((next_position, comparison["title"]))
        next_position += 1.0
        for _ in range(1 + sum("ratio" in row for row in comparison["others"])):
            positions.append(next_position)
            next_position += 1.0
        next_position += 0.5
    figure, axes = pyplot.subplots(figsize=(9, 0.24 * next_position + 1), layout="constrained")
    axes.barh(positions, [bar[1] for bar in bars], color=[bar[2] for bar in bars])
    axes.set_xscale("log")
    axes.set_yticks(positions, [bar[0] for bar in bars], fontsize=8)
    axes.invert_yaxis()
    axes.set_xlabel("seconds of a round, logarithmic")
    axes.grid(axis="x", which="major", alpha=0.3)
    axes.spines[["top", "right", "left"]].set_visible(False)
    for position, title in titles:
        axes.text(0, position, title, transform=axes.get_yaxis_transform(), fontsize=8, va="center")
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)


def inserted(page: str, text: str, begin: str = BEGIN, end: str = END) -> str:
    """A page with a text between two markers."""
    before, found_begin, rest = page.partition(begin)
    _, found_end, after = rest.partition(end)
    if not found_begin or not found_end:
        raise SystemExit(f"the page has no lines {begin!r} and {end!r}")
    return f"{before}{begin}\n\n{text}\n\n{end}{after}"


def read() -> dict[str, Any]:
    """The results of the last run."""
    return json.loads(RESULTS.read_text(encoding="utf-8"))


def write() -> None:
    """Writes the table and the plot."""
    figures = read()
    plot(figures, PLOT)
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(inserted(page, table(figures)), encoding="utf-8")
    print(f"Written to {PAGE} and {PLOT}")


if __name__ == "__main__":
    write()
