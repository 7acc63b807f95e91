"""Federated averaging of a Keras model, turned into bytes and run where its code is missing."""

from __future__ import annotations

import collections
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

import tensorflow_federated as tff
from tensorflow_federated.learning.templates import LearningProcessOutput

DATA = """
import collections
import sys
import numpy as np
import tensorflow as tf
import tensorflow_federated as tff
from tensorflow_federated.core import contexts as context_stack
from tensorflow_federated.execution import contexts

def client_data():
    rng = np.random.default_rng(0)
    for _ in range(3):
        x, y = rng.normal(size=[20, 8]).astype(np.float32), rng.integers(0, 4, [20, 1])
        elements = collections.OrderedDict(x=x, y=y.astype(np.int32))
        yield tf.data.Dataset.from_tensor_slices(elements).batch(7)

def two_rounds(initialize, next_fn):
    data = list(client_data())
    with context_stack.install(contexts.create_local_context(seed=7)):
        state = initialize()
        for _ in range(2):
            state, metrics = next_fn(state, data)
    weights = [each.tolist() for each in state.global_model_weights.trainable]
    return repr((metrics, weights))
"""

PROGRAM = (
    DATA
    + """
initialize, next_fn = (
    tff.framework.deserialize_computation(open(path, "rb").read()) for path in sys.argv[1:]
)
print(two_rounds(initialize, next_fn))
"""
)


def model_fn():
    model = keras.Sequential(
        [
            keras.layers.InputLayer(shape=(8,)),
            keras.layers.Dense(5, activation="relu"),
            keras.layers.Dropout(0.25),
            keras.layers.Dense(4),
            keras.layers.Softmax(),
        ]
    )
    return tff.learning.models.from_keras_model(
        model,
        loss=keras.losses.SparseCategoricalCrossentropy(),
        input_spec=collections.OrderedDict(
            x=tf.TensorSpec([None, 8], tf.float32), y=tf.TensorSpec([None, 1], tf.int32)
        ),
        metrics=[keras.metrics.SparseCategoricalAccuracy()],
    )


@pytest.fixture(scope="module")
def process():
    return tff.learning.algorithms.build_weighted_fed_avg(
        model_fn,
        client_optimizer_fn=tff.learning.optimizers.build_sgdm(0.1),
        server_optimizer_fn=tff.learning.optimizers.build_sgdm(1.0, 0.9),
    )


def travelled(computation):
    return tff.framework.deserialize_computation(tff.framework.serialize_computation(computation))


def test_the_program_and_its_type_stay(process):
    for computation in (process.initialize, process.next):
        loaded = travelled(computation)
        assert loaded.type_signature == computation.type_signature
        assert str(loaded.to_building_block()) == str(computation.to_building_block())


def test_the_same_process_gives_the_same_bytes(process):
    for computation in (process.initialize, process.next):
        data = tff.framework.serialize_computation(computation)
        assert tff.framework.serialize_computation(computation) == data
        assert tff.framework.serialize_computation(travelled(computation)) == data


def test_its_results_come_in_their_classes(process):
    state = travelled(process.initialize)()
    assert type(state) is type(process.initialize())
    assert process.next.type_signature.result.python_container is LearningProcessOutput


def test_every_call_of_initialize_gives_the_weights_that_were_drawn(process):
    initialize = travelled(process.initialize)
    first, second = (initialize().global_model_weights.trainable[0] for _ in range(2))
    assert np.any(first)
    np.testing.assert_array_equal(first, second)


@pytest.mark.slow
def test_a_fresh_process_without_the_code_gives_the_same(process, tmp_path, run_python):
    paths = [tmp_path / "initialize", tmp_path / "next"]
    paths[0].write_bytes(tff.framework.serialize_computation(process.initialize))
    paths[1].write_bytes(tff.framework.serialize_computation(process.next))
    printed = run_python(PROGRAM, *map(str, paths))
    names: dict[str, Any] = {}
    exec(DATA, names)
    initialize = travelled(process.initialize)
    assert printed.strip() == names["two_rounds"](initialize, process.next)


def test_a_loaded_next_is_a_step_of_a_new_process(process):
    rebuilt = tff.templates.IterativeProcess(travelled(process.initialize), travelled(process.next))
    assert rebuilt.state_type.is_equivalent_to(process.state_type)
