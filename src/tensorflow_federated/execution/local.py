"""The local engine: runs Plans in one process; the default."""

from __future__ import annotations

import itertools
from collections.abc import Collection
from typing import Any

import numpy as np

from tensorflow_federated.compiler import compilation, plan
from tensorflow_federated.core import ir, placements
from tensorflow_federated.execution import failures, random_keys, settings
from tensorflow_federated.execution.chunk_runs import ChunkRunner
from tensorflow_federated.execution.client_threads import ThreadRunner
from tensorflow_federated.execution.client_work import ClientWork, Cohort
from tensorflow_federated.execution.server_work import ServerWork
from tensorflow_federated.execution.settings import Settings


class LocalEngine:
    """Compiles programs to Plans, and runs them in this process."""

    def __init__(
        self, settings: Settings = settings.DEFAULT, runner: ChunkRunner | None = None
    ) -> None:
        """Makes an engine.

        Args:
          settings: how it works.
          runner: what runs the chunks of client steps; the threads of this process if None.
        """
        self._settings = settings
        self._runner = ThreadRunner(settings.threads) if runner is None else runner

    @property
    def settings(self) -> Settings:
        """How it works."""
        return self._settings

    @property
    def runner(self) -> ChunkRunner:
        """What runs the chunks of client steps."""
        return self._runner

    def compile(self, node: ir.Lambda | ir.Local) -> LocalProgram:
        """Compiles a program."""
        return LocalProgram(compilation.compile_computation(node), self._settings, self._runner)


class LocalProgram:
    """A Plan, with what its steps were compiled to; can be run by several threads at once.

    A client that is left out of a step is left out of the rest of the call: its values are not in
    the results at the clients, and later steps have the cohort of those that are left.
    """

    def __init__(self, program: plan.Plan, settings: Settings, runner: ChunkRunner) -> None:
        """Prepares a plan.

        Args:
          program: the plan.
          settings: how its steps are run.
          runner: what runs the chunks of its client steps.
        """
        self._plan = program
        client_steps = itertools.count()
        self._work = [
            ServerWork(step)
            if isinstance(step, plan.ServerStep)
            else ClientWork(step, next(client_steps), settings, runner)
            for step in program.steps
        ]
        self._last_uses = _last_uses(program)
        self._at_clients = _names_at_clients(program)
        self._rounds = itertools.count(1)

    def run(
        self,
        argument: Any,
        client_count: int,
        seed: int,
        invocation: int,
        report: failures.Report = failures.ignore,
    ) -> Any:
        """Runs the program; see `contexts.Program`."""
        round_number = next(self._rounds)
        values = self._take_apart(argument)
        for key in self._plan.server_keys:
            values[key.slot.name] = random_keys.server_key(seed, invocation, key.number)
        keys = random_keys.all_client_keys(seed, invocation, self._plan.random_keys, client_count)
        positions = list(range(client_count))
        for work, released in zip(self._work, self._last_uses, strict=True):
            if isinstance(work, ServerWork):
                _run_server_step(work, values)
            else:
                failed = _run_client_step(work, values, released, keys, positions, round_number)
                for each in failed:
                    report(each)
                gone = {each.client_index for each in failed if each.is_left_out}
                if gone:
                    left = [i for i, client in enumerate(positions) if client not in gone]
                    keys, positions = keys[left], [positions[i] for i in left]
                    self._leave(values, work.step, left)
            for name in released:
                del values[name]
        return _pack_result(self._plan.result, values)

    def _leave(self, values: dict[str, Any], step: plan.ClientStep, left: list[int]) -> None:
        """Takes the clients that are not left out of all values but those that the step kept."""
        kept = {slot.name for slot in step.kept}
        for name in self._at_clients & values.keys() - kept:
            values[name] = [values[name][i] for i in left]

    def _take_apart(self, argument: Any) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for parameter in self._plan.parameters:
            value = argument
            for index in parameter.path:
                value = value[index]
            values[parameter.slot.name] = value
        return values


def _last_uses(program: plan.Plan) -> list[set[str]]:
    """For each step, the values that neither a later step nor the result needs."""
    needed = {output.slot.name for output in plan.outputs(program.result)}
    released: list[set[str]] = []
    for step in reversed(program.steps):
        used = {slot.name for slot in step.inputs}
        if isinstance(step, plan.ClientStep):
            used |= {slot.name for slot in step.broadcast}
            used |= {each.zero for each in step.aggregates if each.zero is not None}
        released.append(used - needed)
        needed |= used
    return released[::-1]


def _names_at_clients(program: plan.Plan) -> set[str]:
    """The values of which every client has one of its own."""
    names = {
        parameter.slot.name
        for parameter in program.parameters
        if parameter.placement == placements.CLIENTS and not parameter.all_equal
    }
    for step in program.steps:
        if isinstance(step, plan.ClientStep):
            names |= {slot.name for slot in step.kept}
    return names


def _run_server_step(work: ServerWork, values: dict[str, Any]) -> None:
    step = work.step
    results = work.run([values[slot.name] for slot in step.inputs])
    for slot, result in zip(step.outputs, results, strict=True):
        values[slot.name] = result


def _run_client_step(
    work: ClientWork,
    values: dict[str, Any],
    released: Collection[str],
    keys: np.ndarray,
    positions: list[int],
    round_number: int,
) -> list[failures.ClientFailure]:
    """Runs a step; gives the clients whose work failed."""
    step = work.step
    cohort = Cohort(
        broadcast=tuple(values[slot.name] for slot in step.broadcast),
        clients=[values[slot.name] for slot in step.inputs],
        keys=keys,
        positions=positions,
        round_number=round_number,
    )
    result = work.run(
        cohort,
        starts=[None if each.zero is None else values[each.zero] for each in step.aggregates],
        released=[slot.name in released for slot in step.inputs],
    )
    for slot, column in zip(step.kept, result.kept, strict=True):
        values[slot.name] = column
    for aggregate, total in zip(step.aggregates, result.totals, strict=True):
        values[aggregate.output.name] = total
    return result.failures


def _pack_result(result: plan.Result, values: dict[str, Any]) -> Any:
    if isinstance(result, tuple):
        return tuple(_pack_result(element, values) for element in result)
    return values[result.slot.name]
