"""TensorFlow as a back end of the engine."""

from __future__ import annotations

import threading
import weakref
from typing import Any

import numpy as np
import tensorflow as tf

from tensorflow_federated.compiler import plan
from tensorflow_federated.core import byte_format, ir
from tensorflow_federated.core.local_computations import LocalComputation
from tensorflow_federated.core.types import FunctionType
from tensorflow_federated.execution import backends
from tensorflow_federated.execution.settings import Settings
from tensorflow_federated.tensorflow import (
    arrays,
    calls,
    client_step,
    failures,
    process_options,
    programs,
    saved_models,
    tracing,
)


class TensorFlowBackend:
    """Runs local computations of TensorFlow; see `execution.backends.Backend`."""

    name = tracing.NAME

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: weakref.WeakKeyDictionary[LocalComputation, calls.Call] = (
            weakref.WeakKeyDictionary()
        )
        self._programs: weakref.WeakKeyDictionary[ir.Lambda, programs.GraphProgram] = (
            weakref.WeakKeyDictionary()
        )

    def evaluate(self, computation: LocalComputation, argument: Any) -> Any:
        """Runs one local computation."""
        function_type = computation.type_signature
        function: tracing.TracedFunction = computation.function
        call = self._calls.get(computation)
        if call is None:
            with self._lock:
                call = self._calls.setdefault(computation, calls.Call(function.concrete))
        tensors = arrays.to_tensors(argument, function_type.parameter)
        try:
            with tracing.alone(bool(function.variables)):
                return arrays.from_tensors(call(tensors), function_type.result)
        except tf.errors.OpError as error:
            raise failures.while_running(error, f"`{computation.name}`") from error

    def evaluate_program(self, program: ir.Lambda, argument: Any, keys: np.ndarray | None) -> Any:
        """Runs a first-order local program as one graph, which is traced once."""
        with self._lock:
            graph_program = self._programs.get(program)
            if graph_program is None:
                graph_program = self._programs[program] = programs.GraphProgram(program)
        try:
            return graph_program.run(program, argument, keys)
        except tf.errors.OpError as error:
            raise failures.while_running(error, "a local program") from error

    def compile_client_step(
        self, step: plan.ClientStep, settings: Settings
    ) -> backends.CompiledStep | backends.NotCompiled:
        """Compiles a step into one loop over clients and their batches, if it can."""
        return client_step.compile_client_step(step, settings)

    def as_sent(self, step: plan.ClientStep, settings: Settings, is_sent: bool) -> plan.ClientStep:
        """The step itself: its graphs are the same after they were sent."""
        del settings, is_sent
        return step

    def process_options(self) -> dict[str, Any]:
        """How TensorFlow is set up in this process."""
        return process_options.process_options()

    def encode(self, computation: LocalComputation) -> bytes:
        """Turns the function of a computation into a SavedModel."""
        return saved_models.encode(computation)

    def decode(
        self, data: bytes, type_signature: FunctionType, name: str, limits: byte_format.Limits
    ) -> Any:
        """Reads the function of a computation from a SavedModel."""
        return saved_models.decode(data, type_signature, name, limits)
