"""The argument by which TFF chose between two ways to write the loop over a client's batches."""

from __future__ import annotations

import enum


class LoopImplementation(enum.Enum):
    """How TFF ran the loop over a client's batches.

    Accepted wherever TFF took it, and without effect: here the engine owns the loop. Both members
    give the same numbers, as they did in TFF.
    """

    DATASET_ITERATOR = 1
    """A Python-style iteration over a `tf.data.Dataset`."""

    DATASET_REDUCE = 2
    """A `tf.data.Dataset.reduce`."""
