"""The transformations and the control flow of JAX inside computations."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tensorflow_federated as tff

VECTOR = tff.TensorType(np.float32, [None])
FIXED = tff.TensorType(np.float32, [3])
X = np.array([1.0, 2.0, 3.0], np.float32)


@jax.custom_vjp
def clipped(x):
    return x


clipped.defvjp(lambda x: (x, None), lambda _, g: (jnp.clip(g, -1, 1),))


def newton(x):
    def step(carry):
        guess, _ = carry
        following = (guess + x / guess) / 2
        return following, jnp.abs(following - guess)

    return jax.lax.while_loop(lambda carry: carry[1] > 1e-5, step, (x, x))[0]


FUNCTIONS = {
    "jit": jax.jit(lambda x: x + 1),
    "jit with donation": jax.jit(lambda x: x + 1, donate_argnums=0),
    "vmap": jax.vmap(lambda x: x**2),
    "grad": jax.grad(lambda x: jnp.sum(x**3)),
    "value and grad": jax.value_and_grad(lambda x: jnp.sum(jnp.sin(x))),
    "jacobian": jax.jacfwd(jnp.cumsum),
    "jvp": lambda x: jax.jvp(jnp.exp, (x,), (jnp.ones_like(x),)),
    "scan": lambda x: jax.lax.scan(lambda total, e: (total + e, total * e), jnp.float32(0), x),
    "while loop": lambda x: newton(x[1]),
    "fori loop": lambda x: jax.lax.fori_loop(0, 3, lambda i, v: v * i + 1, x),
    "cond": lambda x: jax.lax.cond(x[0] > 0, lambda v: v, lambda v: -v, x),
    "switch": lambda x: jax.lax.switch(jnp.int32(x[1]), [jnp.sin, jnp.cos, jnp.tan], x),
    "map": lambda x: jax.lax.map(lambda e: e + 1, x),
    "associative scan": lambda x: jax.lax.associative_scan(jnp.add, x),
    "custom vjp": jax.grad(lambda x: jnp.sum(clipped(x) ** 3)),
    "checkpoint": jax.grad(lambda x: jnp.sum(jax.checkpoint(jnp.sin)(x))),
    "stop gradient": jax.grad(lambda x: jnp.sum(x * jax.lax.stop_gradient(x))),
    "static arguments": lambda x: functools.partial(jax.jit, static_argnums=1)(jnp.power)(x, 3),
    "sort": lambda x: (jnp.sort(-x), jnp.argsort(-x), jnp.argmax(x)),
    "random": lambda x: jax.random.permutation(jax.random.key(1), x),
    "einsum": lambda x: jnp.einsum("i,j->ij", x, x),
    "one hot": lambda x: jax.nn.one_hot(x.astype(jnp.int32), 4),
    "softmax": jax.nn.softmax,
    "numpy closure": lambda x: x + X,
    "jax closure": (lambda array: lambda x: x * array)(jnp.arange(3.0)),
    "linear algebra": lambda x: jnp.linalg.norm(jnp.outer(x, x) + jnp.eye(3)),
    "eval shape": lambda x: jnp.zeros(jax.eval_shape(jnp.outer, x, x).shape),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_what_jax_does_a_computation_does(engine, name):
    function = FUNCTIONS[name]
    computation = tff.jax.computation(lambda x: function(x), FIXED)
    expected = jax.jit(lambda x: function(x))(X)
    result = computation(X)
    assert jax.tree.structure(result) == jax.tree.structure(expected)
    for ours, theirs in zip(jax.tree.leaves(result), jax.tree.leaves(expected), strict=True):
        assert ours.dtype == theirs.dtype
        np.testing.assert_allclose(ours, theirs, rtol=1e-6)


@pytest.mark.parametrize("transformation", [jax.jit, jax.grad, jax.value_and_grad, jax.checkpoint])
def test_a_transformed_function_is_a_function(transformation):
    computation = tff.jax.computation(transformation(lambda x: x**2), np.float32)
    assert computation(3.0) == transformation(lambda x: x**2)(3.0)


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda x: x.shape[0], "int32"),
        (lambda x: jnp.size(x), "int32"),
        (lambda x: {"n": x.shape[0], "x": x}, "<n=int32,x=float32[?]>"),
        (lambda x: jnp.arange(x.shape[0]), "int32[?]"),
        (lambda x: x / x.shape[0], "float32[?]"),
        (lambda x: jnp.mean(x), "float32"),
        (lambda x: jnp.zeros_like(x), "float32[?]"),
        (lambda x: jnp.stack([x, x], axis=1), "float32[?,2]"),
        (lambda x: jnp.pad(x, 1), "float32[?]"),
        (lambda x: jax.vmap(lambda e: jnp.ones(2) * e)(x), "float32[?,2]"),
        (lambda x: jax.lax.scan(lambda c, e: (c + e, c), 0.0, x), "<float32,float32[?]>"),
        (lambda x: jnp.outer(x, x), "float32[?,?]"),
        (lambda x: x[None, :], "float32[1,?]"),
        (lambda x: jax.random.normal(jax.random.key(0), x.shape), "float32[?]"),
    ],
)
def test_sizes_that_are_not_known(engine, function, expected):
    computation = tff.jax.computation(function, VECTOR)
    assert str(computation.type_signature.result) == expected
    for size in (1, 4):
        x = np.arange(1, size + 1, dtype=np.float32)
        result, reference = computation(x), function(jnp.asarray(x))
        for ours, theirs in zip(jax.tree.leaves(result), jax.tree.leaves(reference), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-6)


def test_one_function_with_another_size_of_a_known_dimension_is_refused(engine):
    computation = tff.jax.computation(lambda x: x, FIXED)
    with pytest.raises(TypeError, match=r"expected float32\[3\], got float32\[2\]"):
        computation(X[:2])


def test_effects_happen_when_the_function_is_traced(engine):
    seen = []
    computation = tff.jax.computation(lambda x: seen.append("traced") or x + 1, np.int32)
    traced = len(seen)
    assert [computation(1), computation(2), computation(3)] == [2, 3, 4]
    assert len(seen) == traced + 1
