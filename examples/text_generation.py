"""Learns to write like Shakespeare, character by character, from what each part says.

The program of the tutorial "Federated Learning for Text Generation". A client is a speaking part of
one of the plays that come with the package. Every round some of them train a copy of a recurrent
model on their own lines; the server averages what they changed. At the end the model writes.

    python examples/text_generation.py --rounds 20
"""

from __future__ import annotations

import argparse
import string
from typing import Any

import numpy as np
import tensorflow as tf

import tensorflow_federated as tff

VOCABULARY = [*string.ascii_letters, *" \n!\"&'(),-./:;?12"]
SEQUENCE_LENGTH = 50
BATCH_SIZE = 8
BATCHES_PER_CLIENT = 20
CLIENTS_PER_ROUND = 10
LEARNING_RATE = 0.005
# Parts that say less have no whole batch.
LEAST_CHARACTERS = 2 * BATCH_SIZE * (SEQUENCE_LENGTH + 1)

datasets = tff.simulation.datasets
to_numbers = tf.keras.layers.StringLookup(vocabulary=VOCABULARY, num_oov_indices=0)


def preprocess(lines: tf.data.Dataset) -> tf.data.Dataset:
    """Makes batches of pairs: a sequence of characters, and the same one character later."""

    def to_characters(example):
        return to_numbers(tf.strings.bytes_split(example["snippets"]))

    def split(sequences):
        return sequences[:, :-1], sequences[:, 1:]

    return (
        lines.map(to_characters)
        .unbatch()
        .batch(SEQUENCE_LENGTH + 1, drop_remainder=True)
        .shuffle(100, seed=1)
        .batch(BATCH_SIZE, drop_remainder=True)
        .map(split)
        .take(BATCHES_PER_CLIENT)
    )


def create_keras_model() -> tf.keras.Model:
    """One score a character: characters become vectors, a GRU reads them, a dense layer scores."""
    return tf.keras.Sequential(
        [
            tf.keras.Input(shape=(None,)),
            tf.keras.layers.Embedding(len(VOCABULARY), 32),
            tf.keras.layers.GRU(128, return_sequences=True),
            tf.keras.layers.Dense(len(VOCABULARY)),
        ]
    )


class CharacterAccuracy(tf.keras.metrics.SparseCategoricalAccuracy):
    """The share of the characters that are predicted right."""

    def __init__(self, name="accuracy", dtype=None):
        super().__init__(name, dtype=dtype)

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Takes all characters of a batch as one long list."""
        y_true = tf.reshape(y_true, [-1])
        y_pred = tf.reshape(y_pred, [-1, len(VOCABULARY)])
        return super().update_state(y_true, y_pred, sample_weight)


def create_model() -> tff.learning.models.VariableModel:
    """Wraps a new Keras model for federated learning."""
    sequences = tf.TensorSpec([BATCH_SIZE, SEQUENCE_LENGTH], tf.int64)
    return tff.learning.models.from_keras_model(
        create_keras_model(),
        input_spec=(sequences, sequences),
        loss=tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=[CharacterAccuracy()],
    )


def talkative_clients(lines: tff.simulation.datasets.ClientData) -> list[str]:
    """Returns the parts that say enough to learn from."""
    return [
        client_id
        for client_id in lines.client_ids
        if sum(map(len, lines.client_examples(client_id)["snippets"])) >= LEAST_CHARACTERS
    ]


def train(num_rounds: int, seed: int) -> tff.learning.models.ModelWeights:
    """Trains by federated averaging, prints what each round gives, and returns the weights."""
    tf.keras.utils.set_random_seed(seed)
    lines, _ = datasets.plays.load_data()
    process = tff.learning.algorithms.build_weighted_fed_avg(
        create_model, client_optimizer_fn=tff.learning.optimizers.build_adam(LEARNING_RATE)
    )
    sample = tff.simulation.build_uniform_sampling_fn(talkative_clients(lines), random_seed=seed)
    state = process.initialize()
    for round_number in range(num_rounds):
        cohort = [
            preprocess(lines.create_tf_dataset_for_client(client_id))
            for client_id in sample(round_number, CLIENTS_PER_ROUND)
        ]
        state, metrics = process.next(state, cohort)
        print(f"round {round_number + 1:3}: {described(metrics['client_work']['train'])}")
    return process.get_model_weights(state)


def evaluate(keras_model: tf.keras.Model) -> dict[str, Any]:
    """Returns loss and accuracy on what all parts say at the end of the plays."""
    _, lines = datasets.plays.load_data()
    keras_model.compile(
        loss=tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=[CharacterAccuracy()],
    )
    held_out = list(preprocess(lines.create_tf_dataset_from_all_clients(seed=0)))
    inputs, targets = (np.concatenate(part) for part in zip(*held_out, strict=True))
    metrics: Any = keras_model.evaluate(inputs, targets, BATCH_SIZE, verbose=0, return_dict=True)
    return metrics


def write(keras_model: tf.keras.Model, start: str, num_characters: int, seed: int) -> str:
    """Lets the model go on from `start`: each character is drawn by the scores of the model."""
    draw = np.random.default_rng(seed)
    text = start
    for _ in range(num_characters):
        # A window of one width, so that the graph of the model is made once.
        window = text[-SEQUENCE_LENGTH:].rjust(SEQUENCE_LENGTH)
        numbers: Any = np.array([[VOCABULARY.index(character) for character in window]])
        scores = keras_model.predict_on_batch(numbers)[0, -1]
        text += VOCABULARY[int((scores + draw.gumbel(size=scores.shape)).argmax())]
    return text


def described(metrics: dict[str, Any]) -> str:
    """Loss and accuracy in one line."""
    return f"loss {metrics['loss']:.3f}, accuracy {metrics['accuracy']:.3f}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20, help="default: 20")
    parser.add_argument("--seed", type=int, default=0, help="default: 0")
    arguments = parser.parse_args()
    trained = train(arguments.rounds, arguments.seed)

    # The trained model as one of Keras, to evaluate it, to save it, or to let it write.
    model = create_keras_model()
    trained.assign_weights_to(model)
    print(f"held out : {described(evaluate(model))}")
    print(write(model, "What of it, you ask? ", 200, arguments.seed))
