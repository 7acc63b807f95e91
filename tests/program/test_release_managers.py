"""Release managers: what is released, and when."""

from __future__ import annotations

import asyncio
import collections
import dataclasses
import datetime
import logging
from typing import NamedTuple

import pytest

import tensorflow_federated as tff
from tensorflow_federated.core import errors


class Pair(NamedTuple):
    x: object
    y: object


@dataclasses.dataclass
class Whole:
    a: int


@pytest.fixture
def memory():
    return tff.program.MemoryReleaseManager()


def release_all(manager, values):
    async def run():
        for key, value in enumerate(values):
            await manager.release(value, key)

    asyncio.run(run())


class Failing(tff.program.ReleaseManager):
    async def release(self, value, key):
        raise OSError(f"no room for {value}")


def test_memory_keeps_values_in_the_order_of_their_keys(memory):
    async def run():
        for key, value in [("b", 1), ("a", 2), ("b", 3)]:
            await memory.release(value, key)

    asyncio.run(run())
    assert memory.values() == collections.OrderedDict([("b", 3), ("a", 2)])


def test_memory_can_be_emptied(memory):
    release_all(memory, [1])
    memory.remove_all()
    assert not memory.values()


def test_the_log_has_a_line_for_each_value(caplog):
    with caplog.at_level(logging.INFO):
        asyncio.run(tff.program.LoggingReleaseManager().release({"loss": 0.5}, 1))
        asyncio.run(tff.program.LoggingReleaseManager().release(2, None))
    assert caplog.messages == ["Releasing {'loss': 0.5} under the key 1", "Releasing 2"]


# Source: TFF 0.87.
@pytest.mark.parametrize(
    ("value", "released"),
    [
        ({"a": 1, "b": {"c": 2}}, {"a": 1, "b": {"c": 2}}),
        ({"a": 1, "b": {"d": 2}}, {"a": 1}),
        ([1, {"a": 2}], [1, {"a": 2}]),
        ((1, [2]), (1, [2])),
        ((1, [2, 3], 4), (1, [2])),
        ({"n": Pair({"a": 1}, {"c": 2})}, {"n": Pair({"a": 1}, {"c": 2})}),
        ({"n": Pair({"b": 1}, 2)}, None),
        (collections.OrderedDict(b=1, a=2), collections.OrderedDict(a=2)),
        ({}, None),
        (5, None),
    ],
)
def test_a_filter_releases_what_it_lets_pass(memory, value, released):
    manager = tff.program.FilteringReleaseManager(
        memory, lambda path: bool(path) and path[-1] in ("a", "c", 0)
    )
    release_all(manager, [value])
    assert memory.values() == ({} if released is None else {0: released})
    if released is not None:
        assert type(memory.values()[0]) is type(value)


def test_a_filter_sees_the_path_of_each_leaf(memory):
    paths = []
    manager = tff.program.FilteringReleaseManager(memory, lambda path: paths.append(path) or True)
    release_all(manager, [{"b": 1, "a": [1, Pair(2, (3,))]}, 7, Whole(1)])
    assert paths == [("b",), ("a", 0), ("a", 1, "x"), ("a", 1, "y", 0), (), ()]


def test_a_group_releases_to_all_and_tells_who_failed(memory):
    manager = tff.program.GroupingReleaseManager([Failing(), memory, Failing()])
    with pytest.raises(OSError, match="no room for 5") as caught:
        release_all(manager, [5])
    assert memory.values() == {0: 5}
    assert len(caught.value.__notes__) == 1


# Source: TFF 0.87.
@pytest.mark.parametrize(
    ("make", "keys"),
    [
        (lambda memory: tff.program.PeriodicReleaseManager(memory, 3), [2, 5, 8]),
        (lambda memory: tff.program.PeriodicReleaseManager(memory, 1), list(range(10))),
        (lambda memory: tff.program.DelayedReleaseManager(memory, 8), [7, 8, 9]),
        (lambda memory: tff.program.DelayedReleaseManager(memory, 1), list(range(10))),
        (
            lambda memory: tff.program.PeriodicReleaseManager(memory, datetime.timedelta(hours=3)),
            [],
        ),
    ],
)
def test_values_are_released_when_it_is_time_to(memory, make, keys):
    release_all(make(memory), range(10))
    assert list(memory.values()) == keys


def test_a_value_is_released_when_so_long_a_time_has_passed(memory, monkeypatch):
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    manager = tff.program.PeriodicReleaseManager(memory, datetime.timedelta(seconds=10))

    async def run():
        for now[0] in (105, 111, 115, 121, 122):
            await manager.release(0, now[0])

    asyncio.run(run())
    assert list(memory.values()) == [111, 121]


@pytest.mark.parametrize(
    ("name", "make", "builtin"),
    [
        ("an empty group", lambda m: tff.program.GroupingReleaseManager([]), ValueError),
        ("a group of others", lambda m: tff.program.GroupingReleaseManager([1]), TypeError),
        ("a periodicity of 0", lambda m: tff.program.PeriodicReleaseManager(m, 0), ValueError),
        ("a periodicity of 1.5", lambda m: tff.program.PeriodicReleaseManager(m, 1.5), TypeError),
        (
            "no time at all",
            lambda m: tff.program.PeriodicReleaseManager(m, datetime.timedelta(0)),
            ValueError,
        ),
        ("a delay of 0", lambda m: tff.program.DelayedReleaseManager(m, 0), ValueError),
        ("no filter", lambda m: tff.program.FilteringReleaseManager(m, None), TypeError),
        ("a key that is a list", lambda m: asyncio.run(m.release(1, [])), TypeError),
        (
            "a field of a named tuple",
            lambda m: asyncio.run(
                tff.program.FilteringReleaseManager(m, lambda path: path[-1] != "x").release(
                    {"n": Pair(1, 2)}, 0
                )
            ),
            tff.program.NotFilterableError,
        ),
        ("a name of files", lambda m: tff.program.CSVFileReleaseManager, AttributeError),
    ],
)
def test_a_mistake_says_what_to_write(name, make, builtin, memory, golden):
    with pytest.raises(builtin) as caught:
        make(memory)
    assert isinstance(caught.value, errors.FederatedError)
    golden.check(name, str(caught.value))
