"""Custom Federated Algorithms, part 2, in JAX: federated averaging of softmax regression."""

from __future__ import annotations

import collections

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tests import marks

import tensorflow_federated as tff

BATCH_TYPE = tff.to_type(
    collections.OrderedDict(
        x=tff.TensorType(np.float32, [None, 784]), y=tff.TensorType(np.int32, [None])
    )
)
MODEL_TYPE = tff.to_type(
    collections.OrderedDict(
        weights=tff.TensorType(np.float32, [784, 10]), bias=tff.TensorType(np.float32, [10])
    )
)
LOCAL_DATA_TYPE = tff.SequenceType(BATCH_TYPE)
SERVER_MODEL_TYPE = tff.FederatedType(MODEL_TYPE, tff.SERVER)
SERVER_FLOAT_TYPE = tff.FederatedType(np.float32, tff.SERVER)
CLIENT_DATA_TYPE = tff.FederatedType(LOCAL_DATA_TYPE, tff.CLIENTS)
INITIAL_MODEL = collections.OrderedDict(
    weights=np.zeros([784, 10], np.float32), bias=np.zeros([10], np.float32)
)


def forward_pass(model, batch):
    log_probabilities = jax.nn.log_softmax(batch["x"] @ model["weights"] + model["bias"])
    one_hot = jax.nn.one_hot(batch["y"], 10)
    return -jnp.mean(jnp.sum(one_hot * log_probabilities, axis=1))


@tff.jax.computation(MODEL_TYPE, BATCH_TYPE)
def batch_loss(model, batch):
    return forward_pass(model, batch)


@tff.jax.computation(MODEL_TYPE, BATCH_TYPE, np.float32)
def batch_train(initial_model, batch, learning_rate):
    gradients = jax.grad(forward_pass)(initial_model, batch)
    return jax.tree.map(lambda w, g: w - learning_rate * g, initial_model, gradients)


@tff.federated_computation(MODEL_TYPE, np.float32, LOCAL_DATA_TYPE)
def local_train(initial_model, learning_rate, all_batches):
    @tff.federated_computation((MODEL_TYPE, np.float32), BATCH_TYPE)
    def batch_fn(model_with_lr, batch):
        model, lr = model_with_lr
        return batch_train(model, batch, lr), lr

    trained_model, _ = tff.sequence_reduce(all_batches, (initial_model, learning_rate), batch_fn)
    return trained_model


@tff.federated_computation(MODEL_TYPE, LOCAL_DATA_TYPE)
def local_eval(model, all_batches):
    @tff.jax.computation((MODEL_TYPE, np.float32), BATCH_TYPE)
    def accumulate_evaluation(model_and_accumulator, batch):
        model, accumulator = model_and_accumulator
        return model, accumulator + batch_loss(model, batch)

    _, total_loss = tff.sequence_reduce(all_batches, (model, 0.0), accumulate_evaluation)
    return total_loss


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


def test_type_signatures():
    model = "<weights=float32[784,10],bias=float32[10]>"
    batch = "<x=float32[?,784],y=int32[?]>"
    assert str(batch_loss.type_signature) == f"(<model={model},batch={batch}> -> float32)"
    assert str(batch_train.type_signature) == (
        f"(<initial_model={model},batch={batch},learning_rate=float32> -> {model})"
    )
    assert str(local_train.type_signature) == (
        f"(<initial_model={model},learning_rate=float32,all_batches={batch}*> -> {model})"
    )
    assert str(local_eval.type_signature) == (f"(<model={model},all_batches={batch}*> -> float32)")
    assert str(federated_train.type_signature) == (
        f"(<model={model}@SERVER,learning_rate=float32@SERVER,data={{{batch}*}}@CLIENTS>"
        f" -> {model}@SERVER)"
    )


def test_the_loss_of_zeros_is_that_of_ten_equal_chances(engine, digit_clients):
    batch = digit_clients["train"][5][-1]
    assert batch_loss(INITIAL_MODEL, batch) == pytest.approx(2.3025851)


def test_steps_on_one_batch_lower_its_loss(engine, digit_clients):
    batch = digit_clients["train"][5][-1]
    model, losses = INITIAL_MODEL, []
    for _ in range(5):
        model = batch_train(model, batch, 0.1)
        losses.append(batch_loss(model, batch))
    assert list(model) == ["weights", "bias"]
    assert losses == sorted(losses, reverse=True)
    assert losses[0] < 0.5
    assert losses[-1] < 0.2


def test_local_training_helps_its_own_digit_and_harms_others(engine, digit_clients):
    data = digit_clients["train"]
    trained = local_train(INITIAL_MODEL, 0.1, data[5])
    assert local_eval(INITIAL_MODEL, data[5]) == pytest.approx(3 * 2.3025851)
    assert local_eval(trained, data[5]) < 1.0
    assert local_eval(trained, data[0]) > 3 * 2.3025851


def test_local_training_is_the_same_as_its_steps(engine, digit_clients):
    data = digit_clients["train"][3]
    model = INITIAL_MODEL
    for batch in data:
        model = batch_train(model, batch, 0.1)
    trained = local_train(INITIAL_MODEL, 0.1, data)
    np.testing.assert_allclose(trained["weights"], model["weights"], rtol=1e-5, atol=1e-7)


@pytest.mark.slow
@marks.SLOW_ON_REFERENCE
def test_federated_evaluation_is_the_mean_over_clients(engine, digit_clients):
    data = digit_clients["train"]
    model = local_train(INITIAL_MODEL, 0.1, data[5])
    expected = np.mean([local_eval(model, own) for own in data])
    assert federated_eval(model, data) == pytest.approx(expected)


@pytest.mark.slow
def test_a_round_is_the_mean_of_the_locally_trained_models(engine, digit_clients):
    data = digit_clients["train"]
    by_hand = [local_train(INITIAL_MODEL, 0.1, own)["weights"] for own in data]
    round_result = federated_train(INITIAL_MODEL, 0.1, data)
    np.testing.assert_allclose(
        round_result["weights"], np.mean(by_hand, axis=0), rtol=1e-4, atol=1e-7
    )


@marks.SLOW_ON_REFERENCE
def test_rounds_lower_the_loss_in_training_and_in_testing(engine, digit_clients):
    model, learning_rate, losses = INITIAL_MODEL, 0.1, []
    for _ in range(5):
        model = federated_train(model, learning_rate, digit_clients["train"])
        learning_rate *= 0.9
        losses.append(federated_eval(model, digit_clients["train"]))
    assert losses == sorted(losses, reverse=True)
    assert losses[0] < 3 * 2.3025851
    test_data = digit_clients["test"]
    assert federated_eval(model, test_data) < federated_eval(INITIAL_MODEL, test_data)
