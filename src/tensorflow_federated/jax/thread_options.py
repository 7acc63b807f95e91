"""The options of JAX that its context managers set for one thread."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import jax

# In a fixed order; what each is set by, inside of a `with`.
_MANAGERS: dict[str, Callable[[Any], contextlib.AbstractContextManager[Any]]] = {
    "jax_debug_infs": jax.debug_infs,
    "jax_debug_nans": jax.debug_nans,
    "jax_default_device": jax.default_device,
    "jax_default_matmul_precision": jax.default_matmul_precision,
    "jax_default_prng_impl": jax.default_prng_impl,
    "jax_disable_jit": jax.disable_jit,
    "jax_enable_custom_prng": jax.enable_custom_prng,
    "jax_enable_x64": jax.enable_x64,
    "jax_numpy_dtype_promotion": jax.numpy_dtype_promotion,
    "jax_numpy_rank_promotion": jax.numpy_rank_promotion,
    "jax_threefry_partitionable": jax.threefry_partitionable,
}


def current() -> tuple[Any, ...]:
    """The values of all options in this thread; a function that is traced may depend on them.

    Examples:
      >>> with jax.default_matmul_precision("highest"):
      ...     "highest" in current()
      True
    """
    return tuple([getattr(jax.config, name) for name in _MANAGERS])


def is_debugging() -> bool:
    """Whether JAX is to stop at single operations of a function, in this thread."""
    return any(
        getattr(jax.config, name)
        for name in ("jax_debug_infs", "jax_debug_nans", "jax_disable_jit")
    )


def captured() -> Callable[[], contextlib.AbstractContextManager[None]]:
    """See `execution.thread_states.Capture`."""
    options = current()
    return lambda: _entered(options)


@contextlib.contextmanager
def _entered(options: tuple[Any, ...]):
    with contextlib.ExitStack() as stack:
        for manager, value, own in zip(_MANAGERS.values(), options, current(), strict=True):
            if value != own:
                stack.enter_context(manager(value))
        yield
