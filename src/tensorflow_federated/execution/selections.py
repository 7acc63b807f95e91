"""The keys by which clients select slices of a server's value."""

from __future__ import annotations

from typing import Any

import numpy as np

from tensorflow_federated.core import errors, intrinsic_defs
from tensorflow_federated.core.types import TensorType
from tensorflow_federated.execution.sequences import Sequence

_KEY_TYPE = TensorType(np.int32)


def sequence_of_keys(keys: Any, max_key: Any) -> Sequence:
    """The keys of a client as a sequence.

    Args:
      keys: int32[n], the keys.
      max_key: int32, one more than the largest key.

    Returns:
      The sequence of keys, in order.

    Raises:
      SelectionKeyError: if a key is less than 0, or not less than `max_key`.
    """
    array = np.asarray(keys)
    wrong = array[(array < 0) | (array >= max_key)]
    if wrong.size:
        raise key_error(f"expected keys from 0 to {int(max_key) - 1}, got {wrong[0]}")
    return Sequence.from_columns((array,), None, _KEY_TYPE)


def key_error(problem: str) -> errors.SelectionKeyError:
    """The error for keys that the server has no slices for."""
    definition = intrinsic_defs.get("federated_select")
    return errors.SelectionKeyError(
        "a client selects what the server does not offer.",
        problems=[f"client_keys: {problem}"],
        signature=definition.signature,
        fix="give a larger `max_key`, or other keys.",
    )
