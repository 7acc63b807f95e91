"""Structures come in as Python containers and go out as the same."""

from __future__ import annotations

import collections

import numpy as np
import pytest

from tensorflow_federated.core import containers, structure, type_inference
from tensorflow_federated.core.types import StructType

from . import example_containers


@pytest.mark.parametrize("value", example_containers.VALUES, ids=lambda value: type(value).__name__)
def test_unpacking_and_packing_gives_the_same(value):
    elements = containers.unpack(value)
    assert elements is not None
    packed = containers.pack(type_inference.infer_type(value), [element for _, element in elements])
    assert packed == value
    assert type(packed) is type(value)


@pytest.mark.parametrize("value", [1, "text", b"bytes", np.zeros(3), None, int])
def test_what_is_no_structure_is_not_unpacked(value):
    assert containers.unpack(value) is None
    assert containers.container_of(value) is None


@pytest.mark.parametrize(
    ("struct_type", "expected"),
    [
        (StructType([("a", np.int32), ("b", np.int32)]), collections.OrderedDict(a=1, b=2)),
        (StructType([np.int32, np.int32]), (1, 2)),
        (
            StructType([np.int32, ("b", np.int32)]),
            structure.Struct([(None, 1), ("b", 2)]),
        ),
    ],
)
def test_without_a_container_the_names_decide(struct_type, expected):
    assert containers.pack(struct_type, [1, 2]) == expected


def test_empty_structures():
    assert containers.pack(StructType([]), []) == ()
    assert containers.unpack([]) == []
