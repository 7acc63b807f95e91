"""The JAX back end: local computations and programs, compiled by XLA."""

from __future__ import annotations

import dataclasses
import threading
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

from tensorflow_federated.compiler import plan
from tensorflow_federated.core import byte_format, ir
from tensorflow_federated.core.local_computations import LocalComputation
from tensorflow_federated.core.types import FunctionType
from tensorflow_federated.execution.backends import CompiledStep, NotCompiled
from tensorflow_federated.execution.settings import Settings
from tensorflow_federated.jax import (
    client_step,
    devices,
    exported_functions,
    process_options,
    programs,
    sent_steps,
    thread_options,
)


class JaxBackend:
    """Runs JAX and portable computations. What is compiled lives as long as what it came from."""

    name = "jax"

    def __init__(self) -> None:
        """Starts with nothing compiled."""
        self._lock = threading.Lock()
        self._sent_steps = sent_steps.SentSteps()
        self._kept: client_step.Kept | None = None
        self._computations: weakref.WeakKeyDictionary[LocalComputation, Callable[[Any], Any]] = (
            weakref.WeakKeyDictionary()
        )
        self._programs: weakref.WeakKeyDictionary[
            ir.Lambda, Callable[[Any, np.ndarray | None], Any]
        ] = weakref.WeakKeyDictionary()

    def evaluate(self, computation: LocalComputation, argument: Any) -> Any:
        """Runs one computation; `argument` is None where it takes none."""
        with self._lock:
            run = self._computations.get(computation)
            if run is None:
                # A copy: what holds its own key would keep the entry alive.
                run = programs.compile_computation(dataclasses.replace(computation))
                self._computations[computation] = run
        return run(argument)

    def evaluate_program(self, program: ir.Lambda, argument: Any, keys: np.ndarray | None) -> Any:
        """Runs a first-order local program of JAX and portable computations."""
        with self._lock:
            run = self._programs.get(program)
            if run is None:
                run = programs.compile_program(program)
                self._programs[program] = run
        return run(argument, keys)

    def compile_client_step(
        self, step: plan.ClientStep, settings: Settings
    ) -> CompiledStep | NotCompiled:
        """Compiles a step over the clients of a chunk and their batches, if it can."""
        with self._lock:
            if self._kept is None:
                self._kept = client_step.Kept()
        return client_step.compile_client_step(step, settings, self._kept)

    def as_sent(self, step: plan.ClientStep, settings: Settings, is_sent: bool) -> plan.ClientStep:
        """A step of exported functions; see `sent_steps`.

        What runs here alone stays as it is on an accelerator, and where several clients are asked
        to be trained side by side, as exported functions cannot be; and for a debugger, as they
        cannot be looked into.
        """
        if not is_sent and (
            devices.default_device().platform != "cpu"
            or (settings.lanes or 1) > 1
            or thread_options.is_debugging()
        ):
            return step
        return self._sent_steps.get(step, settings.mixed_precision)

    def process_options(self) -> dict[str, Any]:
        """How JAX is set up in this process."""
        return process_options.process_options()

    def encode(self, computation: LocalComputation) -> bytes:
        """Turns the function of a JAX computation into bytes."""
        return exported_functions.encode(computation)

    def decode(
        self, data: bytes, type_signature: FunctionType, name: str, limits: byte_format.Limits
    ) -> Any:
        """Reads the function of a JAX computation from what `encode` made of it."""
        return exported_functions.decode(data, type_signature, name, limits)
