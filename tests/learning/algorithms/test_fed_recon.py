"""Federated reconstruction, on a factorisation of a matrix of ratings."""

from __future__ import annotations

import collections
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from tests import marks

import tensorflow_federated as tff

build: Any = tff.learning.algorithms.build_fed_recon
Model = tff.learning.models.ReconstructionModel
split_fn = Model.build_dataset_split_fn
sgd = tff.learning.optimizers.build_sgdm

ITEMS = 6
SPEC = collections.OrderedDict(
    x=tf.TensorSpec([None, 1], tf.int64), y=tf.TensorSpec([None, 1], tf.float32)
)


def model_fn():
    """Ratings ``w * <item, user> + b``; the vector of the user is local."""
    constant = tf.keras.initializers.Constant
    item = tf.keras.layers.Embedding(ITEMS, 2, embeddings_initializer=constant(0.5))
    user = tf.keras.layers.Embedding(1, 2, embeddings_initializer=constant(0.3))
    last = tf.keras.layers.Dense(1, kernel_initializer=constant(0.7))
    inputs = tf.keras.Input([1], dtype="int64")
    own = tf.keras.layers.Flatten()(user(tf.keras.layers.Lambda(tf.zeros_like)(inputs)))
    rated = tf.keras.layers.Flatten()(item(inputs))
    outputs = last(tf.keras.layers.Dot(1)([rated, own]))
    return Model.from_keras_model_and_layers(
        tf.keras.Model(inputs, outputs),
        global_layers=[item, last],
        local_layers=[user],
        input_spec=SPEC,
    )


def loss_fn():
    return tf.keras.losses.MeanSquaredError()


def metrics_fn():
    return [tf.keras.metrics.RootMeanSquaredError(name="rmse")]


def batches(seed: int, count: int) -> list[Any]:
    draw = np.random.RandomState(seed)
    items = draw.randint(0, ITEMS, (count, 1)).astype(np.int64)
    ratings = draw.uniform(1, 5, (count, 1)).astype(np.float32)
    return [
        collections.OrderedDict(x=items[i : i + 2], y=ratings[i : i + 2])
        for i in range(0, count, 2)
    ]


COHORT = [batches(client, 3 + 2 * client) for client in range(4)]


def two_rounds(process) -> tuple[Any, list[Any]]:
    state, metrics = process.initialize(), []
    for _ in range(2):
        output = process.next(state, COHORT)
        state = output.state
        metrics.append(output.metrics["client_work"]["train"])
    return state, metrics


# Source: TFF 0.87, on the same clients: losses of two rounds, then the first column of the item
# vectors, the weight and the bias.
OF_TFF: dict[str, Any] = {
    "default": (
        {},
        [4.32711, 1.39028],
        [0.86659, 0.50656, 0.5, 0.56071, 0.50926, 0.58753, 1.38185, 0.87851],
    ),
    "uniform": (
        {"client_weighting": tff.learning.ClientWeighting.UNIFORM},
        [4.32711, 1.55112],
        [0.86601, 0.50556, 0.5, 0.54417, 0.51255, 0.55562, 1.33345, 0.84289],
    ),
    "by the number of batches": (
        {"client_weighting": lambda metrics: tf.cast(metrics["loss"][1], tf.float32) * 2.0},
        [4.32711, 1.29833],
        [0.9099, 0.50477, 0.5, 0.55343, 0.50745, 0.57277, 1.41378, 0.91265],
    ),
    "halves in epochs": (
        {"dataset_split_fn": split_fn(split_dataset=True, recon_epochs=2, post_recon_steps_max=1)},
        [3.01348, 1.3465],
        [0.71647, 0.50608, 0.5, 0.56396, 0.51927, 0.5, 1.11407, 0.43529],
    ),
    "adam": (
        {"client_optimizer_fn": tff.learning.optimizers.build_adam(0.1)},
        [4.98711, 3.32276],
        [0.73623, 0.6336, 0.5, 0.73381, 0.54, 0.55953, 1.03725, 0.33788],
    ),
}


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[] if name == "halves in epochs" else pytest.mark.slow)
        for name in OF_TFF
    ],
)
def test_two_rounds_are_those_of_tff(name):
    arguments, losses, weights = OF_TFF[name]
    process = build(model_fn, loss_fn=loss_fn, **arguments)
    state, metrics = two_rounds(process)
    assert [each["loss"] for each in metrics] == pytest.approx(losses, abs=2e-5)
    items, weight, bias = process.get_model_weights(state).trainable
    found = np.concatenate([items[:, 0], weight[0], bias])
    np.testing.assert_allclose(found, weights, atol=2e-5)


def by_hand(items, weight, bias, cohort, rate=0.1):
    """A round, in float64: item vectors g, user vector l, half of the batches for each."""

    def gradients(items, user, weight, bias, batch):
        rated, errors = batch["x"][:, 0], None
        dots = items[rated] @ user
        errors = 2 * (weight * dots + bias - batch["y"][:, 0]) / len(rated)
        per_item = np.zeros_like(items)
        np.add.at(per_item, rated, (errors * weight)[:, None] * user)
        to_user = (errors * weight) @ items[rated]
        return per_item, to_user, errors @ dots, errors.sum()

    sums, total = [np.zeros_like(items), 0.0, 0.0], 0
    for data in cohort:
        user = np.full(2, 0.3)
        for batch in data[::2]:
            user = user - rate * gradients(items, user, weight, bias, batch)[1]
        own = [items, weight, bias]
        for batch in data[1::2]:
            to_items, _, to_weight, to_bias = gradients(own[0], user, own[1], own[2], batch)
            steps = (to_items, to_weight, to_bias)
            own = [value - rate * step for value, step in zip(own, steps, strict=True)]
        count = sum(len(batch["x"]) for batch in data[1::2])
        total += count
        before = (items, weight, bias)
        sums = [s + count * (b - o) for s, b, o in zip(sums, before, own, strict=True)]
    return [b - s / total for b, s in zip((items, weight, bias), sums, strict=True)]


@pytest.fixture(scope="module")
def process():
    return build(model_fn, loss_fn=loss_fn, metrics_fn=metrics_fn)


@marks.SLOW_ON_REFERENCE
def test_a_round_is_that_by_hand(process, engine):
    state = process.next(process.initialize(), COHORT).state
    items, weight, bias = process.get_model_weights(state).trainable
    expected = by_hand(np.full([ITEMS, 2], 0.5), 0.7, 0.0, COHORT)
    np.testing.assert_allclose(items, expected[0], atol=1e-5)
    np.testing.assert_allclose([weight[0, 0], bias[0]], expected[1:], atol=1e-5)


def test_the_metrics_are_those_of_the_second_half_alone(process):
    # Source: TFF 0.87 with the same split; the error of the first prediction of each batch.
    train = process.next(process.initialize(), COHORT).metrics["client_work"]["train"]
    assert list(train) == ["rmse", "loss"]
    assert train["loss"] == pytest.approx(4.32711, abs=2e-5)


def test_datasets_are_taken_as_batches_are(process):
    def dataset(data):
        return tf.data.Dataset.from_generator(lambda: iter(data), output_signature=SPEC)

    expected, _ = two_rounds(process)
    state = process.initialize()
    for _ in range(2):
        state = process.next(state, [dataset(data) for data in COHORT]).state
    for found, wanted in zip(
        process.get_model_weights(state).trainable,
        process.get_model_weights(expected).trainable,
        strict=True,
    ):
        np.testing.assert_allclose(found, wanted, rtol=1e-6)


def test_the_client_step_is_one_graph(process):
    assert "one TensorFlow graph that loops over the clients" in str(tff.explain(process.next))


@pytest.mark.parametrize("name", ["initialize", "next", "get_model_weights", "get_hparams"])
def test_type_signatures_are_those_of_tff(name, process, golden):
    golden.check(name, getattr(process, name).type_signature.compact_representation())


@pytest.mark.slow
def test_an_unweighted_aggregator_takes_uniform_clients():
    # Source: TFF 0.87.
    process = build(
        model_fn,
        loss_fn=loss_fn,
        client_weighting=tff.learning.ClientWeighting.UNIFORM,
        model_aggregator_factory=tff.aggregators.UnweightedMeanFactory(),
    )
    state, metrics = two_rounds(process)
    assert state.aggregator == ((), ())
    assert [each["loss"] for each in metrics] == pytest.approx([4.32711, 1.55112], abs=2e-5)


class Sums(Model):
    """Predicts ``g + l`` and sees the labels only; each with a variable that nobody trains."""

    def __init__(self, is_local=True):
        self._shared = tf.Variable(0.0)
        self._scale = tf.Variable(2.0, trainable=False)
        self._own = [tf.Variable(lambda: tf.zeros([]))] if is_local else []

    global_trainable_variables = property(lambda self: [self._shared])
    global_non_trainable_variables = property(lambda self: [self._scale])
    local_trainable_variables = property(lambda self: self._own)
    local_non_trainable_variables = property(lambda self: [])
    input_spec = property(lambda self: tf.TensorSpec([None]))

    def forward_pass(self, batch_input, training=True):
        predictions = (self._shared + sum(self._own, 0.0)) * tf.ones_like(batch_input)
        return tff.learning.models.ReconstructionBatchOutput(
            predictions, batch_input, tf.shape(batch_input)[0]
        )


@pytest.mark.slow
def test_local_variables_are_recovered_and_global_ones_converge():
    # Client k has the labels 3 + offset_k; with enough steps l_k takes what g leaves. Where l_k is
    # halfway, a round moves g towards the mean of the labels.
    offsets = [-2.0, 0.0, 2.0]
    clients = [[np.full([2], 3.0 + offset, np.float32)] * 2 for offset in offsets]
    process = build(
        Sums,
        loss_fn=loss_fn,
        reconstruction_optimizer_fn=sgd(0.25),
        client_optimizer_fn=sgd(0.25),
    )
    state = process.initialize()
    losses = []
    for _ in range(24):
        output = process.next(state, clients)
        state = output.state
        losses.append(float(output.metrics["client_work"]["train"]["loss"]))
    weights = process.get_model_weights(state)
    assert float(weights.trainable[0]) == pytest.approx(3.0, abs=1e-2)
    assert float(weights.non_trainable[0]) == 2.0
    # What is left: half of each offset, squared.
    assert losses[-1] == pytest.approx(np.mean(np.square(np.array(offsets) / 2)), abs=1e-2)


@pytest.mark.slow
def test_a_model_of_global_variables_alone_is_only_trained():
    clients = [[np.full([1], 8.0, np.float32)] * 2]
    process = build(lambda: Sums(is_local=False), loss_fn=loss_fn, client_optimizer_fn=sgd(0.25))
    state = process.next(process.initialize(), clients).state
    assert float(process.get_model_weights(state).trainable[0]) == 4.0


@pytest.mark.slow
def test_a_client_that_diverges_or_has_no_batches_is_left_out():
    process = build(Sums, loss_fn=loss_fn)
    good, bad = np.full([1], 8.0, np.float32), np.full([1], np.inf, np.float32)
    alone = process.next(process.initialize(), [[good, good]])
    together = process.next(process.initialize(), [[], [good, good], [good, bad]])
    assert alone.state.global_model_weights == together.state.global_model_weights


@pytest.mark.slow
def test_each_client_draws_its_own_local_variables():
    def random_model_fn():
        own = tf.keras.layers.Dense(1, use_bias=False, kernel_initializer="normal")
        shared = tf.keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")
        inputs = tf.keras.Input([1])
        return Model.from_keras_model_and_layers(
            tf.keras.Model(inputs, shared(own(inputs))),
            global_layers=[shared],
            local_layers=[own],
            input_spec=(tf.TensorSpec([None, 1]), tf.TensorSpec([None, 1])),
        )

    batch = (np.ones([1, 1], np.float32), np.zeros([1, 1], np.float32))

    def losses(process):
        return [
            float(
                process.next(process.initialize(), [[batch]] * count).metrics["client_work"][
                    "train"
                ]["loss"]
            )
            for count in (1, 2)
        ]

    process = build(
        random_model_fn,
        loss_fn=loss_fn,
        reconstruction_optimizer_fn=sgd(0.0),
        dataset_split_fn=Model.simple_dataset_split_fn,
    )
    one, two = losses(process)
    again, _ = losses(process)
    # The loss of one client is the square of what it drew: another one in each call.
    assert one != again
    assert one != two


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("no model", {"model_fn": lambda: 3}),
        ("a model", {"model_fn": 3}),
        ("no loss", {"loss_fn": lambda: None}),
        ("a loss", {"loss_fn": tf.keras.losses.MeanSquaredError()}),
        ("no metrics", {"metrics_fn": lambda: [tf.reduce_sum]}),
        ("one name", {"metrics_fn": lambda: [tf.keras.metrics.Mean(name="loss")]}),
        ("no split", {"dataset_split_fn": 3}),
        ("one part", {"dataset_split_fn": lambda dataset: dataset}),
        (
            "other batches",
            {"dataset_split_fn": lambda d: (d, d.map(lambda batch: batch["x"]))},
        ),
        ("weights", {"model_aggregator_factory": tff.aggregators.UnweightedMeanFactory()}),
        ("weighting", {"client_weighting": 3}),
        ("optimizer", {"reconstruction_optimizer_fn": 0.1}),
    ],
)
def test_errors(name, arguments, golden):
    with pytest.raises((TypeError, ValueError)) as caught:
        build(**{"model_fn": model_fn, "loss_fn": loss_fn, **arguments})
    golden.check(name, f"{type(caught.value).__name__}: {caught.value}")
