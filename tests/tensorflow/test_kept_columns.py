"""What is kept of datasets, and for how long."""

from __future__ import annotations

import gc

import numpy as np
import pytest

from tensorflow_federated.core import errors, types
from tensorflow_federated.execution import kept_values, sequences
from tensorflow_federated.tensorflow import kept_columns


class Owner:
    """Something that was read, and can be referred to weakly."""


ROWS = {"numbers": np.zeros(1000, np.float32), "strings": np.full(10, b"x" * 400, object)}


@pytest.fixture
def kept(monkeypatch):
    """What is kept, in place of what the process keeps."""
    values = kept_values.KeptValues(most_bytes=40_000)
    monkeypatch.setattr(kept_columns, "kept", values)
    return values


def columns_of(row: np.ndarray, count: int = 4) -> sequences.Sequence:
    element_type = types.TensorType(np.str_ if row.dtype == object else np.float32, row.shape)
    return sequences.Sequence.from_columns((np.stack([row] * count),), None, element_type)


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_what_was_not_used_for_longest_makes_place(kept, row):
    owners = [Owner() for _ in range(3)]
    kept_columns.keep(owners[0], "a", columns_of(row))
    kept_columns.keep(owners[1], "a", columns_of(row))
    assert kept.get("a", [owners[0]]) is not None
    kept_columns.keep(owners[2], "a", columns_of(row))
    found = [kept.get("a", [owner]) is not None for owner in owners]
    assert found == [True, False, True]
    assert 0 < kept.taken <= kept.most_bytes


def test_what_is_kept_cannot_be_written_to(kept):
    owner, sequence = Owner(), columns_of(ROWS["numbers"])
    kept_columns.keep(owner, "a", sequence)
    columns = kept.get("a", [owner]).columns()
    assert not columns.leaves[0].flags.writeable


def test_what_is_too_large_to_be_kept_can_be_written_to(kept):
    owner, sequence = Owner(), columns_of(ROWS["numbers"], 11)
    kept_columns.keep(owner, "a", sequence)
    assert kept.get("a", [owner]) is None
    assert kept.taken == 0
    columns = sequence.columns()
    assert columns is not None
    assert columns.leaves[0].flags.writeable


def test_it_goes_with_its_owner(kept):
    owner = Owner()
    kept_columns.keep(owner, "a", columns_of(ROWS["numbers"]))
    kept_columns.keep(owner, "b", columns_of(ROWS["numbers"]))
    assert kept.taken == 32_000
    del owner
    gc.collect()
    assert kept.taken == 0


def test_the_environment_says_how_much_is_kept(monkeypatch):
    monkeypatch.delenv("TFF_DATA_CACHE_BYTES", raising=False)
    assert kept_columns.room_of_environment() == 512 * 2**20
    monkeypatch.setenv("TFF_DATA_CACHE_BYTES", "1000")
    assert kept_columns.room_of_environment() == 1000
    monkeypatch.setenv("TFF_DATA_CACHE_BYTES", "1 GB")
    with pytest.raises(errors.DatasetError, match="expected a number of bytes, got '1 GB'"):
        kept_columns.room_of_environment()
