"""What is kept on the device: as long as the data it was made of, up to a number of bytes."""

from __future__ import annotations

import gc

import jax
import numpy as np

from tensorflow_federated.jax.kept_arrays import KeptArrays, aligned_empty, is_used_in_place


def test_what_was_made_is_kept_as_long_as_all_that_it_was_made_of():
    kept, made = KeptArrays(most_bytes=100), []
    first, second = np.zeros(1), np.zeros(1)
    for _ in range(2):
        kept.get([first, second], lambda: made.append("made"), size=10)
    assert made == ["made"]
    del second
    gc.collect()
    # Another array may have the address of the one that is gone.
    for _ in range(3):
        other = np.zeros(1)
        kept.get([first, other], lambda: made.append("of another"), size=10)
        del other
    assert made == ["made", *["of another"] * 3]


def test_the_least_recently_used_goes_first():
    kept, made = KeptArrays(most_bytes=25), []
    sources = [np.zeros(1) for _ in range(3)]

    def get(index):
        return kept.get([sources[index]], lambda: made.append(index), size=10)

    for index in (0, 1, 0, 2, 0, 1):
        get(index)
    assert made == [0, 1, 2, 1]


def test_what_is_too_large_is_not_kept():
    kept, made, source = KeptArrays(most_bytes=5), [], np.zeros(1)
    for _ in range(2):
        kept.get([source], lambda: made.append("made"), size=10)
    assert made == ["made", "made"]


def test_aligned_arrays_are_used_without_a_copy():
    array = aligned_empty([1000, 3], np.dtype(np.float32))
    assert is_used_in_place(array)
    assert jax.device_put(array).unsafe_buffer_pointer() == array.ctypes.data
