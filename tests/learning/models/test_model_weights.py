"""The weights of a model and their type. Numbers: real TFF 0.87 gives the same."""

# The models here are written as users write them, and the stubs of TensorFlow and Keras are narrow.

from __future__ import annotations

import collections

import keras
import numpy as np
import pytest
import tensorflow as tf

from tensorflow_federated.core import errors, structure, types
from tensorflow_federated.learning import models

ModelWeights = models.ModelWeights


@pytest.fixture
def model_fn(keras_network, spec):
    return lambda: models.from_keras_model(keras_network(), keras.losses.MeanSquaredError(), spec)


ZEROS_AND_ONES = ModelWeights(
    [
        np.zeros((3, 2), np.float32),
        np.ones(2, np.float32),
        np.ones((2, 1), np.float32),
        np.zeros(1, np.float32),
    ],
    [],
)


def test_from_model(model_fn):
    weights = ModelWeights.from_model(model_fn())
    assert [v.shape.as_list() for v in weights.trainable] == [[3, 2], [2], [2, 1], [1]]
    assert weights.non_trainable == []


def test_from_model_gives_the_variables_themselves(keras_network):
    network = keras_network()
    weights = ModelWeights.from_model(network)
    assert all(isinstance(variable, tf.Variable) for variable in weights.trainable)
    weights.trainable[1].assign([5.0, 6.0])
    np.testing.assert_array_equal(network.trainable_variables[1].numpy(), [5.0, 6.0])


def test_from_model_leaves_out_the_states_of_random_generators():
    network = keras.Sequential(
        [keras.Input((3,)), keras.layers.Dropout(0.5), keras.layers.BatchNormalization()]
    )
    assert len(network.non_trainable_variables) == 3
    assert len(ModelWeights.from_model(network).non_trainable) == 2


def test_from_tff_result():
    struct = structure.Struct(
        [
            ("trainable", structure.Struct([(None, 1.0)])),
            ("non_trainable", structure.Struct([])),
        ]
    )
    assert ModelWeights.from_tff_result(struct) == ModelWeights([1.0], [])


def test_assign_weights_to_keras_model(keras_network, features):
    network = keras_network()
    ZEROS_AND_ONES.assign_weights_to(network)
    np.testing.assert_allclose(network(features), [[2.0]] * 4)


def test_assign_weights_to_model(model_fn, features):
    model = model_fn()
    ZEROS_AND_ONES.assign_weights_to(model)
    np.testing.assert_allclose(model.predict_on_batch(features), [[2.0]] * 4)


def test_assign_weights_to_a_model_with_a_dropout():
    network = keras.Sequential(
        [keras.Input((3,)), keras.layers.Dropout(0.5), keras.layers.BatchNormalization()]
    )
    ones = np.ones(3, np.float32)
    ModelWeights([ones, ones], [2 * ones, 3 * ones]).assign_weights_to(network)
    np.testing.assert_array_equal(network.layers[1].moving_variance.numpy(), [3.0] * 3)


def test_convert_variables_to_arrays(keras_network):
    network = keras_network()
    arrays = ModelWeights.from_model(network).convert_variables_to_arrays()
    network.trainable_variables[1].assign([5.0, 6.0])
    np.testing.assert_array_equal(arrays.trainable[1], [1.0, 1.0])
    assert all(isinstance(array, np.ndarray) for array in arrays.trainable)


def test_weights_type_from_model_fn(model_fn):
    weights_type = models.weights_type_from_model(model_fn)
    assert str(weights_type) == (
        "<trainable=<float32[3,2],float32[2],float32[2,1],float32[1]>,non_trainable=<>>"
    )
    assert weights_type.python_container is ModelWeights


def test_weights_type_from_model(model_fn):
    weights_type = models.weights_type_from_model(model_fn())
    assert isinstance(weights_type["trainable"], types.StructWithPythonType)
    assert weights_type["trainable"].python_container is list


def test_weights_type_keeps_names(on_variables, model_fn):
    class Named(type(on_variables(model_fn)())):
        @property
        def trainable_variables(self):
            first, *_ = super().trainable_variables
            return collections.OrderedDict(first=first)

    weights_type = models.weights_type_from_model(Named(model_fn()))
    assert str(weights_type["trainable"]) == "<first=float32[3,2]>"


FAILURES = {
    "from_model": lambda model: ModelWeights.from_model(3),
    "from_tff_result": lambda model: ModelWeights.from_tff_result(structure.Struct([("a", 1)])),
    "assign_weights_to": lambda model: ZEROS_AND_ONES.assign_weights_to(3),
    "weights_type_from_model": lambda model: models.weights_type_from_model(lambda: 3),
    "weights_type_from_keras": lambda model: models.weights_type_from_model(
        keras.Model(name="network")
    ),
}


@pytest.mark.parametrize("name", FAILURES)
def test_what_is_no_model_or_no_weights(name, model_fn, golden):
    with pytest.raises(TypeError) as caught:
        FAILURES[name](model_fn())
    assert isinstance(caught.value, errors.FederatedError)
    golden.check(name, str(caught.value))


@pytest.mark.parametrize(
    ("name", "trainable"),
    [
        ("shape", [np.ones((2, 3)), np.ones(2), np.ones((2, 1)), np.ones(1)]),
        ("number", [np.ones((3, 2))]),
        ("structure", [[1.0], np.ones(2), np.ones((2, 1)), np.ones(1)]),
    ],
)
def test_weights_of_another_model(name, trainable, model_fn, golden):
    with pytest.raises(errors.ModelValueError) as caught:
        ModelWeights(trainable, []).assign_weights_to(model_fn())
    golden.check(name, str(caught.value))


def test_weights_that_do_not_fit_change_nothing(model_fn):
    model = model_fn()
    wrong = ModelWeights([np.zeros((3, 2)), np.zeros(2), np.zeros((2, 1)), np.zeros(7)], [])
    with pytest.raises(errors.ModelValueError):
        wrong.assign_weights_to(model)
    np.testing.assert_array_equal(model.trainable_variables[1], [1.0, 1.0])


def test_a_misspelt_name_of_the_module():
    with pytest.raises(AttributeError, match=r"did you mean .*ModelWeights"):
        models.ModelWeight  # noqa: B018
