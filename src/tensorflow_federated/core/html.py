"""HTML for notebooks: escaped, without scripts, and without anything that has to be loaded."""

from __future__ import annotations

import html
from collections.abc import Iterable

from tensorflow_federated.core import styled_text, type_printing
from tensorflow_federated.core.styled_text import Span

_PRE = "margin:0.3em 0;line-height:1.35;white-space:pre;overflow-x:auto"


def preformatted(spans: Iterable[Span]) -> str:
    """Returns text with its white space and its styles.

    Examples:
      >>> print(preformatted([Span("a < b")]))
      <pre style="...">a &lt; b</pre>
    """
    return f'<pre style="{_PRE}">{styled_text.to_html(spans)}</pre>'


def section(title: str, body: str, is_open: bool) -> str:
    """Returns a part that can be folded.

    Args:
      title: its title, plain text.
      body: its content, HTML.
      is_open: whether it is unfolded at first.

    Examples:
      >>> print(section("Plan", "<p>...</p>", is_open=True))
      <details open=""><summary><b>Plan</b></summary><p>...</p></details>
    """
    opening = '<details open="">' if is_open else "<details>"
    return f"{opening}<summary><b>{html.escape(title)}</b></summary>{body}</details>"


def of_type(layout: type_printing.Layout) -> str:
    """Returns a type, with one line per element of a struct.

    Examples:
      >>> print(of_type(["int32", "@SERVER"]))
      <pre style="..."><span style="...">int32</span><span style="...">@SERVER</span></pre>
    """
    return preformatted(styled_text.type_spans(type_printing.formatted_pieces(layout)))


def of_function(title: str, layout: type_printing.Layout | None, note: str) -> str:
    """Returns a function: what it is called, its type, and a note.

    Args:
      title: what it is and how it is called, plain text.
      layout: how its type prints; None if it has none.
      note: what to say about it, plain text.

    Examples:
      >>> print(of_function("computation f", None, "f < g"))
      <div><b>computation f</b><div style="opacity:0.65">f &lt; g</div></div>
    """
    shown = "" if layout is None else of_type(layout)
    told = f'<div style="opacity:0.65">{html.escape(note)}</div>'
    return f"<div><b>{html.escape(title)}</b>{shown}{told}</div>"
