"""Arrays in memory that frameworks use as it is."""

from __future__ import annotations

import numpy as np
import pytest

from tensorflow_federated.execution import aligned_arrays


@pytest.mark.parametrize("shape", [(), (1,), (7, 5, 3)])
@pytest.mark.parametrize("dtype", [np.bool_, np.float32, np.complex128])
def test_an_array_starts_where_frameworks_expect_it_and_can_be_set(shape, dtype):
    array = aligned_arrays.empty(shape, np.dtype(dtype))
    assert (array.shape, array.dtype) == (shape, dtype)
    assert array.ctypes.data % aligned_arrays.ALIGNMENT == 0
    array[...] = 1
    assert (array == 1).all()


def test_an_array_can_be_without_elements():
    assert aligned_arrays.empty([0, 3], np.dtype(np.float32)).shape == (0, 3)


def test_an_array_of_objects_holds_objects():
    array = aligned_arrays.empty([2], np.dtype(object))
    array[:] = [b"a", None]
    assert array.tolist() == [b"a", None]
