"""The device that JAX runs on: its memory, and arrays that it uses without a copy."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from tensorflow_federated.execution import aligned_arrays

_SMALL_ON_PROCESSOR = 64 * 2**20
_LARGE_ON_PROCESSOR = 2 * 2**30


def limits() -> tuple[int, int]:
    """How many bytes of chunks, and of stores that many chunks share, are kept on the device."""
    device = default_device()
    if device.platform == "cpu":
        return _SMALL_ON_PROCESSOR, _LARGE_ON_PROCESSOR
    memory = device_memory(device)
    return memory // 8, memory // 2


def default_device() -> Any:
    """The device that JAX runs on where nothing else is said."""
    # JAX adds its options to this class while it is imported, where no type checker sees them.
    configured = getattr(jax.config, "jax_default_device")  # noqa: B009
    return configured if isinstance(configured, jax.Device) else jax.local_devices()[0]


def device_memory(device: Any) -> int:
    """How many bytes JAX may use on a device; a guess where the device does not say."""
    statistics = device.memory_stats() or {}
    return int(statistics.get("bytes_limit", 8 * 2**30))


def is_used_in_place(array: np.ndarray) -> bool:
    """Whether the default device takes an array without a copy."""
    is_aligned = array.flags.c_contiguous and array.ctypes.data % aligned_arrays.ALIGNMENT == 0
    return is_aligned and default_device().platform == "cpu"
