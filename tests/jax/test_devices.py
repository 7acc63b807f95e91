"""The device that JAX runs on, and arrays that it uses without a copy."""

from __future__ import annotations

import jax
import numpy as np

from tensorflow_federated.jax import devices


def test_aligned_arrays_are_used_without_a_copy():
    array = devices.aligned_empty([1000, 3], np.dtype(np.float32))
    assert devices.is_used_in_place(array)
    assert jax.device_put(array).unsafe_buffer_pointer() == array.ctypes.data
