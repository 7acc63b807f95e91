"""Program states are found again as they were saved."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

import tensorflow_federated as tff
from tensorflow_federated.program import errors as program_errors


@pytest.fixture
def manager():
    return tff.program.MemoryProgramStateManager()


def test_nothing_is_there_at_first(manager):
    assert asyncio.run(manager.get_versions()) is None
    assert asyncio.run(manager.load_latest(0)) == (None, 0)


def test_the_latest_is_that_of_the_greatest_version(manager):
    async def run():
        for version in (2, 10, 9):
            await manager.save({"version": version}, version)
        return await manager.get_versions(), await manager.load_latest({"version": 0})

    assert asyncio.run(run()) == ([2, 9, 10], ({"version": 10}, 10))


def test_what_is_changed_later_is_not_changed_there(manager):
    async def run():
        array = np.zeros(2)
        iterator = tff.program.DatasetDataSource([[1], [2]], seed=1).iterator()
        state = {"array": array, "iterator": iterator}
        await manager.save(state, 0)
        array += 1
        first = iterator.select(2)
        loaded = await manager.load(0, state)
        loaded["array"] += 5
        assert loaded["iterator"].select(2) == first
        again = await manager.load(0, state)
        assert again["iterator"].select(2) == first
        return again["array"]

    np.testing.assert_array_equal(asyncio.run(run()), [0, 0])


def test_the_first_and_the_newest_are_kept():
    # Source: the manager of files of TFF 0.87, with `keep_total=3`.
    manager = tff.program.MemoryProgramStateManager(keep_total=3)

    async def run():
        for version in range(6):
            await manager.save(version, version)
        return await manager.get_versions()

    assert asyncio.run(run()) == [0, 4, 5]


def test_the_newest_is_kept_where_one_is():
    manager = tff.program.MemoryProgramStateManager(keep_total=1)

    async def run():
        for version in range(3):
            await manager.save(version, version)
        return await manager.get_versions()

    assert asyncio.run(run()) == [2]


def test_all_can_be_removed(manager):
    async def run():
        await manager.save(1, 1)
        await manager.remove_all()
        return await manager.get_versions()

    assert asyncio.run(run()) is None


def test_references_are_waited_for(manager):
    class Known(tff.program.MaterializableValueReference):
        type_signature = property(lambda self: tff.TensorType(np.int32))

        async def get_value(self):
            await asyncio.sleep(0)
            return np.int32(3)

    async def run():
        await manager.save([Known()], 0)
        return await manager.load(0, [0])

    assert asyncio.run(run()) == [3]


@pytest.mark.parametrize(
    ("name", "call", "error"),
    [
        ("taken", lambda m: m.save(2, 1), tff.program.ProgramStateExistsError),
        ("missing", lambda m: m.load(3, 0), tff.program.ProgramStateNotFoundError),
        ("other", lambda m: m.load(1, {"a": 0}), program_errors.ProgramStateStructureError),
        ("version", lambda m: m.save(1, "two"), TypeError),
    ],
)
def test_a_mistake_says_what_to_do(name, call, error, manager, golden):
    async def run():
        await manager.save(1, 1)
        await call(manager)

    with pytest.raises(error) as caught:
        asyncio.run(run())
    golden.check(name, str(caught.value))
