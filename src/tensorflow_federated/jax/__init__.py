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

import contextlib
import sys
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tensorflow_federated.core import (
    computations,
    dtypes,
    foreign_arrays,
    ir,
    namespaces,
    portable,
)
from tensorflow_federated.core.types import Type
from tensorflow_federated.execution import backends, thread_states

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


def _set_up(options: Mapping[str, Any] | None) -> None:
    from tensorflow_federated.jax import process_options

    if options is not None:
        process_options.set_process_options(options)


def _load_namespace() -> portable.ArrayNamespace:
    from tensorflow_federated.jax import namespace

    return namespace.JaxNamespace()


def _thread_options() -> Callable[[], contextlib.AbstractContextManager[Any]]:
    # Who has set an option has imported JAX.
    if "jax" not in sys.modules:
        return contextlib.nullcontext
    from tensorflow_federated.jax import thread_options

    return thread_options.captured()


def _is_random_key(value: Any) -> bool:
    return dtypes.words_of_key(getattr(value, "dtype", None)) is not None


def _key_data(key: Any) -> np.ndarray:
    import jax

    return np.asarray(jax.random.key_data(key))


computation = computations.Decorator(
    _trace_jax,
    "tff.jax.computation",
    """Makes a local computation of a Python function on JAX arrays.

The function is traced when a type is known, and compiled for each shape when it runs. It is written
as any function for `jax.jit`: its arguments come in the containers of their types, and what it
returns keeps its own. Other JAX computations that it calls become part of it.

64 bits: a function whose parameter holds a dtype of 64 bits is traced and run as under
`jax_enable_x64`, so nothing is cut. There, as always under `jax_enable_x64`, new arrays have 64
bits too: `jnp.zeros(3)` is a float64[3], and a sum of int32 an int64. Any other function is traced
as JAX is configured, with 32 bits by default: then a NumPy value of 64 bits that it returns becomes
one of 32, which is an error if it is out of range.

Dimensions that are not known (`float32[?,784]`) are fine: the function is compiled for each size
that comes. A random key, as of `jax.random.key(0)`, is its data: it leaves a computation as
`uint32[2]`, and may be given where that is declared. All functions of `jax.random` take this data
in place of the key; `jax.random.wrap_key_data` makes the key of it again.

Any pytree that is built of its elements alone may come in and go out: lists, tuples, dicts, named
tuples, attrs, dataclasses, also those that are registered with JAX. `None` inside of a structure is
a structure without elements, `<>`, and comes back as `None`. The keys of a plain dict are sorted,
as JAX sorts them; but those of a dict with the keys of a dict in the parameter come in the order
that they have there.

Raises:
  TracingError: if the parameter is a string, or has no known rank.
  TypeMismatchError: if the parameter is not made of tensors, or the result is not made of arrays.
  TracedValueError: if the function depends on the elements of an array, as a Python `if` does.

Examples:
  >>> import jax, jax.numpy as jnp, numpy as np
  >>> import tensorflow_federated as tff
  >>> @tff.jax.computation(np.int64, np.float32)
  ... def scaled(count, x):
  ...     return {"count": count + 1, "x": x / 2}
  >>> print(scaled.type_signature)
  (<count=int64,x=float32> -> <count=int64,x=float32>)
  >>> scaled(2**40, 3.0)
  {'count': np.int64(1099511627777), 'x': np.float32(1.5)}
  >>> @tff.jax.computation(np.int32)
  ... def key_of(seed):
  ...     return jax.random.key(seed)
  >>> print(key_of.type_signature)
  (int32 -> uint32[2])

Differs from TFF: dimensions may be unknown; a polymorphic computation can be called; 64 bits, typed
keys, attrs, dataclasses and `None` are errors in TFF.
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


def step_computation(
    fn: Callable[[Any, Any], Any],
    state_type: Type,
    batch_type: Type,
) -> computations.ConcreteComputation:
    """Makes the step of a loop over batches: a JAX computation that keeps the type of its state.

    Type: ``(<state=S,batch=B> -> S)``

    The function is not traced before it runs, for its type is given.

    Args:
      fn: a function of a state and a batch, in their Python containers, that returns the next
        state. 64 bits are kept in it where `S` or `B` asks for them.
      state_type: S.
      batch_type: B.

    Returns:
      The computation.

    Examples:
      >>> import tensorflow_federated as tff
      >>> batch_type = tff.to_type((np.float32, [None]))
      >>> total = step_computation(
      ...     lambda state, x: state + x.sum(), tff.to_type(np.float32), batch_type
      ... )
      >>> print(total.type_signature)
      (<state=float32,batch=float32[?]> -> float32)
      >>> float(total(1.0, [2.0, 3.0]))
      6.0
    """
    from tensorflow_federated.jax import tracing

    name = getattr(fn, "__name__", "step")
    return computations.ConcreteComputation(tracing.step(fn, state_type, batch_type, name), name)


backends.register("jax", _load_backend, _set_up)
foreign_arrays.register(_is_random_key, _key_data)
thread_states.register("jax", _thread_options)
portable.register_namespace("jax", ("jax", "jaxlib"), _load_namespace)

__getattr__, __dir__ = namespaces.module_functions("tff.jax", __all__)
