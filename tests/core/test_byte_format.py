"""The envelope and the fields."""

from __future__ import annotations

import hypothesis
import pytest
from hypothesis import strategies as st

from tensorflow_federated.core import byte_format, errors
from tensorflow_federated.core.byte_format import DEFAULT_LIMITS, Limits, Reader, Writer

DATA = byte_format.seal(byte_format.TYPE, b"payload")


def refusal(data: object, limits: Limits = DEFAULT_LIMITS) -> str:
    with pytest.raises(errors.WireError) as caught:
        byte_format.open_sealed(byte_format.TYPE, data, limits)
    return str(caught.value)


def test_what_is_sealed_is_read():
    reader = byte_format.open_sealed(byte_format.TYPE, DATA, DEFAULT_LIMITS)
    assert reader.num_left == len(b"payload")


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("nothing", b""),
        ("a pickle", b"\x80\x04K\x01." * 20),
        ("text", "text"),
        ("cut off", DATA[:-1]),
        ("longer", DATA + b"x"),
        ("another payload", DATA[:-1] + b"X"),
        ("another kind", byte_format.seal(byte_format.VALUE, b"payload")),
        ("a newer version", DATA[:9] + b"\x02\x00" + DATA[11:]),
    ],
)
def test_what_is_not_sealed_is_refused(name, data, golden):
    golden.check(name, refusal(data))


def test_more_bytes_than_the_limit_are_refused(golden):
    golden.check("the limit", refusal(DATA, Limits(num_bytes=10)))


@hypothesis.given(st.integers(-(2**63), 2**63 - 1), st.text(), st.floats(), st.booleans())
def test_fields_come_back(number, text, real, flag):
    writer = Writer()
    writer.integer(number)
    writer.text(text)
    writer.real(real)
    writer.flag(flag)
    reader = Reader(memoryview(writer.data), DEFAULT_LIMITS)
    assert (reader.integer(), reader.text()) == (number, text)
    assert repr(reader.real()) == repr(real)
    assert reader.flag() is flag
    reader.finish()


@pytest.mark.parametrize("data", [b"\x80", b"\x80\x00", b"\xff" * 10 + b"\x01", b""])
def test_a_number_has_one_form_and_64_bits(data):
    with pytest.raises(errors.WireError):
        Reader(memoryview(data), DEFAULT_LIMITS).unsigned()


def test_a_count_is_checked_against_what_is_left():
    writer = Writer()
    writer.unsigned(1000)
    with pytest.raises(errors.WireError, match="1000 items cannot be in the 0 bytes"):
        Reader(memoryview(writer.data), DEFAULT_LIMITS).count("items")
