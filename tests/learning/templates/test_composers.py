"""`tff.learning.templates.compose_learning_process`."""

from __future__ import annotations

import collections

import numpy as np
import pytest

import tensorflow_federated as tff

templates = tff.learning.templates
compose = templates.compose_learning_process
Weights = tff.learning.models.ModelWeights


@pytest.fixture(scope="module")
def initial_weights():
    return tff.tensorflow.computation(lambda: Weights(np.float32(1.0), ()))


@pytest.fixture(scope="module")
def good(parts, initial_weights):
    """The parts of a process in which each client sends the sum of its data."""
    weights_type = initial_weights.type_signature.result
    number = tff.TensorType(np.float32)

    def work(state, weights, data):
        del weights
        update = tff.federated_map(
            tff.federated_computation(tff.sequence_sum, tff.SequenceType(np.float32)), data
        )
        return parts.output(state, parts.client_result(update), state)

    return collections.OrderedDict(
        initial_model_weights_fn=initial_weights,
        model_weights_distributor=templates.build_broadcast_process(weights_type),
        client_work=templates.ClientWorkProcess(
            parts.zero,
            tff.federated_computation(
                work, parts.state, tff.FederatedType(weights_type, tff.CLIENTS), parts.data
            ),
        ),
        model_update_aggregator=tff.aggregators.MeanFactory().create(number, number),
        model_finalizer=templates.build_apply_optimizer_finalizer(
            tff.learning.optimizers.build_sgdm(1.0), weights_type
        ),
    )


def test_the_type_signature_is_that_of_tff(good):
    # Source: TFF 0.87.
    state = (
        "<global_model_weights=<trainable=float32,non_trainable=<>>,distributor=<>,"
        "client_work=int32,aggregator=<value_sum_process=<>,weight_sum_process=<>>,"
        "finalizer=<learning_rate=float32>>@SERVER"
    )
    assert compose(**good).next.type_signature.compact_representation() == (
        f"(<state={state},client_data={{float32*}}@CLIENTS> -> <state={state},"
        "metrics=<distributor=<>,client_work=int32,aggregator=<mean_value=<>,mean_weight=<>>,"
        "finalizer=<update_non_finite=int32>>@SERVER>)"
    )


def test_a_round_passes_through_all_parts(good):
    process = compose(**good)
    output = process.next(process.initialize(), [[1.0, 2.0], [5.0], []])
    assert process.get_model_weights(output.state).trainable == pytest.approx(1.0 - 8.0 / 3)
    assert isinstance(output.state, templates.LearningAlgorithmState)
    assert list(output.metrics) == ["distributor", "client_work", "aggregator", "finalizer"]


def test_weights_can_be_replaced(good):
    process = compose(**good)
    state = process.set_model_weights(process.initialize(), Weights(7.0, ()))
    assert isinstance(state, templates.LearningAlgorithmState)
    assert state.finalizer == {"learning_rate": 1.0}
    assert process.get_model_weights(state) == Weights(7.0, ())


def test_hyperparameters_of_client_work_and_finalizer_can_be_replaced(good):
    process = compose(**good)
    state = process.initialize()
    assert process.get_hparams(state) == {"client_work": {}, "finalizer": {"learning_rate": 1.0}}
    state = process.set_hparams(state, {"client_work": {}, "finalizer": {"learning_rate": 0.5}})
    output = process.next(state, [[4.0]])
    assert output.state.global_model_weights.trainable == pytest.approx(-1.0)


def test_each_misfit_has_its_error(good, parts, initial_weights, golden):
    number, pair = tff.TensorType(np.float32), tff.TensorType(np.float32, [2])
    weights_type = initial_weights.type_signature.result
    pair_weights = tff.StructWithPythonType([("trainable", pair), ("non_trainable", ())], Weights)
    sgd = tff.learning.optimizers.build_sgdm(1.0)
    broken = {
        "initial weights with a parameter": {
            "initial_model_weights_fn": tff.tensorflow.computation(lambda w: w, weights_type)
        },
        "initial weights with a placement": {
            "initial_model_weights_fn": tff.federated_computation(
                lambda: tff.federated_eval(initial_weights, tff.SERVER)
            )
        },
        "initial weights as a function": {"initial_model_weights_fn": "weights"},
        "a distributor of another value": {
            "model_weights_distributor": templates.build_broadcast_process(number)
        },
        "an aggregator without weights": {
            "model_update_aggregator": tff.aggregators.SumFactory().create(number)
        },
        "an aggregator of another value": {
            "model_update_aggregator": tff.aggregators.MeanFactory().create(pair, number)
        },
        "a finalizer of other weights": {
            "model_finalizer": templates.build_apply_optimizer_finalizer(sgd, pair_weights)
        },
        "parts of another kind": {"client_work": 3, "model_finalizer": sgd},
    }
    for name, replaced in broken.items():
        with pytest.raises(TypeError) as raised:
            compose(**{**good, **replaced})
        golden.check(name, str(raised.value))
