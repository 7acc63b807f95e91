"""Gradients of dense layers, in the order of factors that is fast on a processor."""

from __future__ import annotations

import jax
import jax.export
import jax.numpy as jnp
import numpy as np
import pytest
from jax.extend import core

from tensorflow_federated.jax import dense_gradients, jaxprs

RNG = np.random.default_rng(0)


def normal(*shape):
    return jnp.asarray(RNG.standard_normal(shape), jnp.float32)


def loss(kernel, x):
    return jnp.sum(jnp.sin(x @ kernel))


def rewritten_gradient(kernel, x):
    return dense_gradients.in_fast_order(jax.make_jaxpr(jax.grad(loss))(kernel, x))


@pytest.mark.parametrize("shape", [(784, 10), (32, 8), (48, 24)])
@pytest.mark.parametrize("rows", [20, pytest.param(1, marks=pytest.mark.slow)])
def test_gradients_of_narrow_layers_keep_their_bits(shape, rows):
    kernel, x = normal(*shape), normal(rows, shape[0])
    function = rewritten_gradient(kernel, x)
    assert jaxprs.contains(function, ["reduce_precision"])
    (found,) = core.jaxpr_as_fun(function)(kernel, x)
    np.testing.assert_array_equal(found, jax.grad(loss)(kernel, x))


def test_no_product_is_exchanged_by_the_compiler():
    kernel, x = normal(784, 10), normal(20, 784)
    function = jax.jit(core.jaxpr_as_fun(rewritten_gradient(kernel, x)))
    compiled = function.lower(kernel, x).compile().as_text()
    assert "f32[10,784]{1,0} dot(" in compiled
    assert "f32[784,10]{1,0} dot(" not in compiled


def test_nothing_is_changed_by_values_that_are_no_numbers():
    kernel, x = normal(40, 4), normal(20, 40).at[0, :3].set(jnp.array([jnp.nan, jnp.inf, 1e-42]))
    (found,) = core.jaxpr_as_fun(rewritten_gradient(kernel, x))(kernel, x)
    np.testing.assert_array_equal(found, jax.grad(loss)(kernel, x))


@pytest.mark.parametrize("shape", [(784, 62), (10, 784), (30, 20)])
def test_other_layers_stay_as_they_are(shape):
    function = jax.make_jaxpr(jax.grad(loss))(normal(*shape), normal(20, shape[0]))
    assert dense_gradients.in_fast_order(function) is function


def test_batches_of_any_number_of_rows():
    (rows,) = jax.export.symbolic_shape("rows")
    x = jax.ShapeDtypeStruct((rows, 784), np.float32)
    assert jaxprs.contains(rewritten_gradient(normal(784, 10), x), ["reduce_precision"])
