"""Gradients of maxima over windows: in parts, and the same to the bit."""

from __future__ import annotations

import jax
import jax.export
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.extend import core

from tensorflow_federated.jax import jaxprs, pooling_gradients

RNG = np.random.default_rng(0)
NAME = "select_and_scatter_add"


def pooled(x, window, strides=None, padding="VALID", *, least=False):
    start, reducer = (jnp.inf, lax.min) if least else (-jnp.inf, lax.max)
    return lax.reduce_window(x, start, reducer, window, strides or window, padding)


def gradient(window, *arguments, **options):
    def loss(x):
        result = pooled(x, window, *arguments, **options)
        return jnp.sum(result * jnp.arange(1.0, 1.0 + result.size).reshape(result.shape))

    return jax.grad(loss)


def check(fn, x):
    """The function has none of these operations left, and gives the same bits."""
    function = pooling_gradients.in_parts(jax.make_jaxpr(fn)(x))
    assert not jaxprs.contains(function, [NAME])
    (found,) = core.jaxpr_as_fun(function)(x)
    np.testing.assert_array_equal(found, fn(x))


@pytest.mark.parametrize(
    ("shape", "window"),
    [
        ((3, 8, 6, 2), (1, 2, 2, 1)),
        # A row and a column are in no window.
        ((2, 7, 9, 3), (1, 2, 2, 1)),
        ((2, 9, 7), (1, 3, 1)),
        ((2, 8, 6, 4, 2), (1, 2, 3, 2, 1)),
        ((4, 8), (2, 4)),
        ((2, 3), (1, 1)),
    ],
)
@pytest.mark.parametrize("least", [False, True])
def test_gradients_keep_their_bits(shape, window, least):
    x = jnp.asarray(RNG.standard_normal(shape), jnp.float32)
    check(gradient(window, least=least), x)
    # Many equal ones, as after `relu`.
    check(gradient(window, least=least), jnp.round(jnp.maximum(x, 0.0)))


def test_what_is_no_number_is_chosen_as_before():
    x = jnp.asarray(RNG.choice([np.nan, np.inf, -np.inf, 0.0, 1.0], (64, 4, 4, 1)), jnp.float32)
    check(gradient((1, 2, 2, 1)), x)


def test_many_arrays_at_once():
    x = jnp.asarray(RNG.standard_normal((5, 2, 4, 4, 1)), jnp.float32)
    check(jax.vmap(gradient((1, 2, 2, 1))), x)


def test_inside_of_a_loop():
    step = gradient((2,))
    x = jnp.asarray(RNG.standard_normal(8), jnp.float32)
    check(lambda x: lax.fori_loop(0, 3, lambda _, x: x - 0.5 * step(x), x), x)


def test_batches_of_any_number_of_rows():
    (rows,) = jax.export.symbolic_shape("rows")
    x = jax.ShapeDtypeStruct((rows, 4, 4, 1), np.float32)

    def loss(x):
        return jnp.sum(pooled(x, (1, 2, 2, 1)) ** 2)

    function = pooling_gradients.in_parts(jax.make_jaxpr(jax.grad(loss))(x))
    assert not jaxprs.contains(function, [NAME])


@pytest.mark.parametrize(
    ("window", "strides", "padding"),
    [
        ((1, 3, 3, 1), (1, 2, 2, 1), "VALID"),
        ((1, 3, 3, 1), None, "SAME"),
        ((1, 5, 5, 1), None, "VALID"),
    ],
    ids=["overlapping", "filled up", "large"],
)
def test_other_windows_stay_as_they_are(window, strides, padding):
    function = jax.make_jaxpr(gradient(window, strides, padding))(jnp.zeros((2, 10, 10, 1)))
    assert pooling_gradients.in_parts(function) is function
