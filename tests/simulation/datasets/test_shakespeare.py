from __future__ import annotations

import collections
import lzma
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import tensorflow_federated as tff
from tensorflow_federated.core import errors
from tensorflow_federated.simulation.datasets import download, shakespeare, sql_database

NAME = "shakespeare.sqlite"
KING = "THE_TRAGEDY_OF_KING_LEAR_KING"
CELIA = "ALL_S_WELL_THAT_ENDS_WELL_CELIA"
SPLITS: Mapping[str, Mapping[str, Sequence[str]]] = {
    "train": {KING: ["Attend.", "Come,\nmy lord.", ""], CELIA: ["I pray thee."]},
    "test": {KING: ["So be it."], CELIA: ["Peace!", "Now."]},
}
SIZES = {
    "train": sql_database.SplitSize(clients=2, examples=4),
    "test": sql_database.SplitSize(clients=2, examples=3),
}
LIMITS = download.Limits(archive_bytes=10**6, file_bytes=10**6, silence_seconds=5.0)


@pytest.fixture(autouse=True)
def folder(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """The folder of each test's own data, and none of the user's."""
    data = tmp_path / "data"
    data.mkdir()
    monkeypatch.setenv("TFF_DATA_DIR", str(data))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return data


@pytest.fixture
def database(
    folder: pathlib.Path,
    write_database: Callable[..., pathlib.Path],
    serialize: Callable[[Mapping[str, Sequence[bytes]]], bytes],
) -> pathlib.Path:
    """A small file of the layout of Shakespeare, put there by hand."""
    content = {
        split: {
            client_id: [serialize({"snippets": [text.encode()]}) for text in texts]
            for client_id, texts in clients.items()
        }
        for split, clients in SPLITS.items()
    }
    return write_database(folder / NAME, content)


@pytest.mark.usefixtures("database")
def test_each_part_has_its_snippets():
    train, test = tff.simulation.datasets.shakespeare.load_data()
    assert train.client_ids == test.client_ids == [CELIA, KING]
    assert train.client_examples(KING)["snippets"].tolist() == [b"Attend.", b"Come,\nmy lord.", b""]
    assert test.client_examples(CELIA)["snippets"].tolist() == [b"Peace!", b"Now."]


@pytest.mark.usefixtures("database")
def test_an_example_is_of_the_type_that_it_has_in_tff():
    train, _ = tff.simulation.datasets.shakespeare.load_data()
    expected = collections.OrderedDict(snippets=tf.TensorSpec((), tf.string))
    assert train.element_type_structure == expected
    dataset = train.create_tf_dataset_for_client(KING)
    assert dataset.element_spec == expected
    assert [x["snippets"].numpy() for x in dataset] == [b"Attend.", b"Come,\nmy lord.", b""]


def test_the_file_is_downloaded_once(server: Any, answer: Any, database: pathlib.Path):
    server.answers[f"/{NAME}.lzma"] = answer(lzma.compress(database.read_bytes()))
    database.unlink()
    source = download.Source(NAME, server.base_url, (), LIMITS)
    shakespeare._load_data(source, SIZES, None)
    train, _ = shakespeare._load_data(source, SIZES, None)
    assert server.requests == [f"/{NAME}.lzma"]
    assert train.client_ids == [CELIA, KING]


def test_a_download_of_another_size_is_refused(server: Any, answer: Any, database: pathlib.Path):
    server.answers[f"/{NAME}.lzma"] = answer(lzma.compress(database.read_bytes()))
    database.unlink()
    source = download.Source(NAME, server.base_url, (), LIMITS)
    with pytest.raises(errors.DownloadError) as caught:
        shakespeare._load_data(source, shakespeare._SIZES, None)
    assert (
        "split `train`: expected 715 clients and 16,068 examples, found 2 clients and 4 examples"
        in caught.value.problems
    )
    assert not database.exists()


def test_without_a_network_the_plays_of_the_package_are_named(monkeypatch: pytest.MonkeyPatch):
    def refuse(*_: Any) -> Any:
        raise OSError("no network")

    monkeypatch.setattr(download, "_open", refuse)
    with pytest.raises(errors.DownloadError) as caught:
        tff.simulation.datasets.shakespeare.load_data()
    assert caught.value.fix == (
        "put `shakespeare.sqlite.lzma` (or, decompressed, `shakespeare.sqlite`) into a folder and "
        "name the folder in the environment variable TFF_DATA_DIR;\n"
        "or use `tff.simulation.datasets.plays.load_data()` or "
        "`tff.simulation.datasets.shakespeare.get_synthetic()`, which need no network."
    )


def test_the_synthetic_data_are_those_of_tff():
    synthetic = tff.simulation.datasets.shakespeare.get_synthetic()
    found = {name: synthetic.client_examples(name)["snippets"] for name in synthetic.client_ids}
    # As TFF 0.87 gives them.
    assert list(found) == [
        "THE_TRAGEDY_OF_KING_LEAR_MACBETH",
        "MUCH_ADO_ABOUT_NOTHING_EMILIA",
        "THE_TAMING_OF_THE_SHREW_CUPID",
    ]
    assert [len(snippets) for snippets in found.values()] == [6, 6, 1]
    assert found["MUCH_ADO_ABOUT_NOTHING_EMILIA"][-1] == b"[Within.] I do beseech you"
    assert found["THE_TAMING_OF_THE_SHREW_CUPID"].tolist() == [
        b"Hail to thee, worthy Timon, and to all"
    ]
    assert synthetic.element_type_structure == collections.OrderedDict(
        snippets=tf.TensorSpec((), tf.string)
    )


def test_it_has_the_form_of_the_plays_of_the_package():
    synthetic = tff.simulation.datasets.shakespeare.get_synthetic()
    train, test = tff.simulation.datasets.plays.load_data()
    assert train.element_type_structure == synthetic.element_type_structure
    assert test.element_type_structure == synthetic.element_type_structure
    assert all(
        type(text) is bytes for text in np.ravel(train.client_examples("MACBETH_ROSS")["snippets"])
    )
