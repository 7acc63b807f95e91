"""The training and the evaluation of one client, by models of every kind.

Where a test takes `fn` the model runs in both ways that there are: on tensors, by Keras' stateless
scopes, and on its variables.
"""

# The models here are written as users write them, and the stubs of TensorFlow and Keras are narrow.

from __future__ import annotations

import collections
import random

import keras
import numpy as np
import pytest
import tensorflow as tf

from tensorflow_federated.core import intrinsics, local_intrinsics, placements, tracing, types
from tensorflow_federated.learning import models, optimizers
from tensorflow_federated.learning.models import local_loops

CLASSES = 4
IMAGES = np.random.default_rng(0).normal(size=(50, 6)).astype(np.float32)
DIGITS = np.random.default_rng(1).integers(0, CLASSES, (50, 1)).astype(np.int32)
SIZES = (20, 20, 10)


def batches(sizes=SIZES):
    ends = np.cumsum(sizes)
    return [
        collections.OrderedDict(x=IMAGES[end - size : end], y=DIGITS[end - size : end])
        for size, end in zip(sizes, ends, strict=True)
    ]


def classifier(*layers):
    """A function that makes a model which classifies, with other layers before the last."""

    def model_fn():
        network = keras.Sequential(
            [
                keras.Input((6,)),
                *[layer() for layer in layers],
                keras.layers.Dense(CLASSES, kernel_initializer="zeros"),
                keras.layers.Softmax(),
            ]
        )
        return models.from_keras_model(
            network,
            keras.losses.SparseCategoricalCrossentropy(),
            collections.OrderedDict(
                x=tf.TensorSpec([None, 6]), y=tf.TensorSpec([None, 1], tf.int32)
            ),
            metrics=[keras.metrics.SparseCategoricalAccuracy()],
        )

    return model_fn


@pytest.fixture(params=["stateless", pytest.param("on variables", marks=pytest.mark.slow)])
def kind(request):
    return request.param


@pytest.fixture
def fn(kind, on_variables):
    """Makes of a model function one whose models are run in the way of this test."""
    return on_variables if kind == "on variables" else lambda model_fn: model_fn


def softmax_sgd(sizes, learning_rate=0.1):
    """The same training by hand: weights, mean loss over examples, accuracy."""
    kernel, bias = np.zeros((6, CLASSES)), np.zeros(CLASSES)
    loss, correct = 0.0, 0.0
    for batch in batches(sizes):
        x, y = batch["x"].astype(np.float64), batch["y"][:, 0]
        exponentials = np.exp(x @ kernel + bias)
        p = exponentials / exponentials.sum(axis=1, keepdims=True)
        loss -= np.log(p[np.arange(len(y)), y]).sum()
        correct += (p.argmax(axis=1) == y).sum()
        gradient = (p - np.eye(CLASSES)[y]) / len(y)
        kernel -= learning_rate * x.T @ gradient
        bias -= learning_rate * gradient.sum(axis=0)
    return kernel, bias, loss / sum(sizes), correct / sum(sizes)


@pytest.mark.parametrize(
    "sizes",
    [
        (20, 20, 10),
        *(pytest.param(each, marks=pytest.mark.slow) for each in ((1,), (20, 1), (19,))),
    ],
)
def test_training_is_gradient_descent(fn, training, sizes):
    finished = training(fn(classifier())).run(batches(sizes))
    kernel, bias, loss, accuracy = softmax_sgd(sizes)
    np.testing.assert_allclose(finished["update"][0], -kernel, atol=1e-6)
    np.testing.assert_allclose(finished["update"][1], -bias, atol=1e-6)
    reported = finished["unfinalized_metrics"]
    np.testing.assert_allclose(reported["loss"], [loss * sum(sizes), sum(sizes)], rtol=1e-5)
    np.testing.assert_allclose(
        reported["sparse_categorical_accuracy"], [accuracy * sum(sizes), sum(sizes)], rtol=1e-6
    )
    assert reported["num_batches"] == [len(sizes)]
    assert finished["num_examples"] == sum(sizes)
    assert not finished["has_non_finite"]


def test_a_client_without_data(fn, training):
    finished = training(fn(classifier())).run([])
    assert finished["num_examples"] == 0
    assert not finished["has_non_finite"]
    assert not np.any(finished["update"][0])
    assert finished["unfinalized_metrics"]["loss"] == [0.0, 0.0]


def test_types(fn, training):
    loop = training(fn(classifier())).loop
    state = loop.initialize.type_signature.result
    assert str(loop.shared_type) == "<learning_rate=float32>"
    assert str(loop.initialize.type_signature.parameter) == (
        "<weights=<trainable=<float32[6,4],float32[4]>,non_trainable=<>>,"
        "shared=<learning_rate=float32>,key=int64[2]>"
    )
    assert str(loop.step.type_signature) == (
        f"(<state={state},batch=<x=float32[?,6],y=int32[?,1]>> -> {state})"
    )
    assert str(loop.finish.type_signature.result) == (
        "<update=<float32[6,4],float32[4]>,num_examples=int64,has_non_finite=bool,"
        "unfinalized_metrics=<sparse_categorical_accuracy=<float32,float32>,"
        "loss=<float32,float32>,num_examples=<int64>,num_batches=<int64>>>"
    )


def test_a_step_of_a_keras_model_touches_no_variable(training):
    step = training(classifier(lambda: keras.layers.Dropout(0.5))).loop.step
    function = step.node.computation.function
    assert function.variables == ()
    assert function.concrete.captured_inputs == []


def test_both_ways_of_running_agree_to_the_bit(training, on_variables):
    layers = [
        lambda: keras.layers.Dense(8, kernel_initializer=keras.initializers.GlorotUniform(3)),
        lambda: keras.layers.Dropout(0.3),
        lambda: keras.layers.BatchNormalization(),
        lambda: keras.layers.Dense(8, kernel_regularizer="l2", kernel_initializer="ones"),
    ]
    model_fn = classifier(*layers)
    stateless, stateful = training(model_fn), training(on_variables(model_fn))
    weights = stateless.spec.initial_weights()
    results = [way.run(batches(), weights) for way in (stateless, stateful)]
    for one, other in zip(*(tf.nest.flatten(result) for result in results), strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_second_call_starts_afresh(fn, training):
    trained = training(fn(classifier()))
    weights = trained.spec.initial_weights()
    first, second = (trained.run(batches(), weights) for _ in range(2))
    np.testing.assert_array_equal(first["update"][0], second["update"][0])
    assert first["unfinalized_metrics"] == second["unfinalized_metrics"]


def test_dropout_depends_on_the_key_alone(fn, training):
    trained = training(fn(classifier(lambda: keras.layers.Dropout(0.5))))
    weights = trained.spec.initial_weights()
    one, again, other = (trained.run(batches(), weights, key) for key in [(1, 2), (1, 2), (1, 3)])
    np.testing.assert_array_equal(one["update"][0], again["update"][0])
    assert np.any(one["update"][0] != other["update"][0])


class Noisy(keras.layers.Layer):
    """Adds noise from Keras' own generator, which belongs to no layer."""

    def call(self, inputs):
        return inputs + keras.random.normal(keras.ops.shape(inputs))


def test_noise_of_the_global_generator_depends_on_the_key_alone(training):
    trained = training(classifier(Noisy))
    weights = trained.spec.initial_weights()
    one, again, other = (trained.run(batches(), weights, key) for key in [(1, 2), (1, 2), (1, 3)])
    np.testing.assert_array_equal(one["update"][0], again["update"][0])
    assert np.any(one["update"][0] != other["update"][0])


def test_noise_changes_from_batch_to_batch(fn, training):
    def fixed_noise():
        network = keras.Sequential(
            [keras.Input((6,)), keras.layers.Dropout(0.5), keras.layers.Dense(1, use_bias=False)]
        )
        spec = (tf.TensorSpec([None, 6]), tf.TensorSpec([None, 1]))
        return models.from_keras_model(network, keras.losses.MeanAbsoluteError(), spec)

    trained = training(fn(fixed_noise))
    ones = (np.ones((1, 6), np.float32), np.full((1, 1), -99.0, np.float32))
    weights = trained.spec.initial_weights()
    once = trained.run([ones], weights)["update"][0]
    twice = trained.run([ones, ones], weights)["update"][0]
    # The gradient of a batch is the mask of the dropout.
    assert np.any(twice - once != once)


class Traced(keras.layers.Layer):
    """A layer that is a `tf.function`: what it reads when it is traced, it keeps."""

    def build(self, input_shape):
        self.scale = self.add_weight(shape=(), initializer="ones", trainable=False)

    @tf.function
    def call(self, inputs):
        return inputs * self.scale


class Counting(keras.layers.Layer):
    """A layer that counts in a variable that Keras knows nothing of."""

    def __init__(self):
        super().__init__()
        self.calls = [tf.Variable(0.0, trainable=False, name="calls")]

    def call(self, inputs):
        return inputs + 0.0 * self.calls[0].assign_add(1.0)


@pytest.mark.parametrize("layer", [Traced, pytest.param(Counting, marks=pytest.mark.slow)])
def test_a_keras_model_that_must_run_on_its_variables(training, layer):
    plain, special = training(classifier()), training(classifier(layer))
    expected = plain.run(batches())["update"]
    found = special.run(batches())["update"]
    np.testing.assert_allclose(found[-2], expected[0], atol=1e-6)


def test_batch_normalization(fn, training, features, labels):
    """Real TFF 0.87: two rounds of two such clients, server learning rate 1."""

    def model_fn():
        dense = keras.layers.Dense(1, kernel_initializer="ones")
        network = keras.Sequential([keras.Input((3,)), keras.layers.BatchNormalization(), dense])
        return models.from_keras_model(network, keras.losses.MeanSquaredError(), spec)

    spec = (tf.TensorSpec([None, 3]), tf.TensorSpec([None, 1]))
    trained = training(fn(model_fn))
    data = [(features[:2], labels[:2]), (features[2:], labels[2:])]
    weights = trained.spec.initial_weights()
    losses = []
    for _ in range(2):
        finished = trained.run(data, weights)
        delta = finished["update"]
        trainable = [w - d for w, d in zip(weights.trainable, delta, strict=True)]
        weights = models.ModelWeights(trainable, weights.non_trainable)
        loss_sum, count = finished["unfinalized_metrics"]["loss"]
        losses.append(loss_sum / count)
    np.testing.assert_allclose(losses, [5.7567635, 0.6057324], rtol=1e-4)
    np.testing.assert_allclose(weights.trainable[0], [0.39675525] * 3, rtol=1e-4)
    np.testing.assert_allclose(weights.trainable[1], [0.2511005] * 3, rtol=1e-4)
    np.testing.assert_allclose(weights.trainable[2], [[0.44307914]] * 3, rtol=1e-4)
    np.testing.assert_allclose(weights.trainable[3], [0.41034332], rtol=1e-4)
    # The moving statistics are sent to the clients and not sent back.
    np.testing.assert_array_equal(weights.non_trainable[0], [0.0] * 3)


def test_evaluation_uses_the_statistics_that_were_sent(fn, evaluation):
    evaluated = evaluation(fn(classifier(keras.layers.BatchNormalization)))
    assert len(evaluated.spec.weights_type["non_trainable"]) == 2
    weights = evaluated.spec.initial_weights()
    kernel = np.eye(6, CLASSES, dtype=np.float32)
    trainable = [*weights.trainable[:2], kernel, weights.trainable[3]]
    statistics = [np.full(6, 2.0, np.float32), np.full(6, 4.0, np.float32)]
    reported = evaluated.run(batches(), models.ModelWeights(trainable, statistics))
    logits = ((IMAGES - 2.0) / np.sqrt(4.0 + 1e-3)) @ kernel
    accuracy = (logits.argmax(axis=1) == DIGITS[:, 0]).sum()
    np.testing.assert_allclose(reported["sparse_categorical_accuracy"], [accuracy, 50.0])


def test_evaluation_does_not_drop_out(fn, evaluation):
    evaluated = evaluation(fn(classifier(lambda: keras.layers.Dropout(0.5))))
    reported = evaluated.run(batches())
    np.testing.assert_allclose(reported["loss"], [50 * np.log(CLASSES), 50.0], rtol=1e-5)
    assert reported["num_examples"] == [50]


def test_momentum(fn, training):
    trained = training(fn(classifier()), optimizers.build_sgdm(0.1, momentum=0.5))
    assert str(trained.loop.shared_type) == "<learning_rate=float32,momentum=float32>"
    hparams = collections.OrderedDict(learning_rate=np.float32(0.1), momentum=np.float32(0.5))
    weights = trained.spec.initial_weights()
    state = trained.loop.initialize(weights, hparams, np.array([1, 2]))
    for batch in batches((20, 20)):
        state = trained.loop.step(state, batch)
    one, two = (softmax_sgd(sizes)[1] for sizes in [(20,), (20, 20)])
    finished = trained.loop.finish(weights, state)
    # The first step is taken again, half as long, by the velocity.
    np.testing.assert_allclose(finished["update"][1], -(two + 0.5 * one), atol=1e-6)


def test_hyperparameters_are_those_that_are_sent(fn, training):
    trained = training(fn(classifier()))
    weights = trained.spec.initial_weights()
    hparams = collections.OrderedDict(learning_rate=np.float32(0.5))
    state = trained.loop.initialize(weights, hparams, np.array([1, 2]))
    state = trained.loop.step(state, batches((20,))[0])
    delta = trained.loop.finish(weights, state)["update"]
    np.testing.assert_allclose(delta[1], -softmax_sgd((20,), 0.5)[1], atol=1e-6)


def test_an_update_that_is_not_finite_counts_for_nothing(fn, training):
    bad = batches((20,))
    bad[0]["x"] = np.full((20, 6), np.inf, np.float32)
    finished = training(fn(classifier())).run(bad)
    assert finished["has_non_finite"]
    assert not np.any(finished["update"][0])
    assert not np.any(finished["update"][1])
    assert finished["unfinalized_metrics"] == {
        "sparse_categorical_accuracy": [0.0, 0.0],
        "loss": [0.0, 0.0],
        "num_examples": [0],
        "num_batches": [0],
    }


def test_rows_of_an_embedding(fn, training):
    def model_fn():
        network = keras.Sequential(
            [
                keras.Input((2,), dtype="int32"),
                keras.layers.Embedding(5, 1, embeddings_initializer="zeros"),
                keras.layers.Flatten(),
                keras.layers.Dense(1, kernel_initializer="ones", trainable=False),
            ]
        )
        spec = (tf.TensorSpec([None, 2], tf.int32), tf.TensorSpec([None, 1]))
        return models.from_keras_model(network, keras.losses.MeanAbsoluteError(), spec)

    batch = (np.array([[1, 1]], np.int32), np.array([[9.0]], np.float32))
    trained = training(fn(model_fn))
    delta = trained.run([batch])["update"]
    # A row that is there twice is changed twice.
    np.testing.assert_allclose(delta[0][:, 0], [0.0, -0.2, 0.0, 0.0, 0.0], atol=1e-6)
    assert len(delta) == 1
    assert len(trained.spec.weights_type["non_trainable"]) == 2


@pytest.mark.parametrize("container", [dict, collections.OrderedDict])
def test_several_inputs_are_told_by_name(training, container):
    def model_fn():
        inputs = container((name, keras.Input((3,), name=name)) for name in ("a", "b"))
        hidden = keras.layers.Concatenate()([inputs["a"], inputs["b"]])
        outputs = keras.layers.Dense(1, kernel_initializer="zeros", use_bias=False)(hidden)
        spec = collections.OrderedDict(
            x=collections.OrderedDict((n, tf.TensorSpec([None, 3])) for n in ("b", "a")),
            y=tf.TensorSpec([None, 1]),
        )
        return models.from_keras_model(
            keras.Model(inputs, outputs), keras.losses.MeanAbsoluteError(), spec
        )

    x = collections.OrderedDict(
        b=np.full((1, 3), 2.0, np.float32), a=np.full((1, 3), 1.0, np.float32)
    )
    batch = collections.OrderedDict(x=x, y=np.ones((1, 1), np.float32))
    finished = training(model_fn).run([batch])
    np.testing.assert_allclose(finished["update"][0][:, 0], [-0.1] * 3 + [-0.2] * 3)


def test_a_subclassed_model(training):
    class Linear(keras.Model):
        def __init__(self):
            super().__init__()
            self.last = keras.layers.Dense(CLASSES, kernel_initializer="zeros")

        def call(self, inputs):
            return keras.ops.softmax(self.last(inputs))

    def model_fn():
        spec = collections.OrderedDict(
            x=tf.TensorSpec([None, 6]), y=tf.TensorSpec([None, 1], tf.int32)
        )
        return models.from_keras_model(Linear(), keras.losses.SparseCategoricalCrossentropy(), spec)

    delta = training(model_fn).run(batches())["update"]
    np.testing.assert_allclose(delta[0], -softmax_sgd(SIZES)[0], atol=1e-6)


def test_many_clients_at_once_train_as_each_does_alone(fn, training):
    trained = training(fn(classifier(lambda: keras.layers.Dense(5, kernel_initializer="ones"))))
    spec, loop = trained.spec, trained.loop
    data_type = types.SequenceType(spec.batch_type)

    @tracing.federated_computation(spec.weights_type, loop.shared_type, data_type)
    def train(weights, hparams, data):
        start = loop.initialize(weights, hparams, local_intrinsics.random_key())
        return loop.finish(weights, local_intrinsics.sequence_reduce(data, start, loop.step)).update

    @tracing.federated_computation(
        types.FederatedType(spec.weights_type, placements.SERVER),
        types.FederatedType(loop.shared_type, placements.SERVER),
        types.FederatedType(data_type, placements.CLIENTS),
    )
    def train_all(weights, hparams, data):
        sent = [intrinsics.federated_broadcast(weights), intrinsics.federated_broadcast(hparams)]
        return intrinsics.federated_sum(intrinsics.federated_map(train, (*sent, data)))

    weights = spec.initial_weights()
    clients = [batches(sizes) for sizes in [(20, 20), (1,), (), (7, 3), (20, 10, 20)] * 8]
    hparams = collections.OrderedDict(learning_rate=np.float32(0.1))
    together = train_all(weights, hparams, clients)
    alone = [trained.run(client, weights)["update"] for client in clients[:5]]
    for leaf, *leaves in zip(together, *alone, strict=True):
        np.testing.assert_allclose(leaf, 8 * sum(leaves), rtol=1e-4, atol=1e-5)


def test_initial_weights_are_drawn_anew(fn):
    spec = local_loops.describe_model(fn(classifier(lambda: keras.layers.Dense(8))))
    first, second = spec.initial_weights(), spec.initial_weights()
    assert isinstance(first, models.ModelWeights)
    assert isinstance(first.trainable, list)
    assert np.any(first.trainable[0] != second.trainable[0])
    types.to_type(spec.weights_type).check_assignable_from(
        spec.initial_weights.type_signature.result
    )


@pytest.fixture
def global_seeds():
    """Leaves the seeds of all frameworks as they were; TensorFlow had none."""
    python_state, numpy_state = random.getstate(), np.random.get_state()
    yield
    random.setstate(python_state)
    np.random.set_state(numpy_state)
    tf.random.set_seed(None)


@pytest.mark.usefixtures("global_seeds")
def test_initial_weights_repeat_with_the_seed_of_keras():
    spec = local_loops.describe_model(classifier(lambda: keras.layers.Dense(8)))
    drawn = []
    for _ in range(2):
        keras.utils.set_random_seed(7)
        drawn.append(spec.initial_weights().trainable[0])
    np.testing.assert_array_equal(*drawn)


def test_a_description_is_given_back():
    spec = local_loops.describe_model(classifier())
    assert local_loops.describe_model(spec) is spec


def test_importing_the_models_loads_no_framework(run_python):
    printed = run_python(
        """
        import sys
        from tensorflow_federated.learning import models
        from tensorflow_federated.learning.models import local_loops
        print(sorted({"keras", "tensorflow", "jax"} & set(sys.modules)))
        """
    )
    assert printed.strip() == "[]"
