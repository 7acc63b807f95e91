"""Releasing parts of values: what a filter lets pass."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from tensorflow_federated.core import errors, fields
from tensorflow_federated.program import structures
from tensorflow_federated.program.errors import NotFilterableError
from tensorflow_federated.program.release_managers import (
    Key,
    ReleasableStructure,
    ReleaseManager,
    check_release_managers,
)

_NOTHING: Final = object()


class FilteringReleaseManager(ReleaseManager[ReleasableStructure, Key]):
    """Releases the parts of values that a filter lets pass.

    A container of which nothing is left is left out itself, and so is one that was empty before; a
    value of which nothing is left is not released. Named tuples keep all their fields or none.

    Examples:
      >>> import asyncio
      >>> import tensorflow_federated as tff
      >>> memory = tff.program.MemoryReleaseManager()
      >>> manager = FilteringReleaseManager(memory, lambda path: path[-1] != "examples")
      >>> asyncio.run(manager.release({"train": {"loss": 0.5, "examples": 7}}, 1))
      >>> memory.values()
      OrderedDict([(1, {'train': {'loss': 0.5}})])
    """

    @errors.boundary
    def __init__(
        self,
        release_manager: ReleaseManager[ReleasableStructure, Key],
        filter_fn: Callable[[structures.Path], bool],
    ) -> None:
        """Makes a manager.

        Args:
          release_manager: what releases the values.
          filter_fn: says of the path of a leaf whether the leaf is released. A path is a tuple of
            names and, where there are none, numbers; that of a value which is no structure is `()`.

        Raises:
          ArgumentError: if `release_manager` is none, or `filter_fn` cannot be called.
        """
        check_release_managers({"release_manager": release_manager})
        if not callable(filter_fn):
            raise errors.ArgumentError(
                "a filter is a function of a path.",
                problems=[f"filter_fn: got {errors.describe_object(filter_fn)}"],
                fix="write `lambda path: ...`.",
            )
        self._release_manager = release_manager
        self._filter_fn = filter_fn

    @errors.boundary
    async def release(self, value: ReleasableStructure, key: Key) -> None:
        """Releases what the filter lets pass.

        Args:
          value: the value.
          key: its key.

        Raises:
          NotFilterableError: if some fields of a named tuple would be left out, and some not.
        """
        filtered = self._filtered(value, ())
        if filtered is not _NOTHING:
            await self._release_manager.release(filtered, key=key)

    def _filtered(self, value: Any, path: structures.Path) -> Any:
        elements = structures.parts(value)
        if elements is None or fields.is_attrs(value) or fields.is_dataclass(value):
            return value if self._filter_fn(path) else _NOTHING
        filtered = [(key, self._filtered(each, (*path, key))) for key, each in elements]
        kept = [(key, each) for key, each in filtered if each is not _NOTHING]
        if not kept:
            return _NOTHING
        if len(kept) == len(filtered):
            return structures.rebuild(value, [each for _, each in kept])
        if fields.is_named_tuple(value):
            missing = [str(key) for key, each in filtered if each is _NOTHING]
            raise NotFilterableError(
                "the fields of a named tuple cannot be left out.",
                problems=[
                    f"{structures.shown((*path, name))}: left out of a `{type(value).__name__}`"
                    for name in missing
                ],
                fix="release a dict, or let the filter keep all fields or none.",
            )
        container: Any = type(value)
        if isinstance(value, (list, tuple)):
            return container([each for _, each in kept])
        return container(kept)
