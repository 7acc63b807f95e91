"""The protocol that a tensor framework is reached through, and the registry of back ends."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from tensorflow_federated.compiler import plan
from tensorflow_federated.core import byte_format, errors, ir
from tensorflow_federated.core.local_computations import LocalComputation
from tensorflow_federated.core.types import FunctionType
from tensorflow_federated.execution.settings import Settings


class CompiledStep(Protocol):
    """A client step, compiled over chunks of clients; several threads may use it at once.

    Making one is cheap: what is expensive is done when it is first run, and noted by
    `profiling.count(compilations=1)`.
    """

    form: str
    """How it runs, in a few words, for `tff.explain`."""

    def place(self, broadcast: Sequence[Any]) -> Any:
        """Brings the broadcast values to where the step runs; called once for all chunks of a call.

        Args:
          broadcast: the broadcast values, canonical, in the order of the step.

        Returns:
          What `run` takes.
        """
        ...

    def prepare(self, clients: Sequence[Sequence[Any]]) -> Any | None:
        """Reads and lays out the data of a chunk; may be called ahead, by another thread.

        Args:
          clients: for each client input, one canonical value per client; without client inputs
            nothing.

        Returns:
          What `run` takes; None if this data does not fit the compiled form (its shapes are not
          columnar), so that the clients are run one by one.
        """
        ...

    def run(
        self, broadcast: Any, zeros: Sequence[Any], prepared: Any, keys: np.ndarray
    ) -> tuple[Any, ...]:
        """Runs the step for each client of a chunk in order and accumulates.

        Args:
          broadcast: what `place` returned.
          zeros: for each aggregate, the value that accumulation starts from.
          prepared: what `prepare` returned.
          keys: int64[clients, draws, 2], the random keys.

        Returns:
          The accumulated value of each aggregate, canonical.
        """
        ...


@dataclasses.dataclass(frozen=True)
class NotCompiled:
    """Why a back end does not compile a client step.

    Attributes:
      reason: the reason, as the end of a sentence: `it keeps values at the clients`.
    """

    reason: str


class Backend(Protocol):
    """What a tensor framework offers to the engine. All values are canonical."""

    name: str

    def evaluate(self, computation: LocalComputation, argument: Any) -> Any:
        """Runs one local computation of this back end; `argument` is None where it takes none."""
        ...

    def evaluate_program(self, program: ir.Lambda, argument: Any, keys: np.ndarray | None) -> Any:
        """Runs a first-order local program whose computations are of this back end or portable.

        Args:
          program: the program.
          argument: its argument, None where it takes none.
          keys: int64[draws, 2], the random keys of the client whose work it is, by the number of
            the draw; None where there is no client.

        Returns:
          The program's result.
        """
        ...

    def compile_client_step(
        self, step: plan.ClientStep, settings: Settings
    ) -> CompiledStep | NotCompiled:
        """Compiles a step whose computations are all of this back end or portable, if it can."""
        ...

    def encode(self, computation: LocalComputation) -> bytes:
        """Turns the function of a computation of this back end into bytes.

        Raises:
          WireError: if it cannot travel.
        """
        ...

    def decode(
        self, data: bytes, type_signature: FunctionType, name: str, limits: byte_format.Limits
    ) -> Any:
        """Reads the function of a computation from what `encode` made of it.

        Args:
          data: the bytes, which are not trusted.
          type_signature: the type that the function has to have.
          name: the name of the computation, for messages.
          limits: what is read at most.

        Returns:
          The function, as this back end runs it.

        Raises:
          WireError: if the bytes are no function of this type, or it may do more than compute.
        """
        ...


_loaders: dict[str, Callable[[], Backend]] = {}
_loaded: dict[str, Backend] = {}
_lock = threading.RLock()


def register(name: str, loader: Callable[[], Backend]) -> None:
    """Names a back end; `loader` imports its framework, when a computation first needs it."""
    _loaders[name] = loader


def get(name: str) -> Backend:
    """The back end of this name; it is loaded once.

    Args:
      name: a name that was registered.

    Returns:
      The back end.

    Raises:
      BackendError: if no back end has this name.
      MissingExtraError: if its framework is not installed.
    """
    backend = _loaded.get(name)
    if backend is None:
        with _lock:
            backend = _loaded.get(name)
            if backend is None:
                backend = _loaded[name] = _loader(name)()
    return backend


def _loader(name: str) -> Callable[[], Backend]:
    if name not in _loaders:
        raise errors.BackendError(
            f"no back end is called `{name}`.",
            problems=[f"back ends: {', '.join(sorted(_loaders)) or 'none'}"],
            fix="register it with `execution.backends.register` before its computations run.",
        )
    return _loaders[name]
