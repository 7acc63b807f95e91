"""TensorFlow as a back end of the engine."""

from __future__ import annotations

import threading
import weakref
from typing import Any

import numpy as np

from tensorflow_federated.compiler import plan
from tensorflow_federated.core import ir
from tensorflow_federated.core.local_computations import LocalComputation
from tensorflow_federated.execution import backends
from tensorflow_federated.tensorflow import arrays, client_step, programs, tracing


class TensorFlowBackend:
    """Runs local computations of TensorFlow; see `execution.backends.Backend`."""

    name = tracing.NAME

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._programs: weakref.WeakKeyDictionary[ir.Lambda, programs.GraphProgram] = (
            weakref.WeakKeyDictionary()
        )

    def evaluate(self, computation: LocalComputation, argument: Any) -> Any:
        """Runs one local computation."""
        function_type = computation.type_signature
        function: tracing.TracedFunction = computation.function
        tensors = arrays.to_tensors(argument, function_type.parameter)
        with tracing.alone(bool(function.variables)):
            return arrays.from_tensors(function(tensors), function_type.result)

    def evaluate_program(self, program: ir.Lambda, argument: Any, keys: np.ndarray | None) -> Any:
        """Runs a first-order local program as one graph, which is traced once."""
        with self._lock:
            graph_program = self._programs.get(program)
            if graph_program is None:
                graph_program = self._programs[program] = programs.GraphProgram(program)
        return graph_program.run(program, argument, keys)

    def compile_client_step(self, step: plan.ClientStep) -> backends.CompiledChunk | None:
        """Compiles a step into one loop over clients and their batches, if it can."""
        return client_step.compile_client_step(step)
