"""Operations in the forms that XLA is fast at on a processor."""

from __future__ import annotations

from jax.extend import core

from tensorflow_federated.jax import convolutions, dense_gradients, pooling_gradients


def in_fast_forms(closed: core.ClosedJaxpr) -> core.ClosedJaxpr:
    """The same function, with all such operations in these forms.

    Args:
      closed: the function.

    Returns:
      The function, with the same parameters and results; the same object if it has none of them.

    Examples:
      >>> import jax, jax.numpy as jnp
      >>> function = jax.make_jaxpr(jnp.sin)(jnp.zeros(3))
      >>> in_fast_forms(function) is function
      True
    """
    for rewrite in (
        convolutions.in_canonical_layout,
        pooling_gradients.in_parts,
        dense_gradients.in_fast_order,
    ):
        closed = rewrite(closed)
    return closed
