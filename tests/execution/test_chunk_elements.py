"""The elements of a chunk: the same whether clients are read one by one, or not at all."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tensorflow_federated as tff
from tensorflow_federated.execution import chunk_elements, values
from tensorflow_federated.execution.chunk_elements import Elements
from tensorflow_federated.execution.sequences import Sequence
from tensorflow_federated.simulation.datasets import ClientArrays, Preprocessing

SIZES = (4, 0, 7, 1, 3)
NUMBERS = np.arange(sum(SIZES), dtype=np.int32)
OWNERS = np.repeat(range(len(SIZES)), SIZES)


def arrays(in_order: bool) -> ClientArrays:
    if in_order:
        return ClientArrays(NUMBERS, offsets=np.cumsum([0, *SIZES]))
    return ClientArrays(NUMBERS, owners=np.random.default_rng(0).permutation(OWNERS))


def chunk_of(clients: Any, client_ids: list[str], batch_size: int | None) -> list[Sequence]:
    element = tff.TensorType(np.int32, [] if batch_size is None else [None])
    at_clients = tff.FederatedType(tff.SequenceType(element), tff.CLIENTS)
    return values.to_canonical(clients.cohort(client_ids, round_number=3), at_clients)


def elements_of_clients(found: Elements) -> list[list[Any]]:
    """For each client its elements, as they are read through row numbers."""
    assert found.leaves is not None
    [leaf] = found.leaves

    def element(index: int) -> Any:
        size = 1 if found.sizes is None else int(found.sizes[index])
        positions = np.arange(found.firsts[index], found.firsts[index] + size)
        rows = positions if found.rows is None else found.rows[positions]
        return leaf[rows[0]] if found.sizes is None else leaf[rows].tolist()

    pairs = zip(found.bounds[:-1], found.bounds[1:], strict=True)
    return [[element(index) for index in range(first, last)] for first, last in pairs]


@settings(max_examples=60, deadline=None)
@given(
    in_order=st.booleans(),
    epochs=st.integers(1, 3),
    shuffle=st.booleans(),
    batch_size=st.one_of(st.none(), st.integers(1, 5)),
    max_examples=st.one_of(st.none(), st.integers(1, 5)),
    drops=st.booleans(),
    client_ids=st.lists(st.sampled_from(["0", "2", "3", "4", "2"]), min_size=2, max_size=6),
)
def test_rows_found_for_all_clients_at_once_are_those_of_each(
    in_order: bool,
    epochs: int,
    shuffle: bool,
    batch_size: int | None,
    max_examples: int | None,
    drops: bool,
    client_ids: list[str],
):
    preprocessing = Preprocessing(
        epochs=epochs,
        shuffle=shuffle,
        seed=1 if shuffle else None,
        batch_size=batch_size,
        max_examples=max_examples,
        drop_remainder=drops and batch_size is not None,
    )
    clients = arrays(in_order).preprocess(preprocessing)
    chunk = chunk_of(clients, [*client_ids, "1" if in_order else "3"], batch_size)
    found = chunk_elements.of_source(chunk)
    assert found is not None
    each = [[np.asarray(element).tolist() for element in sequence.elements()] for sequence in chunk]
    assert elements_of_clients(found) == each


def test_clients_that_are_read_have_the_same_elements():
    chunk = chunk_of(arrays(in_order=False), ["2", "3", "0"], None)
    read = [sequence.columns() for sequence in chunk]
    found = chunk_elements.of_columns([each for each in read if each is not None])
    at_once = chunk_elements.of_source(chunk)
    assert at_once is not None
    assert elements_of_clients(found) == elements_of_clients(at_once)


def test_sequences_of_two_cohorts_are_not_found_at_once():
    clients = arrays(in_order=True)
    chunk = [*chunk_of(clients, ["0"], None), *chunk_of(clients, ["2"], None)]
    assert chunk_elements.of_source(chunk) is None


@pytest.mark.parametrize("size", [1, 3])
def test_examples_whose_type_leaves_their_size_open(engine: Any, size: int):
    del engine
    element = tff.TensorType(np.float32, [None])

    @tff.jax.computation(np.float32, element)
    def add(state: Any, example: Any) -> Any:
        return state + example.sum()

    @tff.federated_computation(tff.SequenceType(element))
    def total(data: Any) -> Any:
        return tff.sequence_reduce(data, np.float32(0), add)

    @tff.federated_computation(tff.FederatedType(tff.SequenceType(element), tff.CLIENTS))
    def of_all(data: Any) -> Any:
        return tff.federated_sum(tff.federated_map(total, data))

    examples = np.ones((4, size), np.float32)
    clients = ClientArrays(examples, offsets=[0, 1, 4])
    assert of_all(clients.cohort(["0", "1"])) == 4 * size
