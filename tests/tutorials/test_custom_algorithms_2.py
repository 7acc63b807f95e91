"""Custom Federated Algorithms, part 2: federated averaging by hand, in TensorFlow."""

# The stubs of TensorFlow that pyright brings know less than what TensorFlow takes.

from __future__ import annotations

import collections
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import tensorflow_federated as tff

BATCH_SPEC = collections.OrderedDict(
    x=tf.TensorSpec([None, 784], tf.float32), y=tf.TensorSpec([None], tf.int32)
)
BATCH_TYPE = tff.types.tensorflow_to_type(BATCH_SPEC)
MODEL_TYPE = tff.types.tensorflow_to_type(
    collections.OrderedDict(
        weights=tf.TensorSpec([784, 10], tf.float32), bias=tf.TensorSpec([10], tf.float32)
    )
)
DATA_TYPE = tff.SequenceType(BATCH_TYPE)
SERVER_MODEL_TYPE = tff.FederatedType(MODEL_TYPE, tff.SERVER)
SERVER_FLOAT_TYPE = tff.FederatedType(np.float32, tff.SERVER)
CLIENT_DATA_TYPE = tff.FederatedType(DATA_TYPE, tff.CLIENTS)


@tf.function
def forward_pass(model, batch):
    predicted = tf.nn.softmax(tf.matmul(batch["x"], model["weights"]) + model["bias"])
    likelihood = tf.reduce_sum(tf.one_hot(batch["y"], 10) * tf.math.log(predicted), axis=[1])
    return -tf.reduce_mean(likelihood)


@tff.tensorflow.computation(MODEL_TYPE, BATCH_TYPE)
def batch_loss(model, batch):
    return forward_pass(model, batch)


@tff.tensorflow.computation(MODEL_TYPE, BATCH_TYPE, np.float32)
def batch_train(initial_model, batch, learning_rate):
    variables = collections.OrderedDict(
        (name, tf.Variable(name=name, initial_value=value)) for name, value in initial_model.items()
    )
    optimizer = tf.keras.optimizers.SGD(learning_rate)

    @tf.function
    def train(variables, batch):
        with tf.GradientTape() as tape:
            loss = forward_pass(variables, batch)
        gradients = tape.gradient(loss, variables)
        optimizer.apply_gradients(
            zip(tf.nest.flatten(gradients), tf.nest.flatten(variables), strict=True)
        )
        return variables

    return train(variables, batch)


@tff.federated_computation(MODEL_TYPE, np.float32, DATA_TYPE)
def local_train(initial_model, learning_rate, all_batches):
    @tff.federated_computation((MODEL_TYPE, np.float32), BATCH_TYPE)
    def step(model_and_rate, batch):
        model, rate = model_and_rate
        return batch_train(model, batch, rate), rate

    trained, _ = tff.sequence_reduce(all_batches, (initial_model, learning_rate), step)
    return trained


@tff.federated_computation(MODEL_TYPE, DATA_TYPE)
def local_eval(model, all_batches):
    @tff.tensorflow.computation((MODEL_TYPE, np.float32), BATCH_TYPE)
    def accumulate(model_and_total, batch):
        model, total = model_and_total
        return model, total + batch_loss(model, batch)

    _, total = tff.sequence_reduce(all_batches, (model, 0.0), accumulate)
    return total


@tff.federated_computation(SERVER_MODEL_TYPE, CLIENT_DATA_TYPE)
def federated_eval(model, data):
    return tff.federated_mean(tff.federated_map(local_eval, [tff.federated_broadcast(model), data]))


@tff.federated_computation(SERVER_MODEL_TYPE, SERVER_FLOAT_TYPE, CLIENT_DATA_TYPE)
def federated_train(model, learning_rate, data):
    return tff.federated_mean(
        tff.federated_map(
            local_train,
            [tff.federated_broadcast(model), tff.federated_broadcast(learning_rate), data],
        )
    )


@pytest.fixture
def initial_model() -> dict[str, np.ndarray]:
    return collections.OrderedDict(
        weights=np.zeros([784, 10], np.float32), bias=np.zeros([10], np.float32)
    )


def test_types():
    assert str(BATCH_TYPE) == "<x=float32[?,784],y=int32[?]>"
    assert str(MODEL_TYPE) == "<weights=float32[784,10],bias=float32[10]>"
    model, batch = str(MODEL_TYPE), str(BATCH_TYPE)
    assert str(batch_loss.type_signature) == f"(<model={model},batch={batch}> -> float32)"
    assert str(batch_train.type_signature) == (
        f"(<initial_model={model},batch={batch},learning_rate=float32> -> {model})"
    )
    assert str(local_train.type_signature) == (
        f"(<initial_model={model},learning_rate=float32,all_batches={batch}*> -> {model})"
    )
    assert str(local_eval.type_signature) == f"(<model={model},all_batches={batch}*> -> float32)"


@pytest.mark.usefixtures("engine")
def test_training_on_one_batch(digit_clients, initial_model):
    batch = digit_clients["train"][5][-1]
    np.testing.assert_allclose(batch_loss(initial_model, batch), np.log(10), rtol=1e-5)
    model, losses = initial_model, []
    for _ in range(5):
        model = batch_train(model, batch, 0.1)
        losses.append(batch_loss(model, batch))
    assert isinstance(model, collections.OrderedDict)
    assert losses == sorted(losses, reverse=True)


@pytest.mark.usefixtures("engine")
def test_training_on_the_data_of_one_client(digit_clients, initial_model):
    data: Any = digit_clients["train"]
    trained = local_train(initial_model, 0.1, data[5])
    before, after = local_eval(initial_model, data[5]), local_eval(trained, data[5])
    np.testing.assert_allclose(before, 3 * np.log(10), rtol=1e-5)
    assert after < before
    # It only knows one digit now.
    assert local_eval(trained, data[0]) > local_eval(initial_model, data[0])


@pytest.mark.usefixtures("engine")
def test_local_training_is_what_numpy_computes(digit_clients, initial_model):
    data = digit_clients["train"][3]
    trained = local_train(initial_model, 0.5, data)
    weights, bias = np.zeros([784, 10]), np.zeros(10)
    for batch in data:
        logits = batch["x"] @ weights + bias
        scores = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        error = (scores - np.eye(10)[batch["y"]]) / len(batch["y"])
        weights, bias = weights - 0.5 * batch["x"].T @ error, bias - 0.5 * error.sum(axis=0)
    np.testing.assert_allclose(trained["weights"], weights, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(trained["bias"], bias, rtol=1e-3, atol=1e-5)


@pytest.mark.usefixtures("engine")
def test_federated_averaging(digit_clients, initial_model):
    train: Any = digit_clients["train"]
    model, rate, losses = initial_model, 0.1, [federated_eval(initial_model, train)]
    for _ in range(3):
        model = federated_train(model, rate, train)
        rate = rate * 0.9
        losses.append(federated_eval(model, train))
    assert losses == sorted(losses, reverse=True)
    assert federated_eval(model, digit_clients["test"]) < losses[0]
