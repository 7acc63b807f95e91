"""Functions of `Dataset.map` that are applied to all rows at once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tensorflow_federated.tensorflow import dataset_graphs, recognition

RNG = np.random.default_rng(0)
X = RNG.normal(size=(7, 2, 3)).astype(np.float32)
Y = RNG.integers(0, 200, 7).astype(np.uint8)
MEAN = tf.constant([1.0, 2.0, 3.0])


@tf.function
def halved(x):
    return x / 2.0


def recognised(dataset: tf.data.Dataset) -> recognition.Pipeline | None:
    graph, is_closed = dataset_graphs.write(dataset)
    assert graph is not None
    return recognition.recognise(graph) if is_closed else None


ANYWHERE: dict[str, Any] = {
    "arithmetic": lambda x, y: ((x - MEAN) / 255.0 * 2.0, tf.cast(y, tf.float32) / 255.0),
    "casts": lambda x, y: (tf.cast(x, tf.float64), tf.cast(y, tf.int32) - 7),
    "comparisons": lambda x, y: (x > 0.0, tf.equal(y, 3)),
    "extremes": lambda x, y: (tf.maximum(x, 0.0), tf.abs(x - 1.0), y),
    "one argument": lambda x, y: y,
    "one hot": lambda x, y: (x, tf.one_hot(y, 10)),
    "one twice": lambda x, y: {"a": x, "b": x, "c": y},
    "tf.function": lambda x, y: (halved(x), y),
    "two of rows": lambda x, y: (x * x, x + x),
}
ALONE = {
    **ANYWHERE,
    "a constant": lambda x, y: (x, 1.0, tf.constant([1, 2])),
    "expand_dims": lambda x, y: (tf.expand_dims(x, 0), tf.expand_dims(x, -1), y),
    "newaxis": lambda x, y: (x[..., tf.newaxis], x[:, :, tf.newaxis], y),
    "reshape": lambda x, y: (tf.reshape(x, [-1]), tf.reshape(x, [3, 2]), tf.reshape(y, [1])),
    "shape": lambda x, y: (tf.reshape(x, [tf.shape(x)[1], -1]), y),
    "squeeze": lambda x, y: (tf.squeeze(tf.reshape(x, [1, 6, 1])), y),
    "transpose": lambda x, y: (tf.transpose(x), y),
}
BATCHED = {
    **ANYWHERE,
    "expand_dims": lambda x, y: (tf.expand_dims(x, 1), tf.expand_dims(x, -1), y),
    "newaxis": lambda x, y: (x[..., tf.newaxis], y[:, tf.newaxis]),
    "reshape": lambda x, y: (tf.reshape(x, [-1, 6]), tf.reshape(y, [-1, 1])),
    "shape": lambda x, y: (tf.reshape(x, [tf.shape(x)[0], 6]), y),
    "squeeze": lambda x, y: (tf.squeeze(tf.reshape(x, [-1, 6, 1]), -1), y),
    "transpose": lambda x, y: (tf.transpose(x, [0, 2, 1]), y),
}
CASES = [(f"{name}, alone", function, None) for name, function in ALONE.items()]
CASES += [(f"{name}, in batches", function, 3) for name, function in BATCHED.items()]


@pytest.mark.parametrize(
    ("function", "size"), [case[1:] for case in CASES], ids=[c[0] for c in CASES]
)
def test_all_rows_at_once_give_the_bits_of_iteration(function, size):
    dataset = tf.data.Dataset.from_tensor_slices((X, Y))
    dataset = (dataset if size is None else dataset.batch(size)).map(function)
    pipeline = recognised(dataset)
    assert pipeline is not None
    ours = pipeline.maps[0](pipeline.leaves)
    elements = [tf.nest.flatten(element) for element in dataset.as_numpy_iterator()]
    join = np.stack if size is None else np.concatenate
    for leaf, parts in zip(ours, zip(*elements, strict=True), strict=True):
        expected = join(parts)
        assert leaf.dtype == expected.dtype
        assert leaf.shape == expected.shape
        assert leaf.tobytes() == expected.tobytes()
    assert [leaf.shape[1:] for leaf in ours] == list(pipeline.row_shapes)


OTHERS: dict[str, Any] = {
    "a constant of a batch": lambda x, y: (x, 1.0),
    "a mean over rows": lambda x, y: (x - tf.reduce_mean(x, 0), y),
    "a number for each row": lambda x, y: (x[:1], y),
    "an exponential": lambda x, y: (tf.exp(x), y),
    "over rows": lambda x, y: (tf.reshape(x, [6, -1]), y),
    "random": lambda x, y: (x + tf.random.uniform([]), y),
    "rows in reverse": lambda x, y: (x[::-1], y),
    "rows squeezed": lambda x, y: (tf.squeeze(x), y),
    "rows that broadcast over rows": lambda x, y: (x + tf.cast(y, tf.float32)[0], y),
    "rows transposed": lambda x, y: (tf.transpose(x), y),
    "the number of rows": lambda x, y: (x, tf.shape(x)[0]),
    "with an assertion": lambda x, y: (x, tf.debugging.check_numerics(x, "x")),
    "with new rows": lambda x, y: (tf.concat([x, x], 0), y),
    "with rows as columns": lambda x, y: (x[tf.newaxis], y),
    "wider than rows": lambda x, y: (x + tf.ones([5, 1, 1, 1]), y),
}


@pytest.mark.parametrize("function", OTHERS.values(), ids=OTHERS)
def test_what_looks_at_other_rows_is_left_to_tensorflow(function):
    dataset = tf.data.Dataset.from_tensor_slices((X, Y)).batch(3)
    assert recognised(dataset.map(function)) is None


def test_a_view_takes_no_memory():
    pipeline = recognised(
        tf.data.Dataset.from_tensor_slices((X, Y)).map(lambda x, y: tf.reshape(x, [-1]))
    )
    assert pipeline is not None
    assert not pipeline.maps[0].copies
    assert np.shares_memory(pipeline.maps[0](pipeline.leaves)[0], pipeline.leaves[0])
