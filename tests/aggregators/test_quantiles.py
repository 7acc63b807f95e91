"""`PrivateQuantileEstimationProcess`; numbers from TFF 0.87."""

from __future__ import annotations

import math

import numpy as np
import pytest

import tensorflow_federated as tff
from tensorflow_federated.core import contexts as context_stack
from tensorflow_federated.execution import contexts

Process = tff.aggregators.PrivateQuantileEstimationProcess
queries = tff.aggregators.queries
STATE = "<current_estimate=float32,target_quantile=float32,learning_rate=float32,{}>"


def follow(process, *rounds):
    state = process.initialize()
    reported = []
    for values in rounds:
        state = process.next(state, values)
        reported.append(float(process.report(state)))
    return reported


def test_the_type_is_that_of_tff():
    process = Process.no_noise(1.0, 0.5, 1.0)
    state = f"<{STATE.format('below_estimate_state=<>')},<>>@SERVER"
    assert str(process.next.type_signature) == (
        f"(<state={state},value={{float32}}@CLIENTS> -> {state})"
    )
    assert str(process.report.type_signature) == f"({state} -> float32@SERVER)"


def test_a_noised_estimate_has_the_state_of_the_average():
    query = queries.QuantileEstimatorQuery(1.0, 0.5, 0.2, 5.0, 100.0, geometric_update=True)
    process = Process(query, tff.aggregators.SecureSumFactory(1.0))
    inner = "below_estimate_state=<numerator_state=<l2_norm_clip=float32,stddev=float32>,"
    state = f"<{STATE.format(inner + 'denominator=float32>')},<>>@SERVER"
    assert str(process.initialize.type_signature) == f"( -> {state})"


def test_the_estimate_moves_to_the_quantile(engine):
    process = Process.no_noise(1.0, 0.5, 1.0)
    reported = follow(process, [1.0, 5.0, 9.0], [2.0, 3.0], [0.1, 0.1])
    np.testing.assert_allclose(
        reported, [1.1813604831695557, 1.9477341175079346, 1.1813604831695557], rtol=1e-6
    )


def test_many_rounds_find_the_median():
    process = Process.no_noise(1.0, 0.5, 0.5)
    assert 28.0 < follow(process, *[[10.0, 20.0, 30.0, 40.0, 50.0]] * 60)[-1] < 32.0


def test_the_report_is_an_affine_function(engine):
    process = Process.no_noise(1.0, 0.5, 0.2, multiplier=2.0, increment=1.0)
    np.testing.assert_allclose(follow(process, [1.0, 5.0], [2.0, 3.0]), [3.0, 3.2103418], rtol=1e-6)


def test_a_secure_sum_gives_the_same(engine):
    process = Process.no_noise(1.0, 0.5, 0.2, secure_estimation=True)
    np.testing.assert_allclose(follow(process, [1.0, 5.0], [2.0, 3.0]), [1.0, 1.105171], rtol=1e-6)
    tff.test.assert_contains_secure_aggregation(process.next)


@pytest.mark.parametrize(
    ("options", "expected"),
    [({"geometric_update": True}, [1.0, 1.0689391]), ({}, [1.0, 1.0666667])],
    ids=["geometric", "linear"],
)
def test_a_query_divides_by_the_clients_that_are_expected(engine, options, expected):
    query = queries.QuantileEstimatorQuery(1.0, 0.5, 0.2, 0.0, 3.0, **options)
    np.testing.assert_allclose(follow(Process(query), [1.0, 5.0], [2.0, 3.0]), expected, rtol=1e-6)


def test_a_round_without_clients_leaves_the_estimate(engine):
    assert follow(Process.no_noise(2.0, 0.9, 0.2), [])[-1] == 2.0


def test_nan_is_above_the_estimate(engine):
    process = Process.no_noise(1.0, 0.5, 0.2)
    assert follow(process, [math.nan, 5.0]) == follow(process, [7.0, 5.0])


def test_noise_moves_the_estimate_by_its_deviation():
    deviation, expected = 5.0, 100.0
    query = queries.QuantileEstimatorQuery(1.0, 0.5, 1.0, deviation, expected)
    process = Process(query)
    with context_stack.install(contexts.create_local_context(seed=3)):
        state = process.initialize()
        moved = [float(process.report(process.next(state, [0.5, 2.0]))) for _ in range(400)]
    # Half of 100 clients are expected to be below, and 0.0 of (0.5 - 0.5) was: the mean stays.
    assert abs(np.mean(moved) - 1.0) < 4 * deviation / expected / math.sqrt(400)
    assert abs(np.std(moved) / (deviation / expected) - 1.0) < 0.15


ERRORS = {
    "an integer": lambda: Process.no_noise(1, 0.5, 0.2),
    "no probability": lambda: Process.no_noise(1.0, 1.5, 0.2),
    "an estimate of zero": lambda: Process.no_noise(0.0, 0.5, 0.2),
    "a negative learning rate": lambda: Process.no_noise(1.0, 0.5, -0.2),
    "a negative multiplier": lambda: Process.no_noise(1.0, 0.5, 0.2, multiplier=-1.0),
    "a negative increment": lambda: Process.no_noise(1.0, 0.5, 0.2, increment=-1.0),
    "no query": lambda: Process(1.0),
    "a query of another kind": lambda: Process(queries.GaussianSumQuery(1.0, 0.0)),
    "records with weights": lambda: Process(
        queries.NoPrivacyQuantileEstimatorQuery(1.0, 0.5, 0.2), tff.aggregators.MeanFactory()
    ),
}


@pytest.mark.parametrize("what", ERRORS)
def test_errors_tell_what_to_write(what, golden):
    with pytest.raises((TypeError, ValueError)) as raised:
        ERRORS[what]()
    golden.check(what, f"{type(raised.value).__name__}: {raised.value}")
