"""Execution contexts: where the call of a computation runs it."""

from __future__ import annotations

import itertools
import threading
import weakref
from typing import Any, Protocol

from tensorflow_federated.compiler import functions
from tensorflow_federated.core import ir
from tensorflow_federated.core.computations import ConcreteComputation
from tensorflow_federated.core.types import FunctionType, StructType, Type
from tensorflow_federated.execution import local, numpy_domain, random_keys, reference, values


class Program(Protocol):
    """A computation that an engine has made ready to run."""

    def run(self, argument: Any, client_count: int, seed: int, invocation: int) -> Any:
        """Runs the program.

        Args:
          argument: the canonical argument, None where there is none.
          client_count: the number of clients.
          seed: the seed of the context.
          invocation: the number of this call in the context, from 0; random keys depend on it.

        Returns:
          The canonical result.
        """
        ...


class Engine(Protocol):
    """Runs computations, in whatever way."""

    def compile(self, node: ir.Lambda | ir.Local) -> Program:
        """Makes a computation without functional parameters ready to run."""
        ...


class ExecutionContext:
    """A context in which the call of a computation runs it on an engine; thread-safe.

    A computation is compiled at its first call, and what it was compiled to lives as long as the
    computation does.
    """

    def __init__(self, engine: Engine, seed: int | None = None) -> None:
        """Makes a context.

        Args:
          engine: what runs the computations.
          seed: what the random keys of clients are derived from, together with the number of the
            call in this context and the client's position; drawn from the operating system if None.
        """
        self._engine = engine
        self._seed = random_keys.fresh_seed() if seed is None else seed
        self._invocations = itertools.count()
        self._programs: weakref.WeakKeyDictionary[ConcreteComputation, Program] = (
            weakref.WeakKeyDictionary()
        )
        self._lock = threading.RLock()

    def invoke(self, comp: ConcreteComputation, arg: Any) -> Any:
        """Runs a computation.

        Args:
          comp: the computation.
          arg: its argument in the structure of the parameter; None where there is none.

        Returns:
          The result, in the containers of its type.

        Raises:
          TypeMismatchError: if the argument is not of the parameter's type.
          CardinalityError: if the arguments disagree about the number of clients.
          ClientError: if the work of a client fails.
        """
        function_type = comp.type_signature
        parameter_type = function_type.parameter
        argument = None if parameter_type is None else values.to_canonical(arg, parameter_type)
        if isinstance(comp.node, ir.Local):
            result = numpy_domain.evaluate(comp.node.computation, argument)
        else:
            client_count = values.cardinality(argument, parameter_type)
            program, data = self._program(comp, argument)
            result = program.run(data, client_count, self._seed, self._next_invocation())
        return values.to_python(result, function_type.result)

    def _next_invocation(self) -> int:
        with self._lock:
            return next(self._invocations)

    def _program(self, comp: ConcreteComputation, argument: Any) -> tuple[Program, Any]:
        """The compiled computation, and what it is to be run on."""
        parameter_type = comp.type_signature.parameter
        paths = functions.function_paths(parameter_type)
        if paths:
            assert parameter_type is not None
            given = {path: _at(argument, path).node for path in paths}
            node = functions.apply_to_functions(comp.node, given)
            return self._engine.compile(node), _without_functions(argument, parameter_type)
        with self._lock:
            if comp not in self._programs:
                self._programs[comp] = self._engine.compile(comp.node)
            return self._programs[comp], argument


def _at(argument: Any, path: functions.Path) -> Any:
    for index in path:
        argument = argument[index]
    return argument


def _without_functions(argument: Any, type_signature: Type) -> Any:
    if isinstance(type_signature, FunctionType):
        return ()
    if isinstance(type_signature, StructType):
        return tuple(
            _without_functions(element, element_type)
            for element, (_, element_type) in zip(argument, type_signature.items(), strict=True)
        )
    return argument


def create_local_context(seed: int | None = None) -> ExecutionContext:
    """A context that runs compiled computations in this process.

    Args:
      seed: see `ExecutionContext`.

    Returns:
      The context.
    """
    return ExecutionContext(local.LocalEngine(), seed)


def create_reference_context(seed: int | None = None) -> ExecutionContext:
    """A context that evaluates computations as they are written: slow, for comparison.

    Args:
      seed: see `ExecutionContext`.

    Returns:
      The context.
    """
    return ExecutionContext(reference.ReferenceEngine(), seed)
