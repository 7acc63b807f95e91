"""Keras models, layers, metrics and optimizers, made inside computations."""

# The stubs of TensorFlow that pyright brings know less than what TensorFlow takes.

from __future__ import annotations

import collections

import keras
import numpy as np
import pytest
import tensorflow as tf

import tensorflow_federated as tff

ROWS = tff.TensorType(np.float32, [None, 2])


def linear_model() -> keras.Model:
    return keras.Sequential(
        [keras.layers.Input((2,)), keras.layers.Dense(1, kernel_initializer="ones")]
    )


def functional_model() -> keras.Model:
    x = keras.layers.Input((2,))
    return keras.Model(x, keras.layers.Dense(1, kernel_initializer="ones")(x))


class OwnModel(keras.Model):
    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(1, kernel_initializer="ones")

    def call(self, x):
        return self.dense(x)


@pytest.mark.usefixtures("engine")
class TestInComputations:
    @pytest.mark.parametrize("make", [linear_model, functional_model, OwnModel])
    def test_models(self, make):
        predict = tff.tensorflow.computation(lambda x: make()(x), ROWS)
        for _ in range(2):
            assert predict([[1.0, 2.0], [3.0, 4.0]]).tolist() == [[3.0], [7.0]]

    @pytest.mark.parametrize("make", [linear_model, functional_model])
    def test_the_weights_of_a_model(self, make):
        weights = tff.tensorflow.computation(lambda: tuple(make().trainable_variables))
        assert str(weights.type_signature) == "( -> <float32[2,1],float32[1]>)"
        assert [each.tolist() for each in weights()] == [[[1.0], [1.0]], [0.0]]

    def test_a_metric_counts_from_zero_at_each_call(self):
        @tff.tensorflow.computation(tff.SequenceType(np.float32))
        def mean(data):
            metric = keras.metrics.Mean()
            for x in data:
                metric.update_state(x)
            return metric.result()

        assert [mean([1.0, 3.0]), mean([5.0])] == [2.0, 5.0]

    @pytest.mark.parametrize(
        ("make", "expected"),
        [
            (lambda rate: keras.optimizers.SGD(rate), 0.8),
            (lambda rate: tf.keras.optimizers.SGD(learning_rate=rate), 0.8),
            (lambda rate: keras.optimizers.Adam(rate), 0.9),
            (lambda rate: keras.optimizers.SGD(lambda: rate), 0.8),
        ],
        ids=["SGD", "by name", "Adam", "a function"],
    )
    def test_the_learning_rate_of_an_optimizer_may_be_an_argument(self, make, expected):
        @tff.tensorflow.computation(np.float32)
        def step(rate):
            variable, optimizer = tf.Variable(1.0), make(rate)

            @tf.function
            def update():
                with tf.GradientTape() as tape:
                    loss = variable * variable
                optimizer.apply_gradients([(tape.gradient(loss, variable), variable)])

            update()
            return variable

        for _ in range(2):
            np.testing.assert_allclose(step(0.1), expected, rtol=1e-4)
        np.testing.assert_allclose(step(0.0), 1.0)

    def test_an_optimizer_with_momentum_starts_afresh_at_each_client(self):
        @tff.tensorflow.computation(tff.SequenceType(np.float32))
        def train(data):
            weight = tf.Variable(0.0)
            optimizer = keras.optimizers.SGD(1.0, momentum=0.5)
            for gradient in data:
                optimizer.apply([gradient], [weight])
            return weight

        @tff.federated_computation(tff.FederatedType(tff.SequenceType(np.float32), tff.CLIENTS))
        def train_all(data):
            return tff.federated_map(train, data)

        # Steps of 1 and of 0.5 * 1 + 1.
        assert train_all([[1.0, 1.0], [1.0], []]) == [-2.5, -1.0, 0.0]

    def test_a_layer_that_is_built_in_a_loop_is_built_once(self):
        @tff.tensorflow.computation(tff.SequenceType((np.float32, [1, 1])))
        def train(data):
            layer = keras.layers.Dense(1, kernel_initializer="zeros", use_bias=False)
            for x in data:
                layer(x)
                layer.trainable_variables[0].assign_add(x)
            return layer.trainable_variables[0].value

        for _ in range(2):
            assert train([[[1.0]], [[2.0]]]).tolist() == [[3.0]]

    def test_federated_averaging_by_hand(self):
        batch_type = tff.to_type(
            collections.OrderedDict(x=(np.float32, [None, 2]), y=(np.float32, [None, 1]))
        )
        weights_type = tff.to_type([(np.float32, [2, 1]), (np.float32, [1])])

        @tff.tensorflow.computation(weights_type, tff.SequenceType(batch_type))
        def train(weights, data):
            model = linear_model()
            for variable, value in zip(model.trainable_variables, weights, strict=True):
                variable.assign(value)
            optimizer = keras.optimizers.SGD(0.125)
            for batch in data:
                with tf.GradientTape() as tape:
                    loss = tf.reduce_mean(tf.square(model(batch["x"]) - batch["y"]))
                gradients = tape.gradient(loss, model.trainable_variables)
                optimizer.apply(gradients, model.trainable_variables)
            return [variable.value for variable in model.trainable_variables]

        @tff.federated_computation(
            tff.FederatedType(weights_type, tff.SERVER),
            tff.FederatedType(tff.SequenceType(batch_type), tff.CLIENTS),
        )
        def one_round(weights, data):
            trained = tff.federated_map(train, (tff.federated_broadcast(weights), data))
            return tff.federated_mean(trained)

        batch = {"x": np.float32([[1.0, 0.0]]), "y": np.float32([[2.0]])}
        kernel, bias = one_round([[[0.0], [0.0]], [0.0]], [[batch], []])
        # One client moves by 0.125 * 2 * 2, the other does not.
        assert kernel.tolist() == [[0.25], [0.0]]
        assert bias.tolist() == [0.25]


def test_outside_of_computations_optimizers_are_as_keras_made_them():
    with pytest.raises(ValueError, match="learning_rate"):
        keras.optimizers.SGD(tf.constant(0.1))
    assert float(keras.optimizers.SGD(0.5).learning_rate.numpy()) == 0.5
