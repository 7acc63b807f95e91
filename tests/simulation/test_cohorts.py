"""Cohorts of arrays in learning processes and loops, with TensorFlow and where there is none."""

from __future__ import annotations

import collections
import pathlib
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

import tensorflow_federated as tff
from tensorflow_federated.core import errors

BATCH = collections.OrderedDict(
    x=tf.TensorSpec([None, 64], tf.float32), y=tf.TensorSpec([None], tf.int32)
)


def as_features(examples: Any) -> Any:
    return collections.OrderedDict(x=examples["pixels"].reshape(-1, 64), y=examples["label"])


def as_pipeline(dataset: Any) -> Any:
    def to_batch(examples: Any) -> Any:
        return collections.OrderedDict(
            x=tf.reshape(examples["pixels"], [-1, 64]), y=examples["label"]
        )

    return dataset.take(40).repeat(2).batch(20).map(to_batch)


@pytest.fixture(scope="module")
def process() -> Any:
    def model_fn() -> Any:
        return tff.learning.models.from_keras_model(
            keras.Sequential(
                [keras.layers.Input((64,)), keras.layers.Dense(10, kernel_initializer="zeros")]
            ),
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            input_spec=BATCH,
        )

    return tff.learning.algorithms.build_weighted_fed_avg(
        model_fn, tff.learning.optimizers.build_sgdm(0.1)
    )


@pytest.fixture(scope="module")
def digits() -> tff.simulation.datasets.ClientData:
    return tff.simulation.datasets.digits.load_data()[0]


def trained(process: Any, cohorts: list[list[Any]]) -> list[np.ndarray]:
    state = process.initialize()
    for cohort in cohorts:
        state = process.next(state, cohort).state
    return process.get_model_weights(state).trainable


def test_it_is_the_same_training_as_with_pipelines_of_tensorflow(process: Any, digits: Any):
    declared = digits.preprocess(
        tff.simulation.datasets.Preprocessing(
            map=as_features, max_examples=40, epochs=2, batch_size=20
        )
    )
    piped = digits.preprocess(as_pipeline)
    sample = tff.simulation.build_uniform_sampling_fn(digits.client_ids, random_seed=4)
    cohorts = [sample(number, 5) for number in range(2)]
    expected = trained(process, [piped.cohort(each) for each in cohorts])
    found = trained(process, [declared.cohort(each) for each in cohorts])
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_seeded_shuffle_gives_the_same_training_again(process: Any, digits: Any):
    def run() -> list[np.ndarray]:
        train = digits.preprocess(
            tff.simulation.datasets.Preprocessing(
                map=as_features, shuffle=True, seed=3, batch_size=20
            )
        )
        ids = train.client_ids[:3]
        return trained(process, [train.cohort(ids, number) for number in range(2)])

    for one, other in zip(run(), run(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_model_names_what_does_not_fit(process: Any, digits: Any):
    with pytest.raises(
        errors.TypeMismatchError, match="expected the name `x`, got the name `label`"
    ) as caught:
        process.next(process.initialize(), digits.cohort(digits.client_ids[:1]))
    assert all(line.startswith("argument.client_data[0][*]") for line in caught.value.problems)


@pytest.mark.slow
def test_data_of_clients_is_read_and_trained_on_without_tensorflow(
    run_python: Callable[..., str], repository: pathlib.Path
):
    blocked = "import sys\nsys.modules['tensorflow'] = sys.modules['keras'] = None\n"
    example = (repository / "examples" / "columnar_data.py").read_text(encoding="utf-8")
    source = example.replace("from __future__ import annotations\n", f"{blocked}", 1)
    printed = run_python(source, "--rounds", "8").splitlines()
    assert printed[0] == "<ClientBatches of '0': 6 of <x=float32[?,64],y=int32[?]>>"
    accuracies = [float(line.split()[4]) for line in printed[1:-1]]
    assert len(accuracies) == 8
    assert accuracies[-1] > 0.6 > accuracies[0]
