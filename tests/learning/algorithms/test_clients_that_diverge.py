"""Clients whose model delta is not finite: they count for nothing, and the caller knows which."""

from __future__ import annotations

import functools
import logging

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tensorflow_federated as tff

DIVERGED = [1, 4, 17]
NUM_CLIENTS = 20
native = tff.backends.native
install = tff.framework.get_context_stack().install


def batch(value):
    return np.full([2, 3], value, np.float32), np.ones([2, 1], np.float32)


DATA = [[batch(np.nan if i in DIVERGED else 1 + i / 8)] for i in range(NUM_CLIENTS)]
DATA_LEFT = [data for i, data in enumerate(DATA) if i not in DIVERGED]


def jax_model():
    return tff.learning.models.FunctionalModel(
        initial_weights=([np.zeros([3, 1], np.float32)], []),
        predict_on_batch_fn=jax.jit(lambda weights, x, training: x @ weights[0][0]),
        loss_fn=jax.jit(lambda output, label, sample_weight: jnp.mean((output - label) ** 2)),
        input_spec=(
            tff.TensorType(np.float32, [None, 3]),
            tff.TensorType(np.float32, [None, 1]),
        ),
    )


def keras_model():
    import keras
    import tensorflow as tf

    def model_fn():
        dense = keras.layers.Dense(1, kernel_initializer="zeros", use_bias=False)
        return tff.learning.models.from_keras_model(
            keras.Sequential([keras.layers.InputLayer(shape=(3,)), dense]),
            keras.losses.MeanSquaredError(),
            input_spec=(tf.TensorSpec([None, 3]), tf.TensorSpec([None, 1])),
        )

    return model_fn


@functools.cache
def process(framework, weighted=True):
    build = (
        tff.learning.algorithms.build_weighted_fed_avg
        if weighted
        else tff.learning.algorithms.build_unweighted_fed_avg
    )
    model = {"jax": jax_model, "keras": keras_model}[framework]()
    return build(model, tff.learning.optimizers.build_sgdm(0.1))


def run_round(context, framework, data=DATA, weighted=True):
    chosen = process(framework, weighted)
    with install(context):
        state = chosen.initialize()
        chosen.next(state, DATA_LEFT)
        return chosen.next(state, data)


def kernel(output):
    [found] = output.state.global_model_weights.trainable
    return np.asarray(found)[:, 0].tolist()


FRAMEWORKS = pytest.mark.parametrize(
    "framework", [pytest.param("jax", marks=pytest.mark.slow), "keras"]
)
FORMS = pytest.mark.parametrize(
    ("form", "framework"),
    [
        ("compiled", "jax"),
        ("separate", "keras"),
        pytest.param("compiled", "keras", marks=pytest.mark.slow),
        pytest.param("separate", "jax", marks=pytest.mark.slow),
    ],
)


@FORMS
def test_they_are_told_without_a_policy(framework, form):
    context = native.create_sync_local_cpp_execution_context(client_form=form)
    output = run_round(context, framework)
    assert kernel(output) == pytest.approx(kernel(run_round(context, framework, DATA_LEFT)))
    run_round(context, framework)
    found = context.last_failures
    assert [(each.client_index, each.stage, each.round_number) for each in found] == [
        (i, "client step 1", 6) for i in DIVERGED
    ]
    assert not any(each.is_left_out for each in found)
    assert all(isinstance(each.error, FloatingPointError) for each in found)


@FRAMEWORKS
def test_they_are_told_where_updates_have_no_weight(framework):
    context = native.create_sync_local_cpp_execution_context()
    run_round(context, framework, weighted=False)
    assert [each.client_index for each in context.last_failures] == DIVERGED


@FORMS
def test_they_can_be_left_out(framework, form):
    context = native.create_sync_local_cpp_execution_context(
        client_form=form, non_finite="fail", on_client_failure="drop"
    )
    output = run_round(context, framework)
    assert [(each.client_index, each.is_left_out) for each in context.last_failures] == [
        (i, True) for i in DIVERGED
    ]
    assert kernel(output) == pytest.approx(kernel(run_round(context, framework, DATA_LEFT)))


@FORMS
def test_they_can_end_the_call(framework, form):
    context = native.create_sync_local_cpp_execution_context(client_form=form, non_finite="fail")
    with pytest.raises(RuntimeError, match="the work of client 1 failed") as raised:
        run_round(context, framework)
    error = raised.value
    assert (error.client_index, error.stage, error.round_number) == (1, "client step 1", 2)
    assert any("update: holds NaN or an infinity" in each for each in error.problems)


@pytest.mark.slow
@pytest.mark.parametrize("settings", [{}, {"non_finite": "fail", "on_client_failure": "drop"}])
def test_they_are_told_by_other_processes_too(settings):
    here = native.create_sync_local_cpp_execution_context(**settings)
    with native.create_executor_context(2, **settings) as there:
        outputs = [run_round(context, "jax") for context in (here, there)]
        told = [
            [(each.client_index, each.stage, each.is_left_out) for each in context.last_failures]
            for context in (here, there)
        ]
    assert kernel(outputs[0]) == kernel(outputs[1])
    assert told[0] == told[1]
    assert [index for index, _, _ in told[0]] == DIVERGED


def test_the_log_and_the_profile_count_them(caplog):
    context = native.create_sync_local_cpp_execution_context()
    with caplog.at_level(logging.WARNING), tff.profile(print=False) as profile:
        run_round(context, "jax")
    [message] = [each.getMessage() for each in caplog.records if "finite" in each.getMessage()]
    assert message == (
        "Round 2: 3 of the clients count for nothing, for their updates are not finite: 1, 4, 17"
    )
    assert profile.total.failed_clients == len(DIVERGED)


def test_their_names_are_told():
    batches = [(np.concatenate([x, x]), np.concatenate([y, y])) for [(x, y)] in DATA]
    data = tff.simulation.datasets.ClientArrays.from_clients(
        {f"c{i}": each for i, each in enumerate(batches)}
    ).preprocess(tff.simulation.datasets.Preprocessing(batch_size=2))
    context = native.create_sync_local_cpp_execution_context()
    run_round(context, "jax", data.cohort(["c5", "c4", "c17"]))
    assert [(each.client_index, each.client_id) for each in context.last_failures] == [
        (1, "c4"),
        (2, "c17"),
    ]


@pytest.mark.slow
def test_no_compiled_chunk_is_too_long():
    context = native.create_sync_local_cpp_execution_context(lanes=70)
    data = [DATA[0]] * 70
    data[3] = data[69] = DATA[1]
    run_round(context, "jax", data)
    assert [each.client_index for each in context.last_failures] == [3, 69]


def test_the_plan_says_that_the_engine_alone_is_told():
    explanation = tff.explain(process("jax").next)
    assert "tells" in explanation.plan
    assert "to the engine alone" in explanation.plan
    assert all("finite" not in each.name for each in explanation.sent_by_clients)
