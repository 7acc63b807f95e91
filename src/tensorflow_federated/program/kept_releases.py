"""Release managers that keep values in memory, and that write them to the log."""

from __future__ import annotations

import collections
import logging
from collections.abc import Hashable

from tensorflow_federated.core import arguments, errors
from tensorflow_federated.program.release_managers import (
    Key,
    ReleasableStructure,
    ReleaseManager,
)
from tensorflow_federated.program.value_references import materialize_value

_LOGGER = logging.getLogger(__name__)


class MemoryReleaseManager(ReleaseManager[ReleasableStructure, Hashable]):
    """Keeps what is released in memory.

    Examples:
      >>> import asyncio
      >>> manager = MemoryReleaseManager()
      >>> asyncio.run(manager.release({"loss": 0.5}, 1))
      >>> manager.values()
      OrderedDict([(1, {'loss': 0.5})])
    """

    def __init__(self) -> None:
        """Makes a manager that has nothing."""
        self._values: collections.OrderedDict[Hashable, ReleasableStructure] = (
            collections.OrderedDict()
        )

    @errors.boundary
    async def release(self, value: ReleasableStructure, key: Hashable) -> None:
        """Keeps a value, in the place of one of the same key.

        Args:
          value: the value; references in it are waited for.
          key: its key.

        Raises:
          ArgumentError: if the key cannot be hashed.
        """
        arguments.check_instance(
            "key", key, Hashable, "a key is hashable.", fix="give a number or a string."
        )
        self._values[key] = await materialize_value(value)

    def remove_all(self) -> None:
        """Removes all values."""
        self._values = collections.OrderedDict()

    def values(self) -> collections.OrderedDict[Hashable, ReleasableStructure]:
        """The values by their keys, in the order in which the keys came."""
        return self._values.copy()


class LoggingReleaseManager(ReleaseManager[ReleasableStructure, Key | None]):
    """Writes what is released to the log of this module, at the level `INFO`.

    Examples:
      >>> import asyncio
      >>> asyncio.run(LoggingReleaseManager().release({"loss": 0.5}, 1))

      `logging.basicConfig(level=logging.INFO)` shows it.

    Differs from TFF: the log is that of `logging`, with one line for each value.
    """

    async def release(self, value: ReleasableStructure, key: Key | None) -> None:
        """Writes a value to the log.

        Args:
          value: the value; references in it are waited for.
          key: its key; None for a value without one.
        """
        materialized = await materialize_value(value)
        if key is None:
            _LOGGER.info("Releasing %s", materialized)
        else:
            _LOGGER.info("Releasing %s under the key %s", materialized, key)
