"""Trains a small convolutional network of Keras, with JAX, on handwritten digits of 30 people.

Keras chooses its framework when it is first imported. Here it is JAX, so nothing needs TensorFlow;
everything else is as with Keras on TensorFlow.

    python examples/keras_on_jax.py --rounds 20
"""

from __future__ import annotations

import argparse
import collections
import os
from typing import Any

os.environ["KERAS_BACKEND"] = "jax"

import keras
import numpy as np

import tensorflow_federated as tff

BATCH_SIZE = 20
CLIENTS_PER_ROUND = 10
EPOCHS = 5
LEARNING_RATE = 0.1
NUM_LABELS = 10
SIDE = 8

datasets = tff.simulation.datasets


def create_keras_model() -> keras.Model:
    """One score a digit: a convolution, the largest of every 2x2 pixels, and a dense layer."""
    return keras.Sequential(
        [
            keras.Input((SIDE, SIDE)),
            keras.layers.Reshape((SIDE, SIDE, 1)),
            keras.layers.Conv2D(8, 3, padding="same", activation="relu"),
            keras.layers.MaxPool2D(),
            keras.layers.Flatten(),
            keras.layers.Dense(NUM_LABELS),
        ]
    )


def model_fn() -> tff.learning.models.VariableModel:
    """Puts the model together: the Keras model, its loss, a metric, and the form of a batch."""
    return tff.learning.models.from_keras_model(
        create_keras_model(),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        input_spec=collections.OrderedDict(
            x=tff.TensorType(np.float32, [None, SIDE, SIDE]),
            y=tff.TensorType(np.int32, [None]),
        ),
        metrics=[keras.metrics.SparseCategoricalAccuracy(name="accuracy")],
    )


def to_features_and_labels(examples: Any) -> collections.OrderedDict[str, Any]:
    """The examples of a client in the form that the model declares, but for the batches."""
    return collections.OrderedDict(x=examples["pixels"], y=examples["label"])


def train(num_rounds: int, seed: int) -> tff.learning.models.ModelWeights:
    """Trains by federated averaging, prints what each round gives, and returns the weights."""
    keras.utils.set_random_seed(seed)
    clients, _ = datasets.digits.load_data()
    clients = clients.preprocess(
        datasets.Preprocessing(
            epochs=EPOCHS,
            shuffle=True,
            seed=seed,
            batch_size=BATCH_SIZE,
            map=to_features_and_labels,
        )
    )
    process = tff.learning.algorithms.build_weighted_fed_avg(
        model_fn, client_optimizer_fn=tff.learning.optimizers.build_sgdm(LEARNING_RATE)
    )
    sample = tff.simulation.build_uniform_sampling_fn(clients.client_ids, random_seed=seed)
    state = process.initialize()
    for round_number in range(num_rounds):
        cohort = clients.cohort(sample(round_number, CLIENTS_PER_ROUND), round_number)
        state, metrics = process.next(state, cohort)
        print(f"round {round_number + 1:3}: {described(metrics['client_work']['train'])}")
    return process.get_model_weights(state)


def evaluate(weights: tff.learning.models.ModelWeights) -> dict[str, Any]:
    """Returns the metrics of a model on what all clients hold out."""
    _, clients = datasets.digits.load_data()
    clients = clients.preprocess(
        datasets.Preprocessing(batch_size=BATCH_SIZE, map=to_features_and_labels)
    )
    process = tff.learning.algorithms.build_fed_eval(model_fn)
    state = process.set_model_weights(process.initialize(), weights)
    _, metrics = process.next(state, clients.cohort(clients.client_ids))
    return metrics["client_work"]["eval"]["current_round_metrics"]


def described(metrics: dict[str, Any]) -> str:
    """Loss and accuracy in one line."""
    return f"loss {metrics['loss']:.3f}, accuracy {metrics['accuracy']:.3f}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20, help="default: 20")
    parser.add_argument("--seed", type=int, default=0, help="default: 0")
    arguments = parser.parse_args()
    trained = train(arguments.rounds, arguments.seed)
    print(f"held out : {described(evaluate(trained))}")

    # The trained model as one of Keras, to save it, or to predict with it.
    keras_model = create_keras_model()
    trained.assign_weights_to(keras_model)
    keras_model.summary()
