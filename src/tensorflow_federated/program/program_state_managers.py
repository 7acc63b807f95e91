"""Saving the state of a federated program, so that it can go on after it was interrupted."""

from __future__ import annotations

import abc
import copy
from typing import Any, Generic, TypeAlias, TypeVar

import numpy as np

from tensorflow_federated.core import arguments, errors
from tensorflow_federated.program import structures
from tensorflow_federated.program.errors import (
    ProgramStateExistsError,
    ProgramStateNotFoundError,
    ProgramStateStructureError,
)
from tensorflow_federated.program.value_references import (
    MaterializableValueReference,
    materialize_value,
)

ProgramStateValue: TypeAlias = Any
"""A part of a program state: a value, a reference to one, or an iterator of a data source."""

ProgramStateStructure = TypeVar("ProgramStateStructure")
"""A structure of `ProgramStateValue`s."""

# How many differences of structures a message names.
_MOST_SHOWN = 5


class ProgramStateManager(abc.ABC, Generic[ProgramStateStructure]):
    """Saves the states of a program under versions that count up, and finds the latest again.

    Examples:
      >>> import tensorflow_federated as tff
      >>> issubclass(tff.program.MemoryProgramStateManager, ProgramStateManager)
      True
    """

    @abc.abstractmethod
    async def get_versions(self) -> list[int] | None:
        """The versions that are saved, ascending; None if there is none."""

    @abc.abstractmethod
    async def load(self, version: int, structure: ProgramStateStructure) -> ProgramStateStructure:
        """Loads a state.

        Args:
          version: its version.
          structure: a state of the same structure; for what cannot be made of saved bytes alone,
            such as the data behind an iterator, its parts are used.

        Returns:
          The state.

        Raises:
          ProgramStateNotFoundError: if there is no such version.
        """

    @errors.boundary
    async def load_latest(
        self, structure: ProgramStateStructure
    ) -> tuple[ProgramStateStructure | None, int]:
        """Loads the state of the greatest version.

        Args:
          structure: see `load`.

        Returns:
          The state and its version; `(None, 0)` if there is none.
        """
        versions = await self.get_versions()
        if not versions:
            return None, 0
        latest = max(versions)
        try:
            return await self.load(latest, structure), latest
        except ProgramStateNotFoundError:
            return None, 0

    @abc.abstractmethod
    async def save(self, program_state: ProgramStateStructure, version: int) -> None:
        """Saves a state.

        Args:
          program_state: the state; references in it are waited for.
          version: its version, greater than those before.

        Raises:
          ProgramStateExistsError: if the version is taken.
        """

    async def remove_all(self) -> None:
        """Removes all that is saved; a manager that cannot remove anything keeps it.

        Differs from TFF: there only the manager of files has it.
        """


class MemoryProgramStateManager(ProgramStateManager[ProgramStateStructure]):
    """Keeps the states of a program in memory, for as long as the manager lives.

    In a notebook it lets a run that was interrupted go on. Of each state a copy is kept.

    Examples:
      >>> import asyncio
      >>> import tensorflow_federated as tff
      >>> async def main():
      ...     manager = tff.program.MemoryProgramStateManager()
      ...     await manager.save({"round": 1}, 1)
      ...     await manager.save({"round": 2}, 2)
      ...     return await manager.get_versions(), await manager.load_latest({"round": 0})
      >>> asyncio.run(main())
      ([1, 2], ({'round': 2}, 2))

    Differs from TFF: TFF has none.
    """

    @errors.boundary
    def __init__(self, keep_total: int = 0) -> None:
        """Makes a manager that has nothing.

        Args:
          keep_total: how many states are kept at most, the first and the newest; all if 0.

        Raises:
          ArgumentError: if it is no integer of at least 0.
        """
        if not isinstance(keep_total, int) or keep_total < 0:
            raise errors.ArgumentError(
                "`keep_total` is an integer of at least 0.",
                problems=[f"keep_total: got {errors.describe_object(keep_total)}"],
                fix="write `keep_total=0` to keep all.",
            )
        self._keep_total = keep_total
        self._states: dict[int, Any] = {}

    async def get_versions(self) -> list[int] | None:
        return sorted(self._states) or None

    @errors.boundary
    async def load(self, version: int, structure: ProgramStateStructure) -> ProgramStateStructure:
        """Loads a copy of a state.

        Args:
          version: its version.
          structure: a state of the same structure.

        Returns:
          The state.

        Raises:
          ProgramStateNotFoundError: if there is no such version.
          ProgramStateStructureError: if the state is of another structure.
        """
        if version not in self._states:
            raise ProgramStateNotFoundError(version)
        state = self._states[version]
        _check_structure(state, structure, version)
        return copy.deepcopy(state)

    @errors.boundary
    async def save(self, program_state: ProgramStateStructure, version: int) -> None:
        arguments.check_instance(
            "version",
            version,
            (int, np.integer),
            "a version is an integer.",
            fix="count the versions up from 0.",
        )
        # What the program goes on to change, such as iterators, is copied before waiting.
        state = structures.map_leaves(_copied, program_state)
        state = await materialize_value(state)
        if version in self._states:
            raise ProgramStateExistsError(version=version, path="this process")
        self._states[version] = state
        versions = sorted(self._states)
        if 0 < self._keep_total < len(versions):
            first = versions[: min(1, self._keep_total - 1)]
            newest = versions[len(first) - self._keep_total :]
            self._states = {each: self._states[each] for each in [*first, *newest]}

    async def remove_all(self) -> None:
        """Removes all states."""
        self._states = {}


def _copied(_: structures.Path, leaf: Any) -> Any:
    return leaf if isinstance(leaf, MaterializableValueReference) else copy.deepcopy(leaf)


def _check_structure(state: Any, structure: Any, version: int) -> None:
    found = {path for path, _ in structures.leaves(state)}
    expected = {path for path, _ in structures.leaves(structure)}
    problems = [
        f"{structures.shown(path) or 'state'}: {what}"
        for paths, what in [(expected - found, "not saved"), (found - expected, "not expected")]
        for path in sorted(paths, key=structures.shown)
    ]
    if problems:
        more = len(problems) - _MOST_SHOWN
        raise ProgramStateStructureError(
            f"the program state of version {version} is of another structure.",
            problems=[*problems[:_MOST_SHOWN], *([f"and {more} more"] if more > 0 else [])],
            fix="go on with the process that it was saved with, or begin with a new manager.",
        )
