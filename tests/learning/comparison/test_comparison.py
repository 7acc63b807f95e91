"""Federated training beside training on pooled data and training alone."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tensorflow_federated as tff

RATE, ROUNDS = 0.1, 3


def client(seed, rows):
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(rows, 2)).astype(np.float32)
    return x, (x @ np.float32([[1.0], [-2.0]]) + seed).astype(np.float32)


def batched(arrays, size=4):
    x, y = arrays
    return [(x[i : i + size], y[i : i + size]) for i in range(0, len(x), size)]


CLIENTS = [client(0, 6), client(1, 4), client(2, 9)]
TRAIN = [batched(each) for each in CLIENTS]
TEST = [batched(client(seed + 10, 5)) for seed in range(3)]


def jax_model():
    return tff.learning.models.FunctionalModel(
        initial_weights=([np.zeros((2, 1), np.float32)], []),
        predict_on_batch_fn=jax.jit(lambda weights, x, training: x @ weights[0][0]),
        loss_fn=jax.jit(lambda output, label, sample_weight=None: jnp.mean((output - label) ** 2)),
        metrics_fns=(
            lambda: {"loss": [np.float32(0), np.float32(0)]},
            lambda state, labels, batch_output, sample_weight=None: {
                "loss": [
                    state["loss"][0] + jnp.sum((batch_output.predictions - labels) ** 2),
                    state["loss"][1] + jnp.float32(len(labels)),
                ]
            },
            lambda state: {"loss": state["loss"][0] / state["loss"][1]},
        ),
        input_spec=((np.float32, [None, 2]), (np.float32, [None, 1])),
    )


def keras_model_fn():
    import tensorflow as tf

    return tff.learning.models.from_keras_model(
        tf.keras.Sequential(
            [
                tf.keras.Input((2,)),
                tf.keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros"),
            ]
        ),
        tf.keras.losses.MeanSquaredError(),
        (tf.TensorSpec([None, 2]), tf.TensorSpec([None, 1])),
    )


@pytest.fixture(scope="module", params=["jax", pytest.param("keras", marks=pytest.mark.slow)])
def comparison(request):
    return tff.learning.compare_with_centralized(
        jax_model() if request.param == "jax" else keras_model_fn,
        TRAIN,
        tff.learning.optimizers.build_sgdm(RATE),
        TEST,
        num_rounds=ROUNDS,
    )


def descend(kernel, batches):
    for x, y in batches:
        kernel = kernel - RATE * 2 * x.T @ (x @ kernel - y) / len(x)
    return kernel


def squares(kernel, batches):
    return sum(float(np.sum((x @ kernel - y) ** 2)) for x, y in batches)


def losses(metrics):
    return [float(each["loss"]) for each in metrics]


def test_each_client_alone_trains_and_is_tested_on_its_own_data(comparison):
    kernels, expected = [np.zeros((2, 1))] * 3, []
    for _ in range(ROUNDS + 1):
        total = sum(squares(kernel, test) for kernel, test in zip(kernels, TEST, strict=True))
        expected.append(total / 15)
        kernels = [descend(kernel, data) for kernel, data in zip(kernels, TRAIN, strict=True)]
    np.testing.assert_allclose(losses(comparison.local_only), expected, rtol=1e-4)


def test_the_federated_way_is_the_process(comparison):
    process = tff.learning.algorithms.build_weighted_fed_avg(
        jax_model(), tff.learning.optimizers.build_sgdm(RATE)
    )
    state, expected = process.initialize(), []
    for _ in range(ROUNDS + 1):
        kernel = process.get_model_weights(state).trainable[0]
        expected.append(sum(squares(kernel, test) for test in TEST) / 15)
        state = process.next(state, TRAIN).state
    np.testing.assert_allclose(losses(comparison.federated), expected, rtol=1e-4)


def test_the_centralized_way_is_descent_on_shuffled_examples_of_all(comparison):
    x = np.concatenate([x for data in TRAIN for x, _ in data])
    y = np.concatenate([y for data in TRAIN for _, y in data])
    kernel, expected = np.zeros((2, 1)), []
    for number in range(ROUNDS + 1):
        expected.append(sum(squares(kernel, test) for test in TEST) / 15)
        order = np.random.default_rng((0, number)).permutation(len(x))
        kernel = descend(kernel, batched((x[order], y[order])))
    np.testing.assert_allclose(losses(comparison.centralized), expected, rtol=1e-4)


def test_table_and_picture(comparison, golden):
    golden.check("table", str(comparison))
    assert comparison.plot().get_ylabel() == "loss on test data"
    assert [len(line.get_xdata()) for line in comparison.plot("loss").lines] == [ROUNDS + 1] * 3
    assert "<td>federated</td>" in comparison._repr_html_()


@pytest.mark.slow
def test_drawn_cohorts_and_the_training_data_as_test_data():
    compare = tff.learning.compare_with_centralized
    sgd = tff.learning.optimizers.build_sgdm(RATE)
    one, again, other = (
        compare(jax_model(), TRAIN, sgd, num_rounds=2, clients_per_round=2, seed=seed)
        for seed in (1, 1, 3)
    )
    assert losses(one.federated) == losses(again.federated)
    assert losses(one.centralized) != losses(other.centralized)
    total = sum(squares(np.zeros((2, 1)), data) for data in TRAIN)
    np.testing.assert_allclose(losses(one.federated)[0], total / 19, rtol=1e-5)


@pytest.mark.slow
def test_datasets_of_tensorflow():
    import tensorflow as tf

    data = [tf.data.Dataset.from_tensor_slices(each).batch(4) for each in CLIENTS]
    sgd = tff.learning.optimizers.build_sgdm(RATE)
    found = [
        tff.learning.compare_with_centralized(keras_model_fn, each, sgd, num_rounds=1)
        for each in (data, TRAIN)
    ]
    assert str(found[0]) == str(found[1])


SGD = tff.learning.optimizers.build_sgdm(RATE)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("no clients", {"train_data": []}),
        ("one dataset", {"train_data": TRAIN[0][0]}),
        ("no examples", {"train_data": [[], []]}),
        ("examples of several shapes", {"train_data": [TRAIN[0], [(np.zeros((2, 3)), 0)]]}),
        ("tests of other clients", {"test_data": TEST[:2]}),
        ("no rounds", {"num_rounds": 0, "clients_per_round": 4}),
        ("no process", {"process": "fed_avg"}),
        ("no optimizer", {"client_optimizer_fn": 0.1}),
    ],
)
def test_mistakes(golden, name, arguments):
    given = {"train_data": TRAIN, "client_optimizer_fn": SGD, **arguments}
    with pytest.raises((TypeError, ValueError)) as caught:
        tff.learning.compare_with_centralized(jax_model(), **given)
    golden.check(name, str(caught.value))


def test_a_metric_that_is_not_there(comparison, golden):
    with pytest.raises(KeyError) as caught:
        comparison.plot("accuracy")
    golden.check("no such metric", str(caught.value))
