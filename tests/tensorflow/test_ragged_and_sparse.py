"""Ragged and sparse tensors: types, arguments, results, datasets, and values at the clients."""

# The stubs of TensorFlow that pyright brings know less than what TensorFlow takes.

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import tensorflow_federated as tff
from tensorflow_federated.core import errors

RAGGED = tff.to_type(tf.RaggedTensorSpec([None, None], tf.int32))
SPARSE = tff.to_type(tf.SparseTensorSpec([None, 3], tf.int32))


def rows(*values: list[Any]) -> tf.RaggedTensor:
    return tf.ragged.constant(list(values), tf.int32, ragged_rank=1)


def as_lists(value: Any) -> Any:
    """Ragged tensors as lists, sparse ones as dense, in whatever structure they are."""
    if isinstance(value, tf.RaggedTensor):
        return value.to_list()
    if isinstance(value, tf.SparseTensor):
        return tf.sparse.to_dense(value).numpy().tolist()
    if isinstance(value, dict):
        return {name: as_lists(each) for name, each in value.items()}
    return value.numpy().tolist() if tf.is_tensor(value) else value


@pytest.mark.parametrize(
    ("spec", "shown"),
    [
        (
            tf.RaggedTensorSpec([None, None], tf.int32),
            "<flat_values=int32[?],nested_row_splits=<int64[?]>>",
        ),
        (
            tf.RaggedTensorSpec([2, None, None], tf.float32, ragged_rank=2),
            "<flat_values=float32[?],nested_row_splits=<int64[3],int64[?]>>",
        ),
        (
            tf.RaggedTensorSpec([None, None, 3], tf.string, 1, tf.int32),
            "<flat_values=str[?,3],nested_row_splits=<int32[?]>>",
        ),
        (
            tf.RaggedTensorSpec(None, tf.int32, 1),
            "<flat_values='int32'(shape=None),nested_row_splits=<int64[?]>>",
        ),
        (tf.RaggedTensorSpec([None], tf.int32, 0), "int32[?]"),
        (
            tf.SparseTensorSpec([None, 3], tf.float32),
            "<indices=int64[?,2],values=float32[?],dense_shape=int64[2]>",
        ),
        (
            tf.data.DatasetSpec(tf.RaggedTensorSpec([None, None], tf.int32)),
            "<flat_values=int32[?],nested_row_splits=<int64[?]>>*",
        ),
    ],
)
def test_types_of_specs(spec, shown):
    assert str(tff.to_type(spec)) == shown


def test_the_type_of_a_ragged_result_is_that_of_tff():
    computation = tff.tensorflow.computation(lambda: tf.ragged.constant([[1], [2, 3]]))
    shown = "( -> <flat_values=int32[3],nested_row_splits=<int64[3]>>)"
    assert str(computation.type_signature) == shown
    assert computation.type_signature.result.python_container is tf.RaggedTensor


def test_the_type_of_a_sparse_result_is_that_of_tff():
    computation = tff.tensorflow.computation(lambda: tf.sparse.from_dense([[0, 1]]))
    shown = "( -> <indices=int64[?,2],values=int32[?],dense_shape=int64[2]>)"
    assert str(computation.type_signature) == shown
    assert computation.type_signature.result.python_container is tf.SparseTensor


@pytest.mark.usefixtures("engine")
class TestValues:
    @pytest.mark.parametrize(
        ("type_signature", "value"),
        [
            (RAGGED, rows([1], [], [2, 3])),
            (RAGGED, rows()),
            (
                tff.to_type(tf.RaggedTensorSpec([None, None], tf.string)),
                tf.ragged.constant([["é"]]),
            ),
            (
                tff.to_type(tf.RaggedTensorSpec([None, None], tf.string)),
                tf.ragged.constant([[b""]]),
            ),
            (SPARSE, tf.sparse.from_dense([[0, 1, 0]])),
            (tff.to_type({"a": RAGGED, "b": np.int32}), {"a": rows([7]), "b": 1}),
        ],
    )
    def test_they_go_in_and_come_out(self, type_signature, value):
        result = tff.tensorflow.computation(lambda x: x, type_signature)(value)
        assert type(result) is type(value)
        assert as_lists(result) == as_lists(value)

    def test_the_function_gets_them_as_they_are(self):
        total = tff.tensorflow.computation(lambda x: tf.reduce_sum(x, axis=1), RAGGED)
        assert total(rows([1], [2, 3])).tolist() == [1, 5]
        dense = tff.tensorflow.computation(tf.sparse.to_dense, SPARSE)
        assert dense(tf.sparse.from_dense([[0, 4, 0]])).tolist() == [[0, 4, 0]]

    def test_a_polymorphic_computation_takes_them(self):
        double = tff.tensorflow.computation(lambda x: x * 2)
        assert double(rows([1], [2, 3])).to_list() == [[2], [4, 6]]
        assert double(rows([4])).to_list() == [[8]]

    def test_they_go_through_inner_computations(self):
        inner = tff.tensorflow.computation(lambda x: x + 1, RAGGED)
        outer = tff.tensorflow.computation(lambda x: inner(inner(x)), RAGGED)
        assert outer(rows([1], [2, 3])).to_list() == [[3], [4, 5]]

    def test_each_client_has_rows_of_its_own(self):
        @tff.federated_computation(tff.FederatedType(RAGGED, tff.CLIENTS))
        def sums(value):
            total = tff.tensorflow.computation(lambda x: tf.reduce_sum(x), RAGGED)
            mapped = tff.federated_map(total, value)
            return value, mapped, tff.federated_sum(mapped)

        given = [rows([1], [2, 3]), rows(), rows([4])]
        back, mapped, total = sums(given)
        assert [each.to_list() for each in back] == [each.to_list() for each in given]
        assert mapped == [6, 0, 4]
        assert total == 10

    def test_the_server_sends_them(self):
        pick = tff.tensorflow.computation(lambda x, i: x[i], RAGGED, np.int32)

        @tff.federated_computation(
            tff.FederatedType(RAGGED, tff.SERVER), tff.FederatedType(np.int32, tff.CLIENTS)
        )
        def rows_of(table, index):
            return tff.federated_map(pick, (tff.federated_broadcast(table), index))

        assert [each.tolist() for each in rows_of(rows([1], [2, 3]), [1, 0])] == [[2, 3], [1]]

    def test_rows_of_clients_are_joined(self):
        none = tff.tensorflow.computation(lambda: rows())
        join = tff.tensorflow.computation(lambda x, y: tf.concat([x, y], 0), RAGGED, RAGGED)
        report = tff.tensorflow.computation(lambda x: x, RAGGED)

        @tff.federated_computation(tff.FederatedType(RAGGED, tff.CLIENTS))
        def joined(value):
            return tff.federated_aggregate(value, none(), join, join, report)

        assert joined([rows([1], [2, 3]), rows([4])]).to_list() == [[1], [2, 3], [4]]


def ragged_elements() -> tf.data.Dataset:
    return tf.data.Dataset.from_tensors(rows([1], [2, 3])).repeat(2)


DATASETS = {
    "rows": lambda: tf.data.Dataset.from_tensor_slices(rows([1], [2, 3])),
    "ragged": ragged_elements,
    "in a dictionary": lambda: ragged_elements().map(lambda x: {"r": x, "n": 1}),
    "sparse": lambda: tf.data.Dataset.from_tensor_slices(tf.sparse.from_dense([[0, 1], [2, 0]])),
    "ragged batches": lambda: tf.data.Dataset.range(5).map(tf.range).ragged_batch(2),
}


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("make", DATASETS.values(), ids=DATASETS)
class TestDatasets:
    def test_elements_come_back(self, make):
        dataset = make()
        type_signature = tff.SequenceType(tff.to_type(dataset.element_spec))
        result = tff.tensorflow.computation(lambda x: x, type_signature)(dataset)
        assert [as_lists(each) for each in result] == [as_lists(each) for each in dataset]

    def test_elements_are_given_in_a_list(self, make):
        dataset = make()
        type_signature = tff.SequenceType(tff.to_type(dataset.element_spec))
        result = tff.tensorflow.computation(lambda x: x, type_signature)(list(dataset))
        assert [as_lists(each) for each in result] == [as_lists(each) for each in dataset]

    def test_elements_are_folded_at_clients(self, make):
        dataset = make()
        element = tff.to_type(dataset.element_spec)
        count = tff.tensorflow.computation(lambda n, _: n + 1, np.int32, element)

        @tff.federated_computation(tff.FederatedType(tff.SequenceType(element), tff.CLIENTS))
        def counts(data):
            @tff.federated_computation(tff.SequenceType(element))
            def fold(elements):
                return tff.sequence_reduce(elements, np.int32(0), count)

            return tff.federated_sum(tff.federated_map(fold, data))

        assert counts([dataset, list(dataset)]) == 2 * len(list(dataset))

    def test_elements_are_mapped(self, make):
        dataset = make()
        element = tff.to_type(dataset.element_spec)
        same = tff.tensorflow.computation(lambda x: x, element)

        @tff.federated_computation(tff.SequenceType(element))
        def mapped(data):
            return tff.sequence_map(same, data)

        assert len(list(mapped(dataset))) == len(list(dataset))


@pytest.mark.parametrize("type_signature", [RAGGED, SPARSE])
def test_they_have_no_sum(type_signature):
    with pytest.raises(errors.SumIncompatibleError, match="expected numeric tensors"):
        tff.federated_computation(tff.federated_sum, tff.FederatedType(type_signature, tff.CLIENTS))


def test_a_jax_computation_gets_the_parts():
    total = tff.jax.computation(lambda x: x.flat_values.sum(), RAGGED)
    assert total(rows([1], [2, 3])) == 6


@pytest.mark.parametrize(
    ("type_signature", "value", "problem"),
    [
        (RAGGED, tf.ragged.constant([[1.5]]), "argument.flat_values: expected int32, got float32"),
        (
            tff.TensorType(np.int32, [None, None]),
            rows([1]),
            "argument: expected int32[?,?], got <tf.Rag",
        ),
        (RAGGED, [[1], [2, 3]], "argument: expected <flat_values=int32[?],nested_row_splits=<int6"),
        (RAGGED, np.ones((2, 2), np.int32), "argument: expected <flat_values=int32[?],nested_row_"),
    ],
)
def test_other_values_are_refused(type_signature, value, problem):
    computation = tff.tensorflow.computation(lambda x: x, type_signature)
    with pytest.raises(errors.TypeMismatchError) as caught:
        computation(value)
    assert caught.value.problems[0].startswith(problem)
