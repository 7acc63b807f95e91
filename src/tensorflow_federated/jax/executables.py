"""Compiles functions for the device that JAX runs on, as fast loops there need it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import Any

import jax
from jax.extend import core

from tensorflow_federated.core.local_computations import LocalComputation
from tensorflow_federated.execution import profiling
from tensorflow_federated.jax import (
    application,
    convolutions,
    devices,
    jaxprs,
    mixed_precision,
    precision,
    processor_forms,
    structures,
    thread_options,
)

# Clients run in several threads, which is faster than kernels in several threads; and the sums in a
# kernel must not depend on the number of cores.
_OPTIONS_ON_PROCESSOR: dict[str, Any] = {"xla_cpu_multi_thread_eigen": False}

# Any size does to look for an operation.
_SOME_SIZE = 8


class Programs:
    """Compiled functions, each made when it is first run; several threads may run them at once."""

    def __init__(self, most: int, in_mixed_precision: bool) -> None:
        """Keeps nothing yet.

        Args:
          most: how many are kept at most; those that were made first go first.
          in_mixed_precision: whether they multiply in bfloat16.
        """
        self._most = most
        self._in_mixed_precision = in_mixed_precision
        self._programs: dict[Any, Any] = {}
        self._locks: dict[Any, threading.Lock] = {}
        self._lock = threading.Lock()

    def run(
        self, function: Callable[..., Any], name: tuple[Hashable, ...], arguments: tuple[Any, ...]
    ) -> Any:
        """Runs a function, compiled for such arguments; where JAX keeps 64 bits.

        Args:
          function: the function.
          name: tells it from others. Others may be compiled at the same time.
          arguments: its arguments, pytrees of arrays.

        Returns:
          Its results, on the device.
        """
        leaves, structure = jax.tree.flatten(arguments)
        shapes = tuple([(each.shape, each.dtype) for each in leaves])
        key = (name, thread_options.current(), structure, shapes)
        program = self._programs.get(key)
        if program is None:
            program = self._compiled(key, function, arguments)
        return program(*arguments)

    def _compiled(
        self, key: Hashable, function: Callable[..., Any], arguments: tuple[Any, ...]
    ) -> Any:
        with self._lock:
            lock = self._locks.setdefault(key, threading.Lock())
        with lock:
            program = self._programs.get(key)
            if program is None:
                with profiling.span("compile"):
                    program = compile_loop(function, arguments, self._in_mixed_precision)
                profiling.count(compilations=1)
                with self._lock:
                    self._programs[key] = program
                    self._locks.pop(key, None)
                    while len(self._programs) > self._most:
                        del self._programs[next(iter(self._programs))]
        return program


def compile_loop(
    function: Callable[..., Any], arguments: tuple[Any, ...], in_mixed_precision: bool
) -> Callable[..., Any]:
    """Compiles a function for arguments of these shapes; where JAX keeps 64 bits.

    Args:
      function: the function.
      arguments: its arguments, pytrees of arrays.
      in_mixed_precision: whether it multiplies in bfloat16.

    Returns:
      A function of such arguments.
    """
    is_processor = devices.default_device().platform == "cpu"
    options = _OPTIONS_ON_PROCESSOR if is_processor else None
    traced = jax.jit(function, keep_unused=True).trace(*arguments)
    rewritten = traced.jaxpr
    if in_mixed_precision:
        rewritten = mixed_precision.in_bfloat16(rewritten)
    if is_processor:
        rewritten = processor_forms.in_fast_forms(rewritten)
    if rewritten is traced.jaxpr:
        return traced.lower().compile(compiler_options=options)
    structure = jax.tree.structure(traced.out_info)

    def run(*arguments: Any) -> Any:
        flat = core.jaxpr_as_fun(rewritten)(*jax.tree.leaves(arguments))
        return jax.tree.unflatten(structure, flat)

    lowered = jax.jit(run, keep_unused=True).lower(*arguments)
    return lowered.compile(compiler_options=options)


def has_convolutions(computation: LocalComputation) -> bool:
    """Whether a computation has convolutions; False where that cannot be seen."""
    if not application.is_applicable(computation):
        return False
    parameter = computation.type_signature.parameter
    if parameter is None:
        return False
    try:
        with precision.with_64_bits(True):
            traced = jax.make_jaxpr(lambda argument: application.apply(computation, argument))(
                structures.abstract(parameter, _SOME_SIZE)
            )
    except Exception:
        # Some functions take some sizes only.
        return False
    return jaxprs.contains(traced, [convolutions.NAME])
