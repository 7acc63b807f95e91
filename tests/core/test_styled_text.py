"""Styled text: the same characters in every form, colour on terminals alone."""

from __future__ import annotations

import io
import re
from xml.etree import ElementTree

import pytest

from tensorflow_federated.core import styled_text
from tensorflow_federated.core.styled_text import Span

STYLES = ("plain", "heading", "keyword", "clients", "server", "type", "note", "leaves")
SPANS = [Span(f"<{style}> & \n", style) for style in STYLES]


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture(autouse=True)
def colourful(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")


def test_colours_add_no_characters():
    coloured = styled_text.to_ansi(SPANS)
    assert re.sub(r"\x1b\[[\d;]*m", "", coloured) == styled_text.to_plain(SPANS)


def test_html_shows_the_same_characters():
    element = ElementTree.fromstring(f"<pre>{styled_text.to_html(SPANS)}</pre>")
    assert "".join(element.itertext()) == styled_text.to_plain(SPANS)


def test_each_style_looks_different():
    looks = {styled_text.to_ansi([Span("x", style)]) for style in STYLES}
    assert len(looks) == len(STYLES)
    pages = {styled_text.to_html([Span("x", style)]) for style in STYLES}
    assert len(pages) == len(STYLES)


def test_a_terminal_shows_colour():
    assert styled_text.shows_colour(Terminal())


def test_a_file_shows_no_colour():
    assert not styled_text.shows_colour(io.StringIO())


@pytest.mark.parametrize(("variable", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_a_terminal_shows_no_colour_where_the_environment_says_so(monkeypatch, variable, value):
    monkeypatch.setenv(variable, value)
    assert not styled_text.shows_colour(Terminal())
