"""Datasets that remember what is done to them."""

from __future__ import annotations

import collections
import concurrent.futures
import gc
import weakref
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import tensorflow_federated as tff
from tensorflow_federated.core import types
from tensorflow_federated.tensorflow import datasets, recorded_datasets

EXAMPLES = collections.OrderedDict(
    label=np.arange(10, dtype=np.int32), pixels=np.arange(40, dtype=np.float32).reshape(10, 2, 2)
)


@pytest.fixture
def dataset() -> Any:
    return recorded_datasets.of_client(EXAMPLES, "anna")


def ordinary() -> tf.data.Dataset:
    return tf.data.Dataset.from_tensor_slices(EXAMPLES)


def listed(dataset: Any) -> list[Any]:
    elements = dataset.as_numpy_iterator()
    return [[np.asarray(leaf).tolist() for leaf in tf.nest.flatten(each)] for each in elements]


def preprocess(dataset: tf.data.Dataset) -> tf.data.Dataset:
    def batch_format_fn(element):
        return collections.OrderedDict(
            x=tf.reshape(element["pixels"], [-1, 4]), y=tf.reshape(element["label"], [-1, 1])
        )

    return dataset.repeat(5).shuffle(100, seed=1).batch(4).map(batch_format_fn).prefetch(10)


def is_recorded(dataset: tf.data.Dataset) -> bool:
    return recorded_datasets.recording_of(dataset) is not None


def is_built(dataset: Any) -> bool:
    return dataset._built is not None


def test_it_is_a_dataset(dataset):
    assert isinstance(dataset, tf.data.Dataset)
    assert dataset.element_spec == ordinary().element_spec
    assert not is_built(dataset)
    assert listed(dataset) == listed(ordinary())


def test_the_tutorial_is_not_built():
    preprocess(recorded_datasets.of_client(EXAMPLES, "first"))
    dataset: Any = preprocess(recorded_datasets.of_client(EXAMPLES, "anna"))
    assert dataset.element_spec == preprocess(ordinary()).element_spec
    sequence = datasets.convert(dataset, types.to_type(dataset.element_spec))
    assert sequence.client_id == dataset.client_id == "anna"
    assert [element[0].tolist() for element in sequence.elements()] == [
        element["x"].tolist() for element in preprocess(ordinary()).as_numpy_iterator()
    ]
    assert not is_built(dataset)


METHODS: dict[str, Any] = {
    "apply": lambda d: d.apply(lambda each: each.take(3)),
    "as numpy": lambda d: d.take(2),
    "unbatch": lambda d: d.map(lambda e: e["label"]).batch(3).unbatch(),
    "concatenate": lambda d: d.concatenate(d.take(2)),
    "enumerate": lambda d: d.enumerate(),
    "filter": lambda d: d.filter(lambda e: e["label"] > 3).batch(2),
    "flat_map": lambda d: d.flat_map(lambda e: tf.data.Dataset.from_tensors(e["label"])),
    "group": lambda d: d.group_by_window(lambda e: 0, lambda _, e: e.batch(3), 3),
    "interleave": lambda d: d.batch(4).interleave(tf.data.Dataset.from_tensor_slices),
    "map, opaque": lambda d: d.map(lambda e: tf.exp(e["pixels"])),
    "options": lambda d: d.with_options(tf.data.Options()).batch(3),
    "padded": lambda d: d.padded_batch(3),
    "rebatch": lambda d: d.batch(3).rebatch(2),
    "scan": lambda d: d.scan(0, lambda s, e: (s + e["label"], s)),
    "tensors": lambda d: d.repeat(tf.constant(2, tf.int64)).batch(tf.constant(3, tf.int64)),
    "twice in batches": lambda d: d.batch(2).batch(2),
    "window": lambda d: d.window(3).flat_map(lambda w: w["label"].batch(3)),
    "zip": lambda d: tf.data.Dataset.zip((d, d.shuffle(4, seed=3))),
}


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_every_method_gives_what_it_gives_on_an_ordinary_dataset(dataset, method):
    changed, expected = method(dataset.shuffle(5, seed=2)), method(ordinary().shuffle(5, seed=2))
    assert changed.element_spec == expected.element_spec
    assert listed(changed) == listed(expected)


def test_what_asks_about_it_gets_an_answer(dataset):
    batches = dataset.repeat(2).batch(3)
    assert len(batches) == batches.cardinality() == 7
    assert dataset.repeat().cardinality() == tf.data.INFINITE_CARDINALITY
    assert bool(batches)
    total = dataset.reduce(0, lambda sum_, element: sum_ + element["label"])
    assert total == 45
    assert dataset.take(1).get_single_element()["label"] == 0
    assert isinstance(dataset.options(), tf.data.Options)
    assert next(iter(dataset))["label"] == 0


@pytest.mark.parametrize(
    "wrong",
    [
        lambda d: d.batch(0),
        lambda d: d.batch("many"),
        lambda d: d.shard(2, 5),
        lambda d: d.shuffle(0),
        lambda d: d.map(lambda e: e["missing"]),
        lambda d: d.map(3),
    ],
)
def test_mistakes_are_tensorflows(dataset, wrong):
    with pytest.raises(Exception) as expected:  # noqa: PT011
        listed(wrong(ordinary()))
    with pytest.raises(type(expected.value)):
        listed(wrong(dataset))


def test_a_tf_function_takes_it(dataset):
    @tf.function
    def as_argument(data):
        return data.batch(3).reduce(0, lambda total, each: total + tf.reduce_sum(each["label"]))

    @tf.function
    def captured():
        total = 0
        for element in dataset.take(4):
            total += element["label"]
        return total

    @tf.function
    def built_inside():
        return recorded_datasets.of_client(EXAMPLES).batch(5).cardinality()

    assert as_argument(dataset) == 45
    assert captured() == captured() == 6
    assert built_inside() == 2
    assert listed(dataset) == listed(ordinary())


def test_keras_fits_it(dataset):
    model = tf.keras.Sequential(
        [tf.keras.layers.Input((4,)), tf.keras.layers.Dense(1, kernel_initializer="zeros")]
    )
    model.compile(loss="mse")
    batches = dataset.batch(4).map(lambda e: (tf.reshape(e["pixels"], [-1, 4]), e["label"]))
    assert is_recorded(batches)
    assert len(model.fit(batches, epochs=2, shuffle=False, verbose=0).history["loss"]) == 2
    assert model.evaluate(batches, verbose=0) >= 0


def test_a_seed_is_that_of_the_call(dataset):
    tf.random.set_seed(7)
    shuffled, expected = dataset.shuffle(10, seed=3), ordinary().shuffle(10, seed=3)
    tf.random.set_seed(None)
    assert read(shuffled) == labels(shuffled) == labels(expected)


def labels(dataset: Any) -> list[int]:
    return [int(element["label"]) for element in dataset]


def read(dataset: Any) -> list[int]:
    sequence = datasets.convert(dataset, types.to_type(dataset.element_spec))
    return [int(element[0]) for element in sequence.elements()]


def test_a_shuffle_without_seed_has_an_order_of_each_reading(dataset):
    tf.random.set_seed(None)
    shuffled = dataset.repeat(5).shuffle(50)
    assert read(shuffled) != read(shuffled)
    assert sorted(read(shuffled)) == sorted(labels(ordinary().repeat(5)))


def test_one_trace_serves_all_clients():
    traces = []

    def counted(element):
        trace(element)
        return element["label"]

    def trace(element):
        traces.append(element)

    for number in range(3):
        recorded_datasets.of_client(EXAMPLES, str(number)).map(counted)
    assert len(traces) == 3  # It writes into a list, so it is traced for each.

    def plain(element):
        return tf.reshape(element["pixels"], [4])

    mapped: Any = [recorded_datasets.of_client(EXAMPLES, str(i)).map(plain) for i in range(3)]
    assert [is_built(each._before) for each in mapped] == [True, False, False]


def test_later_cohorts_make_no_dataset_and_no_graph(monkeypatch):
    clients = {
        str(number): tf.nest.map_structure(lambda leaf, end=number: leaf[: 1 + end % 10], EXAMPLES)
        for number in range(30)
    }
    client_data = tff.simulation.datasets.TestClientData(clients)

    def cohort(numbers: range) -> list[Any]:
        prepared = [
            client_data.create_tf_dataset_for_client(str(number))
            .repeat(2)
            .shuffle(100, seed=1)
            .batch(4)
            .map(lambda batch: (batch["pixels"], batch["label"]))
            .prefetch(10)
            for number in numbers
        ]
        assert all(map(is_recorded, prepared))
        return prepared

    element_type = types.to_type(cohort(range(1))[0].element_spec)

    @tff.tensorflow.computation(tff.SequenceType(element_type))
    def count(data):
        return data.reduce(0, lambda total, batch: total + tf.size(batch[1]))

    @tff.federated_computation(tff.FederatedType(tff.SequenceType(element_type), tff.CLIENTS))
    def run_round(data):
        return tff.federated_sum(tff.federated_map(count, data))

    assert run_round(cohort(range(10))) == 2 * 55
    # TensorFlow keeps something of each dataset and each trace, for ever.
    made: list[type] = []

    def count_new(kind: type) -> None:
        initialize = kind.__init__

        def counted(self: Any, *args: Any, **kwargs: Any) -> None:
            made.append(type(self))
            initialize(self, *args, **kwargs)

        monkeypatch.setattr(kind, "__init__", counted)

    count_new(tf.data.Dataset)
    count_new(tf.Graph)
    assert run_round(cohort(range(10, 30))) == 2 * 2 * 55
    assert made == []
    # What counts them does count.
    assert listed(cohort(range(1))[0])
    assert any(issubclass(each, tf.data.Dataset) for each in made)
    assert any(issubclass(each, tf.Graph) for each in made)


def test_another_constant_is_traced_again(dataset):
    for factor in (2.0, 3.0):
        mapped = dataset.map(lambda e, factor=factor: e["pixels"] * factor)
        element_type = types.to_type(mapped.element_spec)
        columns = datasets.convert(mapped, element_type).columns()
        assert columns is not None
        np.testing.assert_array_equal(columns.gathered().leaves[0], EXAMPLES["pixels"] * factor)


def test_rows_of_a_shared_store(dataset):
    owner = test_rows_of_a_shared_store
    rows = [np.array([3, 1, 1]), np.array([9])]
    parts = [recorded_datasets.of_client(EXAMPLES, str(i), r, owner) for i, r in enumerate(rows)]
    assert [labels(part) for part in parts] == [[3, 1, 1], [9]]
    columns: Any = []
    for part in parts:
        mapped = part.batch(2).map(lambda e: tf.reshape(e["pixels"], [-1, 4]))
        element_type = types.to_type(mapped.element_spec)
        columns.append(datasets.convert(mapped, element_type).columns())
    assert columns[0].leaves[0] is columns[1].leaves[0]
    assert [each.rows.tolist() for each in columns] == [[3, 1, 1], [9]]
    assert columns[0].offsets.tolist() == [0, 2, 3]


@pytest.mark.parametrize("is_opaque", [True, False])
def test_the_client_is_known_to_messages(dataset, is_opaque):
    changed = dataset.filter(lambda e: e["label"] > 3).batch(2) if is_opaque else dataset.batch(2)
    sequence = datasets.convert(changed, types.to_type(changed.element_spec))
    assert sequence.client_id == "anna"


def test_an_endless_one_has_no_columns(dataset):
    endless = dataset.repeat().batch(2)
    assert datasets.read(endless, types.to_type(endless.element_spec)) is None
    taken = endless.take(3)
    columns = datasets.convert(taken, types.to_type(taken.element_spec)).columns()
    assert columns is not None
    assert len(columns) == 3


def test_threads_may_ask_at_once(dataset):
    def ask(_: int) -> Any:
        return listed(preprocess(dataset)), read(dataset.shuffle(10, seed=1))

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        results = list(pool.map(ask, range(8)))
    assert results == [results[0]] * 8


def test_nothing_is_left_of_it():
    examples = {"x": np.zeros([100, 10])}
    dataset: Any = recorded_datasets.of_client(examples, "anna")
    mapped = dataset.batch(10).map(lambda e: e["x"] * 2.0)
    datasets.convert(mapped, types.to_type(mapped.element_spec)).columns()
    listed(mapped)
    left = [weakref.ref(each) for each in (dataset, mapped, examples["x"])]
    del dataset, mapped, examples
    gc.collect()
    assert [each() for each in left] == [None] * 3


def test_a_computation_takes_it(dataset):
    @tff.tensorflow.computation(tff.SequenceType(dataset.element_spec))
    def total(data):
        return data.reduce(0, lambda sum_, element: sum_ + element["label"])

    assert total(dataset) == 45


def test_client_data_hands_it_out():
    client_data = tff.simulation.datasets.TestClientData({"a": EXAMPLES, "b": EXAMPLES})
    dataset: Any = client_data.preprocess(preprocess).create_tf_dataset_for_client("b")
    assert is_recorded(dataset)
    assert dataset.client_id == "b"
    assert listed(dataset) == listed(preprocess(ordinary()))
