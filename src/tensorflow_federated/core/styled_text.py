"""Text whose parts have styles, for terminals and for notebooks.

What is shown is built once, as spans. It is read as plain text, with the colours of a terminal, or
as HTML; the characters are the same in all three.
"""

from __future__ import annotations

import html
import os
from collections.abc import Iterable
from typing import IO, Literal, NamedTuple

from tensorflow_federated.core import type_printing

Style = Literal["plain", "heading", "keyword", "clients", "server", "type", "note", "leaves"]

# Codes of ANSI terminals, and colours that can be read on white and on black.
_CODES: dict[Style, str] = {
    "heading": "1",
    "keyword": "35",
    "clients": "33",
    "server": "36",
    "type": "32",
    "note": "2",
    "leaves": "1;31",
}
_CSS: dict[Style, str] = {
    "heading": "font-weight:bold",
    "keyword": "color:#a05cc0",
    "clients": "color:#b8860b",
    "server": "color:#1a8ca8",
    "type": "color:#3b9150",
    "note": "opacity:0.65",
    "leaves": "color:#d83a3a;font-weight:bold",
}


class Span(NamedTuple):
    """Some text in one style; it may hold line breaks."""

    text: str
    style: Style = "plain"


def to_plain(spans: Iterable[Span]) -> str:
    """Returns the text alone.

    Examples:
      >>> to_plain([Span("let", "keyword"), Span(" x")])
      'let x'
    """
    return "".join(span.text for span in spans)


def to_ansi(spans: Iterable[Span]) -> str:
    r"""Returns the text with the colour codes of a terminal.

    Examples:
      >>> to_ansi([Span("let", "keyword"), Span(" x")])
      '\x1b[35mlet\x1b[0m x'
    """
    return "".join(
        f"\x1b[{_CODES[span.style]}m{span.text}\x1b[0m" if span.style in _CODES else span.text
        for span in spans
    )


def to_html(spans: Iterable[Span]) -> str:
    """Returns the text as HTML, all of it escaped.

    Examples:
      >>> to_html([Span("<b>", "note"), Span(" & c")])
      '<span style="opacity:0.65">&lt;b&gt;</span> &amp; c'
    """
    pieces: list[str] = []
    for span in spans:
        text = html.escape(span.text)
        css = _CSS.get(span.style)
        pieces.append(f'<span style="{css}">{text}</span>' if css and text else text)
    return "".join(pieces)


def shows_colour(stream: IO[str]) -> bool:
    """Returns whether what is written to a stream may be coloured.

    It may on a terminal, unless the environment says `NO_COLOR` or that the terminal is dumb.

    Args:
      stream: for example `sys.stdout`.

    Examples:
      >>> import io
      >>> shows_colour(io.StringIO())
      False
    """
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return stream.isatty()


def type_spans(pieces: Iterable[str]) -> list[Span]:
    """Returns a printed type in styles: placements and the types of leaves stand out.

    Args:
      pieces: what `type_printing.compact_pieces` or `type_printing.formatted_pieces` gives.

    Examples:
      >>> type_spans(["int32", "@SERVER"])
      [Span(text='int32', style='type'), Span(text='@SERVER', style='server')]
    """
    return [Span(piece, _style_of(piece)) for piece in pieces]


def _style_of(piece: str) -> Style:
    if piece == "@CLIENTS":
        return "clients"
    if piece == "@SERVER":
        return "server"
    is_bracket = not any(character.isalnum() for character in piece)
    return "plain" if is_bracket or piece.endswith("=") else "type"


def shortened(layout: type_printing.Layout, width: int) -> type_printing.Layout:
    """Returns the layout of a type without its inner structs, as many as it takes to fit.

    If that is not enough, it is without the last elements of the outer struct too.

    Args:
      layout: how the type prints.
      width: the number of characters that it may take, on one line.

    Examples:
      >>> from tensorflow_federated.core.type_printing import Group, compact
      >>> layout = [Group([["a=", Group([["int32"], ["int32"]])], ["b=float32"]]), "@SERVER"]
      >>> for width in (40, 30, 22, 10):
      ...     print(compact(shortened(layout, width)))
      <a=<int32,int32>,b=float32>@SERVER
      <a=<...>,b=float32>@SERVER
      <a=<...>,...>@SERVER
      <...>@SERVER
    """
    shown = layout
    for depth in (8, 4, 3, 2, 1):
        if len(type_printing.compact(shown)) <= width:
            return shown
        shown = _without_inner_groups(layout, depth)
    most = max((len(part.items) for part in layout if not isinstance(part, str)), default=0)
    for count in range(most, -1, -1):
        if len(type_printing.compact(shown)) <= width:
            break
        shown = _without_inner_groups(layout, 1, count)
    return shown


def _without_inner_groups(
    layout: type_printing.Layout, depth: int, most: int | None = None
) -> type_printing.Layout:
    """The layout with `...` for groups at a depth, and for elements after the first `most`."""
    shown: list[str | type_printing.Group] = []
    for part in layout:
        if isinstance(part, str) or not part.items:
            shown.append(part)
            continue
        kept = part.items if most is None else part.items[:most]
        items = [_without_inner_groups(each, depth - 1) for each in kept] if depth else []
        if len(items) < len(part.items):
            items.append(["..."])
        shown.append(type_printing.Group(items))
    return shown
