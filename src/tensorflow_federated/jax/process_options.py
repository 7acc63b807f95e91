"""How JAX is set up in a process, as far as results depend on it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax

from tensorflow_federated.core import errors

_OPTIONS = (
    "jax_default_matmul_precision",
    "jax_default_prng_impl",
    "jax_enable_x64",
    "jax_numpy_dtype_promotion",
    "jax_threefry_partitionable",
)
_PLATFORM = "platform"


def process_options() -> dict[str, Any]:
    """See `execution.backends.Backend`."""
    options = {name: getattr(jax.config, name) for name in _OPTIONS}
    return {**options, _PLATFORM: jax.default_backend()}


def set_process_options(options: Mapping[str, Any]) -> None:
    """See `execution.backends.set_up`."""
    for name in _OPTIONS:
        if getattr(jax.config, name) != options[name]:
            jax.config.update(name, options[name])
    platform = str(options[_PLATFORM])
    if not getattr(jax.config, "jax_platforms", None):
        jax.config.update("jax_platforms", platform)
    found = jax.default_backend()
    if found != platform:
        raise errors.BackendError(
            "JAX runs on another kind of device here than where the program was made.",
            problems=[f"platform: expected {platform!r}, got {found!r}"],
            fix=f"start the workers with `JAX_PLATFORMS={platform}` in their environment.",
        )
