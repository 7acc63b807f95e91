"""Hand-written models. Numbers marked so are those of real TFF 0.87 for the same model."""

# The models here are written as users write them, and the stubs of TensorFlow and Keras are narrow.

from __future__ import annotations

import collections

import numpy as np
import pytest
import tensorflow as tf

from tensorflow_federated.learning import models

MnistVariables = collections.namedtuple(
    "MnistVariables", "weights bias num_examples loss_sum accuracy_sum"
)
MNIST_SPEC = collections.OrderedDict(
    x=tf.TensorSpec([None, 784], tf.float32), y=tf.TensorSpec([None, 1], tf.int32)
)


def create_mnist_variables():
    return MnistVariables(
        weights=tf.Variable(
            lambda: tf.zeros(dtype=tf.float32, shape=(784, 10)), name="weights", trainable=True
        ),
        bias=tf.Variable(
            lambda: tf.zeros(dtype=tf.float32, shape=(10)), name="bias", trainable=True
        ),
        num_examples=tf.Variable(0.0, name="num_examples", trainable=False),
        loss_sum=tf.Variable(0.0, name="loss_sum", trainable=False),
        accuracy_sum=tf.Variable(0.0, name="accuracy_sum", trainable=False),
    )


def mnist_forward_pass(variables, batch):
    y = tf.nn.softmax(tf.matmul(batch["x"], variables.weights) + variables.bias)
    predictions = tf.cast(tf.argmax(y, 1), tf.int32)
    flat_labels = tf.reshape(batch["y"], [-1])
    loss = -tf.reduce_mean(tf.reduce_sum(tf.one_hot(flat_labels, 10) * tf.math.log(y), axis=[1]))
    accuracy = tf.reduce_mean(tf.cast(tf.equal(predictions, flat_labels), tf.float32))
    num_examples = tf.cast(tf.size(batch["y"]), tf.float32)
    variables.num_examples.assign_add(num_examples)
    variables.loss_sum.assign_add(loss * num_examples)
    variables.accuracy_sum.assign_add(accuracy * num_examples)
    return loss, predictions


class MnistModel(models.VariableModel):
    """The model of TFF's tutorial on image classification."""

    def __init__(self):
        self._variables = create_mnist_variables()

    @property
    def trainable_variables(self):
        return [self._variables.weights, self._variables.bias]

    @property
    def non_trainable_variables(self):
        return []

    @property
    def local_variables(self):
        return [
            self._variables.num_examples,
            self._variables.loss_sum,
            self._variables.accuracy_sum,
        ]

    @property
    def input_spec(self):
        return MNIST_SPEC

    @tf.function
    def predict_on_batch(self, batch, training=True):
        del training
        return tf.nn.softmax(tf.matmul(batch["x"], self._variables.weights))

    @tf.function
    def forward_pass(self, batch, training=True):
        del training
        loss, predictions = mnist_forward_pass(self._variables, batch)
        num_exmaples = tf.shape(batch["x"])[0]
        return models.BatchOutput(loss=loss, predictions=predictions, num_examples=num_exmaples)

    @tf.function
    def report_local_unfinalized_metrics(self):
        return collections.OrderedDict(
            num_examples=[self._variables.num_examples],
            loss=[self._variables.loss_sum, self._variables.num_examples],
            accuracy=[self._variables.accuracy_sum, self._variables.num_examples],
        )

    def metric_finalizers(self):
        return collections.OrderedDict(
            num_examples=tf.function(func=lambda x: x[0]),
            loss=tf.function(func=lambda x: x[0] / x[1]),
            accuracy=tf.function(func=lambda x: x[0] / x[1]),
        )

    @tf.function
    def reset_metrics(self):
        for variable in self.local_variables:
            variable.assign(0.0)


def mnist_batches():
    draw = np.random.default_rng(0)
    return [
        collections.OrderedDict(
            x=draw.random((size, 784), np.float32), y=draw.integers(0, 10, (size, 1), np.int32)
        )
        for size in (20, 20, 3)
    ]


def test_the_model_of_the_tutorial_trains(training):
    trained = training(MnistModel)
    kernel, bias, loss_sum = np.zeros((784, 10)), np.zeros(10), 0.0
    for batch in mnist_batches():
        x, y = batch["x"].astype(np.float64), batch["y"][:, 0]
        p = np.exp(x @ kernel + bias)
        p /= p.sum(axis=1, keepdims=True)
        loss_sum -= np.log(p[np.arange(len(y)), y]).sum()
        gradient = (p - np.eye(10)[y]) / len(y)
        kernel -= 0.1 * x.T @ gradient
        bias -= 0.1 * gradient.sum(axis=0)
    finished = trained.run(mnist_batches())
    np.testing.assert_allclose(finished["update"][0], -kernel, atol=1e-5)
    np.testing.assert_allclose(finished["update"][1], -bias, atol=1e-5)
    reported = finished["unfinalized_metrics"]
    np.testing.assert_allclose(reported["loss"], [loss_sum, 43.0], rtol=1e-4)
    assert finished["num_examples"] == 43


def test_the_model_of_the_tutorial_is_evaluated(evaluation):
    evaluated = evaluation(MnistModel)
    reported = evaluated.run(mnist_batches())
    np.testing.assert_allclose(reported["loss"], [43 * np.log(10), 43.0], rtol=1e-5)
    zeros = sum((batch["y"] == 0).sum() for batch in mnist_batches())
    assert reported["accuracy"] == [zeros, 43.0]
    finalized = evaluated.spec.metric_finalizers["loss"](reported["loss"])
    np.testing.assert_allclose(finalized, np.log(10), rtol=1e-5)


class Linear(models.VariableModel):
    """A linear model with a variable of every sort."""

    num_examples = None

    def __init__(self):
        self.weight = tf.Variable(lambda: tf.ones([3, 1]), name="weight")
        self.unused = tf.Variable(lambda: tf.ones([2]), name="unused")
        self.constant = tf.Variable(1.0, trainable=False)
        self.local = tf.Variable(0.0, trainable=False)
        self.hidden = tf.Variable(5.0, trainable=False)

    trainable_variables = property(lambda self: [self.weight, self.unused])
    non_trainable_variables = property(lambda self: [self.constant])
    local_variables = property(lambda self: [self.local])
    input_spec = property(lambda self: (tf.TensorSpec([None, 3]), tf.TensorSpec([None, 1])))

    def predict_on_batch(self, batch_input, training=True):
        return tf.matmul(batch_input, self.weight)

    def forward_pass(self, batch_input, training=True):
        features, labels = batch_input
        predictions = self.predict_on_batch(features)
        for counter in (self.local, self.constant, self.hidden):
            counter.assign_add(1.0)
        return models.BatchOutput(self.loss(predictions, labels), predictions, self.num_examples)

    def loss(self, predictions, labels):
        return tf.reduce_mean((predictions - labels) ** 2)

    def report_local_unfinalized_metrics(self):
        return collections.OrderedDict(
            local=self.local, hidden=[self.hidden], constant=self.constant
        )

    def metric_finalizers(self):
        return collections.OrderedDict(
            local=lambda x: x, hidden=lambda x: x[0], constant=lambda x: x
        )

    def reset_metrics(self):
        self.local.assign(7.0)


@pytest.fixture
def data(features, labels):
    return [(features[:2], labels[:2]), (features[2:], labels[2:])]


def test_every_sort_of_variable_starts_afresh_at_each_client(training, data):
    trained = training(Linear)
    weights = trained.spec.initial_weights()
    for _ in range(2):
        finished = trained.run(data, weights)
        # As TFF 0.87: the local variable starts as it is made, not as it is reset.
        assert finished["unfinalized_metrics"] == {"local": 2.0, "hidden": [7.0], "constant": 3.0}


def test_two_rounds(training, data):
    """As TFF 0.87 with two such clients and the server learning rate 1."""
    trained = training(Linear)
    weights = trained.spec.initial_weights()
    for _ in range(2):
        delta = trained.run(data, weights)["update"]
        trainable = [w - d for w, d in zip(weights.trainable, delta, strict=True)]
        weights = models.ModelWeights(trainable, weights.non_trainable)
    expected = [[0.6499688], [0.60671484], [0.56346077]]
    np.testing.assert_allclose(weights.trainable[0], expected, rtol=1e-5)
    np.testing.assert_array_equal(weights.trainable[1], [1.0, 1.0])


def test_the_number_of_examples_is_that_of_the_predictions_if_it_is_not_said(training, data):
    assert training(Linear).run(data)["num_examples"] == 4


@pytest.mark.parametrize(("said", "expected"), [(3, 6), (2.9, 4), (0.9, 0)])
def test_the_number_of_examples_is_a_whole_number(training, data, said, expected):
    class Saying(Linear):
        num_examples = said

    assert training(Saying).run(data)["num_examples"] == expected


def test_an_update_that_is_not_finite_resets_the_metrics(training, data):
    class Diverging(Linear):
        def loss(self, predictions, labels):
            return super().loss(predictions, labels) * float("nan")

    finished = training(Diverging).run(data)
    assert finished["has_non_finite"]
    assert not np.any(finished["update"][0])
    # As TFF 0.87: what `reset_metrics` does not touch is reported as it is.
    assert finished["unfinalized_metrics"] == {"local": 7.0, "hidden": [7.0], "constant": 3.0}


def test_containers_of_weights_are_kept(training, data):
    class Named(Linear):
        trainable_variables = property(
            lambda self: collections.OrderedDict(w=self.weight, u=self.unused)
        )
        non_trainable_variables = property(lambda self: (self.constant,))

    trained = training(Named)
    assert str(trained.spec.weights_type) == (
        "<trainable=<w=float32[3,1],u=float32[2]>,non_trainable=<float32>>"
    )
    assert trained.spec.initial_weights().non_trainable == (1.0,)
    delta = trained.run(data)["update"]
    assert isinstance(delta, collections.OrderedDict)
    np.testing.assert_array_equal(delta["w"], training(Linear).run(data)["update"][0])


def test_control_flow_on_tensors_is_converted(training, data):
    class Branching(Linear):
        def loss(self, predictions, labels):
            loss = super().loss(predictions, labels)
            if tf.reduce_sum(labels) > 1.9:
                return 0.0 * loss
            return loss

    first_batch_only = training(Linear).run(data[:1])["update"][0]
    np.testing.assert_array_equal(training(Branching).run(data)["update"][0], first_batch_only)


def test_training_is_told_from_evaluation(training, evaluation, data):
    class Telling(Linear):
        def forward_pass(self, batch_input, training=True):
            output = super().forward_pass(batch_input, training)
            self.local.assign(1.0 if training else -1.0)
            return output

    assert training(Telling).run(data)["unfinalized_metrics"]["local"] == 1.0
    assert evaluation(Telling).run(data)["local"] == -1.0


def test_a_generator_of_the_model_is_seeded_by_the_key(training, data):
    class Random(Linear):
        def __init__(self):
            super().__init__()
            self.generator = tf.random.Generator.from_seed(1)

        def loss(self, predictions, labels):
            return super().loss(predictions, labels) * self.generator.uniform([])

    trained = training(Random)
    weights = trained.spec.initial_weights()
    one, again, other = (trained.run(data, weights, key) for key in [(1, 2), (1, 2), (1, 3)])
    np.testing.assert_array_equal(one["update"][0], again["update"][0])
    assert np.any(one["update"][0] != other["update"][0])


def test_weights_of_both_sorts_are_those_that_are_sent(evaluation, data):
    class Reporting(Linear):
        def report_local_unfinalized_metrics(self):
            return collections.OrderedDict(
                local=self.weight, hidden=[self.unused], constant=self.constant
            )

    evaluated = evaluation(Reporting)
    weights = models.ModelWeights(
        [np.full((3, 1), 4.0, np.float32), np.full(2, 6.0, np.float32)], [np.float32(8.0)]
    )
    reported = evaluated.run(data, weights)
    np.testing.assert_array_equal(reported["local"], [[4.0]] * 3)
    assert reported["constant"] == 10.0


def test_initial_weights_are_drawn_anew(training):
    class Drawn(Linear):
        def __init__(self):
            super().__init__()
            self.weight = tf.Variable(lambda: tf.random.normal([3, 1]))

    initial_weights = training(Drawn).spec.initial_weights
    first, second = initial_weights().trainable[0], initial_weights().trainable[0]
    assert np.all(first != second)
