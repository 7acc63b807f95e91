"""Federated averaging: the numbers of TFF 0.87, and how states and arguments are treated."""

from __future__ import annotations

import collections
import json
import pathlib
from typing import Any

import numpy as np
import pytest

import tensorflow_federated as tff

algorithms = tff.learning.algorithms
build_sgdm = tff.learning.optimizers.build_sgdm

# Source: TFF 0.87 on the clients of `conftest.py`, of 0, 1, 19, 20, 21 and 500 examples.
EXPECTED = json.loads((pathlib.Path(__file__).parent / "tff_087.json").read_text())["numbers"]


@pytest.fixture(scope="session")
def check_rounds(clients):
    """Runs a process and compares metrics and weights with those of TFF."""

    def check(process, name, data=clients):
        expected = EXPECTED[name]
        state, metrics = process.initialize(), {}
        for round_metrics in expected["train"]:
            state, metrics = process.next(state, data)
            train = metrics["client_work"]["train"]
            assert list(train) == list(round_metrics)
            for metric, value in round_metrics.items():
                assert train[metric] == pytest.approx(value, rel=1e-4), metric
        assert metrics["finalizer"] == expected["finalizer"]
        weights = process.get_model_weights(state)
        for got, want in zip(weights.trainable, expected["weights"], strict=True):
            np.testing.assert_allclose(got, want, rtol=1e-3, atol=1e-5)

    return check


@pytest.mark.parametrize(
    ("weighting", "kind"),
    [
        ("weighted", "keras"),
        ("unweighted", "variable"),
        pytest.param("weighted", "variable", marks=pytest.mark.slow),
        pytest.param("unweighted", "keras", marks=pytest.mark.slow),
    ],
)
def test_ten_rounds_are_those_of_tff(kind, weighting, check_rounds, request):
    model_fn = request.getfixturevalue(f"{kind}_model_fn")
    build = getattr(algorithms, f"build_{weighting}_fed_avg")
    check_rounds(build(model_fn, build_sgdm(0.1)), f"{kind}_{weighting}")


@pytest.mark.slow
def test_uniform_weights_are_those_of_tff(keras_model_fn, check_rounds):
    process = algorithms.build_weighted_fed_avg(
        keras_model_fn,
        build_sgdm(0.1),
        client_weighting=tff.learning.ClientWeighting.UNIFORM,
    )
    check_rounds(process, "keras_uniform")


def test_momentum_at_client_and_server_is_that_of_tff(keras_model_fn, check_rounds):
    process = algorithms.build_weighted_fed_avg(
        keras_model_fn, build_sgdm(0.1, 0.5), build_sgdm(0.7, 0.9)
    )
    check_rounds(process, "keras_momentum")


@pytest.mark.slow
def test_a_cohort_without_examples_leaves_the_model(keras_model_fn, clients, check_rounds):
    process = algorithms.build_weighted_fed_avg(keras_model_fn, build_sgdm(0.1))
    check_rounds(process, "keras_only_empty_client", clients[:1])
    process = algorithms.build_unweighted_fed_avg(keras_model_fn, build_sgdm(0.1))
    check_rounds(process, "keras_empty_client_unweighted", clients[:1])


@pytest.mark.parametrize(
    "weighting", ["weighted", pytest.param("unweighted", marks=pytest.mark.slow)]
)
def test_a_client_of_infinite_features_is_left_out(
    weighting, keras_model_fn, client_arrays, to_dataset, check_rounds
):
    arrays = [(features.copy(), labels) for features, labels in client_arrays]
    arrays[3][0][0, 0] = np.inf
    build = getattr(algorithms, f"build_{weighting}_fed_avg")
    suffix = "" if weighting == "weighted" else "_unweighted"
    check_rounds(
        build(keras_model_fn, build_sgdm(0.1)),
        f"keras_non_finite_client{suffix}",
        [to_dataset(*client) for client in arrays],
    )


@pytest.fixture(scope="module")
def regression():
    """A linear regression and four clients of 12, 14, 16 and 18 examples, in batches of 5."""
    import keras
    import tensorflow as tf

    weights = np.random.default_rng(3).standard_normal((3, 1)).astype(np.float32)
    data = []
    for client in range(4):
        generator = np.random.default_rng(231 + client)
        size = 12 + 2 * client
        x = generator.standard_normal((size, 3)).astype(np.float32)
        noise = 0.1 * generator.standard_normal((size, 1))
        y = (x @ weights + 0.5 + noise).astype(np.float32)
        data.append(tf.data.Dataset.from_tensor_slices((x, y)).batch(5))

    def model_fn():
        layers = [
            keras.layers.InputLayer(shape=(3,)),
            keras.layers.Dense(1, kernel_initializer="zeros"),
        ]
        return tff.learning.models.from_keras_model(
            keras.Sequential(layers),
            loss=keras.losses.MeanSquaredError(),
            input_spec=data[0].element_spec,
            metrics=[keras.metrics.MeanAbsoluteError()],
        )

    return model_fn, data


# Losses of the rounds, and the weights after the last. Source: TFF 0.87.
REGRESSION = {
    "weighted": (
        lambda model_fn: algorithms.build_weighted_fed_avg(model_fn, build_sgdm(0.1)),
        [9.892511367797852, 1.4302096366882324, 0.3359343409538269],
        [1.6979738473892212, -2.417307138442993, 0.464783638715744, 0.6526322364807129],
    ),
    "server momentum": (
        lambda model_fn: algorithms.build_weighted_fed_avg(
            model_fn, build_sgdm(0.1), build_sgdm(0.5, momentum=0.9)
        ),
        [9.892511367797852, 4.586169242858887, 0.5422250628471375],
        [2.1504387855529785, -3.4782028198242188, 0.9026268720626831, 1.0738002061843872],
    ),
    "unweighted": (
        lambda model_fn: algorithms.build_unweighted_fed_avg(model_fn, build_sgdm(0.1)),
        [9.892511367797852, 1.342939019203186, 0.3021937608718872],
        [1.7137705087661743, -2.4330692291259766, 0.465660035610199, 0.6425432562828064],
    ),
    "dataset iterator": (
        lambda model_fn: algorithms.build_weighted_fed_avg(
            model_fn,
            build_sgdm(0.1),
            loop_implementation=tff.learning.LoopImplementation.DATASET_ITERATOR,
        ),
        [9.892511367797852],
        [0.9540425539016724, -1.716548204421997, 0.5359230041503906, 0.5652810335159302],
    ),
}


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name == "weighted" else pytest.mark.slow)
        for name in REGRESSION
    ],
)
def test_a_regression_is_that_of_tff(name, regression):
    model_fn, data = regression
    build, losses, expected = REGRESSION[name]
    process = build(model_fn)
    state = process.initialize()
    for loss in losses:
        state, metrics = process.next(state, data)
        assert metrics["client_work"]["train"]["loss"] == pytest.approx(loss, rel=1e-4)
        assert metrics["client_work"]["train"]["num_examples"] == 60
    weights = state.global_model_weights.trainable
    np.testing.assert_allclose(np.concatenate([w.ravel() for w in weights]), expected, rtol=1e-4)


@pytest.mark.slow
def test_the_reference_interpreter_gives_the_same_round(regression):
    from tensorflow_federated.core import contexts as context_stack
    from tensorflow_federated.execution import contexts

    model_fn, data = regression
    process = algorithms.build_weighted_fed_avg(model_fn, build_sgdm(0.1))
    state = process.initialize()
    fast = process.next(state, data[:2])
    with context_stack.install(contexts.create_reference_context(seed=0)):
        slow = process.next(state, data[:2])
    for got, want in zip(
        fast.state.global_model_weights.trainable,
        slow.state.global_model_weights.trainable,
        strict=True,
    ):
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)


def test_state_and_metrics_are_in_the_containers_of_tff(keras_model_fn, clients):
    process = algorithms.build_weighted_fed_avg(keras_model_fn, build_sgdm(0.1))
    output = process.next(process.initialize(), clients[:2])
    assert isinstance(output, tff.learning.templates.LearningProcessOutput)
    state, metrics = output
    assert isinstance(state, tff.learning.templates.LearningAlgorithmState)
    assert isinstance(state.global_model_weights, tff.learning.models.ModelWeights)
    assert isinstance(state.global_model_weights.trainable, list)
    assert state.distributor == ()
    assert isinstance(state.client_work, collections.OrderedDict)
    assert state.aggregator == {"value_sum_process": (), "weight_sum_process": ()}
    train = metrics["client_work"]["train"]
    assert [np.asarray(value).dtype.name for value in train.values()] == [
        "float32",
        "float32",
        "int64",
        "int64",
    ]


@pytest.mark.slow
def test_a_state_of_another_process_of_the_same_type_is_accepted(
    keras_model_fn, variable_model_fn, clients
):
    keras_process = algorithms.build_weighted_fed_avg(keras_model_fn, build_sgdm(0.1))
    variable_process = algorithms.build_weighted_fed_avg(variable_model_fn, build_sgdm(0.1))
    state, _ = keras_process.next(keras_process.initialize(), clients)
    own, own_metrics = keras_process.next(state, clients)
    other, other_metrics = variable_process.next(state, clients)
    np.testing.assert_allclose(
        own.global_model_weights.trainable[0], other.global_model_weights.trainable[0], rtol=1e-5
    )
    losses = [m["client_work"]["train"]["loss"] for m in (own_metrics, other_metrics)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


@pytest.mark.slow
def test_a_round_does_not_change_the_state_it_was_given(keras_model_fn, clients):
    process = algorithms.build_weighted_fed_avg(keras_model_fn, build_sgdm(0.1))
    state = process.initialize()
    first = process.next(state, clients)
    again = process.next(state, clients)
    assert not state.global_model_weights.trainable[0].any()
    np.testing.assert_array_equal(
        first.state.global_model_weights.trainable[0],
        again.state.global_model_weights.trainable[0],
    )


def test_learning_rates_can_be_replaced(keras_model_fn, clients):
    # Source of the form: TFF 0.87.
    process = algorithms.build_weighted_fed_avg(keras_model_fn, build_sgdm(0.1))
    state = process.initialize()
    assert process.get_hparams(state) == {
        "client_work": {"learning_rate": np.float32(0.1)},
        "finalizer": {"learning_rate": 1.0},
    }
    stopped = process.set_hparams(
        state, {"client_work": {"learning_rate": 0.0}, "finalizer": {"learning_rate": 1.0}}
    )
    output = process.next(stopped, clients)
    assert not output.state.global_model_weights.trainable[0].any()


def test_metrics_can_be_aggregated_otherwise(keras_model_fn, clients):
    def count_clients(finalizers, unfinalized_type):
        del finalizers
        one = tff.tensorflow.computation(lambda unfinalized: 1, unfinalized_type)

        @tff.federated_computation(tff.FederatedType(unfinalized_type, tff.CLIENTS))
        def aggregate(unfinalized):
            return tff.federated_sum(tff.federated_map(one, unfinalized))

        return aggregate

    process = algorithms.build_weighted_fed_avg(
        keras_model_fn, build_sgdm(0.1), metrics_aggregator=count_clients
    )
    _, metrics = process.next(process.initialize(), clients)
    assert metrics["client_work"] == {"train": len(clients)}


def test_aggregator_and_distributor_can_be_chosen(keras_model_fn, weights_type, clients):
    process = algorithms.build_weighted_fed_avg(
        keras_model_fn,
        build_sgdm(0.1),
        model_aggregator=tff.aggregators.MeanFactory(no_nan_division=True),
        model_distributor=tff.learning.templates.build_broadcast_process(weights_type),
    )
    _, metrics = process.next(process.initialize(), clients[:1])
    assert metrics["finalizer"] == {"update_non_finite": 0}


def test_data_or_a_state_of_another_type_is_refused(keras_model_fn, clients):
    import tensorflow as tf

    process = algorithms.build_weighted_fed_avg(keras_model_fn, build_sgdm(0.1))
    state = process.initialize()
    with pytest.raises(TypeError):
        process.next(state, [tf.data.Dataset.range(3)])
    with pytest.raises(TypeError):
        process.next(3, clients)


def test_arguments_of_another_kind_are_refused(keras_model_fn, golden):
    weighted: Any = algorithms.build_weighted_fed_avg
    unweighted: Any = algorithms.build_unweighted_fed_avg
    sgd = build_sgdm(0.1)
    broadcast = tff.learning.templates.build_broadcast_process(tff.to_type(np.float32))
    broken = {
        "a model": lambda: weighted(keras_model_fn(), sgd),
        "no client optimizer": lambda: weighted(keras_model_fn, "sgd"),
        "no server optimizer": lambda: weighted(keras_model_fn, sgd, 0.1),
        "an aggregator without weights": lambda: weighted(
            keras_model_fn, sgd, model_aggregator=tff.aggregators.SumFactory()
        ),
        "an aggregator with weights": lambda: unweighted(
            keras_model_fn, sgd, model_aggregator=tff.aggregators.MeanFactory()
        ),
        "a weighting": lambda: weighted(keras_model_fn, sgd, client_weighting=3),
        "a distributor": lambda: weighted(keras_model_fn, sgd, model_distributor=3),
        "a distributor of another value": lambda: weighted(
            keras_model_fn, sgd, model_distributor=broadcast
        ),
        "a metrics aggregator": lambda: weighted(keras_model_fn, sgd, metrics_aggregator=3),
        "a loop": lambda: weighted(keras_model_fn, sgd, loop_implementation=3),
    }
    for name, build in broken.items():
        with pytest.raises(TypeError) as raised:
            build()
        golden.check(name, str(raised.value))
