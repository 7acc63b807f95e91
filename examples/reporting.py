"""What the examples show of their work: figures, a line a round, scalars for TensorBoard.

Nothing here is about federated learning; the examples call it and stay short.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import pathlib
import time
from collections.abc import Iterator, Mapping

import numpy as np
import rich.console
import rich.progress
import tensorflow as tf
from matplotlib import figure, ticker

import tensorflow_federated as tff

# A small palette, told apart by people who see colours differently too.
BLUE, ORANGE, GREY = "#0072b2", "#d55e00", "#666666"


@dataclasses.dataclass(frozen=True)
class Round:
    """One round of training, as it is printed and drawn."""

    number: int
    loss: float
    accuracy: float
    num_clients: int
    num_examples: int
    seconds: float

    def line(self) -> str:
        """One line of the live report."""
        return (
            f"round {self.number:3d}   loss {self.loss:7.4f}   accuracy {self.accuracy:6.4f}   "
            f"clients {self.num_clients:3d}   examples {self.num_examples:6d}   "
            f"{self.seconds:6.2f} s"
        )


def loss_and_accuracy(metrics: Mapping[str, float]) -> tuple[float, float]:
    """Finds the two numbers to show, whatever the model calls its accuracy."""
    [accuracy] = [value for name, value in metrics.items() if name.endswith("accuracy")]
    return float(metrics["loss"]), float(accuracy)


class RoundLog:
    """Prints each round as it ends, moves a progress bar, and writes TensorBoard scalars."""

    def __init__(
        self,
        console: rich.console.Console,
        progress: rich.progress.Progress,
        task: rich.progress.TaskID,
        writer: tf.summary.SummaryWriter,
        history: list[Round],
    ):
        self._console = console
        self._progress = progress
        self._task = task
        self._writer = writer
        self._history = history
        self._started = time.perf_counter()

    def record(self, metrics: Mapping[str, float], num_clients: int) -> None:
        """Reports the round that has just ended; its time runs from the end of the last one."""
        now = time.perf_counter()
        loss, accuracy = loss_and_accuracy(metrics)
        ended = Round(
            number=len(self._history) + 1,
            loss=loss,
            accuracy=accuracy,
            num_clients=num_clients,
            num_examples=int(metrics["num_examples"]),
            seconds=now - self._started,
        )
        self._started = now
        self._history.append(ended)
        self._console.print(ended.line(), highlight=False, soft_wrap=True)
        self._progress.advance(self._task)
        write_scalars(self._writer, metrics, step=ended.number)


class Report:
    """Everything that one run shows and writes, in one folder."""

    def __init__(self, folder: pathlib.Path, console: rich.console.Console | None = None):
        self._folder = folder
        self._console = console or rich.console.Console()
        self._history: list[Round] = []
        self._held_out: tuple[float, float] | None = None
        self._written: dict[str, pathlib.Path] = {}
        # A folder of its own for each run, so that TensorBoard shows them side by side.
        self._logs = folder / "logs" / datetime.datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
        folder.mkdir(parents=True, exist_ok=True)

    def path(self, name: str, content: str) -> pathlib.Path:
        """Returns where to write `name`, and remembers its content for the summary."""
        self._written[content] = self._folder / name
        return self._folder / name

    def clients(self, client_data: tff.simulation.datasets.ClientData) -> None:
        """Says who the clients are, and draws one client's digits and six clients' labels."""
        sizes = [count_labels(client_data, client).sum() for client in client_data.client_ids[:100]]
        self._console.print(
            f"{len(client_data.client_ids)} clients; the first {len(sizes)} hold "
            f"{min(sizes)} to {max(sizes)} examples each.",
            highlight=False,
            soft_wrap=True,
        )
        draw_digits(client_data, client_data.client_ids[0]).savefig(
            self.path("client_digits.png", "One client's digits")
        )
        draw_label_counts(client_data, client_data.client_ids[:6]).savefig(
            self.path("label_counts.png", "Six clients' labels")
        )

    @contextlib.contextmanager
    def rounds(self, num_rounds: int) -> Iterator[RoundLog]:
        """Opens the live report of `num_rounds` rounds."""
        progress = rich.progress.Progress(
            rich.progress.TextColumn("{task.description}"),
            rich.progress.BarColumn(),
            rich.progress.MofNCompleteColumn(),
            rich.progress.TimeRemainingColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
            transient=True,
        )
        writer = tf.summary.create_file_writer(str(self._logs / "train"))
        with progress:
            task = progress.add_task("Training", total=num_rounds)
            yield RoundLog(self._console, progress, task, writer, self._history)
        writer.close()
        self._written["TensorBoard scalars"] = self._logs.parent

    def evaluation(self, metrics: Mapping[str, float]) -> None:
        """Reports how well the global model does on what the clients held out."""
        self._held_out = loss_and_accuracy(metrics)
        loss, accuracy = self._held_out
        self._console.print(
            f"held out    loss {loss:7.4f}   accuracy {accuracy:6.4f}   "
            f"examples {int(metrics['num_examples'])}",
            highlight=False,
            soft_wrap=True,
        )
        writer = tf.summary.create_file_writer(str(self._logs / "held_out"))
        write_scalars(writer, metrics, step=len(self._history))
        writer.close()

    def curves(self) -> None:
        """Draws loss and accuracy, round by round."""
        draw_curves(self._history, self._held_out).savefig(
            self.path("curves.png", "Loss and accuracy")
        )

    def summary(self) -> None:
        """Says what was written and where it is."""
        self._console.print()
        for content, path in self._written.items():
            self._console.print(f"{content + ':':22}{path}", highlight=False, soft_wrap=True)
        logs = self._written["TensorBoard scalars"]
        self._console.print(
            f"To look at the scalars: tensorboard --logdir {logs}", highlight=False, soft_wrap=True
        )


def write_scalars(
    writer: tf.summary.SummaryWriter, metrics: Mapping[str, float], step: int
) -> None:
    """Writes every metric under its name."""
    with writer.as_default():
        for name, value in metrics.items():
            tf.summary.scalar(name, value, step=step)
    writer.flush()


def count_labels(client_data: tff.simulation.datasets.ClientData, client_id: str) -> np.ndarray:
    """Counts a client's examples of each digit: int64[10]."""
    dataset = client_data.create_tf_dataset_for_client(client_id)
    labels = [int(example["label"]) for example in dataset.as_numpy_iterator()]
    return np.bincount(labels, minlength=10)


def draw_digits(client_data: tff.simulation.datasets.ClientData, client_id: str) -> figure.Figure:
    """Draws the first forty digits that a client holds."""
    dataset = client_data.create_tf_dataset_for_client(client_id).take(40)
    images = [example["pixels"] for example in dataset.as_numpy_iterator()]
    # Most of a picture is paper: where paper is 1 rather than 0, as in EMNIST, black means 0.
    colours = "gray" if np.mean(images) > np.max(images) / 2 else "gray_r"
    num_rows = -(-len(images) // 10)
    drawing = figure.Figure(figsize=(10, num_rows + 0.5), layout="constrained", dpi=120)
    drawing.suptitle(f"Digits of {client_id}")
    for place, axes in enumerate(np.ravel(drawing.subplots(num_rows, 10))):
        axes.set_axis_off()
        if place < len(images):
            axes.imshow(images[place], cmap=colours)
    return drawing


def draw_label_counts(
    client_data: tff.simulation.datasets.ClientData, client_ids: list[str]
) -> figure.Figure:
    """Draws how often each digit occurs, one panel a client: no two clients are alike."""
    drawing = figure.Figure(figsize=(10, 5), layout="constrained", dpi=120)
    drawing.suptitle("Examples of each digit, client by client")
    panels = np.ravel(drawing.subplots(2, 3, sharex=True, sharey=True))
    for axes in panels[len(client_ids) :]:
        axes.set_axis_off()
    for axes, client_id in zip(panels, client_ids, strict=False):
        axes.bar(range(10), count_labels(client_data, client_id), color=BLUE)
        axes.set_title(client_id, fontsize="medium")
        axes.set_xticks(range(10))
        axes.yaxis.set_major_locator(ticker.MaxNLocator(integer=True))
        axes.spines[["top", "right"]].set_visible(False)
    return drawing


def draw_curves(history: list[Round], held_out: tuple[float, float] | None = None) -> figure.Figure:
    """Draws loss and accuracy against the round, with the held-out result as a level."""
    numbers = [ended.number for ended in history]
    drawing = figure.Figure(figsize=(10, 4), layout="constrained", dpi=120)
    drawing.suptitle("Federated averaging")
    panels = drawing.subplots(1, 2)
    curves = (("loss", [r.loss for r in history]), ("accuracy", [r.accuracy for r in history]))
    for place, (axes, (name, values)) in enumerate(zip(panels, curves, strict=True)):
        axes.plot(numbers, values, color=BLUE, marker=".", label="the cohort's own, in training")
        if held_out is not None:
            label = f"held out, after the last round: {held_out[place]:.3f}"
            axes.axhline(held_out[place], color=ORANGE, linestyle="--", label=label)
        axes.set_xlabel("round")
        axes.set_ylabel(name)
        axes.xaxis.set_major_locator(ticker.MaxNLocator(integer=True))
        axes.grid(color=GREY, alpha=0.2)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, fontsize="small")
    return drawing
