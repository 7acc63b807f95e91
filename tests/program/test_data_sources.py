"""Data sources: who is selected, and that it can be saved."""

from __future__ import annotations

import copy

import numpy as np
import pytest

import tensorflow_federated as tff
from tensorflow_federated.core import errors

CLIENTS = [[1, 2], [3], [], [4, 5, 6], [7]]
IDS = ["a", "b", "c", "d", "e"]

SOURCES = {
    "datasets": lambda seed=None: tff.program.DatasetDataSource(CLIENTS, seed),
    "client ids": lambda seed=None: tff.program.ClientIdDataSource(IDS, seed),
}


@pytest.fixture(params=SOURCES)
def make_source(request):
    return SOURCES[request.param]


def plain(selection):
    return [each if isinstance(each, str) else [int(x) for x in each] for each in selection]


def rounds(iterator, count, size=3):
    return [plain(iterator.select(size)) for _ in range(count)]


def test_a_client_is_selected_at_most_once_in_a_round(make_source):
    iterator = make_source(seed=1).iterator()
    for selection in rounds(iterator, 20):
        assert len({str(each) for each in selection}) == 3


def test_all_clients_are_selected_at_some_time(make_source):
    seen = {str(each) for selection in rounds(make_source(1).iterator(), 20) for each in selection}
    assert len(seen) == 5


def test_a_seed_gives_the_same_clients_again(make_source):
    assert rounds(make_source(1).iterator(), 3) == rounds(make_source(1).iterator(), 3)
    assert rounds(make_source(1).iterator(), 3) != rounds(make_source(2).iterator(), 3)


def test_without_a_seed_sources_differ_and_iterators_of_one_agree(make_source):
    source = make_source()
    assert rounds(source.iterator(), 20) == rounds(source.iterator(), 20)
    assert rounds(source.iterator(), 20) != rounds(make_source().iterator(), 20)


def test_what_was_drawn_stays():
    # Pinned: a program that was saved by one release is resumed by the next one.
    assert rounds(SOURCES["client ids"](7).iterator(), 3) == [
        ["e", "b", "a"],
        ["e", "a", "d"],
        ["d", "e", "b"],
    ]


def test_bytes_go_on_where_the_iterator_was(make_source):
    iterator = make_source(seed=1).iterator()
    rounds(iterator, 2)
    restored = type(iterator).from_bytes(iterator.to_bytes())
    assert restored == iterator
    assert restored.federated_type == iterator.federated_type
    assert rounds(restored, 3) == rounds(iterator, 3)


def test_a_position_goes_on_over_the_data_at_hand(make_source):
    iterator = make_source(seed=1).iterator()
    rounds(iterator, 2)
    restored = make_source(seed=2).iterator().at_position(iterator.position_to_bytes())
    assert rounds(restored, 3) == rounds(iterator, 3)


def test_a_position_holds_none_of_the_data():
    small = SOURCES["datasets"](1).iterator()
    large = tff.program.DatasetDataSource([list(range(1000))] * 5, 1).iterator()
    assert len(large.position_to_bytes()) == len(small.position_to_bytes()) < 200
    assert len(large.to_bytes()) > 1000


def test_a_copy_goes_on_by_itself(make_source):
    iterator = make_source(seed=1).iterator()
    copied = copy.deepcopy(iterator)
    first = rounds(iterator, 2)
    assert rounds(copied, 2) == first


def test_a_retry_draws_others_and_changes_no_later_round(make_source):
    iterator, other = make_source(seed=1).iterator(), make_source(seed=1).iterator()
    discarded = rounds(iterator, 1)
    retried = other.retry(1)
    assert rounds(retried, 1) != discarded
    assert rounds(retried, 3) == rounds(iterator, 3)


def test_client_data_is_read_when_it_is_selected():
    train, _ = tff.simulation.datasets.digits.load_data()
    shuffled = tff.simulation.datasets.Preprocessing(shuffle=True, seed=1, batch_size=10)
    iterator = tff.program.DatasetDataSource(train.preprocess(shuffled), seed=1).iterator()
    assert str(iterator.federated_type) == ("{<label=int32[?],pixels=float32[?,8,8]>*}@CLIENTS")
    again = iterator.at_position(iterator.position_to_bytes())
    [first], [other] = iterator.select(1), again.select(1)
    for mine, theirs in zip(first, other, strict=True):
        np.testing.assert_array_equal(mine["pixels"], theirs["pixels"])


def test_datasets_of_tensorflow_keep_their_spec():
    import tensorflow as tf

    datasets = [tf.data.Dataset.range(size) for size in (1, 2)]
    source = tff.program.DatasetDataSource(datasets, seed=1)
    assert str(source.federated_type) == "{int64*}@CLIENTS"
    iterator = source.iterator()
    assert {id(each) for each in iterator.select(2)} == {id(each) for each in datasets}
    restored = type(iterator).from_bytes(source.iterator().to_bytes())
    assert sorted(len(each) for each in restored.select(2)) == [1, 2]


def test_batches_may_differ_in_size():
    batches = [[np.ones([2, 3], np.float32)], [np.ones([1, 3], np.float32)]]
    assert str(tff.program.DatasetDataSource(batches).federated_type) == "{float32[?,3]*}@CLIENTS"


@pytest.mark.parametrize(
    ("name", "make", "builtin"),
    [
        ("no datasets", lambda: tff.program.DatasetDataSource([]), ValueError),
        ("no data", lambda: tff.program.DatasetDataSource(3), TypeError),
        ("no dataset", lambda: tff.program.DatasetDataSource([3]), TypeError),
        ("no element", lambda: tff.program.DatasetDataSource([[], []]), ValueError),
        ("two types", lambda: tff.program.DatasetDataSource([[1], [1.0]]), ValueError),
        ("mixed elements", lambda: tff.program.DatasetDataSource([[1, 1.0]]), ValueError),
        ("no ids", lambda: tff.program.ClientIdDataSource([]), ValueError),
        ("ids that are no strings", lambda: tff.program.ClientIdDataSource(["a", 1]), TypeError),
        ("a seed of another type", lambda: tff.program.ClientIdDataSource(["a"], "b"), TypeError),
        ("a negative seed", lambda: tff.program.ClientIdDataSource(["a"], -1), ValueError),
        ("too many", lambda: SOURCES["datasets"](1).iterator().select(6), ValueError),
        ("no number", lambda: SOURCES["datasets"](1).iterator().select(), ValueError),
        (
            "a number of another type",
            lambda: SOURCES["datasets"](1).iterator().select("a"),
            TypeError,
        ),
        ("other bytes", lambda: SOURCES["datasets"](1).iterator().at_position(b"x"), ValueError),
        (
            "an iterator of another class",
            lambda: tff.program.DatasetDataSourceIterator.from_bytes(
                SOURCES["client ids"](1).iterator().to_bytes()
            ),
            ValueError,
        ),
        (
            "other data",
            lambda: (
                SOURCES["datasets"](1)
                .iterator()
                .at_position(
                    tff.program.ClientIdDataSource(["a"], 1).iterator().position_to_bytes()
                )
            ),
            ValueError,
        ),
    ],
)
def test_a_mistake_says_what_to_write(name, make, builtin, golden):
    with pytest.raises(builtin) as caught:
        make()
    assert isinstance(caught.value, errors.FederatedError)
    golden.check(name, str(caught.value))
