"""What was read of datasets, kept while these live and there is room.

What was not used for longest makes place. There is room for 512 MiB, or for as many bytes as the
environment variable `TFF_DATA_CACHE_BYTES` says; 0 keeps nothing.
"""

from __future__ import annotations

import os
from collections.abc import Hashable
from typing import Any

import numpy as np

from tensorflow_federated.core import errors
from tensorflow_federated.execution import kept_values, sequences
from tensorflow_federated.tensorflow.recognition import Pipeline

_ROOM = 512 * 2**20
_VARIABLE = "TFF_DATA_CACHE_BYTES"


def keep(dataset: Any, what: Hashable, value: sequences.Sequence | Pipeline) -> None:
    """Keeps what was read, if it has columns and fits, as long as the dataset lives.

    Args:
      dataset: what it was read from.
      what: the kind of thing it is.
      value: what was read.
    """
    leaves = _arrays(value)
    size = sum(map(kept_values.num_bytes, leaves))
    if 0 < size <= kept.most_bytes:
        for leaf in leaves:
            # Users get views of the columns, and must not write into them.
            leaf.flags.writeable = False
        kept.put(what, value, size, [dataset])


def _arrays(value: sequences.Sequence | Pipeline) -> list[np.ndarray]:
    if isinstance(value, Pipeline):
        return list(value.leaves)
    columns = value.columns()
    if columns is None:
        return []
    parts = (*columns.leaves, columns.offsets, columns.rows)
    return [part for part in parts if part is not None]


def room_of_environment() -> int:
    """How many bytes may be kept.

    Raises:
      DatasetError: if the environment variable is no number of bytes.
    """
    text = os.environ.get(_VARIABLE, str(_ROOM))
    if not text.isdecimal():
        raise errors.DatasetError(
            f"the environment variable `{_VARIABLE}` says how many bytes of data are kept.",
            problems=[f"expected a number of bytes, got {text!r}"],
            fix=f"set it to {_ROOM}, for example, or to 0 to keep nothing.",
        )
    return int(text)


kept = kept_values.KeptValues(room_of_environment())
