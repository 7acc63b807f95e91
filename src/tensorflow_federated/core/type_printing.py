"""Prints types: on one line, or indented.

A type describes itself as a `Layout`: text and groups of comma-separated items. Both printed forms
are made from the layout, so that they differ in white space only.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

_INDENT = "  "


@dataclasses.dataclass(frozen=True)
class Group:
    """`<a,b>`: items between brackets, separated by commas.

    Attributes:
      items: The layout of each item.
    """

    items: Sequence[Layout]


# A layout is a sequence of parts: text that stays on one line, or a group.
Layout = Sequence["str | Group"]


def compact(layout: Layout) -> str:
    """Returns the layout on one line.

    Examples:
      >>> compact(["{", Group([["a=int32"], [Group([])]]), "}@CLIENTS"])
      '{<a=int32,<>>}@CLIENTS'
    """
    return "".join(
        part if isinstance(part, str) else f"<{','.join(compact(item) for item in part.items)}>"
        for part in layout
    )


def formatted(layout: Layout, indent: str = "") -> str:
    """Returns the layout with one line per item of a group, indented by two spaces a level.

    Args:
      layout: What to print.
      indent: White space before each line but the first.

    Examples:
      >>> print(formatted([Group([["a=int32"], [Group([])]]), "*"]))
      <
        a=int32,
        <>
      >*
    """
    pieces: list[str] = []
    for part in layout:
        if isinstance(part, str):
            pieces.append(part)
        elif not part.items:
            pieces.append("<>")
        else:
            inner = indent + _INDENT
            items = [f"\n{inner}{formatted(item, inner)}" for item in part.items]
            pieces.append(f"<{','.join(items)}\n{indent}>")
    return "".join(pieces)
