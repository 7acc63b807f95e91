"""The local engine: runs Plans in one process; the default."""

from __future__ import annotations

import itertools
from collections.abc import Collection
from typing import Any

import numpy as np

from tensorflow_federated.compiler import compilation, plan
from tensorflow_federated.core import ir
from tensorflow_federated.execution import random_keys, settings
from tensorflow_federated.execution.client_work import ClientWork
from tensorflow_federated.execution.server_work import ServerWork
from tensorflow_federated.execution.settings import Settings


class LocalEngine:
    """Compiles programs to Plans, and runs them in this process."""

    def __init__(self, settings: Settings = settings.DEFAULT) -> None:
        """Makes an engine that works as the settings say."""
        self._settings = settings

    def compile(self, node: ir.Lambda | ir.Local) -> LocalProgram:
        """Compiles a program."""
        return LocalProgram(compilation.compile_computation(node), self._settings)


class LocalProgram:
    """A Plan, with what its steps were compiled to; can be run by several threads at once."""

    def __init__(self, program: plan.Plan, settings: Settings) -> None:
        """Prepares a plan."""
        self._plan = program
        client_steps = itertools.count()
        self._work = [
            ServerWork(step)
            if isinstance(step, plan.ServerStep)
            else ClientWork(step, next(client_steps), settings)
            for step in program.steps
        ]
        self._last_uses = _last_uses(program)

    def run(self, argument: Any, client_count: int, seed: int, invocation: int) -> Any:
        """Runs the program; see `contexts.Program`."""
        values = self._take_apart(argument)
        keys = random_keys.all_client_keys(seed, invocation, self._plan.random_keys, client_count)
        for work, released in zip(self._work, self._last_uses, strict=True):
            if isinstance(work, ServerWork):
                _run_server_step(work, values)
            else:
                _run_client_step(work, values, released, keys, invocation)
            for name in released:
                del values[name]
        return _pack_result(self._plan.result, values)

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
    invocation: int,
) -> None:
    step = work.step
    kept, totals = work.run(
        broadcast=[values[slot.name] for slot in step.broadcast],
        clients=[values[slot.name] for slot in step.inputs],
        starts=[None if each.zero is None else values[each.zero] for each in step.aggregates],
        keys=keys,
        invocation=invocation,
        released=[slot.name in released for slot in step.inputs],
    )
    for slot, column in zip(step.kept, kept, strict=True):
        values[slot.name] = column
    for aggregate, total in zip(step.aggregates, totals, strict=True):
        values[aggregate.output.name] = total


def _pack_result(result: plan.Result, values: dict[str, Any]) -> Any:
    if isinstance(result, tuple):
        return tuple(_pack_result(element, values) for element in result)
    return values[result.slot.name]
