"""Federated Reconstruction for Matrix Factorization: items are shared, each user stays at home."""

from __future__ import annotations

import collections
import functools

import numpy as np
import pytest
import tensorflow as tf

import tensorflow_federated as tff

USERS, ITEMS, FACTORS = 30, 40, 4
BATCH_SIZE = 5


@pytest.fixture(scope="module")
def user_datasets():
    """Batches of ``(user, item, rating)`` rows, made into features and labels, a dataset a user."""
    draw = np.random.RandomState(42)
    taste, content = draw.normal(size=(USERS, 2)), draw.normal(size=(ITEMS, 2))

    def to_example(rows):
        return collections.OrderedDict(
            [("x", tf.cast(rows[:, 1:2], tf.int64)), ("y", tf.cast(rows[:, 2:3], tf.float32))]
        )

    datasets = []
    for user in range(USERS):
        items = draw.choice(ITEMS, size=draw.randint(15, 35), replace=False)
        ratings = np.clip(np.round(3.5 + content[items] @ taste[user]), 1, 5)
        rows = np.stack([np.full_like(items, user), items, ratings.astype(items.dtype)], axis=1)
        datasets.append(
            tf.data.Dataset.from_tensor_slices(rows)
            .take(300)
            .shuffle(buffer_size=300, seed=42)
            .batch(BATCH_SIZE)
            .map(to_example, num_parallel_calls=tf.data.AUTOTUNE)
        )
    return datasets


class UserVector(tf.keras.layers.Layer):
    """The vector of the one user that a client has, whatever it is called with."""

    def __init__(self, size, **kwargs):
        super().__init__(**kwargs)
        self.size = size

    def build(self, input_shape):
        self.vector = self.add_weight(
            shape=(1, self.size), initializer="uniform", dtype=tf.float32, name="Vector"
        )
        super().build(input_shape)

    def call(self, inputs):
        return self.vector

    def compute_output_shape(self, input_shape=None):
        return (1, self.size)


def matrix_factorization(num_items, num_factors):
    item = tf.keras.layers.Input(shape=[1], name="Item")
    item_vectors = tf.keras.layers.Embedding(num_items, num_factors, name="ItemVectors")
    user_vector = UserVector(num_factors, name="UserVector")
    of_item = tf.keras.layers.Flatten()(item_vectors(item))
    rating = tf.keras.layers.Dot(1, normalize=False)([user_vector(item), of_item])
    return tff.learning.models.ReconstructionModel.from_keras_model_and_layers(
        keras_model=tf.keras.Model(inputs=item, outputs=rating),
        global_layers=[item_vectors],
        local_layers=[user_vector],
        input_spec=collections.OrderedDict(
            x=tf.TensorSpec(shape=[None, 1], dtype=tf.int64),
            y=tf.TensorSpec(shape=[None, 1], dtype=tf.float32),
        ),
    )


class RatingAccuracy(tf.keras.metrics.Mean):
    """How often a prediction is nearest to the rating."""

    def __init__(self, name="rating_accuracy", **kwargs):
        super().__init__(name=name, **kwargs)

    def update_state(self, y_true, y_pred, sample_weight=None):
        is_right = tf.less_equal(tf.abs(y_true - y_pred), 0.5)
        super().update_state(is_right, sample_weight=sample_weight)


@pytest.fixture(scope="module")
def trained(user_datasets):
    """What the tutorial prints: the first evaluation, each round, and the last evaluation."""
    model_fn = functools.partial(matrix_factorization, num_items=ITEMS, num_factors=FACTORS)
    loss_fn = lambda: tf.keras.losses.MeanSquaredError()  # noqa: E731
    metrics_fn = lambda: [RatingAccuracy()]  # noqa: E731
    training = tff.learning.algorithms.build_fed_recon(
        model_fn=model_fn,
        loss_fn=loss_fn,
        metrics_fn=metrics_fn,
        server_optimizer_fn=tff.learning.optimizers.build_sgdm(1.0),
        client_optimizer_fn=tff.learning.optimizers.build_sgdm(0.5),
        reconstruction_optimizer_fn=tff.learning.optimizers.build_sgdm(0.1),
    )
    evaluation = tff.learning.algorithms.build_fed_recon_eval(
        model_fn,
        loss_fn=loss_fn,
        metrics_fn=metrics_fn,
        reconstruction_optimizer_fn=tff.learning.optimizers.build_sgdm(0.1),
    )
    train_users, test_users = user_datasets[:24], user_datasets[24:]

    def evaluate(state):
        eval_state = evaluation.set_model_weights(
            evaluation.initialize(), training.get_model_weights(state)
        )
        _, metrics = evaluation.next(eval_state, test_users)
        return metrics["client_work"]["eval"]["current_round_metrics"]

    state = training.initialize()
    first = evaluate(state)
    draw = np.random.RandomState(1)
    rounds = []
    for _ in range(20):
        cohort = [train_users[user] for user in draw.choice(24, size=12, replace=False)]
        state, metrics = training.next(state, cohort)
        rounds.append(metrics["client_work"]["train"])
    return training.get_model_weights(state), first, rounds, evaluate(state)


def test_the_server_has_the_vectors_of_the_items_alone(trained):
    weights, *_ = trained
    assert [np.shape(array) for array in weights.trainable] == [(ITEMS, FACTORS)]
    assert weights.non_trainable == []


def test_loss_and_accuracy_are_reported_in_each_round(trained):
    _, _, rounds, _ = trained
    assert [list(each) for each in rounds] == [["rating_accuracy", "loss"]] * 20


def test_training_serves_users_that_were_never_seen(trained):
    _, first, rounds, last = trained
    assert rounds[-1]["loss"] < 0.4 * rounds[0]["loss"]
    assert last["loss"] < 0.4 * first["loss"]
    assert last["rating_accuracy"] > first["rating_accuracy"]
