"""Learning algorithms, composed of templates."""

from __future__ import annotations

from typing import Any

from tensorflow_federated.core import errors as _errors
from tensorflow_federated.learning.algorithms.fed_avg import (
    build_unweighted_fed_avg,
    build_weighted_fed_avg,
)
from tensorflow_federated.learning.algorithms.fed_eval import build_fed_eval

__all__ = [
    "build_fed_eval",
    "build_unweighted_fed_avg",
    "build_weighted_fed_avg",
]


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    raise _errors.unknown_name("tff.learning.algorithms", name, __all__)
