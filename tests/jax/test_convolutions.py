"""Convolutions, and their gradients, in the layout that is fast in loops on a processor."""

from __future__ import annotations

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.extend import core

from tensorflow_federated.jax import convolutions, jaxprs, mixed_precision

RNG = np.random.default_rng(0)


def normal(*shape):
    return jnp.asarray(RNG.standard_normal(shape), jnp.float32)


def convolutions_in(closed):
    return [each for each in jaxprs.equations(closed) if each.primitive.name == convolutions.NAME]


def assert_same_in_canonical_layout(function, *arguments):
    traced = jax.make_jaxpr(function)(*arguments)
    rewritten = convolutions.in_canonical_layout(traced)
    assert len(convolutions_in(rewritten)) == len(convolutions_in(traced)) > 0
    assert all(map(convolutions.is_canonical, convolutions_in(rewritten)))
    for found, expected in zip(
        jax.jit(core.jaxpr_as_fun(rewritten))(*arguments),
        jax.jit(core.jaxpr_as_fun(traced))(*arguments),
        strict=True,
    ):
        assert found.dtype == expected.dtype
        np.testing.assert_allclose(found, expected, 1e-4, 1e-4)


@pytest.mark.parametrize(
    ("stride", "groups", "space"),
    [
        pytest.param(*each, marks=() if each in ((1, 1, 2), (2, 2, 1)) else pytest.mark.slow)
        for each in itertools.product((1, 2), (1, 2), (1, 2, 3))
    ],
)
def test_values_and_gradients_of_convolutions(space, groups, stride):
    def loss(x, kernel):
        result = lax.conv_general_dilated(
            x, kernel, (stride,) * space, "SAME", feature_group_count=groups
        )
        return jnp.sum(jnp.sin(result))

    x, kernel = normal(3, 4, *[6] * space), normal(6, 4 // groups, *[3] * space)
    assert_same_in_canonical_layout(jax.value_and_grad(loss, (0, 1)), x, kernel)


def test_dilations_and_groups_of_batches():
    x, kernel = normal(4, 6, 6, 2), normal(3, 3, 2, 4)

    def function(x, kernel):
        return lax.conv_general_dilated(
            x,
            kernel,
            (1, 1),
            [(1, 2), (0, 3)],
            lhs_dilation=(2, 1),
            rhs_dilation=(1, 2),
            dimension_numbers=("NHWC", "HWIO", "NCHW"),
            batch_group_count=2,
        )

    assert_same_in_canonical_layout(function, x, kernel)


def test_gradients_inside_of_loops_choices_and_checkpoints():
    kernel = normal(4, 4, 3, 3)

    @jax.checkpoint
    def convolved(x, kernel):
        return jnp.tanh(lax.conv_general_dilated(x, kernel, (1, 1), "SAME"))

    def step(_, carried):
        gradient = jax.grad(lambda *args: jnp.sum(convolved(*args) ** 2), (0, 1))(*carried)
        return lax.cond(
            jnp.sum(carried[0]) > 0,
            lambda: jax.tree.map(lambda a, b: a - 0.01 * b, carried, gradient),
            lambda: (convolved(*carried), carried[1]),
        )

    assert_same_in_canonical_layout(
        lambda x, kernel: lax.fori_loop(0, 3, step, (x, kernel)), normal(2, 4, 5, 5), kernel
    )


def test_convolutions_of_many_clients_at_a_time():
    def gradient(kernel, x):
        return jax.grad(
            lambda each: jnp.sum(jnp.sin(lax.conv_general_dilated(x, each, (1, 1), "SAME")))
        )(kernel)

    assert_same_in_canonical_layout(
        jax.vmap(gradient), normal(3, 4, 2, 3, 3), normal(3, 2, 2, 5, 5)
    )


@pytest.mark.slow
def test_products_and_convolutions_in_bfloat16_are_close_and_of_float32():
    def loss(x, kernel, weights):
        features = jnp.tanh(lax.conv_general_dilated(x, kernel, (1, 1), "SAME"))
        return jnp.mean((features.reshape(2, -1) @ weights) ** 2)

    arguments = normal(2, 3, 4, 4), 0.3 * normal(5, 3, 3, 3), 0.1 * normal(80, 7)
    traced = jax.make_jaxpr(jax.value_and_grad(loss, (0, 1, 2)))(*arguments)
    narrow = mixed_precision.in_bfloat16(traced)
    products = [
        each
        for each in jaxprs.equations(narrow)
        if each.primitive.name in ("dot_general", convolutions.NAME)
    ]
    assert products
    for each in products:
        assert {operand.aval.dtype for operand in each.invars} == {jnp.dtype(jnp.bfloat16)}
        assert {result.aval.dtype for result in each.outvars} == {jnp.dtype(jnp.float32)}
    for found, expected in zip(
        core.jaxpr_as_fun(narrow)(*arguments), core.jaxpr_as_fun(traced)(*arguments), strict=True
    ):
        assert found.dtype == jnp.float32
        np.testing.assert_allclose(found, expected, rtol=0.1, atol=0.02 * np.abs(expected).max())


def test_products_of_other_dtypes_stay_as_they_are():
    for dtype in (jnp.int32, jnp.float16):
        x = jnp.ones((2, 2), dtype)
        traced = jax.make_jaxpr(jnp.matmul)(x, x)
        assert str(mixed_precision.in_bfloat16(traced)) == str(traced)
