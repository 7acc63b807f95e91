"""Building Your Own Federated Learning Algorithm, in TensorFlow: FedAvg put together by hand."""

# The stubs of TensorFlow that pyright brings know less than what TensorFlow takes.

from __future__ import annotations

import collections

import numpy as np
import pytest
import tensorflow as tf
from tests import marks

import tensorflow_federated as tff

BATCH_SIZE = 20


def preprocess(dataset):
    def flatten(element):
        return (
            tf.reshape(element["pixels"], [-1, 784]),
            tf.reshape(element["label"], [-1, 1]),
        )

    return dataset.batch(BATCH_SIZE).map(flatten)


def clients_of(digit_clients, split: str) -> list[tf.data.Dataset]:
    datasets = []
    for batches in digit_clients[split]:
        pixels = np.concatenate([batch["x"] for batch in batches]).reshape(-1, 28, 28)
        label = np.concatenate([batch["y"] for batch in batches])
        examples = tf.data.Dataset.from_tensor_slices({"label": label, "pixels": pixels})
        datasets.append(preprocess(examples))
    return datasets


@pytest.fixture(scope="module")
def train_data(digit_clients):
    return clients_of(digit_clients, "train")


@pytest.fixture(scope="module")
def all_test_data(digit_clients):
    first, *others = clients_of(digit_clients, "test")
    for each in others:
        first = first.concatenate(each)
    return first


INPUT_SPEC = (
    tf.TensorSpec([None, 784], tf.float32),
    tf.TensorSpec([None, 1], tf.int32),
)
DATASET_TYPE = tff.SequenceType(tff.types.tensorflow_to_type(INPUT_SPEC))


def make_keras_model() -> tf.keras.Model:
    initializer = tf.keras.initializers.GlorotNormal(seed=0)
    return tf.keras.models.Sequential(
        [
            tf.keras.layers.Input(shape=(784,)),
            tf.keras.layers.Dense(10, kernel_initializer=initializer),
            tf.keras.layers.Softmax(),
        ]
    )


def accuracy(weights, data) -> float:
    model = make_keras_model()
    model.compile(
        loss=tf.keras.losses.SparseCategoricalCrossentropy(),
        metrics=[tf.keras.metrics.SparseCategoricalAccuracy()],
    )
    if isinstance(weights, tff.learning.models.ModelWeights):
        weights.assign_weights_to(model)
    else:
        model.set_weights(weights)
    return model.evaluate(data, verbose=0)[1]


def put_together(server_init, client_update_fn, server_update_fn) -> tff.templates.IterativeProcess:
    weights_type = server_init.type_signature.result

    @tff.federated_computation
    def initialize_fn():
        return tff.federated_eval(server_init, tff.SERVER)

    @tff.federated_computation(
        tff.FederatedType(weights_type, tff.SERVER), tff.FederatedType(DATASET_TYPE, tff.CLIENTS)
    )
    def next_fn(server_weights, federated_dataset):
        at_clients = tff.federated_broadcast(server_weights)
        trained = tff.federated_map(client_update_fn, (federated_dataset, at_clients))
        return tff.federated_map(server_update_fn, tff.federated_mean(trained))

    return tff.templates.IterativeProcess(initialize_fn=initialize_fn, next_fn=next_fn)


@pytest.fixture(scope="module")
def functional_process() -> tff.templates.IterativeProcess:
    """The model is a function of its weights; the optimizer is one of this package."""
    tff_model = tff.learning.models.functional_model_from_keras(
        make_keras_model(),
        loss_fn=tf.keras.losses.SparseCategoricalCrossentropy(),
        input_spec=INPUT_SPEC,
        metrics_constructor=collections.OrderedDict(
            accuracy=tf.keras.metrics.SparseCategoricalAccuracy
        ),
    )

    @tff.tensorflow.computation
    def server_init():
        return tff.learning.models.ModelWeights(*tff_model.initial_weights)

    @tf.function
    def client_update(model, dataset, initial_weights, client_optimizer):
        client_weights = initial_weights.trainable
        optimizer_state = client_optimizer.initialize(
            tf.nest.map_structure(tf.TensorSpec.from_tensor, client_weights)
        )
        for batch in dataset:
            x, y = batch
            with tf.GradientTape() as tape:
                tape.watch(client_weights)
                outputs = model.predict_on_batch(
                    model_weights=(client_weights, ()), x=x, training=True
                )
                loss = model.loss(output=outputs, label=y)
            grads = tape.gradient(loss, client_weights)
            optimizer_state, client_weights = client_optimizer.next(
                optimizer_state, weights=client_weights, gradients=grads
            )
        return tff.learning.models.ModelWeights(client_weights, non_trainable=())

    @tf.function
    def server_update(model, mean_client_weights):
        del model
        return mean_client_weights

    weights_type = server_init.type_signature.result

    @tff.tensorflow.computation(DATASET_TYPE, weights_type)
    def client_update_fn(dataset, server_weights):
        optimizer = tff.learning.optimizers.build_sgdm(learning_rate=0.05, momentum=0.5)
        return client_update(tff_model, dataset, server_weights, optimizer)

    @tff.tensorflow.computation(weights_type)
    def server_update_fn(mean_client_weights):
        return server_update(tff_model, mean_client_weights)

    return put_together(server_init, client_update_fn, server_update_fn)


@pytest.fixture(scope="module")
def variable_process() -> tff.templates.IterativeProcess:
    """The model has variables, as in the older forms of the tutorial."""

    def model_fn():
        return tff.learning.models.from_keras_model(
            make_keras_model(),
            input_spec=INPUT_SPEC,
            loss=tf.keras.losses.SparseCategoricalCrossentropy(),
            metrics=[tf.keras.metrics.SparseCategoricalAccuracy()],
        )

    @tff.tensorflow.computation
    def server_init():
        return model_fn().trainable_variables

    weights_type = server_init.type_signature.result

    @tf.function
    def client_update(model, dataset, server_weights, client_optimizer):
        weights = model.trainable_variables
        tf.nest.map_structure(lambda x, y: x.assign(y), weights, server_weights)
        for batch in dataset:
            with tf.GradientTape() as tape:
                outputs = model.forward_pass(batch)
            gradients = tape.gradient(outputs.loss, weights)
            client_optimizer.apply_gradients(zip(gradients, weights, strict=True))
        return weights

    @tf.function
    def server_update(model, mean_client_weights):
        weights = model.trainable_variables
        tf.nest.map_structure(lambda x, y: x.assign(y), weights, mean_client_weights)
        return weights

    @tff.tensorflow.computation(DATASET_TYPE, weights_type)
    def client_update_fn(dataset, server_weights):
        optimizer = tf.keras.optimizers.SGD(learning_rate=0.05, momentum=0.5)
        return client_update(model_fn(), dataset, server_weights, optimizer)

    @tff.tensorflow.computation(weights_type)
    def server_update_fn(mean_client_weights):
        return server_update(model_fn(), mean_client_weights)

    return put_together(server_init, client_update_fn, server_update_fn)


def test_types_of_the_functional_process(functional_process):
    weights = "<trainable=<float32[784,10],float32[10]>,non_trainable=<>>"
    assert str(DATASET_TYPE) == "<float32[?,784],int32[?,1]>*"
    assert str(functional_process.initialize.type_signature) == f"( -> {weights}@SERVER)"
    assert str(functional_process.next.type_signature) == (
        f"(<server_weights={weights}@SERVER,federated_dataset={{{DATASET_TYPE}}}@CLIENTS> -> "
        f"{weights}@SERVER)"
    )


@pytest.mark.slow
def test_types_of_the_process_of_variables(variable_process):
    weights = "<float32[784,10],float32[10]>"
    assert str(variable_process.initialize.type_signature) == f"( -> {weights}@SERVER)"


@marks.SLOW_ON_REFERENCE
@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize(
    "process_name",
    ["functional_process", pytest.param("variable_process", marks=pytest.mark.slow)],
)
def test_it_learns(process_name, request, train_data, all_test_data):
    process = request.getfixturevalue(process_name)
    state = process.initialize()
    before = accuracy(state, all_test_data)
    for _ in range(2):
        state = process.next(state, train_data)
    assert accuracy(state, all_test_data) > before + 0.3


@pytest.mark.slow
def test_both_forms_take_the_same_step(functional_process, variable_process, train_data):
    start = functional_process.initialize()
    functional = functional_process.next(start, train_data)
    of_variables = variable_process.next(list(start.trainable), train_data)
    for left, right in zip(functional.trainable, of_variables, strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-3, atol=1e-5)
