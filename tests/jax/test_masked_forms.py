"""Masked forms that are found for steps written by hand: the first rows of a batch count."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax import lax

import tensorflow_federated as tff
from tensorflow_federated.core import contexts as context_stack
from tensorflow_federated.core.byte_format import DEFAULT_LIMITS
from tensorflow_federated.jax import exported_functions, masked_forms

from .client_steps import (
    BATCH,
    START,
    STATE,
    assert_as_reference,
    averaging,
    compiled_context,
    ordered,
    whole_step,
)

WEIGHTS = tff.to_type([(np.float32, [4, 3]), (np.float32, [3])])
ROWS = tff.to_type([(np.float32, [None, 4]), (np.int32, [None])])
SIZE = 6


def logits(weights, batch):
    return batch[0] @ weights[0] + weights[1]


def mean_of_logs(weights, batch):
    each = jax.nn.log_softmax(logits(weights, batch))
    return -jnp.mean(jnp.take_along_axis(each, batch[1][:, None], axis=1))


def by_length(weights, batch):
    return jnp.sum(logits(weights, batch) ** 2) / len(batch[1])


def by_inverse_length(weights, batch):
    return (1 / batch[0].shape[0]) * jnp.sum(logits(weights, batch) ** 2)


def by_constant_shape(weights, batch):
    """As Keras divides by the product of the shape, an array."""
    each = logits(weights, batch)
    return jnp.sum(each**2) / jnp.prod(jnp.asarray(np.array(each.shape, np.int32)))


def indexed(weights, batch):
    each = jax.nn.log_softmax(logits(weights, batch))
    return -each[jnp.arange(len(batch[1])), batch[1]].mean()


def for_each_row(weights, batch):
    def loss(x, y):
        return -jax.nn.log_softmax(x @ weights[0] + weights[1])[y]

    return jnp.mean(jax.vmap(loss)(*batch))


def one_hot(weights, batch):
    return optimal(logits(weights, batch), jax.nn.one_hot(batch[1], 3))


@jax.jit
def optimal(scores, labels):
    return jnp.sum(jax.nn.softplus(scores) * labels, axis=1).mean()


def normalized(weights, batch):
    x = batch[0]
    x = (x - x.mean(axis=0)) / jnp.sqrt(x.var(axis=0) + 0.1)
    return mean_of_logs(weights, (x, batch[1]))


def unbiased_deviation(weights, batch):
    return jnp.sqrt(jnp.var(logits(weights, batch), ddof=1) + 0.1)


def dropped(weights, batch):
    kept = jax.random.bernoulli(jax.random.key(3), 0.5, batch[0].shape)
    return mean_of_logs(weights, (batch[0] * kept, batch[1]))


def pairs(weights, batch):
    scores = logits(weights, batch)
    return jnp.mean((scores[:, None] - scores[None]) ** 2)


def weighted_by_ones(weights, batch):
    ones = np.ones(len(batch[1]), np.float32)
    return (ones * (logits(weights, batch) ** 2).sum(axis=1)).sum() / ones.sum()


def flattened(weights, batch):
    return jnp.mean(jnp.tanh(logits(weights, batch).ravel()))


def recurrent(weights, batch):
    def turn(state, x):
        return jnp.tanh(state @ weights[0][:3] + x[:, None]), None

    state, _ = lax.scan(turn, jnp.zeros((len(batch[1]), 3)), batch[0].T)
    return jnp.mean(state**2)


def largest(weights, batch):
    return jnp.max(logits(weights, batch)) - jnp.min(logits(weights, batch))


def either(weights, batch):
    return lax.cond(weights[1][0] > 0, by_length, largest, weights, batch)


def embedded(weights, batch):
    return jnp.mean(weights[0][batch[1]] ** 2)


def convolved(weights, batch):
    images = batch[0].reshape(-1, 2, 2, 1)
    kernel = weights[0].reshape(2, 2, 1, 3)
    found = lax.conv_general_dilated(
        images, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
    pooled = lax.reduce_window(found, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 1, 1, 1), "VALID")
    return jnp.mean(pooled**2)


def running(weights, batch):
    each = jnp.sum(logits(weights, batch), axis=1)
    return jnp.mean(jnp.cumsum(each))


def products(weights, batch):
    return jnp.sum(batch[0].T @ logits(weights, batch))


LOSSES = [
    mean_of_logs,
    by_length,
    by_inverse_length,
    by_constant_shape,
    indexed,
    for_each_row,
    one_hot,
    normalized,
    unbiased_deviation,
    dropped,
    pairs,
    weighted_by_ones,
    flattened,
    recurrent,
    largest,
    either,
    embedded,
    convolved,
    running,
    products,
]


def stepping(loss):
    def step(weights, batch):
        gradients = jax.grad(loss)(weights, batch)
        return [
            weight - 0.1 * gradient for weight, gradient in zip(weights, gradients, strict=True)
        ]

    return step


def local(function, state=WEIGHTS, batch=ROWS):
    return tff.jax.computation(function, state, batch).node.computation


def weights_of(seed):
    generator = np.random.default_rng(seed)
    return [generator.standard_normal(shape).astype(np.float32) for shape in [(4, 3), (3,)]]


def batch_of(seed, count, garbage=np.nan, size=SIZE):
    generator = np.random.default_rng(seed)
    x = generator.standard_normal((size, 4)).astype(np.float32)
    y = generator.integers(0, 3, size).astype(np.int32)
    x[count:], y[count:] = garbage, 2**31 - 1
    return [x, y]


def assert_masked(step, count, masked, *, garbage=np.nan, size=SIZE, seed=0):
    assert masked is not None
    weights, batch = weights_of(seed), batch_of(seed, count, garbage, size)
    expected = jax.jit(step)(weights, [leaf[:count] for leaf in batch])
    found = jax.jit(masked)(weights, batch, np.int32(count))
    for a, b in zip(expected, found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


QUICK = (mean_of_logs, by_length, normalized, recurrent, embedded, products)


@pytest.mark.parametrize(
    "loss",
    [pytest.param(loss, marks=() if loss in QUICK else pytest.mark.slow) for loss in LOSSES],
    ids=lambda loss: loss.__name__,
)
def test_other_rows_have_no_effect(loss):
    step = stepping(loss)
    masked = masked_forms.find(local(step))
    for count in (2, 5, SIZE) if loss is unbiased_deviation else (1, 2, 5, SIZE):
        assert_masked(step, count, masked)


@pytest.mark.parametrize(
    "garbage",
    [np.inf, *(pytest.param(each, marks=pytest.mark.slow) for each in (-np.inf, 3e38, 0.0))],
)
def test_whatever_other_rows_hold(garbage):
    step = stepping(normalized)
    assert_masked(step, 3, masked_forms.find(local(step)), garbage=garbage)


def test_the_form_is_for_batches_of_any_size():
    step = stepping(indexed)
    masked = masked_forms.find(local(step))
    for size in (1, 4, 33):
        assert_masked(step, (size + 1) // 2, masked, size=size)


def test_the_form_travels():
    step = stepping(mean_of_logs)
    computation = local(step)
    data = exported_functions.encode(computation)
    read = exported_functions.decode(data, computation.type_signature, "step", DEFAULT_LIMITS)
    assert_masked(step, 4, read.masked)


def unless_full(weights, batch):
    return weights if len(batch[1]) != 20 else stepping(mean_of_logs)(weights, batch)


def unless_single(weights, batch):
    return weights if len(batch[1]) == 1 else stepping(mean_of_logs)(weights, batch)


def from_length_on(weights, batch):
    return weights if len(batch[1]) < 12 else stepping(mean_of_logs)(weights, batch)


def by_remainder_of_length(weights, batch):
    """A short array that depends on the size, as no shape does."""
    return [weights[0] + jnp.sum(jnp.asarray(np.array([1, len(batch[1]) % 7]))), weights[1]]


def by_long_ramp(weights, batch):
    return [weights[0] + jnp.sum(jnp.asarray(np.full(9, len(batch[1])) + np.arange(9))), weights[1]]


def first_row(weights, batch):
    return [weights[0] + batch[0][0, 0], weights[1]]


def last_row(weights, batch):
    return [weights[0] + batch[0][-1, 0], weights[1]]


def halves(weights, batch):
    x = batch[0]
    return [weights[0] + jnp.max(x[: len(x) // 2]), weights[1]]


def every_second(weights, batch):
    return [weights[0] + jnp.mean(batch[0][::2]), weights[1]]


def reversed_rows(weights, batch):
    return [weights[0] + jnp.sum(jnp.cumsum(batch[0][::-1], axis=0)), weights[1]]


def median(weights, batch):
    return [weights[0] + jnp.median(batch[0]), weights[1]]


def shuffled(weights, batch):
    return [weights[0] + jax.random.permutation(jax.random.key(0), batch[0])[0, 0], weights[1]]


def as_many_draws(weights, batch):
    drawn = jax.random.normal(jax.random.key(0), (3, len(batch[1])))
    return [weights[0] + drawn.sum(), weights[1]]


@pytest.mark.parametrize(
    "step",
    [
        unless_full,
        unless_single,
        from_length_on,
        by_remainder_of_length,
        by_long_ramp,
        first_row,
        last_row,
        halves,
        every_second,
        reversed_rows,
        median,
        shuffled,
        as_many_draws,
    ],
    ids=lambda step: step.__name__,
)
def test_steps_without_a_form(step):
    assert masked_forms.find(local(step)) is None


MAPS = {
    "square": jnp.square,
    "tanh": jnp.tanh,
    "add": lambda x: x + 0.5,
    "softmax": jax.nn.softmax,
    "centred": lambda x: x - x.mean(axis=0),
    "scaled by length": lambda x: x / x.shape[0],
    "relu": jax.nn.relu,
    "transposed": lambda x: (x.T * 2).T,
    "cumulated": lambda x: jnp.cumsum(x, axis=0),
    "sorted in rows": lambda x: jnp.sort(x, axis=1),
    "of largest": lambda x: x - lax.stop_gradient(x.max(axis=0)),
    "with products": lambda x: x @ (x.T @ x) / (1 + jnp.sum(x * x)),
    "joined": lambda x: jnp.concatenate([x, -x], axis=1)[:, 1:4],
}
REDUCTIONS = {
    "mean": jnp.mean,
    "sum": jnp.sum,
    "max": jnp.max,
    "deviation": lambda x: jnp.sqrt(jnp.var(x) + 0.1),
    "norm": lambda x: jnp.sqrt(jnp.sum(x**2) + 0.1),
    "sum of means": lambda x: jnp.sum(jnp.mean(x, axis=0) ** 2),
    "logsumexp": jax.nn.logsumexp,
}


@pytest.mark.slow
@settings(max_examples=8, deadline=None)
@given(
    maps=st.lists(st.sampled_from(sorted(MAPS)), min_size=1, max_size=4),
    reduction=st.sampled_from(sorted(REDUCTIONS)),
    count=st.integers(1, SIZE),
    seed=st.integers(0, 99),
)
def test_any_chain_of_operations(maps, reduction, count, seed):
    def loss(weights, batch):
        value = logits(weights, batch)
        for name in maps:
            value = MAPS[name](value)
        return REDUCTIONS[reduction](value)

    step = stepping(loss)
    assert_masked(step, count, masked_forms.find(local(step)), seed=seed)


def rows_of(size, batch_size=5):
    x, y = batch_of(size, size, size=size)
    x, y = x[:, :3], y.astype(np.float32)
    return [
        {"x": x[i : i + batch_size], "y": y[i : i + batch_size]} for i in range(0, size, batch_size)
    ]


@pytest.mark.slow
def test_rounds_of_a_step_that_is_written_by_hand():
    program = averaging(tff.jax.computation(ordered(whole_step), STATE, BATCH))
    assert_as_reference(program, START, [rows_of(size) for size in (1, 12, 0, 5, 7)])


def test_one_program_for_all_cohorts(compilations):
    program = averaging(tff.jax.computation(ordered(whole_step), STATE, BATCH))
    generator = np.random.default_rng(0)

    def cohort():
        return [rows_of(int(size)) for size in generator.integers(1, 36, 16)]

    with context_stack.install(compiled_context(threads=1)):
        for _ in range(3):
            program(START, cohort())
        before = compilations()
        for _ in range(4):
            program(START, cohort())
    assert compilations() == before <= 2
