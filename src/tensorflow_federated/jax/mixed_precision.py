"""Products in bfloat16 that are added up in float32, for accelerators that multiply them faster."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax.extend import core

from tensorflow_federated.jax import convolutions, jaxprs

_MATMUL = "dot_general"


def in_bfloat16(closed: core.ClosedJaxpr) -> core.ClosedJaxpr:
    """The same function whose products and convolutions of float32 take operands of bfloat16.

    Weights, gradients and all other operations keep float32, and so do the sums inside a product.

    Args:
      closed: the function.

    Returns:
      The function, with the same parameters and results.

    Examples:
      >>> import jax
      >>> product = jax.make_jaxpr(jnp.matmul)(jnp.zeros([2, 3]), jnp.zeros([3, 4]))
      >>> "bf16" in str(product), "bf16" in str(in_bfloat16(product))
      (False, True)
    """
    return jaxprs.rewritten(closed, {_MATMUL: _apply, convolutions.NAME: _apply})


def _apply(equation: core.JaxprEqn, operands: Sequence[Any]) -> Any:
    params = equation.params
    if all(each.dtype == np.float32 for each in operands) and _has_float32_result(params):
        operands = [each.astype(jnp.bfloat16) for each in operands]
        params = {**params, "preferred_element_type": np.dtype(np.float32), "precision": None}
    return equation.primitive.bind(*operands, **params)


def _has_float32_result(params: dict[str, Any]) -> bool:
    return params["preferred_element_type"] in (None, np.dtype(np.float32))
