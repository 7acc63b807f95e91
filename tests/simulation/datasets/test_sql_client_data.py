from __future__ import annotations

import collections
import concurrent.futures
import pathlib
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tensorflow_federated.simulation.datasets import (
    preprocessing,
    sql_client_data,
    sql_database,
)

Write = Callable[..., pathlib.Path]

FEATURES = collections.OrderedDict(
    label=sql_client_data.FeatureSpec(np.int32),
    pixels=sql_client_data.FeatureSpec(np.float32, (28, 28)),
)


@pytest.fixture
def database(tmp_path: pathlib.Path, write_database: Write) -> sql_database.SqlDatabase:
    return sql_database.SqlDatabase(write_database(tmp_path / "small file?#%.sqlite"))


def open_split(database: sql_database.SqlDatabase, split: str) -> sql_client_data.SqlClientData:
    return sql_client_data.SqlClientData(database, split, FEATURES)


def test_clients_are_sorted(database: sql_database.SqlDatabase):
    assert open_split(database, "all_train").client_ids == ["f0000_14", "f0001_41", "f0002_09"]


def test_examples_are_those_of_the_client_in_the_split(database: sql_database.SqlDatabase):
    found = open_split(database, "digits_only_train").client_examples("f0000_14")
    assert list(found) == ["label", "pixels"]
    assert found["label"].dtype == np.int32
    assert found["label"].tolist() == [1, 0, 9]
    assert found["pixels"].dtype == np.float32
    assert found["pixels"].shape == (3, 28, 28)
    np.testing.assert_allclose(found["pixels"][:, 5, 6], [0.01, 0.0, 0.09])


def test_the_element_spec_prints_as_in_tff(database: sql_database.SqlDatabase):
    spec = open_split(database, "all_train").element_type_structure
    assert list(spec.items()) == [
        ("label", tf.TensorSpec((), tf.int32)),
        ("pixels", tf.TensorSpec((28, 28), tf.float32)),
    ]


def test_datasets_have_the_examples_in_order(database: sql_database.SqlDatabase):
    client_data = open_split(database, "all_train")
    dataset = client_data.create_tf_dataset_for_client("f0001_41")
    assert dataset.element_spec == client_data.element_type_structure
    assert [int(element["label"]) for element in dataset] == [7, 2, 61]


def test_all_clients_are_read(database: sql_database.SqlDatabase):
    client_data = open_split(database, "all_train")
    dataset = client_data.create_tf_dataset_from_all_clients(seed=0)
    assert dataset.element_spec == client_data.element_type_structure
    assert sorted(int(element["label"]) for element in dataset) == [0, 1, 2, 7, 9, 36, 61]


class TestCohorts:
    """Cohorts of files, which are read when they are used."""

    @pytest.fixture
    def reads(self, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        """The clients that were read, in order."""
        done: list[str] = []
        read = sql_database.SqlDatabase.serialized_examples

        def note(database: Any, split: str, client_id: str, limit: int = -1) -> list[bytes]:
            done.append(client_id)
            return read(database, split, client_id, limit)

        monkeypatch.setattr(sql_database.SqlDatabase, "serialized_examples", note)
        return done

    def labels(self, client: Any) -> list[Any]:
        return [np.asarray(element["label"]).tolist() for element in client]

    def test_they_hold_the_examples(self, database: sql_database.SqlDatabase):
        client_data = open_split(database, "all_train")
        first, second = client_data.cohort(["f0001_41", "f0000_14"])
        assert str(first.element_type) == "<label=int32,pixels=float32[28,28]>"
        assert [self.labels(first), self.labels(second)] == [[7, 2, 61], [1, 0, 9]]

    def test_they_are_preprocessed(self, database: sql_database.SqlDatabase):
        batched = open_split(database, "all_train").preprocess(
            preprocessing.Preprocessing(
                map=lambda client: {"label": client["label"] + 1}, batch_size=2, epochs=2
            )
        )
        [client] = batched.cohort(["f0000_14"])
        assert self.labels(client) == [[2, 1], [10, 2], [1, 10]]

    def test_nothing_is_read_before_it_is_used_and_nothing_twice(
        self, database: sql_database.SqlDatabase, reads: list[str]
    ):
        train = open_split(database, "all_train").preprocess(
            preprocessing.Preprocessing(batch_size=2, shuffle=True)
        )
        cohort = train.cohort(train.client_ids)
        assert repr(cohort[0]).startswith("<ClientBatches of 'f0000_14': <label=")
        assert reads == []
        for _ in range(2):
            for client in train.cohort(train.client_ids):
                assert len(client) == len(list(client))
        assert reads == train.client_ids

    def test_what_there_is_no_room_for_is_read_again(
        self, database: sql_database.SqlDatabase, reads: list[str]
    ):
        one_client = 3 * (28 * 28 * 4 + 4)
        train = open_split(database, "all_train").preprocess(
            preprocessing.Preprocessing(max_cached_bytes=one_client)
        )
        for client_id in ("f0000_14", "f0000_14", "f0001_41", "f0000_14"):
            list(train.cohort([client_id])[0])
        assert reads == ["f0000_14", "f0001_41", "f0000_14"]

    def test_many_threads_read_the_same(self, database: sql_database.SqlDatabase):
        train = open_split(database, "all_train").preprocess(
            preprocessing.Preprocessing(max_cached_bytes=10_000)
        )
        ids = train.client_ids * 20
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            found = list(pool.map(lambda name: self.labels(train.cohort([name])[0]), ids))
        assert found == [self.labels(client) for client in train.cohort(ids)]

    def test_they_can_be_asked_for_in_another_process(self, database: sql_database.SqlDatabase):
        train = open_split(database, "all_train").preprocess(
            preprocessing.Preprocessing(shuffle=True, seed=1)
        )
        expected = self.labels(train.cohort(["f0000_14"])[0])
        again = pickle.loads(pickle.dumps(train))
        assert self.labels(again.cohort(["f0000_14"])[0]) == expected

    def test_texts_are_read(self, tmp_path: pathlib.Path, write_database: Write, serialize: Any):
        blob = serialize({"name": [b"x"]})
        path = write_database(tmp_path / "a.sqlite", {"train": {"a": [blob, blob]}})
        features = {"name": sql_client_data.FeatureSpec(np.bytes_)}
        texts = sql_client_data.SqlClientData(sql_database.SqlDatabase(path), "train", features)
        [client] = texts.cohort(["a"])
        assert str(client.element_type) == "<name=str>"
        assert [element["name"] for element in client] == [b"x", b"x"]
        assert texts.element_type_structure == {"name": tf.TensorSpec((), tf.string)}


def test_the_dataset_function_takes_a_string(database: sql_database.SqlDatabase):
    dataset = open_split(database, "all_train").serializable_dataset_fn("f0001_41")
    assert [int(element["label"]) for element in dataset] == [7, 2, 61]


def test_preprocessing_reaches_the_dataset(database: sql_database.SqlDatabase):
    batched = open_split(database, "all_train").preprocess(lambda dataset: dataset.batch(2))
    shapes = [
        tuple(batch["pixels"].shape) for batch in batched.create_tf_dataset_for_client("f0000_14")
    ]
    assert shapes == [(2, 28, 28), (1, 28, 28)]


def test_an_unknown_client_is_refused(database: sql_database.SqlDatabase):
    with pytest.raises(KeyError, match="There is no client"):
        open_split(database, "all_train").client_examples("f0000_14' OR '1'='1")


def test_an_unknown_split_is_refused(database: sql_database.SqlDatabase):
    with pytest.raises(ValueError, match="no clients in the split `train`") as caught:
        open_split(database, "train")
    assert caught.value.problems == (  # type: ignore[attr-defined]
        "splits: all_test, all_train, digits_only_test, digits_only_train",
    )


def test_ids_may_hold_quotes(tmp_path: pathlib.Path, write_database: Write):
    name = "o'neill\"; DROP TABLE examples; --"
    path = write_database(tmp_path / "a.sqlite", {"train": {name: [1], "other": [2]}})
    client_data = open_split(sql_database.SqlDatabase(path), "train")
    assert client_data.client_examples(name)["label"].tolist() == [1]


def test_many_threads_may_read_at_once(database: sql_database.SqlDatabase):
    client_data = open_split(database, "all_train")
    jobs = client_data.client_ids * 40
    with concurrent.futures.ThreadPoolExecutor(8) as executor:
        found = list(executor.map(lambda name: client_data.client_examples(name)["label"], jobs))
    expected = {"f0000_14": [1, 0, 9], "f0001_41": [7, 2, 61], "f0002_09": [36]}
    assert [labels.tolist() for labels in found] == [expected[name] for name in jobs]


def test_it_can_be_sent_to_another_process(database: sql_database.SqlDatabase):
    copy = pickle.loads(pickle.dumps(open_split(database, "all_train")))
    assert copy.client_examples("f0002_09")["label"].tolist() == [36]


def test_a_client_without_examples_has_empty_arrays(tmp_path: pathlib.Path, write_database: Write):
    path = write_database(tmp_path / "a.sqlite", {"train": {"a": [], "b": [1]}})
    client_data = open_split(sql_database.SqlDatabase(path), "train")
    assert client_data.client_examples("a")["pixels"].shape == (0, 28, 28)
    assert [client_data.has_examples(name) for name in "ab"] == [False, True]


@pytest.mark.parametrize(
    ("features", "problem"),
    [
        ({}, "feature `label`: expected 1 values for int32[], got nothing"),
        (
            {"label": np.array([1, 2])},
            "feature `label`: expected 1 values for int32[], got 2 values of type int64",
        ),
        (
            {"label": [b"1"]},
            "feature `label`: expected 1 values for int32[], got 1 values of type bytes",
        ),
        (
            {"label": np.array([1]), "pixels": np.ones(784, np.int64)},
            "feature `pixels`: expected 784 values for float32[28, 28], "
            "got 784 values of type int64",
        ),
    ],
)
def test_examples_of_another_form_are_refused(
    tmp_path: pathlib.Path,
    write_database: Write,
    serialize: Callable[..., bytes],
    features: dict[str, Any],
    problem: str,
):
    path = write_database(tmp_path / "a.sqlite", {"train": {"a": [serialize(features)]}})
    client_data = open_split(sql_database.SqlDatabase(path), "train")
    with pytest.raises(ValueError, match="not of the expected form") as caught:
        client_data.client_examples("a")
    assert caught.value.problems == (problem,)  # type: ignore[attr-defined]


def test_strings_are_read_as_bytes(
    tmp_path: pathlib.Path, write_database: Write, serialize: Callable[..., bytes]
):
    blobs = [serialize({"text": [text]}) for text in (b"Hark!", b"\0")]
    path = write_database(tmp_path / "a.sqlite", {"train": {"a": blobs}})
    client_data = sql_client_data.SqlClientData(
        sql_database.SqlDatabase(path), "train", {"text": sql_client_data.FeatureSpec(np.bytes_)}
    )
    assert client_data.client_examples("a")["text"].tolist() == [b"Hark!", b"\0"]
    assert client_data.element_type_structure["text"] == tf.TensorSpec((), tf.string)
    dataset = client_data.create_tf_dataset_from_all_clients()
    assert [element["text"].numpy() for element in dataset] == [b"Hark!", b"\0"]


class TestDatabase:
    def test_sizes_are_counted(self, database: sql_database.SqlDatabase):
        assert database.split_sizes() == {
            "all_test": sql_database.SplitSize(clients=3, examples=4),
            "all_train": sql_database.SplitSize(clients=3, examples=7),
            "digits_only_test": sql_database.SplitSize(clients=2, examples=3),
            "digits_only_train": sql_database.SplitSize(clients=2, examples=5),
        }

    def test_a_sound_file_passes_all_checks(self, database: sql_database.SqlDatabase):
        database.check_layout()
        database.check_sizes(database.split_sizes())
        database.check_integrity()

    def test_reading_changes_nothing(self, database: sql_database.SqlDatabase):
        before = database.path.read_bytes()
        database.path.chmod(0o400)
        database.serialized_examples("all_train", "f0002_09")
        assert database.path.read_bytes() == before
        assert [path.name for path in database.path.parent.iterdir()] == [database.path.name]

    def test_an_index_is_added_where_there_is_none(self, database: sql_database.SqlDatabase):
        assert not database.has_index()
        database.add_index()
        assert database.has_index()
        database.check_layout()
        assert len(database.serialized_examples("all_train", "f0001_41")) == 3

    def test_other_sizes_are_told(self, database: sql_database.SqlDatabase):
        with pytest.raises(ValueError, match="not a usable file") as caught:
            database.check_sizes(
                {
                    "all_train": sql_database.SplitSize(clients=3_400, examples=671_585),
                    "held_out": sql_database.SplitSize(clients=1, examples=1),
                }
            )
        assert caught.value.problems[1:] == (  # type: ignore[attr-defined]
            "split `all_train`: expected 3,400 clients and 671,585 examples, "
            "found 3 clients and 7 examples",
            "split `held_out`: expected 1 clients and 1 examples, found none",
        )

    @pytest.mark.parametrize(
        ("statement", "problem"),
        [
            ("DROP TABLE client_metadata", "table `client_metadata`: has no client_id, num_"),
            ("ALTER TABLE examples RENAME COLUMN client_id TO id", "`examples`: has no client_id"),
            ("CREATE VIEW v AS SELECT 1", "view `v`: only tables and indices are expected"),
            (
                "CREATE TRIGGER t AFTER INSERT ON examples BEGIN DELETE FROM examples; END",
                "trigger `t`: only tables and indices are expected",
            ),
            (
                # Written by hand: not every SQLite has a module to make a virtual table with.
                "INSERT INTO sqlite_master VALUES"
                " ('table', 'f', 'f', 0, 'CREATE VIRTUAL TABLE f USING fts5(x)')",
                "table `f`: only tables and indices are expected",
            ),
        ],
    )
    def test_another_layout_is_refused(
        self, tmp_path: pathlib.Path, write_database: Write, statement: str, problem: str
    ):
        statements = ["PRAGMA writable_schema = ON", statement]
        path = write_database(tmp_path / "a.sqlite", statements=statements)
        with pytest.raises(ValueError, match="not a usable file") as caught:
            sql_database.SqlDatabase(path).check_layout()
        assert problem in str(caught.value)

    @pytest.mark.parametrize("content", [b"", b"not a database " * 100])
    def test_what_is_no_database_is_refused(self, tmp_path: pathlib.Path, content: bytes):
        path = tmp_path / "a.sqlite"
        path.write_bytes(content)
        with pytest.raises(ValueError, match="not a usable file"):
            sql_database.SqlDatabase(path).check_layout()

    def test_a_damaged_file_is_refused(self, database: sql_database.SqlDatabase):
        content = bytearray(database.path.read_bytes())
        content[8192:12288] = b"\xff" * 4096
        database.path.write_bytes(content)
        with pytest.raises(ValueError, match="not a usable file"):
            database.check_integrity()

    def test_a_blob_that_is_too_long_is_refused(
        self, tmp_path: pathlib.Path, write_database: Write
    ):
        path = write_database(
            tmp_path / "a.sqlite",
            {"train": {"a": []}},
            ["INSERT INTO examples VALUES ('train', 'a', zeroblob(20000000))"],
        )
        with pytest.raises(ValueError, match="too big"):
            sql_database.SqlDatabase(path).serialized_examples("train", "a")

    def test_values_of_another_type_are_refused(
        self, tmp_path: pathlib.Path, write_database: Write
    ):
        path = write_database(
            tmp_path / "a.sqlite",
            {"train": {"a": []}},
            [
                "INSERT INTO examples VALUES ('train', 'a', 'text')",
                "INSERT INTO client_metadata VALUES (x'ff', 'blob', 1)",
            ],
        )
        database = sql_database.SqlDatabase(path)
        with pytest.raises(ValueError, match="a value is of type str, not bytes"):
            database.serialized_examples("train", "a")
        with pytest.raises(ValueError, match="a value is of type bytes, not str"):
            database.client_ids("blob")
