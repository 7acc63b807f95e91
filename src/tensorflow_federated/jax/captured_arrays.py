"""Arrays that a function has captured, such as a table that it looks up, as arguments of their own.

In the text of a module each of their numbers would be spelt out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.core
import numpy as np
from jax.extend import core

from tensorflow_federated.jax import jaxprs

_LARGE_BYTES = 2**10


def split(closed: core.ClosedJaxpr) -> tuple[Callable[..., Any], list[np.ndarray]]:
    """Splits a function into one that has captured no large array, and these arrays.

    To be called where JAX keeps 64 bits.

    Args:
      closed: the function.

    Returns:
      A function of the arrays and then of the arguments, and the arrays.

    Examples:
      >>> import jax.numpy as jnp
      >>> table = np.arange(1000.0, dtype=np.float32)
      >>> function, arrays = split(jax.make_jaxpr(lambda i: jnp.asarray(table)[i])(3))
      >>> [each.shape for each in arrays], function(*arrays, 3)
      ([(1000,)], [Array(3., dtype=float32)])
    """
    if not any(_is_large(each) for each in _captured(closed)):
        return core.jaxpr_as_fun(closed), []
    specs = [
        jax.ShapeDtypeStruct(each.aval.shape, each.aval.dtype, weak_type=each.aval.weak_type)
        for each in closed.jaxpr.invars
    ]
    # What the functions inside of it have captured becomes its own.
    inlined = jax.make_jaxpr(lambda *arguments: jaxprs.evaluate(closed, arguments, {}))(*specs)
    arrays: list[np.ndarray] = []
    positions: dict[int, int] = {}
    for const in inlined.consts:
        if _is_large(const) and id(const) not in positions:
            positions[id(const)] = len(arrays)
            arrays.append(np.asarray(const))

    def function(*arguments: Any) -> Any:
        given, own = arguments[: len(arrays)], arguments[len(arrays) :]
        consts = [
            given[positions[id(const)]] if id(const) in positions else const
            for const in inlined.consts
        ]
        return jax.core.eval_jaxpr(inlined.jaxpr, consts, *own)

    return function, arrays


def _captured(closed: core.ClosedJaxpr) -> Iterator[Any]:
    """What a function, and those inside of it, have captured."""
    yield from closed.consts
    for equation in jaxprs.equations(closed):
        for value in equation.params.values():
            for inner in value if isinstance(value, tuple) else (value,):
                if isinstance(inner, core.ClosedJaxpr):
                    yield from inner.consts


def _is_large(const: Any) -> bool:
    dtype = getattr(const, "dtype", None)
    return isinstance(dtype, np.dtype) and const.nbytes > _LARGE_BYTES
