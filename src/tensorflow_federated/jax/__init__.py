"""JAX as a back end: `@tff.jax.computation`, and portable computations.

Importing this package does not import JAX; the first computation does.

Examples:
  >>> import jax.numpy as jnp, numpy as np
  >>> import tensorflow_federated as tff
  >>> @tff.jax.computation((np.float32, [None]))
  ... def norm(x):
  ...     return jnp.sqrt(jnp.sum(jnp.square(x)))
  >>> print(norm.type_signature)
  (float32[?] -> float32)
  >>> float(norm([3.0, 4.0]))
  5.0

  The same function as a portable computation runs in every back end, and on numpy arrays.

  >>> from tensorflow_federated.core import portable
  >>> @portable_computation((np.float32, [None]))
  ... def portable_norm(x):
  ...     xp = portable.namespace_of(x)
  ...     return xp.sqrt(xp.sum(xp.square(x)))
  >>> float(portable_norm([3.0, 4.0]))
  5.0
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tensorflow_federated.core import computations, ir, namespaces, portable
from tensorflow_federated.core.types import Type
from tensorflow_federated.execution import backends

__all__ = ["computation", "portable_computation"]


def _trace_jax(
    fn: Callable[..., Any], parameter_type: Type | None, unpack: bool, name: str
) -> ir.Local:
    from tensorflow_federated.jax import tracing

    return tracing.trace(fn, parameter_type, unpack, name)


def _trace_portable(
    fn: Callable[..., Any], parameter_type: Type | None, unpack: bool, name: str
) -> ir.Local:
    from tensorflow_federated.jax import portable_tracing

    return portable_tracing.trace(fn, parameter_type, unpack, name)


def _load_backend() -> backends.Backend:
    from tensorflow_federated.jax import backend

    return backend.JaxBackend()


def _load_namespace() -> portable.ArrayNamespace:
    from tensorflow_federated.jax import namespace

    return namespace.JaxNamespace()


computation = computations.Decorator(
    _trace_jax,
    "tff.jax.computation",
    """Makes a local computation of a Python function on JAX arrays.

The function is traced when a type is known, and compiled for each shape when it runs. It is written
as any function for `jax.jit`: its arguments come in the containers of their types, and what it
returns keeps its own. Other JAX computations that it calls become part of it.

JAX keeps 32 bits unless the user has set `jax_enable_x64`. So an argument of 64 bits is an error
here, as in TFF, and is never cut silently. Dimensions that are not known (`float32[?,784]`) are
fine: the function is compiled for each size that comes.

Raises:
  TracingError: if the parameter has 64 bits while JAX has 32, is a string, or has no known rank.
  TypeMismatchError: if the parameter is not made of tensors, or the result is not made of arrays.

Differs from TFF: dimensions may be unknown; a polymorphic computation can be called.
""",
)

portable_computation = computations.Decorator(
    _trace_portable,
    "portable_computation",
    """Makes a local computation of a Python function that runs in every back end.

The function uses operators and the operations of `core.portable` only; see there. It calls other
Python functions, no computations. Its types are found by tracing it with JAX, where 64 bits are
kept.

Raises:
  TypeMismatchError: if the parameter is not made of tensors of numbers and booleans, or the result
    not of arrays.
""",
)

backends.register("jax", _load_backend)
portable.register_namespace("jax", ("jax", "jaxlib"), _load_namespace)

__getattr__, __dir__ = namespaces.module_functions("tff.jax", __all__)
