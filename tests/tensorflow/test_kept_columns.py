"""What is kept of datasets, and for how long."""

from __future__ import annotations

import gc

import numpy as np
import pytest

from tensorflow_federated.core import errors, types
from tensorflow_federated.execution import sequences
from tensorflow_federated.tensorflow import kept_columns


class Owner:
    """Something that was read, and can be referred to weakly."""


ROWS = {"numbers": np.zeros(1000, np.float32), "strings": np.full(10, b"x" * 400, object)}


def columns_of(row: np.ndarray, count: int = 4) -> sequences.Sequence:
    element_type = types.TensorType(np.str_ if row.dtype == object else np.float32, row.shape)
    return sequences.Sequence.from_columns((np.stack([row] * count),), None, element_type)


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_what_was_not_used_for_longest_makes_place(row):
    kept = kept_columns.KeptColumns(room=40_000)
    owners = [Owner() for _ in range(3)]
    kept.put(owners[0], "a", columns_of(row))
    kept.put(owners[1], "a", columns_of(row))
    assert kept.get(owners[0], "a") is not None
    kept.put(owners[2], "a", columns_of(row))
    assert [kept.get(owner, "a") is not None for owner in owners] == [True, False, True]
    assert 0 < kept.taken <= kept.room


def test_nothing_larger_than_the_room_is_kept():
    kept = kept_columns.KeptColumns(room=10_000)
    owner = Owner()
    kept.put(owner, "a", columns_of(ROWS["numbers"]))
    assert kept.get(owner, "a") is None
    assert kept.taken == 0


def test_it_goes_with_its_owner():
    kept = kept_columns.KeptColumns(room=100_000)
    owner = Owner()
    kept.put(owner, "a", columns_of(ROWS["numbers"]))
    kept.put(owner, "b", columns_of(ROWS["numbers"]))
    assert kept.taken == 32_000
    del owner
    gc.collect()
    assert kept.taken == 0


def test_less_room_is_made_free_at_once():
    kept = kept_columns.KeptColumns(room=100_000)
    owners = [Owner() for _ in range(3)]
    for owner in owners:
        kept.put(owner, "a", columns_of(ROWS["numbers"]))
    kept.room = 20_000
    assert [kept.get(owner, "a") is not None for owner in owners] == [False, False, True]


def test_many_owners_leave_nothing_behind():
    kept = kept_columns.KeptColumns(room=100_000)
    for _ in range(2000):
        kept.put(Owner(), "a", columns_of(ROWS["numbers"], 1))
    gc.collect()
    assert kept.taken == 0
    assert not kept._entries
    assert not kept._keys


def test_the_environment_says_how_much_is_kept(monkeypatch):
    monkeypatch.delenv("TFF_DATA_CACHE_BYTES", raising=False)
    assert kept_columns.room_of_environment() == 512 * 2**20
    monkeypatch.setenv("TFF_DATA_CACHE_BYTES", "1000")
    assert kept_columns.room_of_environment() == 1000
    monkeypatch.setenv("TFF_DATA_CACHE_BYTES", "1 GB")
    with pytest.raises(errors.DatasetError, match="expected a number of bytes, got '1 GB'"):
        kept_columns.room_of_environment()
