"""Several models, evaluated on the data of the same clients."""

# The stubs of TensorFlow are narrow.

from __future__ import annotations

import collections

import numpy as np
import pytest
import tensorflow as tf

import tensorflow_federated as tff

SPEC = (tf.TensorSpec([None, 2]), tf.TensorSpec([None, 1]))
CLIENTS = [
    [(np.float32([[1.0, 2.0], [0.0, 1.0]]), np.float32([[3.0], [1.0]]))],
    [],
    [
        (np.float32([[2.0, 2.0]]), np.float32([[1.0]])),
        (np.zeros((3, 2), np.float32), np.ones((3, 1), np.float32)),
    ],
]


def linear(value: float, spec=SPEC):
    def model_fn():
        kernel = tf.keras.initializers.Constant(value)
        return tff.learning.models.from_keras_model(
            tf.keras.Sequential(
                [tf.keras.Input((2,)), tf.keras.layers.Dense(1, kernel_initializer=kernel)]
            ),
            tf.keras.losses.MeanSquaredError(),
            spec,
        )

    return model_fn


def functional(value: float):
    return tff.learning.models.functional_model_from_keras(
        tf.keras.Sequential(
            [
                tf.keras.Input((2,)),
                tf.keras.layers.Dense(1, kernel_initializer=tf.keras.initializers.Constant(value)),
            ]
        ),
        tf.keras.losses.MeanSquaredError(),
        SPEC,
        metrics_constructor=collections.OrderedDict(
            mean_squared_error=tf.keras.metrics.MeanSquaredError
        ),
    )


@pytest.fixture(scope="module")
def processes():
    model_fns = [linear(1.0), linear(0.5), linear(-2.0)]
    single = [tff.learning.algorithms.build_fed_eval(each) for each in model_fns]
    return (
        single,
        tff.learning.algorithms.build_fed_multi_model_eval(model_fns),
        tff.learning.algorithms.build_fed_multi_model_eval_from_processes(single),
    )


def test_types(processes, golden):
    _, multiple, combined = processes
    for name, process in (("of models", multiple), ("of processes", combined)):
        golden.check(f"{name} initialize", str(process.initialize.type_signature))
        golden.check(
            f"{name} next", process.next.type_signature.result.metrics.formatted_representation()
        )


@pytest.mark.parametrize("which", [1, 2])
def test_each_model_is_evaluated_as_alone_in_every_round(processes, which):
    single, process = processes[0], processes[which]
    state = process.initialize()
    states = [each.initialize() for each in single]
    for _ in range(2):
        state, metrics = process.next(state, CLIENTS)
        outputs = [each.next(one, CLIENTS) for each, one in zip(single, states, strict=True)]
        states = [each.state for each in outputs]
        for letter, output in zip("abc", outputs, strict=True):
            found = metrics["client_work"][letter]["eval"]
            expected = output.metrics["client_work"]["eval"]
            for scope in ("current_round_metrics", "total_rounds_metrics"):
                assert found[scope] == expected[scope]


@pytest.mark.parametrize("which", [1, 2])
def test_weights_can_be_set(processes, which):
    process = processes[which]
    weights = process.get_model_weights(process.initialize())
    kernel = np.float32([[3.0], [4.0]])
    weights["b"].trainable[0][...] = kernel
    state = process.set_model_weights(process.initialize(), weights)
    np.testing.assert_array_equal(process.get_model_weights(state)["b"].trainable[0], kernel)
    metrics = process.next(state, CLIENTS[:1]).metrics["client_work"]
    found = metrics["b"]["eval"]["current_round_metrics"]["loss"]
    np.testing.assert_allclose(found, ((11.0 - 3.0) ** 2 + (4.0 - 1.0) ** 2) / 2)


def test_models_of_several_kinds_and_their_own_aggregation_of_metrics():
    model = functional(1.0)
    aggregation = tff.learning.metrics.SumThenFinalizeFactory(model.finalize_metrics).create(
        tff.to_type(collections.OrderedDict(mean_squared_error=[np.float32, np.float32]))
    )
    process = tff.learning.algorithms.build_fed_multi_model_eval(
        [linear(1.0), model], metrics_aggregation_processes=[None, aggregation]
    )
    metrics = process.next(process.initialize(), CLIENTS).metrics["client_work"]
    np.testing.assert_allclose(
        metrics["a"]["eval"]["current_round_metrics"]["loss"],
        metrics["b"]["eval"]["current_round_metrics"]["mean_squared_error"],
    )


OTHER_SPEC = (tf.TensorSpec([None, 2]), tf.TensorSpec([None, 1], tf.int32))
EVAL = tff.learning.algorithms.build_fed_eval


@pytest.mark.parametrize(
    ("name", "build"),
    [
        ("no models", lambda: tff.learning.algorithms.build_fed_multi_model_eval([])),
        (
            "more models than letters",
            lambda: tff.learning.algorithms.build_fed_multi_model_eval([linear(0.0)] * 53),
        ),
        (
            "other batches",
            lambda: tff.learning.algorithms.build_fed_multi_model_eval(
                [linear(0.0), linear(0.0, OTHER_SPEC)]
            ),
        ),
        (
            "too few aggregations",
            lambda: tff.learning.algorithms.build_fed_multi_model_eval(
                [linear(0.0), linear(1.0)], metrics_aggregation_processes=[None]
            ),
        ),
        (
            "one process",
            lambda: tff.learning.algorithms.build_fed_multi_model_eval_from_processes(
                [EVAL(linear(0.0))]
            ),
        ),
        (
            "other data",
            lambda: tff.learning.algorithms.build_fed_multi_model_eval_from_processes(
                [EVAL(linear(0.0)), EVAL(linear(0.0, OTHER_SPEC))]
            ),
        ),
        (
            "no process",
            lambda: tff.learning.algorithms.build_fed_multi_model_eval_from_processes(
                [EVAL(linear(0.0)), linear(0.0)]
            ),
        ),
    ],
)
def test_mistakes(golden, name, build):
    with pytest.raises((ValueError, TypeError)) as caught:
        build()
    golden.check(name, str(caught.value))
