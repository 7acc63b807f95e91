"""Tree noise: the variance of running totals, restarts, and numbers of TFF 0.87 without noise."""

from __future__ import annotations

import collections

import numpy as np
import pytest
import tensorflow as tf
from tests import marks

import tensorflow_federated as tff
from tensorflow_federated.aggregators import tree_queries
from tensorflow_federated.core import contexts as context_stack
from tensorflow_federated.execution import contexts

Factory = tff.aggregators.DifferentiallyPrivateFactory
VECTOR = tff.TensorType(np.float32, [2])
VALUES = [[1.0, -2.0], [3.0, 4.0], [-1.0, 10.0]]
SPEC = tf.TensorSpec([2], tf.float32)


def run(factory, values, rounds, value_type=VECTOR):
    process = factory.create(value_type)
    state, outputs = process.initialize(), []
    for _ in range(rounds):
        outputs.append(process.next(state, values))
        state = outputs[-1].state
    return outputs


def test_without_noise_it_is_the_mean_over_the_expected_clients(engine):
    outputs = run(Factory.tree_aggregation(0.0, 3.0, 100.0, SPEC), VALUES, 3)
    np.testing.assert_allclose([each.result for each in outputs], [[1.0, 4.0]] * 3)
    assert outputs[0].measurements["dp_query_metrics"]["tree_agg_dpftrl_clip"] == 100.0
    assert outputs[0].state.dp_event.class_name == b"UnsupportedDpEvent"


@pytest.mark.parametrize("is_efficient", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_running_totals_have_the_variance_of_their_nodes(is_efficient):
    size = 4000
    factory = Factory.tree_aggregation(
        2.0,
        1.0,
        1.0,
        tf.TensorSpec([size], tf.float32),
        noise_seed=3,
        use_efficient=is_efficient,
    )
    outputs = run(factory, [[0.0] * size], 13, tff.TensorType(np.float32, [size]))
    totals = np.cumsum([each.result for each in outputs], axis=0)
    expected = [
        sum(1 / (2 - 0.5**level) if is_efficient else 1 for level in range(4) if t >> level & 1)
        for t in range(1, 14)
    ]
    np.testing.assert_allclose(totals.var(axis=1), 4.0 * np.array(expected), rtol=0.1)


def test_the_nodes_are_the_bits_of_the_next_round():
    state = run(Factory.tree_aggregation(1.0, 1.0, 1.0, SPEC), VALUES, 4)[-1].state
    tree = state.query_state.numerator_state.tree_state
    assert [level for level in tree.level_buffer_idx if level >= 0] == [0, 2]
    empty = np.array(tree.level_buffer_idx) < 0
    np.testing.assert_array_equal(np.array(tree.level_buffer)[empty], 0.0)


def test_a_seed_fixes_the_noise_of_all_rounds():
    def noise(seed, context_seed):
        factory = Factory.tree_aggregation(1.0, 1.0, 1.0, SPEC, noise_seed=seed)
        with context_stack.install(contexts.create_local_context(seed=context_seed)):
            return [each.result.tolist() for each in run(factory, [[0.0, 0.0]], 2)]

    assert noise(7, 1) == noise(7, 2)
    assert noise(7, 1) != noise(8, 1)
    assert noise(None, 1) == noise(None, 1)
    assert noise(None, 1) != noise(None, 2)


def test_engines_draw_the_same_tree():
    results = []
    for create in (contexts.create_local_context, contexts.create_reference_context):
        with context_stack.install(create(seed=1)):
            outputs = run(Factory.tree_aggregation(1.0, 1.0, 1.0, SPEC), VALUES, 3)
        results.append([each.result for each in outputs])
    np.testing.assert_allclose(results[0], results[1], rtol=1e-5)


def test_a_full_tree_gives_nothing():
    process = Factory.tree_aggregation(1.0, 1.0, 1.0, SPEC).create(VECTOR)
    state = process.initialize()
    numerator = state.query_state.numerator_state
    full = np.arange(tree_queries.LEVELS, dtype=np.int32)
    tree = numerator.tree_state._replace(level_buffer_idx=full)
    query_state = state.query_state._replace(numerator_state=numerator._replace(tree_state=tree))
    output = process.next(state._replace(query_state=query_state), VALUES)
    assert np.isnan(output.result).all()


def test_structures_have_noise_for_each_tensor():
    specs = collections.OrderedDict(a=tf.TensorSpec([], tf.float32), b=SPEC)
    value_type = tff.to_type(collections.OrderedDict(a=np.float32, b=VECTOR))
    (output,) = run(
        Factory.tree_aggregation(1.0, 1.0, 1.0, specs), [{"a": 0.0, "b": [0.0, 0.0]}], 1, value_type
    )
    assert len({float(output.result["a"]), *output.result["b"].tolist()}) == 3


@marks.SLOW_ON_REFERENCE
def test_the_norm_changes_at_restarts(golden, engine):
    factory = Factory.tree_adaptive(
        0.0, 3.0, SPEC, restart_warmup=2, restart_frequency=3, clipped_count_stddev=0.0
    )
    outputs = run(factory, VALUES, 5)
    told = [each.measurements["dp_query_metrics"] for each in outputs]
    np.testing.assert_allclose(
        [each["current_clip"] for each in told],
        0.1 * np.exp([0.0, 0.2, 0.2, 0.2, 0.5]),
        rtol=1e-5,
    )
    np.testing.assert_allclose(
        [each["estimate_clip"] for each in told],
        0.1 * np.exp([0.1, 0.2, 0.3, 0.4, 0.5]),
        rtol=1e-5,
    )
    np.testing.assert_allclose(outputs[0].result, [0.03159033, 0.03002034], rtol=1e-5)
    np.testing.assert_allclose(outputs[2].result, [0.03858452, 0.03666693], rtol=1e-5)
    signature = factory.create(VECTOR).next.type_signature.compact_representation()
    golden.check("adaptive", signature)


ERRORS = {
    "a negative multiplier": lambda: Factory.tree_aggregation(-1.0, 3.0, 1.0, SPEC),
    "other shapes": lambda: Factory.tree_aggregation(
        0.0, 3.0, 1.0, tf.TensorSpec([3], tf.float32)
    ).create(VECTOR),
    "a restart after the period": lambda: Factory.tree_adaptive(
        0.0, 3.0, SPEC, restart_warmup=5, restart_frequency=3
    ),
    "a period of zero": lambda: Factory.tree_adaptive(0.0, 3.0, SPEC, restart_frequency=0),
}


@pytest.mark.parametrize("what", ERRORS)
def test_errors_tell_what_to_write(what, golden):
    with pytest.raises((TypeError, ValueError)) as raised:
        ERRORS[what]()
    golden.check(what, f"{type(raised.value).__name__}: {raised.value}")
