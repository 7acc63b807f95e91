"""What is wrong with a Keras model, a loss, a metric or an input spec is said in four parts."""

from __future__ import annotations

import collections

import keras
import numpy as np
import pytest
import tensorflow as tf

from tensorflow_federated.core import errors, types
from tensorflow_federated.learning import models

MSE = keras.losses.MeanSquaredError
METRIC = keras.metrics.MeanAbsoluteError


@pytest.fixture
def fails(keras_network, spec, golden, request):
    """Checks the class and the text of the error for some arguments in place of good ones."""

    def check(expected, **arguments):
        good = {"keras_model": keras_network(), "loss": MSE(), "input_spec": spec}
        with pytest.raises(expected) as caught:
            models.from_keras_model(**{**good, **arguments})
        assert isinstance(caught.value, errors.FederatedError)
        golden.check(request.node.name, str(caught.value))

    return check


def test_compiled_model(fails):
    network = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)], name="network")
    network.compile(loss="mse")
    fails(ValueError, keras_model=network)


def test_not_a_model(fails):
    fails(TypeError, keras_model=3)


def test_model_of_keras_2(fails):
    legacy = type("Sequential", (), {"__module__": "tf_keras.src.engine.sequential"})
    fails(TypeError, keras_model=legacy())


@pytest.mark.parametrize(
    "loss",
    [3, "mse", MSE, keras.losses.mean_squared_error, [MSE(), 3]],
    ids=["number", "name", "class", "function", "list"],
)
def test_not_a_loss(fails, loss):
    fails(TypeError, loss=loss)


def test_a_loss_for_each_example(fails):
    fails(ValueError, loss=MSE(reduction=None))


def test_a_stateful_layer_and_batches_of_any_size(fails):
    network = keras.Sequential([keras.layers.LSTM(2, stateful=True)], name="network")
    spec = (tf.TensorSpec([None, 2, 3]), tf.TensorSpec([None, 2]))
    fails(ValueError, keras_model=network, input_spec=spec)


def test_more_losses_than_outputs(fails):
    fails(ValueError, loss=[MSE(), MSE()])


def test_weights_of_one_loss(fails):
    fails(ValueError, loss_weights=[2.0])


def test_more_weights_than_losses(fails):
    fails(ValueError, loss=[MSE()], loss_weights=[1.0, 2.0])


@pytest.mark.parametrize("weights", ["ab", 1.0, ["a"]], ids=["string", "number", "list"])
def test_loss_weights_that_are_no_numbers(fails, weights):
    fails(TypeError, loss=[MSE()], loss_weights=weights)


SPECS = {
    "one": tf.TensorSpec([None, 3]),
    "list of one": [tf.TensorSpec([None, 3])],
    "three": (tf.TensorSpec([None, 3]),) * 3,
    "names": collections.OrderedDict(a=tf.TensorSpec([None, 3]), y=tf.TensorSpec([None, 1])),
    "no label": (tf.TensorSpec([None, 3]), None),
    "ragged": (tf.RaggedTensorSpec([None, None]), tf.TensorSpec([None, 1])),
}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("one", TypeError),
        ("list of one", ValueError),
        ("three", ValueError),
        ("names", ValueError),
        ("no label", TypeError),
        ("ragged", TypeError),
    ],
)
def test_wrong_input_spec(fails, name, expected):
    fails(expected, input_spec=SPECS[name])


def test_input_spec_that_the_model_cannot_be_built_from(fails):
    network = keras.Sequential([keras.layers.Conv2D(2, 3)])
    with pytest.raises(errors.ModelValueError, match="cannot be made"):
        models.from_keras_model(network, MSE(), SPECS["three"][:2])


@pytest.mark.parametrize(
    "metrics",
    [[3], ["mae"], METRIC(), [METRIC, METRIC()], [lambda: 3], [lambda x: METRIC()]],
    ids=["number", "name", "no list", "mixed", "constructor of a number", "constructor with args"],
)
def test_not_metrics(fails, metrics):
    fails(TypeError, metrics=metrics)


@pytest.mark.parametrize(
    "metrics", [[METRIC(), METRIC()], [METRIC(name="loss")]], ids=["twice", "loss"]
)
def test_metrics_of_one_name(fails, metrics):
    fails(ValueError, metrics=metrics)


def test_input_spec_of_a_dataset(fails):
    fails(TypeError, input_spec=types.StructType([types.SequenceType(np.int32), np.int32]))


def test_keras_on_another_backend(monkeypatch, fails):
    monkeypatch.setattr(keras.backend, "backend", lambda: "torch")
    fails(ValueError)
