"""Building Your Own Federated Learning Algorithm, in JAX: FedAvg of an own model."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tests import marks

import tensorflow_federated as tff

BATCH_TYPE = tff.to_type(
    (tff.TensorType(np.float32, [None, 784]), tff.TensorType(np.int32, [None]))
)
DATASET_TYPE = tff.SequenceType(BATCH_TYPE)
OPTIMIZER = tff.learning.optimizers.build_sgdm(learning_rate=0.1, momentum=0.5)


def logits(trainable, x):
    kernel, bias = trainable
    return x @ kernel + bias


def loss(trainable, batch):
    x, y = batch
    log_probabilities = jax.nn.log_softmax(logits(trainable, x))
    return -jnp.mean(jnp.take_along_axis(log_probabilities, y[:, None], axis=1))


@tff.jax.computation
def server_init():
    kernel = jax.nn.initializers.glorot_normal()(jax.random.key(0), (784, 10))
    return tff.learning.models.ModelWeights([kernel, jnp.zeros(10)], non_trainable=())


MODEL_TYPE = server_init.type_signature.result


@tff.jax.computation(MODEL_TYPE)
def client_init(weights):
    specs = jax.tree.map(lambda w: jax.ShapeDtypeStruct(w.shape, w.dtype), weights.trainable)
    return weights.trainable, OPTIMIZER.initialize(specs)


CLIENT_STATE_TYPE = client_init.type_signature.result


@tff.jax.computation(CLIENT_STATE_TYPE, BATCH_TYPE)
def client_step(state, batch):
    weights, optimizer_state = state
    gradients = jax.grad(loss)(weights, batch)
    optimizer_state, weights = OPTIMIZER.next(optimizer_state, weights, gradients)
    return weights, optimizer_state


@tff.jax.computation(CLIENT_STATE_TYPE)
def client_finish(state):
    weights, _ = state
    return tff.learning.models.ModelWeights(weights, non_trainable=())


@tff.federated_computation(DATASET_TYPE, MODEL_TYPE)
def client_update(dataset, server_weights):
    return client_finish(tff.sequence_reduce(dataset, client_init(server_weights), client_step))


@tff.jax.computation(MODEL_TYPE)
def server_update(mean_client_weights):
    return mean_client_weights


@tff.federated_computation
def initialize_fn():
    return tff.federated_eval(server_init, tff.SERVER)


@tff.federated_computation(
    tff.FederatedType(MODEL_TYPE, tff.SERVER), tff.FederatedType(DATASET_TYPE, tff.CLIENTS)
)
def next_fn(server_weights, federated_dataset):
    server_weights_at_client = tff.federated_broadcast(server_weights)
    client_weights = tff.federated_map(client_update, (federated_dataset, server_weights_at_client))
    mean_client_weights = tff.federated_mean(client_weights)
    return tff.federated_map(server_update, mean_client_weights)


@pytest.fixture(scope="module")
def clients(digit_clients):
    """Every client has pictures of two digits, as pairs."""
    data = digit_clients["train"]
    return [
        [(batch["x"], batch["y"]) for digit in (i, (i + 1) % 10) for batch in data[digit]]
        for i in range(10)
    ]


@pytest.fixture(scope="module")
def test_batch(digit_clients):
    """All pictures of all clients that nothing was trained on."""
    batches = [batch for own in digit_clients["test"] for batch in own]
    return np.concatenate([b["x"] for b in batches]), np.concatenate([b["y"] for b in batches])


def accuracy(weights, batch):
    x, y = batch
    return np.mean(np.argmax(logits(weights.trainable, x), axis=1) == y)


def test_types_of_the_parts():
    assert str(MODEL_TYPE) == "<trainable=<float32[784,10],float32[10]>,non_trainable=<>>"
    assert str(DATASET_TYPE) == "<float32[?,784],int32[?]>*"
    assert str(next_fn.type_signature) == (
        f"(<server_weights={MODEL_TYPE}@SERVER,federated_dataset={{{DATASET_TYPE}}}@CLIENTS>"
        f" -> {MODEL_TYPE}@SERVER)"
    )


def test_the_two_parts_make_an_iterative_process():
    process = tff.templates.IterativeProcess(initialize_fn, next_fn)
    assert str(process.initialize.type_signature) == f"( -> {MODEL_TYPE}@SERVER)"
    assert process.state_type == tff.FederatedType(MODEL_TYPE, tff.SERVER)


@pytest.mark.slow
def test_training_makes_the_model_right(engine, clients, test_batch):
    process = tff.templates.IterativeProcess(initialize_fn, next_fn)
    state = process.initialize()
    assert isinstance(state, tff.learning.models.ModelWeights)
    before = accuracy(state, test_batch)
    losses = [loss(state.trainable, test_batch)]
    for _ in range(8):
        state = process.next(state, clients)
        losses.append(loss(state.trainable, test_batch))
    assert isinstance(state, tff.learning.models.ModelWeights)
    assert before < 0.3
    assert losses[-1] < losses[0]
    assert accuracy(state, test_batch) > 0.8


@marks.SLOW_ON_REFERENCE
def test_a_round_is_what_the_loop_by_hand_gives(engine, clients):
    state = tff.templates.IterativeProcess(initialize_fn, next_fn).initialize()
    by_hand = []
    for own in clients[:3]:
        weights = [jnp.asarray(w) for w in state.trainable]
        momentum = [jnp.zeros_like(w) for w in weights]
        for batch in own:
            gradients = jax.grad(loss)(weights, batch)
            momentum = [0.5 * m + g for m, g in zip(momentum, gradients, strict=True)]
            weights = [w - 0.1 * m for w, m in zip(weights, momentum, strict=True)]
        by_hand.append(weights[0])
    result = next_fn(state, clients[:3])
    np.testing.assert_allclose(result.trainable[0], np.mean(by_hand, axis=0), rtol=1e-4, atol=1e-6)


def test_temperatures_of_the_introduction(engine):
    clients_floats = tff.FederatedType(np.float32, tff.CLIENTS)
    average = tff.federated_computation(lambda t: tff.federated_mean(t), clients_floats)
    add_half = tff.jax.computation(lambda x: x + 0.5, np.float32)
    halves = tff.federated_computation(lambda x: tff.federated_map(add_half, x), clients_floats)
    assert average([68.5, 70.3, 69.8]) == pytest.approx(69.53334)
    assert halves([1.0, 3.0, 2.0]) == [1.5, 3.5, 2.5]
