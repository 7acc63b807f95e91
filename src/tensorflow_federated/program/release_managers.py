"""Release managers: what hands the results of a federated program to those who asked for them."""

from __future__ import annotations

import abc
import asyncio
import datetime
import time
from collections.abc import Sequence
from typing import Any, Generic, TypeAlias, TypeVar, cast

import numpy as np

from tensorflow_federated.core import arguments, errors
from tensorflow_federated.program.errors import ReleaseError

ReleasableValue: TypeAlias = Any
"""What can be released: any object, or a reference to a value."""

ReleasableStructure = TypeVar("ReleasableStructure")
"""A structure of `ReleasableValue`s."""

Key = TypeVar("Key")


class ReleaseManager(abc.ABC, Generic[ReleasableStructure, Key]):
    """Releases values from a federated program, each under a key.

    Examples:
      >>> import asyncio
      >>> import tensorflow_federated as tff
      >>> class Printing(tff.program.ReleaseManager):
      ...     async def release(self, value, key):
      ...         print(key, await tff.program.materialize_value(value))
      >>> asyncio.run(Printing().release({"loss": 0.5}, 1))
      1 {'loss': 0.5}
    """

    @abc.abstractmethod
    async def release(self, value: ReleasableStructure, key: Key) -> None:
        """Releases a value.

        Args:
          value: a structure; what stands for values in it is waited for.
          key: what the value is found by: the number of a round, or a name.
        """


class GroupingReleaseManager(ReleaseManager[ReleasableStructure, Key]):
    """Releases every value through several release managers.

    Examples:
      >>> import asyncio
      >>> import tensorflow_federated as tff
      >>> memory = tff.program.MemoryReleaseManager()
      >>> manager = GroupingReleaseManager([memory, tff.program.LoggingReleaseManager()])
      >>> asyncio.run(manager.release(0.5, 1))
      >>> memory.values()
      OrderedDict([(1, 0.5)])
    """

    @errors.boundary
    def __init__(
        self, release_managers: Sequence[ReleaseManager[ReleasableStructure, Key]]
    ) -> None:
        """Makes a manager.

        Args:
          release_managers: the managers, at least one.

        Raises:
          ArgumentError: if one is no release manager.
          ReleaseError: if there is none.
        """
        arguments.check_instance(
            "release_managers",
            release_managers,
            Sequence,
            "release managers come in a sequence.",
            fix="write `[manager, ...]`.",
        )
        check_release_managers(
            {f"release_managers[{index}]": each for index, each in enumerate(release_managers)}
        )
        if not release_managers:
            raise ReleaseError(
                "there is no release manager to release through.",
                problems=["release_managers: got none"],
                fix="give at least one.",
            )
        self._release_managers = tuple(release_managers)

    async def release(self, value: ReleasableStructure, key: Key) -> None:
        """Releases a value through all managers at the same time.

        All of them come to their end; then the error of the first that failed is raised, if any
        did, with notes on the others.

        Args:
          value: the value.
          key: its key.
        """
        results = await asyncio.gather(
            *[manager.release(value, key=key) for manager in self._release_managers],
            return_exceptions=True,
        )
        failed = [each for each in results if isinstance(each, BaseException)]
        for other in failed[1:]:
            failed[0].add_note(f"Another release manager failed, too: {other!r}")
        if failed:
            raise failed[0]


class PeriodicReleaseManager(ReleaseManager[ReleasableStructure, Key]):
    """Releases every so many values one, or one after every so long a time.

    Examples:
      >>> import asyncio
      >>> import tensorflow_federated as tff
      >>> memory = tff.program.MemoryReleaseManager()
      >>> manager = PeriodicReleaseManager(memory, 3)
      >>> async def main():
      ...     for number in range(1, 8):
      ...         await manager.release(number * 10, number)
      >>> asyncio.run(main())
      >>> memory.values()
      OrderedDict([(3, 30), (6, 60)])
    """

    @errors.boundary
    def __init__(
        self,
        release_manager: ReleaseManager[ReleasableStructure, Key],
        periodicity: int | datetime.timedelta,
    ) -> None:
        """Makes a manager.

        Args:
          release_manager: what releases the values.
          periodicity: `n` for the `n`-th value, the `2n`-th and so on; or the time after which the
            next value is released, at least a second.

        Raises:
          ArgumentError: if an argument is of another class.
          ReleaseError: if `periodicity` is not positive.
        """
        check_release_managers({"release_manager": release_manager})
        arguments.check_instance(
            "periodicity",
            periodicity,
            (int, np.integer, datetime.timedelta),
            "a periodicity is an integer or a `datetime.timedelta`.",
            fix="write `periodicity=1` to release every value.",
        )
        if isinstance(periodicity, datetime.timedelta):
            amount = periodicity.total_seconds()
        else:
            amount = periodicity
        if amount < 1:
            raise ReleaseError(
                "a periodicity is at least 1, or a second.",
                problems=[f"periodicity: got {periodicity}"],
                fix="write `periodicity=1` to release every value.",
            )
        self._release_manager = release_manager
        self._periodicity = periodicity
        self._amount = amount
        self._count = 0
        self._released = time.monotonic()

    async def release(self, value: ReleasableStructure, key: Key) -> None:
        """Releases a value, if it is time to.

        Args:
          value: the value.
          key: its key.
        """
        if isinstance(self._periodicity, datetime.timedelta):
            now = time.monotonic()
            is_due = now >= self._released + self._amount
            self._released = now if is_due else self._released
        else:
            self._count += 1
            is_due = self._count % self._periodicity == 0
        if is_due:
            await self._release_manager.release(value, key=key)


class DelayedReleaseManager(ReleaseManager[ReleasableStructure, Key]):
    """Releases no value before so many were there, and every one from then on.

    Examples:
      >>> import asyncio
      >>> import tensorflow_federated as tff
      >>> memory = tff.program.MemoryReleaseManager()
      >>> manager = DelayedReleaseManager(memory, 3)
      >>> async def main():
      ...     for number in range(1, 5):
      ...         await manager.release(number * 10, number)
      >>> asyncio.run(main())
      >>> memory.values()
      OrderedDict([(3, 30), (4, 40)])
    """

    @errors.boundary
    def __init__(
        self, release_manager: ReleaseManager[ReleasableStructure, Key], delay: int
    ) -> None:
        """Makes a manager.

        Args:
          release_manager: what releases the values.
          delay: the number of the first value that is released, at least 1.

        Raises:
          ArgumentError: if an argument is of another class.
          ReleaseError: if `delay` is not positive.
        """
        check_release_managers({"release_manager": release_manager})
        arguments.check_instance(
            "delay",
            delay,
            (int, np.integer),
            "a delay is an integer.",
            fix="write `delay=1` to release every value.",
        )
        if delay < 1:
            raise ReleaseError(
                "a delay is at least 1.",
                problems=[f"delay: got {delay}"],
                fix="write `delay=1` to release every value.",
            )
        self._release_manager = release_manager
        self._delay = delay
        self._count = 0

    async def release(self, value: ReleasableStructure, key: Key) -> None:
        """Releases a value, if enough were there before.

        Args:
          value: the value.
          key: its key.
        """
        self._count += 1
        if self._count >= self._delay:
            await self._release_manager.release(value, key=key)


def check_release_managers(given: dict[str, Any]) -> None:
    """Raises an `ArgumentError` for all arguments that are no release managers.

    Args:
      given: the arguments by name.
    """
    arguments.check_instances(
        cast("dict[str, object]", given),
        ReleaseManager,
        "values are released through release managers.",
        fix="give a `tff.program.ReleaseManager`, such as `tff.program.MemoryReleaseManager()`.",
    )
