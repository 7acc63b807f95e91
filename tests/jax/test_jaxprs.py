"""Traced functions with some of their operations applied in another way."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.extend import core

from tensorflow_federated.jax import jaxprs


@jax.custom_jvp
def with_own_jvp(x):
    return jnp.sin(x)


with_own_jvp.defjvp(lambda primals, tangents: (jnp.sin(*primals), jnp.sin(*tangents)))


@jax.custom_vjp
def with_own_vjp(x):
    return jnp.sin(x)


with_own_vjp.defvjp(lambda x: (jnp.sin(x), x), lambda x, g: (jnp.sin(x) * g,))

FUNCTIONS = {
    "plain": jnp.sin,
    "jit": jax.jit(jnp.sin),
    "jit in jit": jax.jit(lambda x: jax.jit(jnp.sin)(x) + 1),
    "custom jvp": with_own_jvp,
    "custom vjp": with_own_vjp,
    "gradient of custom vjp": jax.grad(lambda x: jnp.sum(with_own_vjp(x))),
    "checkpoint": jax.grad(lambda x: jnp.sum(jax.checkpoint(lambda y: jnp.sin(y) ** 2)(x))),
    "map": lambda x: lax.map(jnp.sin, x),
    "scan": lambda x: lax.scan(lambda c, y: (jnp.sin(c) + y, c), 0.5, x),
    "while": lambda x: lax.while_loop(lambda c: jnp.sum(jnp.sin(c)) < 1, lambda c: c + 0.1, x),
    "cond": lambda x: lax.cond(x[0] > 0, jnp.sin, lambda y: y, x),
    "switch": lambda x: lax.switch(2, [jnp.cos, jnp.tan, jnp.sin], x),
    "vmap": jax.vmap(lambda x: jnp.sin(x) + lax.fori_loop(0, 3, lambda _, y: jnp.sin(y), x)),
    "constants": lambda x: jnp.sin(x + np.arange(3.0, dtype=np.float32)),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_operation_is_found_wherever_it_is(name):
    x = jnp.float32([0.1, 0.2, 0.3])
    traced = jax.make_jaxpr(FUNCTIONS[name])(x)
    # The sine by another name, so that the results stay the same.
    found = jaxprs.rewritten(
        traced, {"sin": lambda _, operands: jnp.cos(operands[0] - np.float32(np.pi / 2))}
    )
    assert jaxprs.contains(traced, ["sin"])
    assert not jaxprs.contains(found, ["sin"])
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, 1e-5),
        jax.jit(core.jaxpr_as_fun(found))(x),
        jax.jit(core.jaxpr_as_fun(traced))(x),
    )


def test_a_function_without_the_operation_is_the_same_object():
    traced = jax.make_jaxpr(jnp.cos)(1.0)
    assert jaxprs.rewritten(traced, {"sin": lambda _, operands: operands[0]}) is traced
