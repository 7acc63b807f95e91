"""Functional models: by hand, with variables, and in algorithms."""

# The models here are written as users write them, and the stubs of TensorFlow and Keras are narrow.

from __future__ import annotations

import collections

import keras
import numpy as np
import pytest
import tensorflow as tf

import tensorflow_federated as tff
from tensorflow_federated.core import errors

MODELS = tff.learning.models
BATCH_SIZE = 2


@tf.function
def predict(model_weights, x, training=True):
    del training
    (kernel, bias), _ = model_weights
    return tf.matmul(x, kernel) + bias


def mean_squared_error(output, label, sample_weight=None):
    del sample_weight
    return tf.reduce_mean((output - label) ** 2)


ABSOLUTE_ERROR = collections.OrderedDict(
    error=keras.metrics.MeanAbsoluteError, n=tff.learning.metrics.NumExamplesCounter
)


@pytest.fixture
def linear(spec):
    """Makes a linear model of ones; arguments replace those of the constructor."""

    def make(**arguments):
        good = {
            "initial_weights": ([np.ones((3, 1), np.float32), np.zeros(1, np.float32)], []),
            "predict_on_batch_fn": predict,
            "loss_fn": mean_squared_error,
            "input_spec": spec,
        }
        return MODELS.FunctionalModel(**{**good, **arguments})

    return make


@pytest.fixture
def client_data(features, labels):
    """The batches of two clients with the same examples."""
    dataset = tf.data.Dataset.from_tensor_slices((features, labels)).batch(BATCH_SIZE)
    return [dataset, dataset]


def sgd(learning_rate=0.05):
    return tff.learning.optimizers.build_sgdm(learning_rate)


def trained_by_hand(features, labels, learning_rate):
    """The kernel and the bias after one step of gradient descent for each batch of two."""
    kernel, bias = np.ones((3, 1)), np.zeros(1)
    for start in range(0, len(features), BATCH_SIZE):
        x, y = features[start : start + BATCH_SIZE], labels[start : start + BATCH_SIZE]
        gradient = 2 * (x @ kernel + bias - y) / len(x)
        kernel, bias = (
            kernel - learning_rate * x.T @ gradient,
            bias - learning_rate * gradient.sum(0),
        )
    return kernel, bias


def test_predictions_are_a_function_of_the_weights(linear, features):
    model = linear()
    (kernel, bias), rest = model.initial_weights
    doubled = model.predict_on_batch(([2 * kernel, bias], rest), features)
    np.testing.assert_allclose(
        doubled, 2 * model.predict_on_batch(model.initial_weights, features), rtol=1e-6
    )


def test_the_loss_gets_the_weights_of_the_examples(linear, features):
    model = linear(loss_fn=lambda output, label, sample_weight: sample_weight)
    assert model.loss(features, features, sample_weight=3) == 3
    assert model.loss(features, features) is None


def test_without_metrics_there_are_none(linear, labels):
    model = linear()
    state = model.initialize_metrics_state()
    state = model.update_metrics_state(state, labels, MODELS.BatchOutput())
    assert model.finalize_metrics(state) == collections.OrderedDict()


def test_it_works_in_a_computation(linear, features, labels, engine):
    del engine
    model = linear(metrics_fns=tff.learning.metrics.create_functional_metric_fns(ABSOLUTE_ERROR))

    @tff.tensorflow.computation(
        tff.TensorType(np.float32, [None, 3]), tff.TensorType(np.float32, [None, 1])
    )
    def evaluate(x, y):
        predictions = model.predict_on_batch(model.initial_weights, x, training=False)
        state = model.initialize_metrics_state()
        for _ in range(2):
            output = MODELS.BatchOutput(predictions=predictions)
            state = model.update_metrics_state(state, y, output)
        return model.loss(predictions, y), model.finalize_metrics(state)

    loss, metrics = evaluate(features, labels)
    differences = features.sum(1, keepdims=True) - labels
    assert loss == pytest.approx((differences**2).mean(), rel=1e-5)
    assert metrics["error"] == pytest.approx(np.abs(differences).mean(), rel=1e-5)
    assert metrics["n"] == 8


@pytest.mark.usefixtures("engine")
def test_federated_averaging_trains_it(linear, client_data, features, labels):
    process = tff.learning.algorithms.build_weighted_fed_avg(linear(), sgd())
    state, metrics = process.next(process.initialize(), client_data)
    kernel, bias = trained_by_hand(features, labels, 0.05)
    weights = process.get_model_weights(state)
    np.testing.assert_allclose(weights.trainable[0], kernel, rtol=1e-4)
    np.testing.assert_allclose(weights.trainable[1], bias, rtol=1e-4)
    assert metrics["client_work"]["train"] == collections.OrderedDict()


def test_its_training_has_no_state(linear):
    process = tff.learning.algorithms.build_weighted_fed_avg(linear(), sgd())
    # As TFF 0.87 has it.
    assert str(process.initialize.type_signature) == (
        "( -> <global_model_weights=<trainable=<float32[3,1],float32[1]>,non_trainable=<>>,"
        "distributor=<>,client_work=<>,aggregator=<value_sum_process=<>,weight_sum_process=<>>,"
        "finalizer=<learning_rate=float32>>@SERVER)"
    )


@pytest.mark.usefixtures("engine")
def test_federated_evaluation_reports_its_own_metrics(linear, client_data, features, labels):
    metrics_fns = tff.learning.metrics.create_functional_metric_fns(ABSOLUTE_ERROR)
    process = tff.learning.algorithms.build_fed_eval(linear(metrics_fns=metrics_fns))
    state, _ = process.next(process.initialize(), client_data[:1])
    _, metrics = process.next(state, client_data)
    metrics = metrics["client_work"]["eval"]
    expected = np.abs(features.sum(1, keepdims=True) - labels).mean()
    assert metrics["current_round_metrics"]["error"] == pytest.approx(expected, rel=1e-5)
    assert metrics["current_round_metrics"]["n"] == 8
    assert metrics["total_rounds_metrics"]["n"] == 12


def test_a_client_that_diverges_reports_nothing(linear, client_data, features, labels):
    metrics_fns = tff.learning.metrics.create_functional_metric_fns(ABSOLUTE_ERROR)
    bad = tf.data.Dataset.from_tensor_slices((features + np.inf, labels)).batch(BATCH_SIZE)
    process = tff.learning.algorithms.build_weighted_fed_avg(linear(metrics_fns=metrics_fns), sgd())
    state, metrics = process.next(process.initialize(), [client_data[0], bad])
    assert metrics["client_work"]["train"]["n"] == 4
    kernel, _ = trained_by_hand(features, labels, 0.05)
    np.testing.assert_allclose(process.get_model_weights(state).trainable[0], kernel, rtol=1e-4)


@pytest.mark.usefixtures("engine")
def test_with_variables_it_reports_its_loss_and_keras_metrics(
    linear, client_data, features, labels
):
    functional_model = linear()

    def model_fn():
        return MODELS.model_from_functional(
            functional_model, [keras.metrics.MeanAbsoluteError, keras.metrics.MeanSquaredError]
        )

    process = tff.learning.algorithms.build_fed_eval(model_fn)
    _, metrics = process.next(process.initialize(), client_data)
    metrics = metrics["client_work"]["eval"]["current_round_metrics"]
    differences = features.sum(1, keepdims=True) - labels
    assert list(metrics) == ["loss", "mean_absolute_error", "mean_squared_error"]
    assert metrics["loss"] == pytest.approx((differences**2).mean(), rel=1e-5)
    assert metrics["mean_squared_error"] == pytest.approx((differences**2).mean(), rel=1e-5)
    assert metrics["mean_absolute_error"] == pytest.approx(np.abs(differences).mean(), rel=1e-5)


def test_with_variables_it_trains_as_without(linear, client_data):
    without = tff.learning.algorithms.build_weighted_fed_avg(linear(), sgd())
    functional_model = linear()
    having = tff.learning.algorithms.build_weighted_fed_avg(
        lambda: MODELS.model_from_functional(functional_model), sgd()
    )
    left, _ = without.next(without.initialize(), client_data)
    right, _ = having.next(having.initialize(), client_data)
    for one, other in zip(
        left.global_model_weights.trainable, right.global_model_weights.trainable, strict=True
    ):
        np.testing.assert_array_equal(one, other)


def test_a_metric_may_make_its_variables_late(spec, features, labels):
    functional_model = MODELS.FunctionalModel(
        initial_weights=([np.ones((3, 1), np.float32), np.zeros(1, np.float32)], []),
        predict_on_batch_fn=predict,
        loss_fn=mean_squared_error,
        input_spec=spec,
    )
    model = MODELS.model_from_functional(functional_model, [keras.metrics.R2Score])
    model.forward_pass((tf.constant(features), tf.constant(labels)))
    finalize = model.metric_finalizers()["r2_score"]
    expected = keras.metrics.R2Score()
    expected.update_state(labels, features.sum(1, keepdims=True))
    assert float(finalize(model.report_local_unfinalized_metrics()["r2_score"])) == pytest.approx(
        float(expected.result()), rel=1e-4
    )


def test_weights_may_be_in_dicts(spec, client_data, features, labels):
    @tf.function
    def predict_with_names(model_weights, x, training):
        del training
        trainable, _ = model_weights
        return tf.matmul(x, trainable["kernel"]) + trainable["bias"]

    weights = {"kernel": np.ones((3, 1), np.float32), "bias": np.zeros(1, np.float32)}
    model = MODELS.FunctionalModel(
        initial_weights=(weights, {}),
        predict_on_batch_fn=predict_with_names,
        loss_fn=mean_squared_error,
        input_spec=spec,
    )
    process = tff.learning.algorithms.build_weighted_fed_avg(model, sgd())
    state, _ = process.next(process.initialize(), client_data)
    kernel, _ = trained_by_hand(features, labels, 0.05)
    trainable = process.get_model_weights(state).trainable
    np.testing.assert_allclose(trainable["kernel"], kernel, rtol=1e-4)


@pytest.fixture
def fails(linear, golden, request):
    """Checks the class and the text of the error of a call."""

    def check(expected, call):
        with pytest.raises(expected) as caught:
            call()
        assert isinstance(caught.value, errors.FederatedError)
        golden.check(request.node.name, str(caught.value))

    return check


WRONG_ARGUMENTS = {
    "weights are no pair": {"initial_weights": [np.zeros(3)]},
    "weights are tensors": {"initial_weights": ([tf.zeros([3, 1])], [tf.Variable(1.0)])},
    "no tf.function": {"predict_on_batch_fn": lambda weights, x, training: x},
    "no loss": {"loss_fn": None},
    "two metrics functions": {"metrics_fns": (dict, dict)},
    "no metrics function": {"metrics_fns": (dict, dict, 3)},
}


@pytest.mark.parametrize("arguments", WRONG_ARGUMENTS.values(), ids=WRONG_ARGUMENTS)
def test_wrong_arguments(fails, linear, arguments):
    fails(TypeError, lambda: linear(**arguments))


WRONG_METRICS = {
    "instances": [keras.metrics.MeanAbsoluteError()],
    "no list": 3,
    "no metric": [dict],
}


@pytest.mark.parametrize("constructors", WRONG_METRICS.values(), ids=WRONG_METRICS)
def test_wrong_metrics(fails, linear, constructors):
    fails(TypeError, lambda: MODELS.model_from_functional(linear(), constructors))


def test_two_metrics_of_one_name(fails, linear):
    twice = [keras.metrics.MeanAbsoluteError] * 2
    fails(ValueError, lambda: MODELS.model_from_functional(linear(), twice))


def test_no_functional_model(fails):
    fails(TypeError, lambda: MODELS.model_from_functional(3))  # type: ignore[arg-type]


def test_client_work_of_no_functional_model(fails):
    build = tff.learning.templates.build_functional_model_delta_client_work
    weighting = tff.learning.ClientWeighting.UNIFORM
    fails(TypeError, lambda: build(model=3, optimizer=sgd(), client_weighting=weighting))  # type: ignore[arg-type]


def test_metrics_without_names_in_an_algorithm(fails, linear):
    one = tff.learning.metrics.create_functional_metric_fns(keras.metrics.MeanAbsoluteError)
    model = linear(metrics_fns=one)
    fails(TypeError, lambda: tff.learning.algorithms.build_fed_eval(model))


def test_an_input_spec_without_labels_in_an_algorithm(fails, linear, spec):
    model = linear(input_spec=spec[:1])
    fails(ValueError, lambda: tff.learning.algorithms.build_fed_eval(model))


def test_features_that_do_not_fit_in_an_algorithm(fails, linear, spec):
    model = linear(input_spec=(tf.TensorSpec([None, 4]), spec[1]))
    fails(ValueError, lambda: tff.learning.algorithms.build_weighted_fed_avg(model, sgd()))
