"""The masked form of the steps of JAX models: the first rows of a batch count, no others."""

from __future__ import annotations

import collections

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tensorflow_federated as tff
from tensorflow_federated.jax import masked_forms
from tensorflow_federated.learning.local_steps.descent import TunedDescent
from tensorflow_federated.learning.models import local_loops

NUM_FEATURES, NUM_LABELS, SIZE = 3, 2, 6
SPEC = ((np.float32, [None, NUM_FEATURES]), (np.int32, [None]))
KEY = np.array([3, 4])


def predict(model_weights, x, training):
    del training
    (kernel,), _ = model_weights
    return x @ kernel


def losses(output, label):
    return -jnp.take_along_axis(jax.nn.log_softmax(output), label[:, None], axis=1)[:, 0]


def mean(output, label, sample_weight=None):
    del sample_weight
    return jnp.mean(losses(output, label))


def total(output, label, sample_weight=None):
    del sample_weight
    return jnp.sum(losses(output, label))


def weighted_total(output, label, sample_weight=None):
    each = losses(output, label)
    return jnp.sum(each if sample_weight is None else sample_weight * each)


def mean_over_rows(output, label, sample_weight=None):
    """As Keras has it: the sum of the weighted losses by the number of rows."""
    return weighted_total(output, label, sample_weight) / len(label)


def mean_over_weights(output, label, sample_weight=None):
    if sample_weight is None:
        return mean(output, label)
    return jnp.sum(sample_weight * losses(output, label)) / jnp.sum(sample_weight)


def smoothed(output, label, sample_weight=None):
    """A loss that is no mean of those of single rows, and takes weights."""
    each = losses(output, label)
    weights = jnp.ones_like(each) if sample_weight is None else sample_weight
    return jnp.sqrt(jnp.sum(weights * each) / jnp.sum(weights))


def metrics():
    """Metrics that take no weights: sums, a number of batches, a maximum."""

    def initialize():
        return collections.OrderedDict(
            loss=jnp.zeros(()), rows=np.int32(0), batches=np.int32(0), largest=jnp.zeros(())
        )

    def update(state, labels, batch_output, sample_weight=None):
        del sample_weight
        return {
            "largest": jnp.maximum(state["largest"], batch_output.predictions.max()),
            "batches": state["batches"] + 1,
            "rows": state["rows"] + len(labels),
            "loss": state["loss"] + batch_output.loss * batch_output.num_examples,
        }

    return initialize, update, lambda state: state


def model(predict_on_batch=predict, loss=mean, spec=SPEC, metrics_fns=None):
    kernel = np.linspace(-1, 1, NUM_FEATURES * NUM_LABELS, dtype=np.float32)
    return tff.learning.models.FunctionalModel(
        initial_weights=([kernel.reshape(NUM_FEATURES, NUM_LABELS)], []),
        predict_on_batch_fn=jax.jit(predict_on_batch),
        loss_fn=loss,
        metrics_fns=metrics() if metrics_fns is None else metrics_fns,
        input_spec=spec,
    )


def masked_of(computation):
    """The masked form of a step; None if it has none."""
    return masked_forms.find(computation.node.computation)


def batch_of(count, garbage=np.nan):
    generator = np.random.default_rng(count)
    x = generator.standard_normal((SIZE, NUM_FEATURES)).astype(np.float32)
    y = generator.integers(0, NUM_LABELS, SIZE).astype(np.int32)
    x[count:] = garbage
    y[count:] = 2**31 - 1
    return x, y


def stepped(functional_model, count, garbage=np.nan, *, training=True):
    """The states after the rows that count: as a batch of their own, and masked."""
    spec = local_loops.describe_model(functional_model)
    weights = spec.initial_weights()
    if training:
        loop = local_loops.build_train_loop(
            spec, TunedDescent(tff.learning.optimizers.build_sgdm(0.5))
        )
        start = loop.initialize(weights, collections.OrderedDict(learning_rate=0.5), KEY)
    else:
        loop = local_loops.build_eval_loop(spec)
        start = loop.initialize(weights, KEY)
    x, y = batch_of(count, garbage)
    masked = masked_of(loop.step)
    assert masked is not None
    with jax.enable_x64(True):
        start = jax.tree.map(jnp.asarray, start)
        after = jax.jit(masked)(start, (x, y), np.int32(count))
    return loop.step(start, (x[:count], y[:count])), after


def assert_same(expected, got):
    for (path, a), (_, b) in zip(
        jax.tree_util.tree_leaves_with_path(expected),
        jax.tree_util.tree_leaves_with_path(got),
        strict=True,
    ):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6, err_msg=str(path))


def taking_turns(values, counts, ids=None):
    """Each value with each number of rows that count; in the quick tests they take turns."""
    return [
        pytest.param(
            value,
            count,
            marks=() if which == turn % len(counts) else pytest.mark.slow,
            id=f"{ids[turn] if ids else value.__name__}-{count}",
        )
        for turn, value in enumerate(values)
        for which, count in enumerate(counts)
    ]


@pytest.mark.parametrize(
    ("loss", "count"),
    taking_turns(
        [mean, total, weighted_total, mean_over_rows, mean_over_weights, smoothed],
        [1, 2, 5, SIZE],
    ),
)
def test_other_rows_have_no_effect(loss, count):
    assert_same(*stepped(model(loss=loss), count))


# The other tests have not-a-numbers there.
@pytest.mark.parametrize(
    "garbage",
    [
        np.inf,
        *(pytest.param(each, marks=pytest.mark.slow) for each in (np.nan, -np.inf, 3e38, 0.0)),
    ],
)
def test_whatever_other_rows_hold(garbage):
    assert_same(*stepped(model(), 4, garbage))


@pytest.mark.parametrize("count", [1, 4])
def test_evaluation_has_a_masked_form_too(count):
    assert_same(*stepped(model(), count, training=False))


def test_means_over_examples_are_masked():
    fns = tff.learning.metrics.create_mean_metric_fns(
        {
            "loss": lambda labels, output: output.loss,
            "accuracy": lambda labels, output: output.predictions.argmax(axis=1) == labels,
        }
    )
    assert_same(*stepped(model(metrics_fns=fns), 4))


def test_predictions_with_a_part_that_has_no_rows():
    def predict_with_norm(model_weights, x, training):
        (kernel,), _ = model_weights
        return predict(model_weights, x, training), jnp.sum(kernel**2)

    def loss(output, label, sample_weight=None):
        logits, norm = output
        return mean(logits, label, sample_weight) + 0.1 * norm

    nothing = (dict, lambda state, *_: state, lambda state: state)
    functional_model = model(predict_with_norm, loss, metrics_fns=nothing)
    assert_same(*stepped(functional_model, 4))


@pytest.mark.slow
def test_random_features_are_those_of_a_smaller_batch():
    def dropped(model_weights, x, training, key):
        return predict(model_weights, x * jax.random.bernoulli(key, 0.5, x.shape), training)

    assert_same(*stepped(model(dropped), 4))


@pytest.mark.slow
def test_division_by_the_norm_of_an_example():
    def normalized(model_weights, x, training):
        return predict(model_weights, x / jnp.linalg.norm(x, axis=1, keepdims=True), training)

    assert_same(*stepped(model(normalized), 4))


def centred(model_weights, x, training):
    """Predicts from features whose mean over the batch is zero."""
    return predict(model_weights, x - x.mean(axis=0), training)


def pairwise(output, label, sample_weight=None):
    """A loss of pairs of examples."""
    del label, sample_weight
    return jnp.mean((output[:, None] - output[None]) ** 2)


def median_metric():
    def update(state, labels, batch_output, sample_weight=None):
        del labels, sample_weight
        return {"median": state["median"] + jnp.median(batch_output.predictions)}

    return lambda: {"median": jnp.zeros(())}, update, lambda state: state


def relative(output, label, sample_weight=None):
    """A loss that is 1, and whose gradient is not 0."""
    del sample_weight
    each = losses(output, label)
    return jnp.mean(each) / jax.lax.stop_gradient(jnp.mean(each))


@pytest.mark.parametrize(
    ("arguments", "count"),
    taking_turns(
        [{"predict_on_batch": centred}, {"loss": pairwise}, {"loss": relative}],
        [1, 2, 5],
        ["examples depend on each other", "pairs of examples", "a detached mean"],
    ),
)
def test_examples_that_depend_on_each_other(arguments, count):
    assert_same(*stepped(model(**arguments), count))


def has_masked_form(functional_model):
    sgd = tff.learning.optimizers.build_sgdm(0.5)
    return (
        masked_of(local_loops.build_train_loop(functional_model, TunedDescent(sgd)).step)
        is not None
    )


@pytest.mark.parametrize(
    "arguments",
    [
        {"metrics_fns": median_metric()},
        {"spec": ((np.float32, [4, NUM_FEATURES]), (np.int32, [4]))},
    ],
    ids=["a median", "batches of one size"],
)
def test_models_without_a_masked_form(arguments):
    assert not has_masked_form(model(**arguments))


@pytest.mark.slow
def test_a_model_without_a_masked_form_trains():
    process = tff.learning.algorithms.build_weighted_fed_avg(
        model(metrics_fns=median_metric()), tff.learning.optimizers.build_sgdm(0.5)
    )
    data = [[tuple(leaf[:4] for leaf in batch_of(4)), tuple(leaf[:2] for leaf in batch_of(2))]]
    state, metrics = process.next(process.initialize(), data)
    assert np.all(np.isfinite(process.get_model_weights(state).trainable[0]))
    assert np.isfinite(metrics["client_work"]["train"]["median"])


def test_a_model_that_takes_only_even_batches_has_no_masked_form():
    def halves(model_weights, x, training):
        x = x.reshape(2, len(x) // 2, NUM_FEATURES)
        return jax.vmap(lambda each: predict(model_weights, each, training))(x).reshape(-1, 2)

    process = tff.learning.algorithms.build_weighted_fed_avg(
        model(halves), tff.learning.optimizers.build_sgdm(0.5)
    )
    data = [[tuple(leaf[:4] for leaf in batch_of(4))]]
    _, metrics = process.next(process.initialize(), data)
    assert metrics["client_work"]["train"]["rows"] == 4
