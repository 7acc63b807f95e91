"""How an engine works: what a caller may choose, and what never changes a result."""

from __future__ import annotations

import dataclasses
from typing import Literal

ClientForm = Literal["auto", "compiled", "separate"]
"""How the work of clients is run: compiled over chunks where that can be done; always, or an error
that says why not; or the program of one client after the other."""

FailurePolicy = Literal["raise", "drop"]
"""What happens when the work of a client fails: the call fails too; or the client is left out of
it, and counted."""

NonFinitePolicy = Literal["allow", "fail"]
"""Whether a client whose results hold NaN or an infinity is one whose work failed."""


@dataclasses.dataclass(frozen=True)
class Settings:
    """How an engine works.

    Attributes:
      threads: how many chunks are worked on at the same time in this process; one for each core
        that this process may use if None. No result depends on it.
      client_form: how the work of clients is run.
      lanes: how many clients a compiled JAX step trains side by side, in one batch; chosen from
        the device and its memory if None, 1 on a processor.
      mixed_precision: whether compiled JAX steps multiply in bfloat16 and add in float32.
      on_client_failure: what happens when the work of a client fails.
      non_finite: whether NaN and infinities among a client's results are a failure.
    """

    threads: int | None = None
    client_form: ClientForm = "auto"
    lanes: int | None = None
    mixed_precision: bool = False
    on_client_failure: FailurePolicy = "raise"
    non_finite: NonFinitePolicy = "allow"


DEFAULT = Settings()
