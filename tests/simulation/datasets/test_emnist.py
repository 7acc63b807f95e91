from __future__ import annotations

import concurrent.futures
import errno
import lzma
import os
import pathlib
import traceback
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tensorflow_federated.core import errors
from tensorflow_federated.simulation.datasets import download, emnist, sql_database

NAME = "emnist_all.sqlite"
SIZES = {
    "digits_only_train": sql_database.SplitSize(clients=2, examples=5),
    "digits_only_test": sql_database.SplitSize(clients=2, examples=3),
    "all_train": sql_database.SplitSize(clients=3, examples=7),
    "all_test": sql_database.SplitSize(clients=3, examples=4),
}
LIMITS = download.Limits(archive_bytes=10**6, file_bytes=10**6, silence_seconds=5.0)

Write = Callable[..., pathlib.Path]


@pytest.fixture(autouse=True)
def folders(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, pathlib.Path]:
    """Gives each test its own folders, empty, and none of the user's."""
    found = {name: tmp_path / name for name in ("cache", "data", "home", "work")}
    for folder in found.values():
        folder.mkdir()
    monkeypatch.setenv("TFF_DATA_DIR", str(found["data"]))
    monkeypatch.setenv("XDG_CACHE_HOME", str(found["home"]))
    return found


@pytest.fixture
def archive(folders: dict[str, pathlib.Path], write_database: Write) -> bytes:
    """Returns a compressed small file of the layout of EMNIST."""
    return lzma.compress(write_database(folders["work"] / NAME).read_bytes())


def source(base_url: str, limits: download.Limits = LIMITS) -> download.Source:
    return download.Source(NAME, base_url, ("one()", "two()"), limits)


def load(base_url: str, only_digits: bool = True, cache_dir: Any = None, **limits: Any) -> Any:
    given = source(base_url, download.Limits(**limits) if limits else LIMITS)
    return emnist._load_data(given, SIZES, only_digits, cache_dir)


def files(folders: dict[str, pathlib.Path]) -> list[str]:
    return sorted(
        f"{name}/{path.relative_to(folder)}"
        for name, folder in folders.items()
        if name != "work"
        for path in folder.rglob("*")
        if path.is_file()
    )


def test_the_file_is_downloaded_once(server: Any, answer: Any, archive: bytes, folders: Any):
    server.answers[f"/{NAME}.lzma"] = answer(archive)
    load(server.base_url)
    train, test = load(server.base_url)
    assert server.requests == [f"/{NAME}.lzma"]
    assert files(folders) == [f"data/{NAME}"]
    assert train.client_ids == test.client_ids == ["f0000_14", "f0001_41"]
    assert train.client_examples("f0000_14")["label"].tolist() == [1, 0, 9]
    assert test.client_examples("f0000_14")["label"].tolist() == [4, 4]


def test_letters_are_there_on_demand(server: Any, answer: Any, archive: bytes):
    server.answers[f"/{NAME}.lzma"] = answer(archive)
    train, test = load(server.base_url, only_digits=False)
    assert train.client_ids == test.client_ids == ["f0000_14", "f0001_41", "f0002_09"]
    assert train.client_examples("f0001_41")["label"].tolist() == [7, 2, 61]


def test_the_element_spec_is_that_of_tff(server: Any, answer: Any, archive: bytes):
    server.answers[f"/{NAME}.lzma"] = answer(archive)
    train, _ = load(server.base_url)
    assert list(train.element_type_structure.items()) == [
        ("label", tf.TensorSpec((), tf.int32)),
        ("pixels", tf.TensorSpec((28, 28), tf.float32)),
    ]


def test_an_index_is_added_to_a_new_file(
    server: Any, answer: Any, archive: bytes, folders: dict[str, pathlib.Path]
):
    server.answers[f"/{NAME}.lzma"] = answer(archive)
    load(server.base_url)
    assert sql_database.SqlDatabase(folders["data"] / NAME).has_index()


def test_a_length_need_not_be_told(server: Any, answer: Any, archive: bytes, folders: Any):
    server.answers[f"/{NAME}.lzma"] = answer(archive, tells_length=False)
    load(server.base_url)
    assert files(folders) == [f"data/{NAME}"]


def test_the_old_lzma_format_and_several_streams_are_read(
    server: Any, answer: Any, archive: bytes, folders: Any
):
    content = lzma.decompress(archive)
    server.answers[f"/{NAME}.lzma"] = answer(lzma.compress(content, format=lzma.FORMAT_ALONE))
    load(server.base_url)
    (folders["data"] / NAME).unlink()
    streams = lzma.compress(content[:5000]) + lzma.compress(content[5000:]) + bytes(8)
    server.answers[f"/{NAME}.lzma"] = answer(streams)
    load(server.base_url)
    assert files(folders) == [f"data/{NAME}"]


def test_cache_dir_comes_first(server: Any, answer: Any, archive: bytes, folders: Any):
    server.answers[f"/{NAME}.lzma"] = answer(archive)
    load(server.base_url, cache_dir=str(folders["cache"] / "new" / "folder"))
    assert files(folders) == [f"cache/new/folder/{NAME}"]


def test_without_the_variable_the_users_cache_is_taken(
    server: Any, answer: Any, archive: bytes, folders: Any, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("TFF_DATA_DIR")
    server.answers[f"/{NAME}.lzma"] = answer(archive)
    load(server.base_url)
    assert files(folders) == [f"home/tff-ng/{NAME}"]


def test_a_file_put_there_by_hand_is_used(write_database: Write, folders: Any):
    write_database(folders["data"] / NAME)
    train, _ = load("http://127.0.0.1:1/")
    assert train.client_ids == ["f0000_14", "f0001_41"]


def test_an_archive_put_there_by_hand_is_used(archive: bytes, folders: Any):
    (folders["data"] / f"{NAME}.lzma").write_bytes(archive)
    train, _ = load("http://127.0.0.1:1/", cache_dir=folders["cache"])
    assert train.client_ids == ["f0000_14", "f0001_41"]
    assert files(folders) == [f"cache/{NAME}", f"data/{NAME}.lzma"]


def test_a_damaged_archive_put_there_by_hand_is_refused(archive: bytes, folders: Any):
    path = folders["data"] / f"{NAME}.lzma"
    path.write_bytes(archive[:-20])
    with pytest.raises(errors.DatasetError) as caught:
        load("http://127.0.0.1:1/")
    assert caught.value.summary == f"`{NAME}.lzma` cannot be used."
    assert caught.value.problems == (f"file: {path}", "reason: the archive ends too early")
    assert files(folders) == [f"data/{NAME}.lzma"]


def test_another_data_set_put_there_by_hand_is_refused(write_database: Write, folders: Any):
    write_database(folders["data"] / NAME, {"train": {"a": [1]}})
    with pytest.raises(errors.DatasetError, match="split `digits_only_train`: not there"):
        load("http://127.0.0.1:1/")


def test_a_part_of_the_data_set_put_there_by_hand_is_used(write_database: Write, folders: Any):
    content = {"digits_only_train": {"a": [1, 2]}, "digits_only_test": {"a": [3]}}
    path = write_database(folders["data"] / NAME, content)
    train, test = load("http://127.0.0.1:1/")
    assert train.client_examples("a")["label"].tolist() == [1, 2]
    assert test.client_examples("a")["label"].tolist() == [3]
    (folders["data"] / f"{NAME}.lzma").write_bytes(lzma.compress(path.read_bytes()))
    path.unlink()
    train, _ = load("http://127.0.0.1:1/")
    assert train.client_ids == ["a"]


def test_a_part_without_what_is_asked_for_is_refused(write_database: Write, folders: Any):
    content = {"digits_only_train": {"a": [1, 2]}, "digits_only_test": {"a": [3]}}
    path = write_database(folders["data"] / NAME, content)
    with pytest.raises(errors.DatasetError) as caught:
        load("http://127.0.0.1:1/", only_digits=False)
    assert caught.value.problems == (
        f"file: {path}",
        "split `all_train`: not there",
        "split `all_test`: not there",
        "splits: `digits_only_test`, `digits_only_train`",
    )


def test_a_file_put_there_by_hand_that_was_cut_off_is_refused(write_database: Write, folders: Any):
    path = write_database(folders["data"] / NAME)
    path.write_bytes(path.read_bytes()[:-5000])
    with pytest.raises(errors.DatasetError, match="is malformed"):
        load("http://127.0.0.1:1/")


def test_a_folder_that_cannot_be_looked_into_is_told(folders: Any):
    folder = folders["work"] / ("long" * 100)
    with pytest.raises(errors.DatasetError) as caught:
        load("http://127.0.0.1:1/", cache_dir=folder)
    assert caught.value.problems == (f"folder: {folder}", "reason: File name too long")


def test_a_folder_in_place_of_the_file_is_told(
    server: Any, answer: Any, archive: bytes, folders: Any
):
    (folders["cache"] / NAME).mkdir()
    server.answers[f"/{NAME}.lzma"] = answer(archive)
    with pytest.raises(errors.DownloadError, match="Is a directory"):
        load(server.base_url, cache_dir=folders["cache"])
    assert files(folders) == []


def test_two_that_download_at_once_both_have_it(
    server: Any, answer: Any, archive: bytes, folders: Any
):
    server.answers[f"/{NAME}.lzma"] = answer(archive)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        loaded = list(pool.map(lambda _: load(server.base_url), range(4)))
    assert files(folders) == [f"data/{NAME}"]
    assert all(
        train.client_examples("f0000_14")["label"].tolist() == [1, 0, 9] for train, _ in loaded
    )


def test_an_archive_that_cannot_be_unpacked_is_told(archive: bytes, folders: Any):
    (folders["data"] / f"{NAME}.lzma").write_bytes(archive)
    no_folder = folders["work"] / "file"
    no_folder.touch()
    with pytest.raises(errors.DatasetError, match=r"reason: .*File exists") as caught:
        load("http://127.0.0.1:1/", cache_dir=no_folder)
    assert caught.value.fix == f"make sure that `{no_folder}` is a folder that can be written to."


def test_a_terminal_sees_the_progress(
    server: Any,
    answer: Any,
    archive: bytes,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    monkeypatch.setenv("FORCE_COLOR", "1")
    server.answers[f"/{NAME}.lzma"] = answer(archive)
    load(server.base_url)
    captured = capsys.readouterr()
    assert f"{NAME}.lzma" in captured.err
    assert captured.out == ""


def test_nothing_is_printed_where_there_is_no_terminal(
    server: Any, answer: Any, archive: bytes, capsys: pytest.CaptureFixture[str]
):
    server.answers[f"/{NAME}.lzma"] = answer(archive)
    load(server.base_url)
    assert capsys.readouterr() == ("", "")


class TestRefusals:
    """A download that is not what it should be is refused, and leaves nothing behind."""

    def refused(self, folders: Any, base_url: str, **limits: Any) -> str:
        with pytest.raises(errors.DownloadError) as caught:
            load(base_url, **limits)
        assert files(folders) == []
        assert caught.value.summary == f"`{NAME}.lzma` could not be downloaded."
        assert caught.value.problems[0] == f"address: {base_url}{NAME}.lzma"
        return "\n".join(caught.value.problems[1:-1])

    def test_cut_off(self, server: Any, answer: Any, archive: bytes, folders: Any):
        headers = {"Content-Length": str(len(archive))}
        server.answers[f"/{NAME}.lzma"] = answer(archive[:100], headers=headers)
        reason = f"reason: the connection ended after 100 of {len(archive)} bytes"
        assert self.refused(folders, server.base_url) == reason.replace(
            str(len(archive)), f"{len(archive):,}"
        )

    def test_cut_off_without_a_length(self, server: Any, answer: Any, archive: bytes, folders: Any):
        server.answers[f"/{NAME}.lzma"] = answer(archive[:-10], tells_length=False)
        assert self.refused(folders, server.base_url) == "reason: the archive ends too early"

    def test_empty(self, server: Any, answer: Any, folders: Any):
        server.answers[f"/{NAME}.lzma"] = answer(b"")
        assert self.refused(folders, server.base_url) == "reason: the archive ends too early"

    def test_announced_as_too_large(self, server: Any, answer: Any, folders: Any):
        headers = {"Content-Length": "1000001"}
        server.answers[f"/{NAME}.lzma"] = answer(b"", headers=headers)
        assert (
            self.refused(folders, server.base_url)
            == "reason: 1,000,001 bytes are more than 1,000,000"
        )

    def test_too_large(self, server: Any, answer: Any, archive: bytes, folders: Any):
        server.answers[f"/{NAME}.lzma"] = answer(archive, tells_length=False)
        assert (
            self.refused(folders, server.base_url, archive_bytes=100)
            == "reason: the archive has more than 100 bytes"
        )

    def test_too_large_when_decompressed(self, server: Any, answer: Any, folders: Any):
        server.answers[f"/{NAME}.lzma"] = answer(lzma.compress(bytes(10**7)))
        assert (
            self.refused(folders, server.base_url)
            == "reason: the decompressed file has more than 1,000,000 bytes"
        )

    def test_asking_for_too_much_memory(self, server: Any, answer: Any, folders: Any):
        # The header of an .lzma file with a dictionary of 2 GB, and of unknown size.
        hostile = b"\x5d" + (2**31).to_bytes(4, "little") + b"\xff" * 8 + bytes(100)
        server.answers[f"/{NAME}.lzma"] = answer(hostile)
        assert (
            self.refused(folders, server.base_url)
            == "reason: the archive is damaged (Memory usage limit exceeded)"
        )

    def test_damaged(self, server: Any, answer: Any, archive: bytes, folders: Any):
        middle = len(archive) // 2
        server.answers[f"/{NAME}.lzma"] = answer(
            archive[:middle] + b"\xff" * 50 + archive[middle + 50 :]
        )
        assert "reason: the archive is damaged" in self.refused(folders, server.base_url)

    def test_no_archive(self, server: Any, answer: Any, folders: Any):
        server.answers[f"/{NAME}.lzma"] = answer(b"<html>Please log in to this network</html>")
        assert "reason: the archive is damaged" in self.refused(folders, server.base_url)

    def test_no_database(self, server: Any, answer: Any, folders: Any):
        server.answers[f"/{NAME}.lzma"] = answer(lzma.compress(b"no database" * 1000))
        assert self.refused(folders, server.base_url) == "SQLite: file is not a database"

    def test_other_tables(self, server: Any, answer: Any, write_database: Write, folders: Any):
        path = write_database(folders["work"] / "a", {}, ["DROP TABLE client_metadata"])
        server.answers[f"/{NAME}.lzma"] = answer(lzma.compress(path.read_bytes()))
        assert (
            self.refused(folders, server.base_url)
            == "table `client_metadata`: has no client_id, num_examples, split_name"
        )

    def test_other_counts(self, server: Any, answer: Any, write_database: Write, folders: Any):
        path = write_database(folders["work"] / "a", {"all_train": {"a": [1]}})
        server.answers[f"/{NAME}.lzma"] = answer(lzma.compress(path.read_bytes()))
        assert (
            "split `all_train`: expected 3 clients and 7 examples, found 1 clients and 1 examples"
            in self.refused(folders, server.base_url)
        )

    def test_a_size_that_is_none(self, server: Any, answer: Any, folders: Any):
        server.answers[f"/{NAME}.lzma"] = answer(b"", headers={"Content-Length": "-5"})
        assert self.refused(folders, server.base_url) == "reason: the server gives a size of '-5'"

    def test_not_found(self, server: Any, folders: Any):
        assert self.refused(folders, server.base_url) == "reason: the server answered 404 Not Found"

    def test_silence(self, server: Any, answer: Any, archive: bytes, folders: Any):
        headers = {"Content-Length": str(len(archive))}
        server.answers[f"/{NAME}.lzma"] = answer(archive[:100], headers=headers, stalls=True)
        assert self.refused(folders, server.base_url, silence_seconds=0.1) == "reason: timed out"

    def test_taking_too_long(self, server: Any, answer: Any, archive: bytes, folders: Any):
        server.answers[f"/{NAME}.lzma"] = answer(archive)
        assert (
            self.refused(folders, server.base_url, total_seconds=-1.0)
            == "reason: the download takes longer than -1 seconds"
        )

    def test_taking_too_long_to_answer(self, server: Any, folders: Any):
        # The server's 404 is not read any more.
        assert (
            self.refused(folders, server.base_url, total_seconds=-1.0)
            == "reason: the download takes longer than -1 seconds"
        )

    def test_a_full_disk(
        self, server: Any, answer: Any, archive: bytes, folders: Any, monkeypatch: Any
    ):
        def fail(path: object) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(download, "_sync", fail)
        server.answers[f"/{NAME}.lzma"] = answer(archive)
        assert "No space left on device" in self.refused(folders, server.base_url)

    def test_another_scheme(self, folders: Any):
        base_url = folders["work"].as_uri() + "/"
        assert self.refused(folders, base_url) == "reason: `file` is no scheme of a download"

    def test_an_interrupt(
        self, server: Any, answer: Any, archive: bytes, folders: Any, monkeypatch: Any
    ):
        def interrupt(self: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(sql_database.SqlDatabase, "check_integrity", interrupt)
        server.answers[f"/{NAME}.lzma"] = answer(archive)
        with pytest.raises(KeyboardInterrupt):
            load(server.base_url)
        assert files(folders) == []


def test_without_a_network_the_error_says_what_to_do(
    folders: dict[str, pathlib.Path], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("no_proxy", "*")
    offline = download.Source(NAME, "http://127.0.0.1:1/", emnist._SOURCE.alternatives)
    with pytest.raises(errors.DownloadError) as caught:
        emnist._load_data(offline, SIZES, True, None)
    line = next(
        frame.lineno for frame in traceback.extract_tb(caught.tb) if frame.filename == __file__
    )
    reason = f"[Errno {errno.ECONNREFUSED}] Connection refused"
    assert str(caught.value) == "\n".join(
        [
            "`emnist_all.sqlite.lzma` could not be downloaded.",
            "  address: http://127.0.0.1:1/emnist_all.sqlite.lzma",
            f"  reason: {reason}",
            f"  searched: {folders['data']}, {folders['home'] / 'tff-ng'}",
            f"  where:       test_emnist.py:{line} in "
            "`test_without_a_network_the_error_says_what_to_do`",
            "  fix:         put `emnist_all.sqlite.lzma` (or, decompressed, `emnist_all.sqlite`) "
            "into a folder and name the folder in the environment variable TFF_DATA_DIR;",
            "               or use `tff.simulation.datasets.digits.load_data()` or "
            "`tff.simulation.datasets.emnist.get_synthetic()`, which need no network.",
        ]
    )


def test_the_public_function_asks_for_the_public_file(monkeypatch: pytest.MonkeyPatch):
    asked: list[Any] = []

    def get_file(source: download.Source, *arguments: Any) -> pathlib.Path:
        asked.append((source.url, arguments[-1]))
        raise errors.DownloadError("asked")

    monkeypatch.setattr(download, "get_file", get_file)
    with pytest.raises(OSError, match="asked"):
        emnist.load_data(cache_dir=os.curdir)
    assert asked == [
        ("https://storage.googleapis.com/tff-datasets-public/emnist_all.sqlite.lzma", os.curdir)
    ]


class TestSynthetic:
    def test_two_clients_have_one_example_per_digit(self):
        synthetic = emnist.get_synthetic()
        assert synthetic.client_ids == ["synthetic1", "synthetic2"]
        for client_id in synthetic.client_ids:
            assert synthetic.client_examples(client_id)["label"].tolist() == list(range(10))

    def test_the_element_spec_is_that_of_emnist(self):
        assert list(emnist.get_synthetic().element_type_structure.items()) == [
            ("label", tf.TensorSpec((), tf.int32)),
            ("pixels", tf.TensorSpec((28, 28), tf.float32)),
        ]

    def test_the_glyphs_are_ink_on_a_bright_background(self):
        pixels = emnist.get_synthetic().client_examples("synthetic1")["pixels"]
        assert set(np.unique(pixels)) == {0.0, 1.0}
        assert pixels[:, 0].min() == pixels[:, -1].min() == 1.0
        assert pixels.mean() > 0.8

    def test_the_glyphs_differ(self):
        pixels = emnist.get_synthetic().client_examples("synthetic1")["pixels"]
        assert len({picture.tobytes() for picture in pixels}) == 10
