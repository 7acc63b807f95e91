"""The device that JAX runs on."""

from __future__ import annotations

import jax
import numpy as np

from tensorflow_federated.execution import aligned_arrays
from tensorflow_federated.jax import devices


def test_aligned_arrays_are_used_without_a_copy():
    array = aligned_arrays.empty([1000, 3], np.dtype(np.float32))
    assert devices.is_used_in_place(array)
    assert jax.device_put(array).unsafe_buffer_pointer() == array.ctypes.data
