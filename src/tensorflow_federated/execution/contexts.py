"""Execution contexts: where the call of a computation runs it."""

from __future__ import annotations

import itertools
import threading
import weakref
from collections.abc import Sequence
from typing import Any, Protocol

from tensorflow_federated.compiler import checks, functions
from tensorflow_federated.core import contexts as context_stack
from tensorflow_federated.core import errors, ir, placements
from tensorflow_federated.core.computations import ConcreteComputation
from tensorflow_federated.core.types import FunctionType, StructType, Type
from tensorflow_federated.execution import (
    call_numbers,
    cardinalities,
    failures,
    ingestion,
    local,
    numpy_domain,
    profiling,
    random_keys,
    reference,
    values,
)
from tensorflow_federated.execution import settings as default_settings
from tensorflow_federated.execution.settings import Settings


class Program(Protocol):
    """A computation that an engine has made ready to run."""

    def run(
        self,
        argument: Any,
        client_count: int,
        seed: int,
        invocation: int,
        report: failures.Report = failures.ignore,
    ) -> Any:
        """Runs the program.

        Args:
          argument: the canonical argument, None where there is none.
          client_count: the number of clients.
          seed: the seed of the context.
          invocation: the number of this call; random keys depend on it.
          report: is told of each client whose work failed.

        Returns:
          The canonical result.
        """
        ...


class Engine(Protocol):
    """Runs computations, in whatever way."""

    def compile(self, node: ir.Lambda | ir.Local) -> Program:
        """Makes a computation without functional parameters ready to run."""
        ...


class ExecutionContext(context_stack.SyncContext):
    """A context in which the call of a computation runs it on an engine; thread-safe.

    A computation is compiled at its first call, and what it was compiled to lives as long as the
    computation does.
    """

    def __init__(
        self, engine: Engine, seed: int | None = None, *, simulate_secure: bool = True
    ) -> None:
        """Makes a context.

        Args:
          engine: what runs the computations.
          seed: what the random keys of clients are derived from, together with the number of the
            call in this context and the client's position; drawn from the operating system if None.
          simulate_secure: whether to compute secure aggregations and selections in plain text, as
            no engine in one process has a secure protocol. If not, programs with these are refused.
        """
        self._engine = engine
        self._simulate_secure = simulate_secure
        self._seed = random_keys.fresh_seed() if seed is None else seed
        self._invocations = itertools.count()
        self._programs = _Programs()
        self._last_failures: tuple[failures.ClientFailure, ...] = ()
        self._lock = threading.RLock()

    @property
    def last_failures(self) -> tuple[failures.ClientFailure, ...]:
        """The clients whose work failed in the call that ended last, in the cohort's order.

        They were left out of it; or, where `is_left_out` is false, count for nothing in it.
        """
        return self._last_failures

    @property
    def engine(self) -> Engine:
        """What runs the computations."""
        return self._engine

    def invoke(self, comp: ConcreteComputation, arg: Any) -> Any:
        """Runs a computation, for as many clients as its argument tells; none if it does not."""
        return self.run(comp, arg)

    def run(
        self,
        comp: ConcreteComputation,
        arg: Any,
        client_count: int | None = None,
        default_client_count: int = 0,
    ) -> Any:
        """Runs a computation.

        Args:
          comp: the computation.
          arg: its argument in the structure of the parameter; None where there is none.
          client_count: the number of clients; None if the argument alone tells it.
          default_client_count: the number of clients if nothing tells it.

        Returns:
          The result, in the containers of its type.

        Raises:
          TypeMismatchError: if the argument is not of the parameter's type.
          CardinalityError: if the arguments disagree about the number of clients, with each other
            or with `client_count`.
          PrivacyError: if the computation needs a secure protocol, and none may be simulated.
          ClientError: if the work of a client fails.
        """
        with profiling.call(comp):
            return self._run(comp, arg, client_count, default_client_count)

    def _run(
        self, comp: ConcreteComputation, arg: Any, client_count: int | None, default_count: int
    ) -> Any:
        function_type = comp.type_signature
        parameter_type = function_type.parameter
        if parameter_type is not None and ingestion.is_needed(arg, parameter_type):
            client_count, arg = self._ingest(arg, parameter_type, client_count, default_count)
        argument = None if parameter_type is None else values.to_canonical(arg, parameter_type)
        if isinstance(comp.node, ir.Local):
            result = numpy_domain.evaluate(comp.node.computation, argument)
        else:
            told = _agreed_count(values.cardinality(argument, parameter_type), client_count)
            count = default_count if told is None else told
            program, data = self._program(comp, argument)
            result = self._run_program(program, data, count)
        return values.to_python(result, function_type.result)

    def _run_program(self, program: Program, data: Any, client_count: int) -> Any:
        failed: list[failures.ClientFailure] = []
        try:
            number = self._next_invocation()
            return program.run(data, client_count, self._seed, number, failed.append)
        finally:
            self._last_failures = failures.in_order(failed)
            if failed:
                failures.warn_of(self._last_failures)

    def _ingest(
        self, arg: Any, parameter_type: Type, client_count: int | None, default_client_count: int
    ) -> tuple[int | None, Any]:
        told = cardinalities.infer_cardinalities(arg, parameter_type).get(placements.CLIENTS)
        count = client_count if told is None else told

        def invoke(comp: ConcreteComputation, argument: Any) -> Any:
            return self.run(comp, argument, count, default_client_count)

        return count, ingestion.ingest(arg, parameter_type, invoke)

    def __repr__(self) -> str:
        secure = "simulated in plain text" if self._simulate_secure else "refused"
        engine = type(self._engine).__name__
        return f"<{type(self).__name__} on {engine}; secure protocols: {secure}>"

    def _next_invocation(self) -> int:
        number = call_numbers.current()
        if number is not None:
            return number
        with self._lock:
            return next(self._invocations)

    def _program(self, comp: ConcreteComputation, argument: Any) -> tuple[Program, Any]:
        """The compiled computation, and what it is to be run on."""
        paths = functions.function_paths(comp.type_signature.parameter)
        given = [_at(argument, path) for path in paths]
        with self._lock:
            program = self._programs.get((comp, *given))
            if program is None:
                node = comp.node
                if given:
                    nodes = [each.node for each in given]
                    node = functions.apply_to_functions(node, dict(zip(paths, nodes, strict=True)))
                if not self._simulate_secure:
                    _check_needs_no_protocol(node)
                program = self._engine.compile(node)
                self._programs.put((comp, *given), program)
        if given:
            return program, _without_functions(argument, comp.type_signature.parameter)
        return program, argument


def _check_needs_no_protocol(node: ir.Lambda | ir.Local) -> None:
    found = checks.secure_intrinsics(node)
    if found:
        raise errors.PrivacyError(
            "this context has no secure protocol, and does not simulate one.",
            problems=[f"{uri}: needs a secure protocol" for uri in found],
            signature=node.type_signature,
            fix="run it in a context made with `simulate_secure=True`, which computes the same in "
            "plain text and keeps nothing secret, or use intrinsics that promise nothing.",
        )


def _agreed_count(of_argument: int | None, of_call: int | None) -> int | None:
    """The number of clients, from what the argument and the caller tell of it."""
    if of_argument is None:
        return of_call
    if of_call is not None and of_call != of_argument:
        raise errors.CardinalityError(
            "the arguments disagree with the number of clients of this call.",
            problems=[f"arguments: values of {of_argument} clients", f"call: {of_call} clients"],
            fix="give as many values as the call has clients.",
        )
    return of_argument


class _Programs:
    """What computations were compiled to, with the functions that they were given.

    It is kept as long as all of these live.
    """

    def __init__(self) -> None:
        self._by_first: weakref.WeakKeyDictionary[ConcreteComputation, Any] = (
            weakref.WeakKeyDictionary()
        )

    def get(self, key: Sequence[ConcreteComputation]) -> Program | None:
        found: Any = self._by_first
        for each in key:
            found = found.get(each)
            if found is None:
                return None
        return found

    def put(self, key: Sequence[ConcreteComputation], program: Program) -> None:
        level: Any = self._by_first
        for each in key[:-1]:
            level = level.setdefault(each, weakref.WeakKeyDictionary())
        level[key[-1]] = program


def _at(argument: Any, path: functions.Path) -> Any:
    for index in path:
        argument = argument[index]
    return argument


def _without_functions(argument: Any, type_signature: Type | None) -> Any:
    if isinstance(type_signature, FunctionType):
        return ()
    if isinstance(type_signature, StructType):
        return tuple(
            _without_functions(element, element_type)
            for element, (_, element_type) in zip(argument, type_signature.items(), strict=True)
        )
    return argument


def create_local_context(
    seed: int | None = None,
    *,
    simulate_secure: bool = True,
    settings: Settings = default_settings.DEFAULT,
) -> ExecutionContext:
    """A context that runs compiled computations in this process.

    Args:
      seed: see `ExecutionContext`.
      simulate_secure: see `ExecutionContext`.
      settings: how the engine works.

    Returns:
      The context.
    """
    return ExecutionContext(local.LocalEngine(settings), seed, simulate_secure=simulate_secure)


def create_reference_context(
    seed: int | None = None, *, simulate_secure: bool = True
) -> ExecutionContext:
    """A context that evaluates computations as they are written: slow, for comparison.

    Args:
      seed: see `ExecutionContext`.
      simulate_secure: see `ExecutionContext`.

    Returns:
      The context.
    """
    return ExecutionContext(reference.ReferenceEngine(), seed, simulate_secure=simulate_secure)
