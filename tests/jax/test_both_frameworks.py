"""TensorFlow and JAX in one federated computation, at the server and at the clients."""

from __future__ import annotations

import collections

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tensorflow as tf

import tensorflow_federated as tff

EXAMPLE = tff.to_type(collections.OrderedDict(x=tff.TensorType(np.float32, [2]), y=np.float32))
BATCH = tff.to_type(
    collections.OrderedDict(
        x=tff.TensorType(np.float32, [None, 2]), y=tff.TensorType(np.float32, [None])
    )
)
MODEL = tff.to_type(collections.OrderedDict(w=tff.TensorType(np.float32, [2]), b=np.float32))
SERVER_MODEL = tff.FederatedType(MODEL, tff.SERVER)
CLIENTS_DATA = tff.FederatedType(tff.SequenceType(EXAMPLE), tff.CLIENTS)


@tff.tensorflow.computation(tff.SequenceType(EXAMPLE))
def preprocess(dataset):
    return dataset.map(lambda e: collections.OrderedDict(x=e["x"] / 2, y=e["y"])).batch(2)


@tff.jax.computation(MODEL, BATCH)
def step(model, batch):
    def loss(m):
        return jnp.mean((batch["x"] @ m["w"] + m["b"] - batch["y"]) ** 2)

    return jax.tree.map(lambda w, g: w - 0.1 * g, model, jax.grad(loss)(model))


@tff.federated_computation(MODEL, preprocess.type_signature.result)
def train(model, batches):
    return tff.sequence_reduce(batches, model, step)


@tff.tensorflow.computation(MODEL)
def clip(model):
    return collections.OrderedDict(
        w=tf.clip_by_norm(model["w"], 1.0), b=tf.clip_by_value(model["b"], -1.0, 1.0)
    )


@tff.jax.computation(MODEL, MODEL)
def server_update(model, mean):
    return jax.tree.map(lambda old, new: 0.5 * old + 0.5 * new, model, mean)


@tff.federated_computation(SERVER_MODEL, CLIENTS_DATA)
def next_fn(model, data):
    trained = tff.federated_map(
        train, (tff.federated_broadcast(model), tff.federated_map(preprocess, data))
    )
    mean = tff.federated_mean(tff.federated_map(clip, trained))
    return tff.federated_map(server_update, (model, mean))


def clients():
    draw = np.random.default_rng(0)
    return [
        [
            collections.OrderedDict(
                x=draw.normal(size=2).astype(np.float32), y=np.float32(draw.normal())
            )
            for _ in range(size)
        ]
        for size in (3, 0, 4)
    ]


def by_hand(model, data):
    """The same round with numpy."""
    trained = []
    for examples in data:
        w, b = np.array(model["w"], np.float64), float(model["b"])
        for start in range(0, len(examples), 2):
            batch = examples[start : start + 2]
            x = np.array([e["x"] for e in batch]) / 2
            residual = x @ w + b - np.array([e["y"] for e in batch])
            w, b = w - 0.2 * x.T @ residual / len(batch), b - 0.2 * residual.mean()
        norm = np.linalg.norm(w)
        trained.append((w / norm if norm > 1 else w, np.clip(b, -1, 1)))
    return {
        "w": 0.5 * model["w"] + 0.5 * np.mean([w for w, _ in trained], axis=0),
        "b": 0.5 * model["b"] + 0.5 * np.mean([b for _, b in trained]),
    }


def test_a_round_of_both_equals_one_by_hand(engine):
    model = collections.OrderedDict(w=np.array([1.0, -2.0], np.float32), b=np.float32(0.5))
    data = clients()
    for _ in range(2):
        expected = by_hand(model, data)
        model = next_fn(model, data)
        assert isinstance(model, collections.OrderedDict)
        np.testing.assert_allclose(model["w"], expected["w"], rtol=1e-5)
        np.testing.assert_allclose(model["b"], expected["b"], rtol=1e-5)


def test_data_may_be_datasets(engine):
    model = collections.OrderedDict(w=np.array([1.0, -2.0], np.float32), b=np.float32(0.5))
    datasets = [
        tf.data.Dataset.from_generator(
            lambda examples=examples: iter(examples),
            output_signature=collections.OrderedDict(
                x=tf.TensorSpec([2], tf.float32), y=tf.TensorSpec([], tf.float32)
            ),
        )
        for examples in clients()
    ]
    result, expected = next_fn(model, datasets), next_fn(model, clients())
    np.testing.assert_array_equal(result["w"], expected["w"])


@pytest.mark.parametrize("first", ["tensorflow", "jax"])
def test_one_maps_the_elements_and_the_other_reduces_them(engine, first):
    of_tensorflow = tff.tensorflow.computation(lambda e: e["x"] * e["y"], EXAMPLE)
    of_jax = tff.jax.computation(lambda e: e["x"] * e["y"], EXAMPLE)
    vector = tff.TensorType(np.float32, [2])
    add_in_jax = tff.jax.computation(lambda total, x: total + x, vector, vector)
    add_in_tensorflow = tff.tensorflow.computation(lambda total, x: total + x, vector, vector)
    mapped, added = (
        (of_tensorflow, add_in_jax) if first == "tensorflow" else (of_jax, add_in_tensorflow)
    )

    @tff.federated_computation(CLIENTS_DATA)
    def program(data):
        def reduce(own):
            zero = np.zeros(2, np.float32)
            return tff.sequence_reduce(tff.sequence_map(mapped, own), zero, added)

        sums = tff.federated_map(tff.federated_computation(reduce, CLIENTS_DATA.member), data)
        return tff.federated_sum(sums)

    data = clients()
    expected = sum((e["x"] * e["y"] for own in data for e in own), np.zeros(2))
    np.testing.assert_allclose(program(data), expected, rtol=1e-5)


def test_values_pass_through_both_at_one_place(engine):
    in_jax = tff.jax.computation(
        lambda x: {"a": x + 1, "b": [jnp.float16(x), jnp.arange(3)]}, np.int32
    )
    in_tensorflow = tff.tensorflow.computation(
        lambda s: (tf.cast(s["b"][0], tf.float32) * tf.cast(s["a"], tf.float32), s["b"][1]),
        in_jax.type_signature.result,
    )
    back_in_jax = tff.jax.computation(lambda x, y: x + y, in_tensorflow.type_signature.result)
    program = tff.federated_computation(lambda x: back_in_jax(in_tensorflow(in_jax(x))), np.int32)
    assert str(program.type_signature) == "(int32 -> float32[3])"
    np.testing.assert_array_equal(program(2), [6.0, 7.0, 8.0])
