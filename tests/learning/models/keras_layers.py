"""Keras models of many kinds, with their data and losses; they need no framework but Keras'."""

# The models here are written as users write them, and the stubs of Keras are narrow.

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

layers, losses = keras.layers, keras.losses
RANDOM = np.random.default_rng(7)
X = RANDOM.standard_normal((6, 4)).astype(np.float32)
Y = RANDOM.standard_normal((6, 1)).astype(np.float32)
IDS = RANDOM.integers(0, 5, (6, 3)).astype(np.int32)
WORDS = np.array([["a b"], ["b c"], ["c"], ["a a"], ["d b"], ["c c"]])
IMAGES = RANDOM.standard_normal((6, 4, 4, 2)).astype(np.float32)


@keras.saving.register_keras_serializable("tests")
class Penalty(layers.Layer):
    """Adds to the loss."""

    def call(self, inputs):
        self.add_loss(0.1 * keras.ops.mean(keras.ops.square(inputs)))
        return inputs


@keras.saving.register_keras_serializable("tests")
class Counting(layers.Layer):
    """Counts its calls in an integer, and notes in a truth value that there was one."""

    def build(self, input_shape):
        del input_shape
        self.calls = self.add_weight(
            shape=(), initializer="zeros", dtype="int32", trainable=False, name="calls"
        )
        self.was_called = self.add_weight(
            shape=(), initializer="zeros", dtype="bool", trainable=False, name="was_called"
        )

    def call(self, inputs, training=False):
        if training:
            self.calls.assign(self.calls + 1)
            self.was_called.assign(True)
        return inputs


def dense(units=1, **options):
    return layers.Dense(units, **options)


def stack(*given, shape=(4,), dtype="float32"):
    return keras.Sequential([keras.Input(shape, dtype=dtype), *given])


def frozen():
    first = dense(3)
    first.trainable = False
    return stack(first, dense())


def tied():
    inputs, shared = keras.Input((4,)), dense(4, activation="tanh")
    return keras.Model(inputs, dense()(shared(shared(inputs))))


def nested():
    inner = stack(dense(3, activation="relu"), layers.LayerNormalization())
    return stack(inner, dense())


def two_inputs():
    inputs = {"second": keras.Input((3,), name="second"), "first": keras.Input((1,), name="first")}
    joined = layers.Concatenate()([inputs["first"], inputs["second"]])
    outputs = {"price": dense(name="price")(joined), "kind": dense(2, name="kind")(joined)}
    return keras.Model(inputs, outputs)


def two_outputs():
    inputs = keras.Input((4,))
    return keras.Model(inputs, [dense()(inputs), dense(2)(inputs)])


def of_text():
    vectorize = layers.TextVectorization(vocabulary=["a", "b", "c"], output_sequence_length=2)
    return keras.Sequential(
        [
            keras.Input((1,), dtype="string"),
            vectorize,
            layers.Embedding(6, 2),
            layers.Flatten(),
            dense(),
        ]
    )


def of_strings():
    lookup = layers.StringLookup(vocabulary=["a b", "b c", "c"])
    return keras.Sequential(
        [
            keras.Input((1,), dtype="string"),
            lookup,
            layers.Embedding(5, 2),
            layers.Flatten(),
            dense(),
        ]
    )


def normalized():
    normalize = layers.Normalization()
    normalize.adapt(X)
    return stack(normalize, dense())


@dataclasses.dataclass
class Row:
    make: Callable[[], keras.Model]
    x: Any = dataclasses.field(default_factory=lambda: X)
    y: Any = dataclasses.field(default_factory=lambda: Y)
    loss: Any = losses.MeanSquaredError
    weights: Any = None


ROWS = {
    "Embedding": Row(
        lambda: stack(layers.Embedding(5, 2), layers.Flatten(), dense(), shape=(3,), dtype="int32"),
        IDS,
    ),
    "LayerNormalization and GroupNormalization": Row(
        lambda: stack(layers.LayerNormalization(), layers.GroupNormalization(2), dense())
    ),
    "BatchNormalization": Row(lambda: stack(layers.BatchNormalization(), dense())),
    "a frozen layer": Row(frozen),
    "a layer that is used twice": Row(tied),
    "a model in a model": Row(nested),
    "a layer that adds to the loss": Row(lambda: stack(dense(3), Penalty(), dense())),
    "counters": Row(lambda: stack(Counting(), dense())),
    "dicts of inputs and outputs": Row(
        two_inputs,
        {"first": X[:, :1], "second": X[:, 1:]},
        {"price": Y, "kind": X[:, :2]},
        lambda: {"price": losses.MeanSquaredError(), "kind": losses.Huber()},
        {"price": 0.5, "kind": 2.0},
    ),
    "lists of outputs": Row(
        two_outputs,
        X,
        (Y, X[:, :2]),
        lambda: [losses.MeanSquaredError(), losses.MeanAbsoluteError()],
        [0.5, 2.0],
    ),
    "TextVectorization": Row(of_text, WORDS),
    "StringLookup": Row(of_strings, WORDS),
    "Normalization": Row(normalized),
    "Conv2D and pooling": Row(
        lambda: stack(
            layers.Conv2D(2, 3, padding="same"),
            layers.MaxPool2D(),
            layers.Flatten(),
            dense(),
            shape=(4, 4, 2),
        ),
        IMAGES,
    ),
    "LSTM": Row(lambda: stack(layers.Reshape((2, 2)), layers.LSTM(2), dense())),
    "a bidirectional GRU": Row(
        lambda: stack(layers.Reshape((2, 2)), layers.Bidirectional(layers.GRU(2)), dense())
    ),
    "a stateful LSTM": Row(
        lambda: keras.Sequential(
            [
                keras.Input(batch_shape=(2, 4)),
                layers.Reshape((2, 2)),
                layers.LSTM(2, stateful=True),
                dense(),
            ]
        )
    ),
    "SpectralNormalization": Row(lambda: stack(layers.SpectralNormalization(dense(2)), dense())),
    "Discretization": Row(
        lambda: stack(
            layers.Discretization(bin_boundaries=[0.0, 1.0]),
            layers.Embedding(4, 2),
            layers.Flatten(),
            dense(),
        )
    ),
}
