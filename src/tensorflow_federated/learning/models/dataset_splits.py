"""How the batches of a client are split, for reconstruction and for what comes after it."""

from __future__ import annotations

import dataclasses
from typing import Any


@dataclasses.dataclass(frozen=True)
class Part:
    """Some batches of a client, in several epochs.

    Attributes:
      parity: 0 for the batches with even numbers, 1 for those with odd ones, None for all.
      epochs: how often these are gone through.
      steps_max: the largest number of batches of all epochs; no bound if None or negative.
    """

    parity: int | None = None
    epochs: int = 1
    steps_max: int | None = None

    @property
    def has_bound(self) -> bool:
        """Whether there may be fewer batches than the epochs have."""
        return self.steps_max is not None and self.steps_max >= 0

    def of(self, dataset: Any) -> Any:
        """This part of a `tf.data.Dataset`."""
        if self.parity is not None:
            numbered = dataset.enumerate().filter(lambda index, _: index % 2 == self.parity)
            dataset = numbered.map(lambda _, batch: batch)
        dataset = dataset.repeat(self.epochs)
        return dataset if self.steps_max is None else dataset.take(self.steps_max)


@dataclasses.dataclass(frozen=True)
class DatasetSplit:
    """A `ReconstructionDatasetSplitFn` whose parts are known, for every framework.

    Attributes:
      first: the batches for reconstruction.
      second: those for what comes after it.
    """

    first: Part = Part()
    second: Part = Part()

    def __call__(self, client_dataset: Any) -> tuple[Any, Any]:
        """Splits the `tf.data.Dataset` of a client."""
        return self.first.of(client_dataset), self.second.of(client_dataset)
