"""What programs give on engines, to be compared."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from tests.contracts import engines
from tests.contracts.programs import Call

from tensorflow_federated.core import contexts as context_stack
from tensorflow_federated.core import trees
from tensorflow_federated.execution import contexts, local
from tensorflow_federated.execution.chunk_runs import ChunkRunner
from tensorflow_federated.execution.settings import Settings

Results = tuple[list[np.ndarray], ...]
"""For each seed the leaves of what a program gives."""


class Runners(contextlib.ExitStack):
    """The runners of engines, each made when it is first asked for, and closed with the others."""

    def __init__(self) -> None:
        super().__init__()
        self._made: dict[str, ChunkRunner | None] = {}

    def of(self, name: str) -> ChunkRunner | None:
        """The runner of an engine; None for the threads of this process."""
        make = engines.ENGINES[name].make_runner
        if name not in self._made:
            self._made[name] = None if make is None else self.enter_context(make())
        return self._made[name]


class Programs:
    """Programs, and what they give; of each of the last ones, one is kept."""

    def __init__(
        self,
        builders: Mapping[str, Callable[[], Call]],
        seeds: tuple[int, ...],
        max_kept: int | None = None,
    ) -> None:
        """Takes programs.

        Args:
          builders: what makes each program, by name.
          seeds: those that each program is called with.
          max_kept: how many programs are kept; all, if None.
        """
        self._seeds = seeds
        self._program = functools.lru_cache(max_kept)(lambda name: builders[name]())
        # The two forms of the clients' work.
        results_kept = None if max_kept is None else 2 * max_kept
        self.expected = functools.lru_cache(results_kept)(self._expected)
        self.reference = functools.lru_cache(max_kept)(self._reference)

    def check(self, name: str, engine: str, runners: Runners) -> None:
        """Asserts that an engine gives the bits of one thread."""
        row = engines.ENGINES[engine]
        found = self._results(name, local.LocalEngine(row.settings, runners.of(engine)))
        for given, wanted in zip(found, self.expected(name, row.settings.client_form), strict=True):
            assert [leaf.dtype for leaf in given] == [leaf.dtype for leaf in wanted]
            assert [leaf.tobytes() for leaf in given] == [leaf.tobytes() for leaf in wanted]

    def check_reference(self, name: str, client_form: Any) -> None:
        """Asserts that one thread gives about what the reference engine does."""
        expected, reference = self.expected(name, client_form), self.reference(name)
        for given, wanted in zip(expected, reference, strict=True):
            assert len(given) == len(wanted)
            for left, right in zip(given, wanted, strict=True):
                np.testing.assert_allclose(left, right, rtol=2e-4, atol=1e-5)

    def _expected(self, name: str, client_form: Any) -> Results:
        engine = local.LocalEngine(Settings(threads=1, client_form=client_form))
        return self._results(name, engine)

    def _reference(self, name: str) -> Results:
        return self._called(name, contexts.create_reference_context(seed=7))

    def _results(self, name: str, engine: contexts.Engine) -> Results:
        return self._called(name, contexts.ExecutionContext(engine, seed=7))

    def _called(self, name: str, context: Any) -> Results:
        call = self._program(name)
        with context_stack.install(context):
            return tuple([np.asarray(leaf) for leaf in trees.leaves(call(s))] for s in self._seeds)
