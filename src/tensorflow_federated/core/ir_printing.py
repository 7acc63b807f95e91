r"""Draws programs as trees of labels, the root at the top.

A node draws itself from the drawings of the nodes below it. Two drawings stand as close to each
other as their lines allow::

              Call
             /    \
    Lambda(x)      Ref(y)
    |
    Ref(x)
"""

from __future__ import annotations

from collections.abc import Sequence

# The lines of a drawing from the top, each with its column; the first line starts at column 0, so
# that what is further to the left has a negative one.
Drawing = Sequence[tuple[int, str]]

_GAP = 4


def leaf(label: str) -> Drawing:
    """Draws a node with nothing below it."""
    return [(0, label)]


def above(label: str, below: Drawing) -> Drawing:
    """Draws a node with one drawing below it.

    Examples:
      >>> print(drawn(above("Lambda(x)", leaf("Ref(x)"))))
      Lambda(x)
      |
      Ref(x)
    """
    return [(0, label), (0, "|"), *below]


def between(label: str, left: Drawing, right: Drawing | None) -> Drawing:
    r"""Draws a node with two drawings below it, or with a left one alone.

    Examples:
      >>> print(drawn(between("Call", leaf("Ref(f)"), leaf("Ref(x)"))))
            Call
            /    \
      Ref(f)      Ref(x)
    """
    end = len(left[0][1])
    legs = "/"
    both = left
    if right is not None:
        both, start = _beside(left, right, len(label) + 2)
        legs = "/".ljust(start - end - 1) + "\\"
    lines = [(end + 1, label), (end, legs), *both]
    return [(column - end - 1, text) for column, text in lines]


def listed(items: Sequence[tuple[str | None, Drawing]]) -> Drawing:
    """Draws a list, whose items may have names.

    Examples:
      >>> print(drawn(listed([("a", leaf("Ref(x)")), (None, above("Sel(0)", leaf("Ref(y)")))])))
      [a=Ref(x), Sel(0)]
                 |
                 Ref(y)
    """
    if not items:
        return leaf("[]")
    whole: Drawing = leaf("[")
    for position, (name, drawing) in enumerate(items):
        last = position == len(items) - 1
        named = _around(f"{name}=" if name else "", drawing, "]" if last else ",")
        whole, _ = _beside(whole, named, 0 if position == 0 else 1)
    return whole


def drawn(drawing: Drawing) -> str:
    """Returns the text of a drawing."""
    left = min(column for column, _ in drawing)
    return "\n".join(" " * (column - left) + text.rstrip() for column, text in drawing)


def _around(before: str, drawing: Drawing, after: str) -> Drawing:
    (_, first), *rest = drawing
    shifted = [(column + len(before), text) for column, text in rest]
    return [(0, f"{before}{first}{after}"), *shifted]


def _beside(left: Drawing, right: Drawing, gap: int) -> tuple[Drawing, int]:
    """Puts two drawings side by side; returns the column at which the right one starts too."""
    start = len(left[0][1]) + gap
    for (column, text), (right_column, _) in zip(left[1:], right[1:], strict=False):
        start = max(start, column + len(text) + _GAP - right_column)
    lines: list[tuple[int, str]] = []
    for row in range(max(len(left), len(right))):
        if row >= len(right):
            lines.append(left[row])
        elif row >= len(left):
            column, text = right[row]
            lines.append((column + start, text))
        else:
            (column, text), (right_column, right_text) = left[row], right[row]
            lines.append((column, text.ljust(right_column + start - column) + right_text))
    return lines, start
