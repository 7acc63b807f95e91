"""How states and results are shown: as tables in notebooks, and as short texts at a prompt.

In a table arrays are told by their smallest, mean and largest element, never written out. Tensors
of a framework are read through NumPy, and only when the table is made.
"""

from __future__ import annotations

import html
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from tensorflow_federated.core import containers, dtypes

_MOST_ELEMENTS = 50
_LONGEST_ARRAY = 30
_LONGEST_TEXT = 60
_TABLE = "text-align:left;border-collapse:collapse"
_CELL = "text-align:left;padding:0.1em 1.2em 0.1em {indent}em;font-family:monospace"
_KIND = "opacity:0.65"


class _Row(NamedTuple):
    depth: int
    name: str
    kind: str
    summary: str


def to_html(value: Any, /) -> str:
    """Returns a structure as a table: a row for each element, with its type and a summary.

    Args:
      value: a structure, or a single value.

    Returns:
      HTML in which every text is escaped; there are neither scripts nor anything to be loaded.

    Examples:
      >>> import re
      >>> table = to_html({"weights": np.float32([[0, 1], [2, 3]]), "round": np.int32(7)})
      >>> print(re.sub("<[^>]*>", " ", table).split())
      ['dict', '2', 'elements', 'weights', 'float32[2,2]', 'min', '0', 'mean', '1.5', 'max', '3',
      'round', 'int32', '7']
    """
    rows = "".join(_row_html(row) for row in _rows(value, "", 0))
    return f'<table style="{_TABLE}"><tbody>{rows}</tbody></table>'


def to_text(value: Any, /) -> str:
    """Returns a structure with names as the call that makes it, with only the ends of long arrays.

    Args:
      value: a named tuple, attrs or dataclass instance.

    Returns:
      What `repr` gives, if all arrays in it are short.

    Examples:
      >>> from typing import NamedTuple
      >>> class State(NamedTuple):
      ...     weights: object
      ...     round: int
      >>> print(to_text(State(np.zeros([100]), 1)))
      State(weights=array([0., 0., 0., ..., 0., 0., 0.]...), round=1)
    """
    with np.printoptions(threshold=_LONGEST_ARRAY, edgeitems=3):
        elements = [f"{name}={element!r}" for name, element in containers.unpack(value) or ()]
    return f"{type(value).__name__}({', '.join(elements)})"


def _rows(value: Any, name: str, depth: int) -> Iterator[_Row]:
    elements = containers.unpack(value)
    if elements is None:
        yield _Row(depth, name, *_summarize(value))
        return
    count = len(elements)
    yield _Row(depth, name, type(value).__name__, f"{count} element{'' if count == 1 else 's'}")
    for position, (element_name, element) in enumerate(elements[:_MOST_ELEMENTS]):
        yield from _rows(element, element_name or f"[{position}]", depth + 1)
    if count > _MOST_ELEMENTS:
        yield _Row(depth + 1, "...", "", f"{count - _MOST_ELEMENTS} more")


def _row_html(row: _Row) -> str:
    cells = (
        f'<td style="{_CELL.format(indent=0.4 + 1.2 * row.depth)}">{html.escape(row.name)}</td>',
        f'<td style="{_CELL.format(indent=0.4)};{_KIND}">{html.escape(row.kind)}</td>',
        f'<td style="{_CELL.format(indent=0.4)}">{html.escape(row.summary)}</td>',
    )
    return f"<tr>{''.join(cells)}</tr>"


def _summarize(value: Any) -> tuple[str, str]:
    """The type of a single value in type notation, and what to tell about it."""
    if value is None or isinstance(value, (bool, int, float, complex, str, bytes)):
        return type(value).__name__, _shortened(repr(value))
    array = _read(value)
    if array is None:
        return type(value).__name__, ""
    name = dtypes.dtype_name(array.dtype) if array.dtype.kind not in "OSU" else "str"
    if array.ndim == 0:
        return name, _shortened(str(array[()]))
    return f"{name}[{','.join(str(size) for size in array.shape)}]", _summarize_array(array)


def _read(value: Any) -> np.ndarray[Any, Any] | None:
    """The array of a tensor of any framework; None if the value is no tensor."""
    if callable(getattr(value, "numpy", None)):
        return np.asarray(value.numpy())
    is_array = hasattr(value, "__array__") and isinstance(getattr(value, "dtype", None), np.dtype)
    return np.asarray(value) if is_array else None


def _summarize_array(array: np.ndarray[Any, Any]) -> str:
    if not array.size or array.dtype.kind in "OSU":
        return f"{array.size} elements"
    if array.dtype.kind == "b":
        return f"{int(array.sum())} of {array.size} true"
    if array.dtype.kind == "c":
        return f"mean {array.mean():.4g}"
    # bfloat16 and its like are no floats of NumPy, which cannot average them.
    numbers = array.astype(np.float64)
    is_nan = np.isnan(numbers)
    told = "all NaN"
    if not is_nan.all():
        known = numbers[~is_nan]
        with np.errstate(invalid="ignore"):
            told = f"min {known.min():.4g}  mean {known.mean():.4g}  max {known.max():.4g}"
        if is_nan.any():
            told += f"  {int(is_nan.sum())} NaN"
    return told


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST_TEXT else f"{text[: _LONGEST_TEXT - 3]}..."
