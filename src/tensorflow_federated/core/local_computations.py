"""Local computations: typed handles on functions that run at one place, in one back end."""

from __future__ import annotations

import dataclasses
from typing import Any

from tensorflow_federated.core.types import FunctionType

PORTABLE = "portable"
"""The back end name of computations that are written once, over an array namespace."""


@dataclasses.dataclass(frozen=True, eq=False)
class LocalComputation:
    """A pure function of one argument, or of none, that runs at one place.

    Attributes:
      backend: the name under which its back end is registered, or `PORTABLE`.
      function: what the back end runs. For `PORTABLE`, a Python function of the argument in its
        Python containers (no argument where the type has none) that uses operators and the
        operations of `core.portable` only.
      type_signature: its functional type.
      name: a short name for printing.
    """

    backend: str
    function: Any
    type_signature: FunctionType
    name: str
