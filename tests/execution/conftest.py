"""A back end of plain Python functions, and contexts that are easy to look into."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tensorflow_federated.compiler import plan
from tensorflow_federated.core import ir
from tensorflow_federated.core.local_computations import LocalComputation
from tensorflow_federated.execution import backends, folds, local_programs, numpy_domain
from tensorflow_federated.execution.settings import Settings


class ToyBackend:
    """A back end of Python functions on canonical values, that notes what it is asked for."""

    name = "toy"

    def __init__(self, *, compiles: bool = True, fits: bool = True) -> None:
        self.compiles = compiles
        self.fits = fits
        self.programs_run = 0
        self.steps_compiled = 0
        self.chunks: list[int] = []

    def evaluate(self, computation: LocalComputation, argument: Any) -> Any:
        return computation.function(argument)

    def evaluate_program(self, program: ir.Lambda, argument: Any, keys: np.ndarray | None) -> Any:
        self.programs_run += 1
        return local_programs.run(program, argument, numpy_domain.NumpyDomain(keys))

    def compile_client_step(
        self, step: plan.ClientStep, settings: Settings
    ) -> backends.CompiledStep | backends.NotCompiled:
        self.steps_compiled += 1
        return ToyStep(self, step) if self.compiles else backends.NotCompiled("it is a toy")

    def as_sent(self, step: plan.ClientStep, settings: Settings, is_sent: bool) -> plan.ClientStep:
        return step


class ToyStep:
    """A client step of the toy back end: a loop over the clients of a chunk."""

    form = "a loop in Python"

    def __init__(self, backend: ToyBackend, step: plan.ClientStep) -> None:
        self._backend = backend
        self._step = step
        self._folds = [folds.fold_of(aggregate) for aggregate in step.aggregates]

    def place(self, broadcast):
        return tuple(broadcast)

    def prepare(self, clients):
        for column in clients:
            for value in column:
                if hasattr(value, "elements"):
                    list(value.elements())
        return clients if self._backend.fits else None

    def run(self, broadcast, zeros, prepared, keys):
        self._backend.chunks.append(len(keys))
        totals = list(zeros)
        for index, key in enumerate(keys):
            argument = (*broadcast, *(column[index] for column in prepared))
            results = local_programs.run(self._step.body, argument, numpy_domain.NumpyDomain(key))
            totals = [
                fold.accumulate(total, result)
                for fold, total, result in zip(self._folds, totals, results, strict=True)
            ]
        return tuple(totals)


@pytest.fixture
def use_toy_backend(monkeypatch) -> Callable[..., ToyBackend]:
    """Registers a toy back end, under the name `toy` or another one."""

    def use(name: str = "toy", **options: bool) -> ToyBackend:
        backend = ToyBackend(**options)
        monkeypatch.setitem(backends._loaded, name, backend)
        return backend

    return use
