"""Runs one chunk of clients: through the compiled step where there is one, else one by one."""

from __future__ import annotations

import dataclasses
import logging
import threading
from collections.abc import Callable, Sequence
from typing import Any

from tensorflow_federated.compiler import non_finite_reports, plan
from tensorflow_federated.core import errors
from tensorflow_federated.execution import (
    backends,
    failures,
    finiteness,
    folds,
    local_programs,
    numpy_domain,
    profiling,
)
from tensorflow_federated.execution.chunk_runs import Chunk, ChunkResult, FailedClient
from tensorflow_federated.execution.settings import Settings

_LOGGER = logging.getLogger(__name__)
_PORTABLE_BACKEND = "jax"


@dataclasses.dataclass(frozen=True)
class Shared:
    """What all chunks of a call share, where a worker is: made once for a call and process.

    Attributes:
      broadcast: the broadcast values, canonical.
      placed: what the compiled step made of them; None where there is no compiled step.
      zeros: for each aggregate, what accumulation starts from.
    """

    broadcast: tuple[Any, ...]
    placed: Any
    zeros: list[Any]


@dataclasses.dataclass(frozen=True)
class Prepared:
    """The data of a chunk, read and laid out.

    Attributes:
      data: what the compiled step takes; None if it does not take this data, or there is none.
      error: what was raised while the data was read; the clients that have it fail when they run.
    """

    data: Any
    error: Exception | None = None


_Accumulate = Callable[[Shared, Chunk, list[Any]], tuple[list[Any], list[Any]]]
"""Runs one client: gives the totals with its results, and its kept values."""


class ChunkWorker:
    """Runs chunks of one client step; several threads may use it at once.

    It needs the step alone, not the program that it is of: so it can be made anew in another
    process, and gives the same bits there.

    What fails in a client is found by running the clients of its chunk one by one, through the
    compiled step too, each from the totals of those before it. Then those that are left are run
    together, as a compiled step may pad the data of a client as that of others in its chunk asks
    for. So the totals are accumulated in order, as if the chunk had never held the others.
    """

    def __init__(self, step: plan.ClientStep, settings: Settings, number: int = 0) -> None:
        """Prepares a worker.

        Args:
          step: the step.
          settings: how it works.
          number: the position of the step among the client steps of its program, from 0.
        """
        self.step = step
        self.settings = settings
        self.number = number
        self.stage = f"client step {number + 1}"
        self._backend = local_programs.only_backend([step.body])
        self._folds = [folds.fold_of(aggregate) for aggregate in step.aggregates]
        self._reports = [
            index
            for index, aggregate in enumerate(step.aggregates)
            if aggregate.kind == non_finite_reports.KIND
        ]
        self._compiled: backends.CompiledStep | backends.NotCompiled | None = None
        self._lock = threading.Lock()

    @property
    def stops_at_failure(self) -> bool:
        """Whether a client whose work fails ends the call."""
        return self.settings.on_client_failure == "raise"

    def form(self) -> backends.CompiledStep | backends.NotCompiled:
        """How the chunks are run: the compiled step, or why there is none.

        Raises:
          ClientFormError: if the settings ask for a compiled step, and it cannot be compiled.
        """
        return self._compile()

    def unused_settings(self) -> tuple[str, ...]:
        """The names of the settings that were chosen, and have no effect on this step.

        A step without computations of a framework has none that anybody would expect to have one.
        """
        chosen = self.settings.for_compiled_jax()
        frameworks = local_programs.framework_backends(self.step.programs)
        if not chosen or not frameworks:
            return ()
        is_compiled = not isinstance(self.form(), backends.NotCompiled)
        return () if is_compiled and frameworks == {_PORTABLE_BACKEND} else chosen

    def share(self, broadcast: Sequence[Any], zeros: list[Any]) -> Shared:
        """Brings what all chunks of a call share to where they run.

        Args:
          broadcast: the broadcast values, canonical, in the order of the step.
          zeros: for each aggregate, what accumulation starts from.

        Returns:
          What `run` takes.

        Raises:
          ClientFormError: if the settings ask for a compiled step, and it cannot be compiled.
        """
        compiled = self._compiled_step()
        placed = None if compiled is None else compiled.place(broadcast)
        return Shared(tuple(broadcast), placed, zeros)

    def prepare(self, chunk: Chunk) -> Prepared:
        """Reads and lays out the data of a chunk; may be called ahead, by another thread."""
        compiled = self._compiled_step()
        if compiled is None:
            return Prepared(None)
        with profiling.span("data"):
            try:
                return Prepared(compiled.prepare(chunk.clients))
            except Exception as error:
                return Prepared(None, error)

    def run(self, shared: Shared, chunk: Chunk, prepared: Prepared | None = None) -> ChunkResult:
        """Runs the clients of a chunk, in order.

        Args:
          shared: what `share` returned.
          chunk: the clients.
          prepared: what `prepare` returned for them; they are prepared now if None.

        Returns:
          Their results, and which of them failed.
        """
        compiled = self._compiled_step()
        if prepared is None:
            prepared = self.prepare(chunk)
        with profiling.span("compute"):
            if compiled is None or (prepared.data is None and prepared.error is None):
                return self._run_one_by_one(shared, chunk, self._run_separately)
            error = prepared.error
            if error is None:
                try:
                    totals = list(
                        compiled.run(shared.placed, shared.zeros, prepared.data, chunk.keys)
                    )
                except Exception as raised:
                    error = raised
                else:
                    replaced = self._replaced(totals, len(chunk))
                    is_refused = replaced != () and self.settings.non_finite == "fail"
                    is_refused = is_refused or self._is_refused(shared.zeros, totals)
                    if replaced is not None and not is_refused:
                        return ChunkResult(totals, [], replaced=replaced)
            result = self._run_one_by_one(shared, chunk, self._run_compiled)
            if result.failed and result.totals is not None:
                gone = {failed.position for failed in result.failed}
                left = chunk.selected([i for i in range(len(chunk)) if i not in gone])
                return self._rerun(shared, left, result)
            if error is not None and not result.failed:
                _warn_of_one_by_one(chunk, error)
            return result

    def _rerun(self, shared: Shared, left: Chunk, result: ChunkResult) -> ChunkResult:
        """Runs those that are left, together, once it is known who they are."""
        compiled = self._compiled_step()
        assert compiled is not None
        try:
            data = compiled.prepare(left.clients)
            if data is None:
                return result
            totals = list(compiled.run(shared.placed, shared.zeros, data, left.keys))
        except Exception as error:
            _warn_of_one_by_one(left, error)
            return result
        return dataclasses.replace(result, totals=totals)

    def _run_one_by_one(self, shared: Shared, chunk: Chunk, accumulate: _Accumulate) -> ChunkResult:
        totals, left = shared.zeros, 0
        kept: list[list[Any]] = [[] for _ in self.step.kept]
        failed: list[FailedClient] = []
        replaced: list[int] = []
        for position in range(len(chunk)):
            client = chunk.selected([position])
            error, following, values = None, totals, []
            try:
                following, values = accumulate(shared, client, totals)
                if self.settings.non_finite == "fail" and self._is_replaced(following):
                    raise failures.replaced_error()
                if self._is_refused(totals, following) or self._is_refused([], values):
                    self._check_alone(shared, client, values, accumulate)
            except Exception as raised:
                error = raised
            if error is not None:
                # Not while it is handled: what is raised to find out more would tell it as well.
                failed.append(self._failure(shared, client, position, error))
                if self.stops_at_failure:
                    return ChunkResult(None, [], tuple(failed))
                continue
            totals, left = following, left + 1
            if self._is_replaced(totals):
                replaced.append(position)
            for column, value in zip(kept, values, strict=True):
                column.append(value)
        return ChunkResult(totals if left else None, kept, tuple(failed), tuple(replaced))

    def _run_separately(
        self, shared: Shared, client: Chunk, totals: list[Any]
    ) -> tuple[list[Any], list[Any]]:
        """Runs the program of one client, and accumulates its results."""
        body, (keys,) = self.step.body, client.keys
        argument = None
        if body.parameter_name is not None:
            argument = (*shared.broadcast, *(value for (value,) in client.clients))
        if self._backend is not None:
            results = backends.get(self._backend).evaluate_program(body, argument, keys)
        else:
            results = local_programs.run(body, argument, numpy_domain.NumpyDomain(keys))
        kept_count = len(self.step.kept)
        following = [
            fold.accumulate(total, value)
            for fold, total, value in zip(self._folds, totals, results[kept_count:], strict=True)
        ]
        return following, list(results[:kept_count])

    def _run_compiled(
        self, shared: Shared, client: Chunk, totals: list[Any]
    ) -> tuple[list[Any], list[Any]]:
        """Runs one client as a chunk of its own, which starts from the totals so far."""
        compiled = self._compiled_step()
        assert compiled is not None
        data = compiled.prepare(client.clients)
        if data is None:
            return self._run_separately(shared, client, totals)
        return list(compiled.run(shared.placed, totals, data, client.keys)), []

    def _is_refused(self, before: list[Any], after: list[Any]) -> bool:
        """Whether the settings forbid numbers that came to these values."""
        if self.settings.non_finite == "allow":
            return False
        return finiteness.turned_non_finite(tuple(before), tuple(after))

    def _is_replaced(self, totals: list[Any]) -> bool:
        """Whether the last client put others in the place of results that were not finite."""
        return any(non_finite_reports.is_last(totals[index]) for index in self._reports)

    def _replaced(self, totals: list[Any], num_clients: int) -> tuple[int, ...] | None:
        """The positions of the clients that replaced results that were not finite.

        None if there are some, and the totals do not tell which they are.
        """
        found: set[int] = set()
        for index in self._reports:
            positions = non_finite_reports.positions(totals[index], num_clients)
            if positions is None:
                return None
            found.update(positions)
        return tuple(sorted(found))

    def _check_alone(
        self, shared: Shared, client: Chunk, kept: list[Any], accumulate: _Accumulate
    ) -> None:
        """Raises if the results of a client alone, not only their sum, are not finite."""
        alone, _ = accumulate(shared, client, shared.zeros)
        slots = [*self.step.kept, *(aggregate.output for aggregate in self.step.aggregates)]
        before = [*([None] * len(kept)), *shared.zeros]
        names = [
            slot.name
            for slot, old, new in zip(slots, before, [*kept, *alone], strict=True)
            if self._is_refused([old], [new])
        ]
        if names:
            raise failures.non_finite_error([f"{name}: holds NaN or an infinity" for name in names])

    def _failure(
        self, shared: Shared, client: Chunk, position: int, error: Exception
    ) -> FailedClient:
        """What failed in a client: reading its data, or the work on it."""
        unreadable = _error_of_reading(client)
        if unreadable is not None:
            return FailedClient(position, failures.READING, unreadable)
        if self._compiled_step() is not None and not isinstance(error, errors.NonFiniteError):
            # The program of one client tells more of what is wrong than a graph over a chunk.
            try:
                self._run_separately(shared, client, shared.zeros)
            except Exception as told:
                error = told
        return FailedClient(position, self.stage, error)

    def _compiled_step(self) -> backends.CompiledStep | None:
        compiled = self._compiled
        if compiled is None:
            with self._lock:
                if self._compiled is None:
                    self._compiled = self._compile()
                compiled = self._compiled
        return None if isinstance(compiled, backends.NotCompiled) else compiled

    def _compile(self) -> backends.CompiledStep | backends.NotCompiled:
        if self.settings.client_form == "separate":
            return backends.NotCompiled("clients are asked to be run separately")
        is_asked_for = self.settings.client_form == "compiled"
        compiled = self._compile_if_possible(is_asked_for)
        if is_asked_for and isinstance(compiled, backends.NotCompiled):
            raise errors.ClientFormError(
                "the work of clients cannot be compiled over chunks, as this context asks for.",
                problems=[f"{self.stage}: {compiled.reason}"],
                fix='make the context with `client_form="auto"`, which compiles what it can.',
            )
        return compiled

    def _compile_if_possible(
        self, is_asked_for: bool
    ) -> backends.CompiledStep | backends.NotCompiled:
        step = self.step
        if step.kept:
            return backends.NotCompiled("it keeps values at the clients")
        names = local_programs.framework_backends(step.programs)
        if len(names) > 1:
            return backends.NotCompiled(f"it has computations of {' and '.join(sorted(names))}")
        if not names and not is_asked_for:
            return backends.NotCompiled("its computations are portable, and run on numpy")
        name = names.pop() if names else _PORTABLE_BACKEND
        return backends.get(name).compile_client_step(step, self.settings)


def _warn_of_one_by_one(chunk: Chunk, error: Exception) -> None:
    _LOGGER.warning(
        "%d clients from %d on were run one after the other: together they failed with %r",
        len(chunk),
        chunk.first,
        error,
    )


def _error_of_reading(client: Chunk) -> Exception | None:
    try:
        for column in client.clients:
            for sequence in failures.sequences_in(tuple(column)):
                sequence.columns()
    except Exception as error:
        return error
    return None
