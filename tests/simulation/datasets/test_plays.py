from __future__ import annotations

import pytest

from tensorflow_federated.simulation import datasets
from tensorflow_federated.simulation.datasets import in_memory, plays


def snippets(data: in_memory.TestClientData, client_id: str) -> list[bytes]:
    return data.client_examples(client_id)["snippets"].tolist()


def test_both_parts_have_the_same_150_clients():
    train, test = datasets.plays.load_data()
    assert len(train.client_ids) == 150
    assert train.client_ids == test.client_ids == sorted(train.client_ids)
    assert all(data.has_examples(name) for data in (train, test) for name in data.client_ids)


def test_a_part_says_what_it_says_in_the_play():
    train, test = datasets.plays.load_data()
    assert snippets(train, "MACBETH_SECOND_WITCH")[0] == (
        b"When the hurlyburly's done,\nWhen the battle's lost and won."
    )
    assert snippets(train, "THE_TRAGEDY_OF_KING_LEAR_CORDELIA")[2] == b"Nothing, my lord."
    assert snippets(test, "OTHELLO_OTHELLO")[-1].endswith(
        b"no way but this,\nKilling myself, to die upon a kiss."
    )


@pytest.mark.parametrize("test_fraction", [0.01, 0.2, 0.5, 0.99])
def test_the_last_speeches_are_held_out(test_fraction: float):
    train, test = datasets.plays.load_data(test_fraction)
    whole = plays._read_plays()
    for client_id in train.client_ids:
        first, last = snippets(train, client_id), snippets(test, client_id)
        assert [text.decode() for text in first + last] == whole[client_id]
        assert len(last) == pytest.approx(test_fraction * len(whole[client_id]), abs=1)
        assert first
        assert last


def test_there_are_only_letters_punctuation_digits_and_line_ends():
    text = "".join("".join(speeches) for speeches in plays._read_plays().values())
    assert len(text) == 673_382
    assert set(text) <= set(
        "\n !\"&'(),-./12:;?ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    )


@pytest.mark.parametrize("test_fraction", [0.0, 1.0, float("nan")])
def test_a_fraction_outside_its_range_is_refused(test_fraction: float):
    with pytest.raises(ValueError, match="`test_fraction` must lie between 0 and 1"):
        datasets.plays.load_data(test_fraction)


def test_a_damaged_file_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(plays, "_SHA256", "0" * 64)
    plays._read_plays.cache_clear()
    with pytest.raises(ValueError, match=r"`plays.json.xz` of the package is damaged") as caught:
        datasets.plays.load_data()
    assert caught.value.fix == "install the package again."  # type: ignore[attr-defined]
