"""The Python containers that tests of structures are about: one of each kind."""

from __future__ import annotations

import collections
import dataclasses
from typing import Any, NamedTuple

import attrs


class Point(NamedTuple):
    x: Any
    y: Any


@attrs.define
class Attrs:
    x: Any
    y: Any


@dataclasses.dataclass
class Data:
    x: Any
    y: Any


VALUES = [
    {"x": 1, "y": 2},
    collections.OrderedDict(x=1, y=2),
    [1, 2],
    (1, 2),
    Point(1, 2),
    Attrs(1, 2),
    Data(1, 2),
]
"""The numbers 1 and 2 in each of them."""
