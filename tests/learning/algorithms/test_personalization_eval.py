"""The evaluation of ways to personalize a model."""

from __future__ import annotations

import collections
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import tensorflow_federated as tff
from tensorflow_federated.core import contexts as context_stack
from tensorflow_federated.execution import contexts

build: Any = tff.learning.algorithms.build_personalization_eval_computation
OD = collections.OrderedDict
SPEC = OD(x=tf.TensorSpec([None, 2], tf.float32), y=tf.TensorSpec([None, 1], tf.float32))


def model_fn():
    dense = tf.keras.layers.Dense(1, kernel_initializer="zeros")
    return tff.learning.models.from_keras_model(
        tf.keras.Sequential([tf.keras.Input([2]), dense]),
        loss=tf.keras.losses.MeanSquaredError(),
        input_spec=SPEC,
    )


@tf.function
def evaluate(model, dataset, batch_size=1):
    """Leaves metrics behind in the model, and tells those which it finds there."""

    def add(count, batch):
        return count + model.forward_pass(batch, training=False).num_examples

    dataset.batch(batch_size).reduce(0, add)
    metrics = OD()
    for name, metric in model.report_local_unfinalized_metrics().items():
        metrics[name] = metric[0] / metric[1] if len(metric) == 2 else metric[0]
    return metrics


def build_sgd(learning_rate: float):
    optimizer = tf.keras.optimizers.SGD(learning_rate)

    @tf.function
    def sgd(model, train_data, test_data, context=None):
        def train(count, batch):
            with tf.GradientTape() as tape:
                output = model.forward_pass(batch)
            gradients = tape.gradient(output.loss, model.trainable_variables)
            optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
            return count + tf.shape(output.predictions)[0]

        count = train_data.batch(2).repeat(2).reduce(0, train)
        for variable in model.local_variables:
            variable.assign(tf.zeros_like(variable))
        return OD(final_model=evaluate(model, test_data), num_train=count)

    return sgd


def build_mean_of_labels():
    """A plain function, with a pipeline of its own, that trains nothing but the bias."""

    def mean_of_labels(model, train_data, test_data):
        labels = train_data.map(lambda example: example["y"][0]).shuffle(10).take(4)
        total = labels.reduce(0.0, lambda total, label: total + label)
        model.trainable_variables[1].assign([total / 4.0])
        return evaluate(model, test_data)

    return mean_of_labels


def client(number: int) -> Any:
    x = np.arange(8, dtype=np.float32).reshape(4, 2) / 8 + number
    examples = tf.data.Dataset.from_tensor_slices(OD(x=x, y=x[:, :1] * 2))
    return OD(train_data=examples, test_data=examples)


def weights() -> Any:
    return tff.learning.models.ModelWeights(
        [np.zeros([2, 1], np.float32), np.zeros([1], np.float32)], []
    )


@pytest.fixture(scope="module")
def compute() -> Any:
    ways = OD(sgd=lambda: build_sgd(0.1), again=lambda: build_sgd(0.1), mean=build_mean_of_labels)
    return build(model_fn, ways, evaluate, max_num_clients=3)


@pytest.fixture(scope="module")
def metrics(compute) -> Any:
    return compute(weights(), [client(0), client(1)])


def test_the_type_is_that_of_tff(golden):
    compute = build(model_fn, OD(sgd=lambda: build_sgd(0.1)), evaluate)
    golden.check("type", compute.type_signature.formatted_representation())


def test_the_numbers_are_those_of_tff(metrics):
    # Source: TFF 0.87, which evaluates once more what is left in the model's metrics.
    np.testing.assert_allclose(metrics["baseline_metrics"]["loss"], [0.875, 7.875])
    np.testing.assert_array_equal(metrics["baseline_metrics"]["num_examples"], [4, 4])
    personalized = metrics["sgd"]["final_model"]["loss"]
    np.testing.assert_allclose(personalized, [0.16424495, 0.03308448], rtol=1e-5)
    np.testing.assert_array_equal(metrics["sgd"]["num_train"], [8, 8])


def test_every_way_starts_from_the_model_of_the_server(metrics):
    for name in ("loss", "num_examples"):
        first, second = (metrics[way]["final_model"][name] for way in ("sgd", "again"))
        np.testing.assert_array_equal(first, second)


def test_a_way_does_not_see_the_metrics_of_another(metrics):
    # It has evaluated its four test examples alone: no other ones are left in its model.
    np.testing.assert_array_equal(metrics["mean"]["num_examples"], [4, 4])


def test_a_plain_function_may_have_a_pipeline_of_its_own(metrics):
    labels = np.array([[0.0, 0.5, 1.0, 1.5], [2.0, 2.5, 3.0, 3.5]], np.float32)
    np.testing.assert_allclose(metrics["mean"]["loss"], labels.var(axis=1), rtol=1e-5)


def test_metrics_of_a_sample_of_clients_are_rows_in_their_order(compute):
    with context_stack.install(contexts.create_local_context(seed=3)):
        metrics = compute(weights(), [client(number) for number in range(5)])
    baseline, ours = metrics["baseline_metrics"]["loss"], metrics["mean"]["loss"]
    assert len(baseline) == len(ours) == 3
    expected = [np.mean((2 * (np.arange(4) / 4 + number)) ** 2) for number in range(5)]
    positions = [int(np.argmin(np.abs(np.array(expected) - loss))) for loss in baseline]
    np.testing.assert_allclose(baseline, np.array(expected)[positions], rtol=1e-5)
    assert positions == sorted(set(positions))


def test_no_client_gives_no_rows(compute):
    assert compute(weights(), [])["sgd"]["num_train"].shape == (0,)


SGD = {"sgd": lambda: build_sgd(0.1)}
WRONG = {
    "no client": (lambda: build(model_fn, SGD, evaluate, max_num_clients=0), ValueError),
    "half a client": (lambda: build(model_fn, SGD, evaluate, 1.5), TypeError),
    "a name is taken": (
        lambda: build(model_fn, {"baseline_metrics": SGD["sgd"]}, evaluate),
        ValueError,
    ),
    "no functions": (lambda: build(model_fn, {"a": 3}, 3), TypeError),
    "a list of functions": (lambda: build(model_fn, [SGD["sgd"]], evaluate), TypeError),
    "no model": (lambda: build(3, SGD, evaluate), TypeError),
    "no name": (lambda: build(model_fn, {1: SGD["sgd"]}, evaluate), TypeError),
    "the builder returns no function": (
        lambda: build(model_fn, {"a": lambda: None}, evaluate),
        TypeError,
    ),
    "no metrics": (lambda: build(model_fn, SGD, lambda model, data: None), TypeError),
    "a metric of unknown shape": (
        lambda: build(model_fn, SGD, lambda model, data: OD(y=next(iter(data.batch(9)))["y"])),
        TypeError,
    ),
    "the way takes other arguments": (
        lambda: build(model_fn, {"a": lambda: lambda model: OD()}, evaluate),
        TypeError,
    ),
}


@pytest.mark.parametrize(("make", "builtin"), WRONG.values(), ids=WRONG)
def test_mistakes(make, builtin, golden, request):
    with pytest.raises(builtin) as caught:
        make()
    golden.check(request.node.name, str(caught.value))
