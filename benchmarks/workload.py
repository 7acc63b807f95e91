"""The workload that all contestants run: who the clients are, what they have, who takes part.

The clients are like those of EMNIST: images of 28 by 28 and ten labels, and a number of examples
that is distributed lognormally with a mean of 100. Everything is drawn from fixed seeds, so that
every contestant, in whatever process and library, has the same clients and the same cohorts.

This module needs numpy alone, as it is imported by the interpreters of other libraries too.
"""

from __future__ import annotations

import dataclasses

import numpy as np

NUM_CLIENTS = 1000
MEAN_EXAMPLES = 100
BATCH_SIZE = 20
LEARNING_RATE = 0.02
NUM_LABELS = 10
IMAGE = (28, 28)
NUM_PIXELS = 784

# Those of the tutorial "Federated Learning for Image Classification".
TUTORIAL_CLIENTS = 10
TUTORIAL_EPOCHS = 5
TUTORIAL_SHUFFLE_BUFFER = 100
TUTORIAL_PREFETCH = 10


@dataclasses.dataclass(frozen=True)
class Program:
    """What a contestant is to run.

    Attributes:
      model: "softmax", one dense layer; or "cnn", two convolutions and two dense layers.
      clients: the number of clients of a round.
      data: "same", for the same clients in each round; "new", for another cohort in each round;
        "fresh", for another cohort, whose pipelines are made anew in each round.
      preprocessing: "batches", one epoch of the examples as they come; or "tutorial".
      processes: in how many processes clients are trained.
      form: how the model is written, for a contestant that has several forms.
    """

    model: str = "softmax"
    clients: int = 100
    data: str = "new"
    preprocessing: str = "batches"
    processes: int = 0
    form: str = ""


def client_sizes() -> np.ndarray:
    """The number of examples of each client."""
    sigma = 0.8
    drawn = np.random.default_rng(0).lognormal(
        np.log(MEAN_EXAMPLES) - sigma**2 / 2, sigma, NUM_CLIENTS
    )
    return np.clip(np.round(drawn), 5, 1000).astype(np.int64)


class Population:
    """The examples of all clients, those of one client after those of another.

    Attributes:
      images: float32[examples, 28, 28].
      labels: int32[examples].
      offsets: int64[clients + 1]; client i has the examples from `offsets[i]` to `offsets[i + 1]`.
    """

    def __init__(self) -> None:
        """Draws the examples: for each label noise around an image of its own."""
        self.offsets = np.concatenate([[0], np.cumsum(client_sizes())])
        count = int(self.offsets[-1])
        generator = np.random.default_rng(1)
        self.labels = generator.integers(0, NUM_LABELS, count).astype(np.int32)
        centers = generator.standard_normal((NUM_LABELS, *IMAGE), dtype=np.float32) * 0.3
        self.images = generator.random((count, *IMAGE), dtype=np.float32)
        self.images *= 0.5
        centers *= 0.5
        for start in range(0, count, 4096):
            part = slice(start, start + 4096)
            self.images[part] += centers[self.labels[part]]

    def rows(self, client: int) -> slice:
        """Where the examples of a client are."""
        return slice(int(self.offsets[client]), int(self.offsets[client + 1]))


def cohort(program: Program, round_number: int) -> np.ndarray:
    """The clients of a round; one that is larger than the population has clients repeatedly."""
    seed = 0 if program.data == "same" else round_number
    generator = np.random.default_rng(1000 + seed)
    return generator.choice(NUM_CLIENTS, program.clients, replace=program.clients > NUM_CLIENTS)


def batch_counts(clients: np.ndarray) -> np.ndarray:
    """The number of batches, which is that of local steps, of each client."""
    return -(-client_sizes()[clients] // BATCH_SIZE)


def shares(clients: np.ndarray, number: int) -> list[np.ndarray]:
    """Deals clients out into parts with about the same number of batches each."""
    counts = batch_counts(clients)
    loads = [0] * number
    shares: list[list[int]] = [[] for _ in range(number)]
    for position in np.argsort(-counts, kind="stable"):
        least = int(np.argmin(loads))
        loads[least] += int(counts[position])
        shares[least].append(int(clients[position]))
    return [np.array(share, np.int64) for share in shares]
