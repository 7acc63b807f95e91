"""Clients' data, sampled and given to a learning process in every form that there is."""

from __future__ import annotations

import collections
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import tensorflow_federated as tff

BATCH_SIZE = 20
INPUT_SPEC = collections.OrderedDict(
    label=tf.TensorSpec([None], tf.int32), pixels=tf.TensorSpec([None, 8, 8], tf.float32)
)


class LinearModel(tff.learning.models.VariableModel):
    """One score a digit, linear in the pixels; a mean of no examples would be no number."""

    def __init__(self) -> None:
        self._weights = tf.Variable(lambda: tf.zeros([64, 10]))
        self._counts = tf.Variable(lambda: tf.zeros([2]), trainable=False)

    @property
    def trainable_variables(self) -> Any:
        return [self._weights]

    @property
    def non_trainable_variables(self) -> Any:
        return []

    @property
    def local_variables(self) -> Any:
        return [self._counts]

    @property
    def input_spec(self) -> Any:
        return INPUT_SPEC

    def predict_on_batch(self, batch_input: Any, training: bool = True) -> Any:
        return tf.matmul(tf.reshape(batch_input, [-1, 64]), self._weights)

    def forward_pass(self, batch_input: Any, training: bool = True) -> Any:
        scores = self.predict_on_batch(batch_input["pixels"])
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(batch_input["label"], scores)
        size = tf.size(losses)
        self._counts.assign_add([tf.reduce_sum(losses), tf.cast(size, tf.float32)])
        return tff.learning.models.BatchOutput(tf.reduce_mean(losses), scores, size)

    def report_local_unfinalized_metrics(self) -> Any:
        return collections.OrderedDict(loss=[self._counts[0], self._counts[1]])

    def metric_finalizers(self) -> Any:
        return collections.OrderedDict(loss=lambda sums: sums[0] / sums[1])

    def reset_metrics(self) -> None:
        self._counts.assign(tf.zeros([2]))


@pytest.fixture(scope="module")
def process() -> tff.learning.templates.LearningProcess:
    return tff.learning.algorithms.build_weighted_fed_avg(
        LinearModel, tff.learning.optimizers.build_sgdm(0.1)
    )


@pytest.fixture(scope="module")
def digits() -> tff.simulation.datasets.ClientData:
    return tff.simulation.datasets.digits.load_data()[0]


def run_round(process: Any, data: list[Any]) -> tuple[list[np.ndarray], Any]:
    output = process.next(process.initialize(), data)
    weights = process.get_model_weights(output.state).trainable
    return weights, output.metrics["client_work"]["train"]


def batches(examples: Any) -> list[Any]:
    size = len(examples["label"])
    return [
        collections.OrderedDict(
            (name, column[start : start + BATCH_SIZE]) for name, column in examples.items()
        )
        for start in range(0, size, BATCH_SIZE)
    ]


@pytest.fixture
def cohort(digits: Any) -> list[str]:
    return tff.simulation.build_uniform_sampling_fn(digits.client_ids, random_seed=3)(0, 4)


def test_batches_of_arrays_are_as_good_as_datasets(process: Any, digits: Any, cohort: list[str]):
    batched = digits.preprocess(lambda dataset: dataset.batch(BATCH_SIZE))
    expected, metrics = run_round(
        process, [batched.create_tf_dataset_for_client(each) for each in cohort]
    )
    weights, own_metrics = run_round(
        process, [batches(digits.client_examples(each)) for each in cohort]
    )
    np.testing.assert_array_equal(weights[0], expected[0])
    assert own_metrics == metrics
    assert np.any(weights[0] != 0)


def test_all_examples_of_a_client_are_one_batch(process: Any, digits: Any, cohort: list[str]):
    whole = digits.preprocess(lambda dataset: dataset.batch(10**6))
    expected, metrics = run_round(
        process, [whole.create_tf_dataset_for_client(each) for each in cohort]
    )
    weights, own_metrics = run_round(process, [[digits.client_examples(each)] for each in cohort])
    np.testing.assert_array_equal(weights[0], expected[0])
    assert own_metrics == metrics


@pytest.mark.parametrize("form", ["arrays", "batches", "dataset"])
def test_a_client_without_examples_changes_nothing(process: Any, digits: Any, form: str):
    some = digits.client_examples(digits.client_ids[0])
    none = collections.OrderedDict((name, column[:0]) for name, column in some.items())
    empty = {
        "arrays": none,
        "batches": batches(none),
        "dataset": tf.data.Dataset.from_tensor_slices(none).batch(BATCH_SIZE),
    }[form]
    expected, metrics = run_round(process, [some])
    weights, own_metrics = run_round(process, [[some], empty])
    np.testing.assert_array_equal(weights[0], expected[0])
    assert own_metrics == metrics


@pytest.mark.parametrize("form", ["arrays", "tensors"])
def test_the_batches_of_a_client_are_not_taken_for_clients(process: Any, digits: Any, form: str):
    examples = digits.client_examples(digits.client_ids[0])
    data = batches(examples)
    if form == "tensors":
        data = list(tf.data.Dataset.from_tensor_slices(examples).batch(BATCH_SIZE))
    with pytest.raises(TypeError, match=r"if one client has them all, write `\[client_data\]`"):
        run_round(process, data)
    run_round(process, [data])


def test_arrays_of_another_form_are_refused_with_what_was_expected(process: Any, digits: Any):
    examples = digits.client_examples(digits.client_ids[0])
    with pytest.raises(TypeError, match=r"expected <label=int32\[\?\],pixels=float32\[\?,8,8\]>"):
        run_round(process, [collections.OrderedDict(image=examples["pixels"])])
