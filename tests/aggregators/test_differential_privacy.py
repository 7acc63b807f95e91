"""`DifferentiallyPrivateFactory`: types and numbers of TFF 0.87, and the law of the noise."""

from __future__ import annotations

import collections
import math

import numpy as np
import pytest

import tensorflow_federated as tff
from tensorflow_federated.aggregators import differential_privacy
from tensorflow_federated.core import contexts as context_stack
from tensorflow_federated.core import trees
from tensorflow_federated.execution import contexts

Factory = tff.aggregators.DifferentiallyPrivateFactory
queries = tff.aggregators.queries
VECTOR = tff.TensorType(np.float32, [2])
VALUES = [[1.0, -2.0], [3.0, 4.0], [-1.0, 10.0]]


def run(factory, values, rounds=1, value_type=VECTOR):
    process = factory.create(value_type)
    state, outputs = process.initialize(), []
    for _ in range(rounds):
        outputs.append(process.next(state, values))
        state = outputs[-1].state
    return outputs


def test_without_noise_it_is_the_clipped_sum_over_the_expected_clients(engine):
    first, second = run(Factory.gaussian_fixed(0.0, 3.0, 1.0), VALUES, rounds=2)
    np.testing.assert_allclose(first.result, [0.31590328, 0.30020335], rtol=1e-6)
    np.testing.assert_allclose(second.result, first.result)
    assert first.measurements == collections.OrderedDict(
        dp_query_metrics=collections.OrderedDict(), dp=()
    )


def test_the_first_state_is_that_of_tff(engine):
    state = Factory.gaussian_fixed(0.7, 3, 2.0).create(VECTOR).initialize()
    assert isinstance(state, differential_privacy.DPAggregatorState)
    np.testing.assert_allclose(trees.leaves(state.query_state), [2.0, 1.4, 3.0], rtol=1e-6)
    assert state.dp_event.class_name == b"GaussianDpEvent"
    assert state.dp_event.module_name == b"dp_accounting.dp_event"
    assert float(state.dp_event.noise_multiplier) == pytest.approx(0.7)
    assert state.is_init_state


def test_after_a_round_the_state_is_no_first_one(engine):
    (output,) = run(Factory.gaussian_fixed(0.7, 3.0, 2.0), VALUES)
    assert not output.state.is_init_state


def test_an_adaptive_norm_has_two_events_in_the_state(golden, engine):
    process = Factory.gaussian_adaptive(1.0, 100.0).create(VECTOR)
    state = process.initialize()
    golden.check("adaptive", process.next.type_signature.compact_representation())
    assert state.dp_event.class_name == b"ComposedDpEvent"
    multipliers = [float(event.noise_multiplier) for event in state.dp_event.events]
    np.testing.assert_allclose(multipliers, [1.0050378, 10.0], rtol=1e-6)
    np.testing.assert_allclose(
        trees.leaves(state.query_state),
        [1.0050378, 0.1, 0.10050378, 0.1, 0.5, 0.2, 0.5, 5.0, 100.0, 100.0],
        rtol=1e-6,
    )


def test_an_adaptive_norm_follows_the_median(engine):
    first, second = run(Factory.gaussian_adaptive(0.0, 3.0), VALUES, rounds=2)
    np.testing.assert_allclose(first.result, [0.03159033, 0.03002034], rtol=1e-6)
    np.testing.assert_allclose(second.result, [0.03491272, 0.0331776], rtol=1e-6)
    clips = [float(each.measurements["dp_query_metrics"]["clip"]) for each in (first, second)]
    np.testing.assert_allclose(clips, [0.1105171, 0.12214029], rtol=1e-6)


def test_a_norm_adapts_to_the_quantile_that_is_asked_for(engine):
    factory = Factory.gaussian_adaptive(0.0, 2.0, 1.0, 0.8, 0.1)
    value_type = tff.to_type(collections.OrderedDict(a=np.float32, b=VECTOR))
    outputs = run(factory, [{"a": 3.0, "b": [0.0, 4.0]}], 2, value_type)
    np.testing.assert_allclose([each.result["a"] for each in outputs], [0.3, 0.31696218], rtol=1e-6)


def test_the_deviation_of_the_noise_is_that_of_the_mechanism():
    multiplier, clients, clip = 0.5, 20.0, 4.0
    factory = Factory.gaussian_fixed(multiplier, clients, clip)
    with context_stack.install(contexts.create_local_context(seed=1)):
        outputs = run(factory, [[3.0] + [0.0] * 99], 60, tff.TensorType(np.float32, [100]))
    drawn = np.array([output.result for output in outputs])
    drawn[:, 0] -= 3.0 / clients
    deviation = multiplier * clip / clients
    assert abs(drawn.std() / deviation - 1.0) < 4 / math.sqrt(2 * drawn.size)
    assert abs(drawn.mean()) < 4 * deviation / math.sqrt(drawn.size)
    assert abs(np.mean(drawn[1:] * drawn[:-1])) < 4 * deviation**2 / math.sqrt(drawn.size)


def test_all_tensors_get_noise_of_their_own(engine):
    value_type = tff.to_type(collections.OrderedDict(a=VECTOR, b=(np.float64, [2])))
    (output,) = run(
        Factory.gaussian_fixed(1.0, 1.0, 1.0), [{"a": [0.0, 0.0], "b": [0.0, 0.0]}], 1, value_type
    )
    assert len({*output.result["a"].tolist(), *output.result["b"].tolist()}) == 4
    assert output.result["b"].dtype == np.float64


def noised(seed, create=contexts.create_local_context):
    with context_stack.install(create(seed=seed)):
        return [
            each.result.tolist() for each in run(Factory.gaussian_fixed(1.0, 3.0, 1.0), VALUES, 2)
        ]


def test_noise_repeats_with_the_seed_and_is_new_in_every_round():
    first, again, other = noised(1), noised(1), noised(2)
    assert first == again
    assert first[0] != first[1]
    assert first[0] != other[0]


def test_engines_draw_the_same_noise():
    np.testing.assert_allclose(noised(1), noised(1, contexts.create_reference_context), rtol=1e-6)


def test_noise_does_not_depend_on_the_number_of_clients():
    factory = Factory.gaussian_fixed(1.0, 1.0, 1.0)
    drawn = []
    for count in (0, 5):
        with context_stack.install(contexts.create_local_context(seed=1)):
            drawn.append(run(factory, [[0.0, 0.0]] * count)[0].result.tolist())
    assert drawn[0] == drawn[1]


@pytest.mark.parametrize("wrong", [math.nan, math.inf])
def test_one_value_that_is_not_finite_spoils_nothing(engine, wrong):
    for factory in (
        Factory.gaussian_fixed(0.0, 1.0, 1.0),
        Factory.gaussian_adaptive(0.0, 1.0, 1.0),
    ):
        (output,) = run(factory, [[wrong, 0.0], [0.3, 0.4]])
        np.testing.assert_allclose(output.result, [0.3, 0.4], rtol=1e-6)


def test_records_can_be_added_up_securely(engine):
    factory = Factory(queries.GaussianSumQuery(1.0, 0.0), tff.aggregators.SecureSumFactory(1.0))
    (output,) = run(factory, [[3.0, 4.0], [0.0, -0.5]])
    np.testing.assert_allclose(output.result, [0.6, 0.3], rtol=1e-5)
    assert output.measurements["dp"]["secure_upper_threshold"] == 1.0
    process = factory.create(VECTOR)
    tff.test.assert_not_contains_unsecure_aggregation(process.next)


def test_a_query_without_privacy_is_the_sum(engine):
    (output,) = run(Factory(queries.NoPrivacySumQuery()), VALUES)
    np.testing.assert_array_equal(output.result, [3.0, 12.0])
    assert output.state.dp_event.class_name == b"NonPrivateDpEvent"


def test_little_noise_for_the_count_warns():
    with pytest.warns(UserWarning, match="times the noise"):
        Factory.gaussian_adaptive(1.0, 100.0, clipped_count_stddev=0.55)


ERRORS = {
    "a negative multiplier": lambda: Factory.gaussian_fixed(-1.0, 3.0, 2.0),
    "no clients": lambda: Factory.gaussian_fixed(1.0, 0.0, 2.0),
    "a clip of zero": lambda: Factory.gaussian_fixed(1.0, 3.0, 0.0),
    "an integer": lambda: Factory.gaussian_fixed(1, 3.0, 1.0),
    "too little noise for the count": lambda: Factory.gaussian_adaptive(1.0, 5.0),
    "no probability": lambda: Factory.gaussian_adaptive(1.0, 100.0, target_unclipped_quantile=2.0),
    "no query": lambda: Factory(1.0),
    "records with weights": lambda: Factory(
        queries.NoPrivacySumQuery(), tff.aggregators.MeanFactory()
    ),
    "integer values": lambda: Factory.gaussian_fixed(0.0, 1.0, 1.0).create(tff.to_type(np.int32)),
}


@pytest.mark.parametrize("what", ERRORS)
def test_errors_tell_what_to_write(what, golden):
    with pytest.raises((TypeError, ValueError)) as raised:
        ERRORS[what]()
    golden.check(what, f"{type(raised.value).__name__}: {raised.value}")
