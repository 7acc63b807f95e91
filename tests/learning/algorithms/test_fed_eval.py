"""Federated evaluation."""

from __future__ import annotations

import json
import pathlib
from typing import Any

import numpy as np
import pytest

import tensorflow_federated as tff

build_fed_eval: Any = tff.learning.algorithms.build_fed_eval

# Source: TFF 0.87 on the clients of `conftest.py`, of 0, 1, 19, 20, 21 and 500 examples.
EXPECTED = json.loads((pathlib.Path(__file__).parent / "tff_087.json").read_text())["numbers"]


@pytest.fixture(scope="module")
def trained_weights():
    """The weights after ten rounds of TFF."""
    weights = [np.float32(array) for array in EXPECTED["keras_weighted"]["weights"]]
    return tff.learning.models.ModelWeights(weights, [])


def nested_approx(expected):
    if isinstance(expected, dict):
        return {name: nested_approx(value) for name, value in expected.items()}
    if isinstance(expected, list):
        return tuple(nested_approx(value) for value in expected)
    return pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("kind", ["keras", "variable"])
def test_two_rounds_are_those_of_tff(kind, clients, trained_weights, request):
    process = build_fed_eval(request.getfixturevalue(f"{kind}_model_fn"))
    state = process.set_model_weights(process.initialize(), trained_weights)
    first = process.next(state, clients)
    second = process.next(first.state, clients[2:4])
    expected = EXPECTED[f"eval_{kind}"]
    assert first.metrics == nested_approx(expected[0])
    assert second.metrics == nested_approx(expected[1])


def test_the_model_does_not_change(keras_model_fn, clients, trained_weights):
    process = build_fed_eval(keras_model_fn)
    state = process.set_model_weights(process.initialize(), trained_weights)
    output = process.next(state, clients)
    np.testing.assert_array_equal(
        process.get_model_weights(output.state).trainable[0], trained_weights.trainable[0]
    )


def test_the_first_state_counts_nothing(variable_model_fn):
    # Source: TFF 0.87.
    state = build_fed_eval(variable_model_fn).initialize()
    assert state.client_work == (
        (),
        {"num_examples": [0.0], "loss": [0.0, 0.0], "accuracy": [0.0, 0.0]},
    )
    assert state.finalizer == ()


def test_there_are_no_hyperparameters(variable_model_fn):
    process = build_fed_eval(variable_model_fn)
    assert process.get_hparams(process.initialize()) == {"client_work": {}, "finalizer": {}}


def test_the_aggregation_of_metrics_can_be_chosen(variable_model_fn, clients):
    model = variable_model_fn()
    unfinalized_type = tff.to_type(
        {
            "num_examples": [np.float32],
            "loss": [np.float32, np.float32],
            "accuracy": [np.float32, np.float32],
        }
    )
    initial = {"num_examples": [1000.0], "loss": [0.0, 0.0], "accuracy": [0.0, 0.0]}
    make_factory: Any = tff.learning.metrics.SumThenFinalizeFactory
    factory = make_factory(model.metric_finalizers(), initial)
    process = build_fed_eval(
        variable_model_fn, metrics_aggregation_process=factory.create(unfinalized_type)
    )
    _, metrics = process.next(process.initialize(), clients)
    assert metrics["client_work"]["eval"]["total_rounds_metrics"]["num_examples"] == 1561


def test_arguments_of_another_kind_are_refused(keras_model_fn, golden):
    broken = {
        "a model": lambda: build_fed_eval(keras_model_fn()),
        "a distributor": lambda: build_fed_eval(keras_model_fn, model_distributor=3),
        "an aggregation": lambda: build_fed_eval(keras_model_fn, metrics_aggregation_process=3),
        "a loop": lambda: build_fed_eval(keras_model_fn, loop_implementation=3),
    }
    for name, build in broken.items():
        with pytest.raises(TypeError) as raised:
            build()
        golden.check(name, str(raised.value))
