"""Models made of Keras models. Numbers: real TFF 0.87 gives the same (`models_metrics`)."""

from __future__ import annotations

import collections

import keras
import numpy as np
import pytest
import tensorflow as tf

from tensorflow_federated.core import types
from tensorflow_federated.learning import metrics, models

MSE = keras.losses.MeanSquaredError
MAE = keras.losses.MeanAbsoluteError


@pytest.fixture
def model(keras_network, spec):
    return models.from_keras_model(
        keras_network(), MSE(), spec, metrics=[keras.metrics.MeanAbsoluteError()]
    )


@pytest.fixture
def linear():
    def make(**options):
        return keras.Sequential(
            [keras.Input((3,)), keras.layers.Dense(1, kernel_initializer="ones", **options)]
        )

    return make


def as_numpy(reported):
    return {name: [value.numpy() for value in values] for name, values in reported.items()}


def test_forward_pass(model, features, labels):
    output = model.forward_pass((features, labels))
    assert isinstance(output, models.BatchOutput)
    np.testing.assert_allclose(output.loss, 23.0525, rtol=1e-5)
    np.testing.assert_allclose(output.predictions, [[2.6], [4.4], [6.2], [8.0]], rtol=1e-5)
    assert int(output.num_examples) == 4


def test_variables(model):
    assert [v.shape.as_list() for v in model.trainable_variables] == [[3, 2], [2], [2, 1], [1]]
    assert model.non_trainable_variables == []
    assert all(isinstance(v, tf.Variable) for v in model.trainable_variables)


def test_input_spec_is_kept(model, spec):
    assert model.input_spec is spec


def test_predict_on_batch(model, features):
    predictions = model.predict_on_batch(features)
    np.testing.assert_allclose(predictions, [[2.6], [4.4], [6.2], [8.0]], rtol=1e-5)


def test_unfinalized_metrics_are_the_users_then_loss_then_counts(model, features, labels):
    model.forward_pass((features, labels))
    reported = as_numpy(model.report_local_unfinalized_metrics())
    assert list(reported) == ["mean_absolute_error", "loss", "num_examples", "num_batches"]
    np.testing.assert_allclose(reported["mean_absolute_error"], [17.7, 4.0], rtol=1e-5)
    np.testing.assert_allclose(reported["loss"], [92.21, 4.0], rtol=1e-5)
    assert reported["num_examples"] == [4]
    assert reported["num_batches"] == [1]
    assert reported["num_examples"][0].dtype == np.int64


def test_metric_finalizers(model, features, labels):
    model.forward_pass((features, labels))
    reported = as_numpy(model.report_local_unfinalized_metrics())
    values = {n: finalize(reported[n]).numpy() for n, finalize in model.metric_finalizers().items()}
    np.testing.assert_allclose(values["mean_absolute_error"], 4.425, rtol=1e-5)
    np.testing.assert_allclose(values["loss"], 23.0525, rtol=1e-5)
    assert (values["num_examples"], values["num_batches"]) == (4, 1)


def test_metric_finalizers_leave_the_model_alone(model):
    model.metric_finalizers()["loss"]([np.float32(6.0), np.float32(3.0)])
    assert as_numpy(model.report_local_unfinalized_metrics())["loss"] == [0.0, 0.0]


def test_reset_metrics(model, features, labels):
    model.forward_pass((features, labels))
    model.reset_metrics()
    assert as_numpy(model.report_local_unfinalized_metrics()) == {
        "mean_absolute_error": [0.0, 0.0],
        "loss": [0.0, 0.0],
        "num_examples": [0],
        "num_batches": [0],
    }


def test_batch_normalization_has_weights_that_are_not_trained(spec):
    dense = keras.layers.Dense
    network = keras.Sequential(
        [keras.Input((3,)), dense(2), keras.layers.BatchNormalization(), dense(1)]
    )
    model = models.from_keras_model(network, MSE(), spec)
    assert len(model.trainable_variables) == 6
    assert len(model.non_trainable_variables) == 2


def test_the_seed_of_a_dropout_is_no_weight(spec):
    network = keras.Sequential(
        [keras.Input((3,)), keras.layers.Dropout(0.5), keras.layers.Dense(1)]
    )
    model = models.from_keras_model(network, MSE(), spec)
    assert model.non_trainable_variables == []
    assert models.ModelWeights.from_model(network).non_trainable == []


@pytest.fixture
def two_outputs():
    def make(names):
        inputs = keras.Input((3,))
        a, b = (keras.layers.Dense(1, kernel_initializer="ones", name=n)(inputs) for n in "ab")
        return keras.Model(inputs, {"a": a, "b": b} if names else [a, b])

    return make


def test_several_losses(two_outputs, spec, features, labels):
    model = models.from_keras_model(
        two_outputs(names=False),
        loss=[MSE(), MAE()],
        loss_weights=[1.0, 0.5],
        input_spec=(spec[0], [spec[1], spec[1]]),
    )
    output = model.forward_pass((features, [labels, labels]))
    np.testing.assert_allclose(output.loss, 2.16, rtol=1e-5)


def test_the_reported_loss_of_several_is_weighted(two_outputs, spec, features, labels):
    model = models.from_keras_model(
        two_outputs(names=False),
        loss=[MSE(), MSE()],
        loss_weights=[1.0, 0.5],
        input_spec=(spec[0], [spec[1], spec[1]]),
    )
    model.forward_pass((features, [labels, 2 * labels]))
    reported = as_numpy(model.report_local_unfinalized_metrics())
    np.testing.assert_allclose(reported["loss"], [10.56, 4.0], rtol=1e-5)


@pytest.mark.parametrize("loss", [{"b": MAE(), "a": MSE()}, [MSE(), MAE()]])
def test_losses_of_named_outputs(two_outputs, spec, features, labels, loss):
    model = models.from_keras_model(
        two_outputs(names=True), loss, (spec[0], {"b": spec[1], "a": spec[1]})
    )
    output = model.forward_pass((features, {"b": 0 * labels, "a": labels}))
    # The sums of the features are 0.3, 1.2, 2.1 and 3.0.
    np.testing.assert_allclose(output.loss, 6.39 / 4 + 6.6 / 4, rtol=1e-5)


def test_regularizers_count_for_the_loss(linear, spec, features, labels):
    model = models.from_keras_model(
        linear(kernel_regularizer=keras.regularizers.L2(0.1)), MSE(), spec
    )
    np.testing.assert_allclose(model.forward_pass((features, labels)).loss, 1.8975, rtol=1e-5)


def test_regularizers_do_not_count_for_the_reported_loss(linear, spec, features, labels):
    model = models.from_keras_model(
        linear(kernel_regularizer=keras.regularizers.L2(0.1)), MSE(), spec
    )
    model.forward_pass((features, labels))
    reported = as_numpy(model.report_local_unfinalized_metrics())
    np.testing.assert_allclose(reported["loss"], [6.39, 4.0], rtol=1e-5)


def test_metrics_given_as_constructors(linear, spec):
    model = models.from_keras_model(
        linear(), MSE(), spec, metrics=[keras.metrics.MeanAbsoluteError, keras.metrics.AUC]
    )
    assert list(model.metric_finalizers())[:2] == ["mean_absolute_error", "auc"]


def test_metrics_given_by_name(linear, spec, features, labels):
    named = collections.OrderedDict(
        b=keras.metrics.MeanAbsoluteError, a=lambda: keras.metrics.MeanSquaredError(name="x")
    )
    model = models.from_keras_model(linear(), MSE(), spec, metrics=named)
    model.forward_pass((features, labels))
    reported = as_numpy(model.report_local_unfinalized_metrics())
    assert list(reported) == ["b", "a", "loss", "num_examples", "num_batches"]
    np.testing.assert_allclose(reported["a"][0], 6.39, rtol=1e-5)


def test_a_counter_given_by_the_user_takes_the_place_of_ours(linear, spec, features, labels):
    model = models.from_keras_model(linear(), MSE(), spec, metrics=[metrics.NumExamplesCounter()])
    model.forward_pass((features, labels))
    reported = as_numpy(model.report_local_unfinalized_metrics())
    assert list(reported) == ["num_examples", "loss", "num_batches"]
    assert reported["num_examples"] == [4]


def test_a_metric_that_makes_its_variables_late(linear, spec):
    model = models.from_keras_model(
        linear(), MSE(), spec, metrics=[keras.metrics.F1Score(threshold=0.5)]
    )
    reported = as_numpy(model.report_local_unfinalized_metrics())
    assert [value.tolist() for value in reported["f1_score"]] == [[0.0]] * 4


class TwoDense(keras.Model):
    def __init__(self):
        super().__init__()
        self.first, self.last = keras.layers.Dense(2), keras.layers.Dense(1)

    def call(self, inputs):
        return self.last(self.first(inputs))


@pytest.mark.parametrize(
    "make",
    [TwoDense, lambda: keras.Sequential([keras.layers.Dense(2), keras.layers.Dense(1)])],
    ids=["subclassed", "sequential without input"],
)
def test_a_model_without_variables_is_built(make, spec, features, labels):
    model = models.from_keras_model(make(), MSE(), spec)
    assert [v.shape.as_list() for v in model.trainable_variables] == [[3, 2], [2], [2, 1], [1]]
    assert model.forward_pass((features, labels)).predictions.shape == (4, 1)


@pytest.mark.parametrize("names", [["x", "y"], ["y", "x"]])
def test_features_and_labels_are_told_by_name(linear, spec, features, labels, names):
    by_name = dict(x=spec[0], y=spec[1])
    model = models.from_keras_model(linear(), MSE(), {name: by_name[name] for name in names})
    batch = dict(x=features, y=labels)
    output = model.forward_pass({name: batch[name] for name in names})
    np.testing.assert_allclose(output.loss, 6.39 / 4, rtol=1e-5)


def test_input_spec_given_as_a_type(linear, spec):
    struct_type = types.StructWithPythonType(
        [("x", types.TensorType(np.float32, [None, 3])), ("y", (np.float32, [None, 1]))],
        collections.OrderedDict,
    )
    model = models.from_keras_model(linear(), MSE(), struct_type)
    assert model.input_spec == collections.OrderedDict(x=spec[0], y=spec[1])


def test_input_spec_given_as_a_list(linear, spec, features, labels):
    model = models.from_keras_model(linear(), MSE(), list(spec))
    assert int(model.forward_pass([features, labels]).num_examples) == 4
