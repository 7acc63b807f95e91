"""Small programs of JAX, evaluated with NumPy: the same as JAX gives."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tensorflow_federated.learning.models import jaxpr_evaluation

X = np.linspace(-2, 3, 12, dtype=np.float32).reshape(3, 4)
Y = np.int32([2, 0, 3])


def cross_entropy(x, y):
    return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(x), y[:, None], axis=1))


FUNCTIONS = {
    "a cross entropy and its gradient": jax.value_and_grad(cross_entropy),
    "one for each row": lambda x, y: jax.vmap(lambda a, b: cross_entropy(a[None], b[None]))(x, y),
    "rows by index": jax.grad(lambda x, y: jnp.sum(x[jnp.array([0, 2, 0])] ** 3)),
    "one hot": lambda x, y: jnp.sum(jax.nn.one_hot(y, 4) * x, axis=1),
    "activations": lambda x, y: [
        fn(x) for fn in (jax.nn.relu, jax.nn.gelu, jax.nn.silu, jnp.tanh, jax.nn.sigmoid)
    ],
    "a gradient of activations": jax.grad(
        lambda x, y: jnp.sum(jax.nn.softplus(x) + jax.nn.gelu(x) + jax.nn.elu(x))
    ),
    "a layer norm": jax.grad(
        lambda x, y: jnp.sum((x - x.mean(1, keepdims=True)) / jnp.sqrt(x.var(1) + 1)[:, None] * x)
    ),
    "products of batches": lambda x, y: jnp.einsum("bi,bj,ij->bj", x, x, x.T @ x),
    "comparisons": lambda x, y: (x > 0) & ~(x <= 1) | (jnp.argmax(x, axis=1) == y)[:, None],
    "parts": lambda x, y: jnp.concatenate([x[::2, 1:3], x[:2, ::-2]], axis=1).T.reshape(2, -1),
    "extremes": lambda x, y: (x.max(0), x.min(1), jnp.clip(x, -1, 1), jnp.all(x > -3), y.sum()),
}


@pytest.mark.parametrize("case", FUNCTIONS)
def test_it_is_what_jax_computes(case):
    program = jax.make_jaxpr(FUNCTIONS[case])(X, Y)
    expected = jax.tree.leaves(jax.jit(FUNCTIONS[case])(X, Y))
    for a, b in zip(jaxpr_evaluation.evaluate(program, [X, Y]), expected, strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_another_operation_is_told():
    program = jax.make_jaxpr(jnp.sort)(X)
    with pytest.raises(jaxpr_evaluation.UnknownOperationError, match="sort"):
        jaxpr_evaluation.evaluate(program, [X])


def test_an_index_out_of_range_is_told():
    program = jax.make_jaxpr(lambda x, y: x[y + 7])(X, Y)
    with pytest.raises(jaxpr_evaluation.UnknownOperationError, match="index"):
        jaxpr_evaluation.evaluate(program, [X, Y])
