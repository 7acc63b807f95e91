"""How an engine works: what a caller may choose."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Literal, get_args

from tensorflow_federated.core import errors

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
      lanes: how many clients a compiled JAX step trains side by side, in one batch. A cohort is
        then cut into chunks of a multiple of this number, so the last digits of results depend on
        it. If None it is chosen from the device and its memory, 1 on a processor, and is no more
        than the clients of a chunk, about a sixteenth of a cohort.
      mixed_precision: whether compiled JAX steps multiply in bfloat16 and add in float32.
      on_client_failure: what happens when the work of a client fails.
      non_finite: whether NaN and infinities among a client's results are a failure, those too for
        which its work puts zeros; these are told of in any case.

    Raises:
      ArgumentError: if one of them is something else.
    """

    threads: int | None = None
    client_form: ClientForm = "auto"
    lanes: int | None = None
    mixed_precision: bool = False
    on_client_failure: FailurePolicy = "raise"
    non_finite: NonFinitePolicy = "allow"

    def for_compiled_jax(self) -> tuple[str, ...]:
        """The names of what was chosen that only compiled JAX steps know of.

        Examples:
          >>> Settings(lanes=4, threads=2).for_compiled_jax()
          ('lanes',)
        """
        chosen = {"lanes": self.lanes is not None, "mixed_precision": self.mixed_precision}
        return tuple(name for name, is_chosen in chosen.items() if is_chosen)

    def __post_init__(self) -> None:
        problems = [
            f"{name}: expected {wanted}, got {errors.describe_object(getattr(self, name))}"
            for name, wanted in self._wrong().items()
        ]
        if problems:
            raise errors.ArgumentError(
                "a context cannot work in this way.",
                problems=problems,
                fix="leave out what does not matter.",
            )

    def _wrong(self) -> Mapping[str, str]:
        """What cannot be, by name, with what is expected instead."""
        wrong: dict[str, str] = {}
        for name in ("threads", "lanes"):
            value = getattr(self, name)
            if value is not None and (type(value) is not int or value < 1):
                wrong[name] = "an integer, 1 or more, or None"
        if type(self.mixed_precision) is not bool:
            wrong["mixed_precision"] = "True or False"
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                wrong[name] = f"one of {', '.join(map(repr, choices))}"
        return wrong


def without_effect(names: Sequence[str]) -> str:
    """Says that settings of these names have no effect on a client step."""
    chosen = " and ".join(f"`{name}`" for name in names)
    return f"{chosen} without effect: only compiled steps of JAX know of that"


_CHOICES = {
    "client_form": get_args(ClientForm),
    "on_client_failure": get_args(FailurePolicy),
    "non_finite": get_args(NonFinitePolicy),
}

DEFAULT = Settings()
