"""Composing Learning Algorithms: a client work that clips gradients, put into FedAvg by hand."""

# The stubs of TensorFlow that pyright brings know less than what TensorFlow takes.

from __future__ import annotations

import collections

import numpy as np
import pytest
import tensorflow as tf
from tests import marks

import tensorflow_federated as tff

BATCH_SIZE = 20
templates = tff.learning.templates


def preprocess(dataset):
    def flatten(element):
        return tf.reshape(element["pixels"], [-1, 784]), tf.reshape(element["label"], [-1, 1])

    return dataset.batch(BATCH_SIZE).map(flatten)


@pytest.fixture(scope="module")
def train_data(digit_clients):
    datasets = []
    for batches in digit_clients["train"]:
        pixels = np.concatenate([batch["x"] for batch in batches]).reshape(-1, 28, 28)
        label = np.concatenate([batch["y"] for batch in batches])
        examples = tf.data.Dataset.from_tensor_slices({"label": label, "pixels": pixels})
        datasets.append(preprocess(examples))
    return datasets


@tf.function
def client_update(model, dataset, initial_weights, client_optimizer):
    """Trains on a client's dataset with gradients of a norm of at most 1."""
    num_examples = 0.0
    trainable, non_trainable = initial_weights.trainable, initial_weights.non_trainable
    optimizer_state = client_optimizer.initialize(
        tf.nest.map_structure(lambda x: tf.TensorSpec, trainable)
    )
    for batch in dataset:
        x, y = batch
        with tf.GradientTape() as tape:
            tape.watch(trainable)
            outputs = model.predict_on_batch(
                model_weights=(trainable, non_trainable), x=x, training=True
            )
            num_examples += tf.cast(tf.shape(y)[0], tf.float32)
            loss = model.loss(output=outputs, label=y)
        gradients = tape.gradient(loss, trainable)
        norm = tf.linalg.global_norm(gradients)
        if norm > 1:
            gradients = tf.nest.map_structure(lambda each, by=norm: each / by, gradients)
        optimizer_state, trainable = client_optimizer.next(optimizer_state, trainable, gradients)
    delta = tf.nest.map_structure(tf.subtract, initial_weights[0], trainable)
    return templates.ClientResult(update=delta, update_weight=num_examples)


def build_clipping_work(model, optimizer):
    data_type = tff.SequenceType(tff.types.tensorflow_to_type(model.input_spec))
    weights_type = tff.types.to_type(
        tf.nest.map_structure(
            lambda array: tff.types.TensorType(shape=array.shape, dtype=array.dtype),
            tff.learning.models.ModelWeights(*model.initial_weights),
        )
    )

    @tff.federated_computation
    def initialize_fn():
        return tff.federated_value((), tff.SERVER)

    @tff.tensorflow.computation(weights_type, data_type)
    def update_computation(model_weights, dataset):
        return client_update(model, dataset, model_weights, optimizer)

    @tff.federated_computation(
        initialize_fn.type_signature.result,
        tff.FederatedType(weights_type, tff.CLIENTS),
        tff.FederatedType(data_type, tff.CLIENTS),
    )
    def next_fn(state, model_weights, client_dataset):
        result = tff.federated_map(update_computation, (model_weights, client_dataset))
        nothing = tff.federated_value((), tff.SERVER)
        return tff.templates.MeasuredProcessOutput(state, result, nothing)

    return templates.ClientWorkProcess(initialize_fn, next_fn)


@pytest.fixture(scope="module")
def process(train_data):
    initializer = tf.keras.initializers.GlorotNormal(seed=0)
    keras_model = tf.keras.models.Sequential(
        [
            tf.keras.layers.Input(shape=(784,)),
            tf.keras.layers.Dense(10, kernel_initializer=initializer),
            tf.keras.layers.Softmax(),
        ]
    )
    model = tff.learning.models.functional_model_from_keras(
        keras_model,
        loss_fn=tf.keras.losses.SparseCategoricalCrossentropy(),
        input_spec=train_data[0].element_spec,
        metrics_constructor=collections.OrderedDict(
            accuracy=tf.keras.metrics.SparseCategoricalAccuracy
        ),
    )

    @tff.tensorflow.computation
    def initial_model_weights_fn():
        return tff.learning.models.ModelWeights(*model.initial_weights)

    weights_type = initial_model_weights_fn.type_signature.result
    return templates.compose_learning_process(
        initial_model_weights_fn,
        templates.build_broadcast_process(weights_type),
        build_clipping_work(model, tff.learning.optimizers.build_sgdm(learning_rate=0.01)),
        tff.aggregators.MeanFactory().create(
            weights_type.trainable, tff.types.TensorType(np.float32)
        ),
        templates.build_apply_optimizer_finalizer(
            tff.learning.optimizers.build_sgdm(learning_rate=1.0), weights_type
        ),
    )


@marks.SLOW_ON_REFERENCE
@pytest.mark.usefixtures("engine")
def test_a_round_moves_by_clipped_gradients(process, train_data):
    state = process.initialize()
    assert state.client_work == ()
    assert state.finalizer == collections.OrderedDict(learning_rate=np.float32(1.0))
    output = process.next(state, train_data)
    assert output.state.finalizer == state.finalizer
    assert output.metrics["finalizer"] == collections.OrderedDict(update_non_finite=np.int32(0))
    assert list(output.metrics) == ["distributor", "client_work", "aggregator", "finalizer"]
    moved = [
        np.asarray(after) - np.asarray(before)
        for after, before in zip(
            output.state.global_model_weights.trainable,
            state.global_model_weights.trainable,
            strict=True,
        )
    ]
    # Three batches of a client, each with a step of at most 0.01.
    length = np.sqrt(sum(np.sum(np.square(each)) for each in moved))
    assert 0.0 < length <= 0.03 + 1e-6


def test_specs_are_read_by_the_name_of_later_versions(train_data):
    spec = train_data[0].element_spec
    assert str(tff.tensorflow.to_type(spec)) == "<float32[?,784],int32[?,1]>"
