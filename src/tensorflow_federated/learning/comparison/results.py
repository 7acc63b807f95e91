"""The results of a comparison: a table, and a picture."""

from __future__ import annotations

import collections
import dataclasses
import html
from collections.abc import Sequence
from typing import Any

import numpy as np

from tensorflow_federated.core import errors

Metrics = collections.OrderedDict[str, Any]

_COUNTS = ("num_examples", "num_batches")
_TITLES = {
    "centralized": "centralized",
    "federated": "federated",
    "local_only": "each client alone",
}


@dataclasses.dataclass(frozen=True)
class Comparison:
    """The metrics of three ways to train one model, before training and after each round.

    Attributes:
      federated: of the model of the federated process, on the test data of all clients.
      centralized: of one model that was trained on the pooled data, likewise.
      local_only: of as many models as there are clients, each on the test data of its client; put
        together as the metrics of clients are, so that a client counts by its test examples.
    """

    federated: Sequence[Metrics]
    centralized: Sequence[Metrics]
    local_only: Sequence[Metrics]

    @property
    def metric_names(self) -> list[str]:
        """The names of the metrics that are single numbers, without the counts."""
        first = self.federated[0]
        return [name for name in first if name not in _COUNTS and np.ndim(first[name]) == 0]

    def __str__(self) -> str:
        header, *rows = self._table()
        widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
        lines = [
            "  ".join(
                cell.ljust(width) if index == 0 else cell.rjust(width)
                for index, (cell, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in (header, *rows)
        ]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        header, *rows = self._table()
        cells = "".join(f"<th>{html.escape(cell)}</th>" for cell in header)
        body = "".join(
            "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>"
            for row in rows
        )
        return f"<table><tr>{cells}</tr>{body}</table>"

    def _table(self) -> list[list[str]]:
        """The metrics after the last round."""
        names = self.metric_names
        last = len(self.federated) - 1
        rows = [
            [title, *(f"{float(getattr(self, way)[-1][name]):.4f}" for name in names)]
            for way, title in _TITLES.items()
        ]
        return [[f"after {last} rounds", *names], *rows]

    @errors.boundary
    def plot(self, metric: str | None = None, ax: Any = None) -> Any:
        """Draws a metric by round, one line for each way to train.

        Args:
          metric: the name of the metric; the first of `metric_names` if None.
          ax: the axes of matplotlib to draw on; those of a new figure if None.

        Returns:
          The axes.

        Raises:
          MissingExtraError: if matplotlib is not installed.
          MetricNameError: if there is no such metric.
        """
        name = self.metric_names[0] if metric is None else metric
        if name not in self.metric_names:
            raise MetricNameError(
                "the comparison has no such metric.",
                problems=[f"metric: expected one of {self.metric_names}, got {name!r}"],
                fix="give one of these names, or leave it out for the first.",
            )
        if ax is None:
            try:
                from matplotlib import pyplot
            except ModuleNotFoundError as error:
                raise errors.missing_extra("plot", "`Comparison.plot`") from error
            _, ax = pyplot.subplots()
        for way, title in _TITLES.items():
            values = [float(metrics[name]) for metrics in getattr(self, way)]
            ax.plot(range(len(values)), values, label=title)
        ax.set_xlabel("round")
        ax.set_ylabel(f"{name} on test data")
        ax.legend()
        return ax


class MetricNameError(errors.FederatedError, KeyError, known_as="KeyError"):
    """A comparison is asked for a metric that it does not have.

    Fails: `comparison.plot("accuracy")`, where the model reports `sparse_categorical_accuracy`.
    Mended: `comparison.plot("sparse_categorical_accuracy")`.
    """
