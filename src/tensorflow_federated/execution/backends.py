"""The protocol that a tensor framework is reached through, and the registry of back ends."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Mapping, Sequence
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

    @property
    def form(self) -> str:
        """How it runs, in a few words, for `tff.explain`."""
        ...

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

    def as_sent(self, step: plan.ClientStep, settings: Settings, is_sent: bool) -> plan.ClientStep:
        """A step whose computations of this back end give the same bits in every process.

        Args:
          step: the step.
          settings: how the engine works.
          is_sent: whether other processes are to run it; or this one.

        Returns:
          The step as it is to be run, and the same object for the same one, as long as nothing else
          in this process decides what it computes. It is the step itself where it makes no
          difference that it is written as bytes and read again.
        """
        ...

    def process_options(self) -> dict[str, Any]:
        """How the framework is set up in this process, as far as results depend on it.

        Returns:
          Numbers, texts and truth values, for `set_up` in another process.
        """
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


SetUp = Callable[[Mapping[str, Any] | None], None]
"""Imports a framework, and sets it up as `Backend.process_options` says that another process is;
as it is by default if None. It computes nothing, which would settle how the framework is set up."""

_loaders: dict[str, Callable[[], Backend]] = {}
_set_ups: dict[str, SetUp] = {}
_loaded: dict[str, Backend] = {}
_lock = threading.RLock()


def names() -> tuple[str, ...]:
    """The names of all back ends, loaded or not."""
    return tuple(_loaders)


def loaded_names() -> tuple[str, ...]:
    """The names of the back ends that are loaded."""
    return tuple(_loaded)


def register(name: str, loader: Callable[[], Backend], set_up: SetUp) -> None:
    """Names a back end.

    Args:
      name: the name.
      loader: makes the back end, and imports its framework, when a computation first needs it.
      set_up: what a process that works for another calls before that.
    """
    _loaders[name], _set_ups[name] = loader, set_up


def set_up(name: str, options: Mapping[str, Any] | None = None) -> None:
    """Imports the framework of a back end, set up as it is in another process.

    Args:
      name: a name that was registered.
      options: what `Backend.process_options` gave in the other process; None to import it only.

    Raises:
      BackendError: if no back end has this name, or if the framework has begun to work in this
        process, and was set up otherwise.
      MissingExtraError: if the framework is not installed.
    """
    _loader(name)
    _set_ups[name](options)


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
