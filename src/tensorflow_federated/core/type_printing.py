"""Prints types and programs: on one line, or indented.

A type, or a node of a program, describes itself as a `Layout`: text and groups of comma-separated
items. Both printed forms are made from the layout, so that they differ in white space only.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

_INDENT = "  "


@dataclasses.dataclass(frozen=True)
class Group:
    """`<a,b>`: items between brackets, separated by commas.

    Attributes:
      items: The layout of each item.
      opening: The opening bracket; white space at its end is for the form on one line.
      closing: The closing bracket.
    """

    items: Sequence[Layout]
    opening: str = "<"
    closing: str = ">"


# A layout is a sequence of parts: text that stays on one line, or a group.
Layout = Sequence["str | Group"]


def compact(layout: Layout) -> str:
    """Returns the layout on one line.

    Examples:
      >>> compact(["{", Group([["a=int32"], [Group([])]]), "}@CLIENTS"])
      '{<a=int32,<>>}@CLIENTS'
    """
    return "".join(compact_pieces(layout))


def formatted(layout: Layout) -> str:
    """Returns the layout with one line per item of a group, indented by two spaces a level.

    Examples:
      >>> print(formatted([Group([["a=int32"], [Group([])]]), "*"]))
      <
        a=int32,
        <>
      >*
    """
    return "".join(formatted_pieces(layout))


def compact_pieces(layout: Layout) -> Iterator[str]:
    """Yields the text of `compact` in pieces: each text of the layout, and the brackets.

    Examples:
      >>> list(compact_pieces([Group([["a=", "int32"]]), "@SERVER"]))
      ['<', 'a=', 'int32', '>', '@SERVER']
    """
    for part in layout:
        if isinstance(part, str):
            yield part
        else:
            yield part.opening
            for position, item in enumerate(part.items):
                if position:
                    yield ","
                yield from compact_pieces(item)
            yield part.closing


def formatted_pieces(layout: Layout, indent: str = "") -> Iterator[str]:
    """Yields the text of `formatted` in pieces: each text of the layout, brackets, and line breaks.

    Args:
      layout: What to print.
      indent: White space before each line but the first.
    """
    for part in layout:
        if isinstance(part, str):
            yield part
        elif not part.items:
            yield f"{part.opening}{part.closing}"
        else:
            inner = indent + _INDENT
            yield part.opening.rstrip()
            for position, item in enumerate(part.items):
                yield f",\n{inner}" if position else f"\n{inner}"
                yield from formatted_pieces(item, inner)
            yield f"\n{indent}{part.closing}"
