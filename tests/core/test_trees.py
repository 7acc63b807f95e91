"""Structures of arrays: their leaves, and functions of these."""

from __future__ import annotations

import pytest

from tensorflow_federated.core import errors, structure, trees

from . import example_containers
from .example_containers import Point

CONTAINERS = [*example_containers.VALUES, structure.Struct([("x", 1), (None, 2)])]


@pytest.mark.parametrize("tree", CONTAINERS, ids=lambda tree: type(tree).__name__)
def test_mapping_keeps_the_container(tree):
    doubled = trees.map_structure(lambda leaf: 2 * leaf, tree)
    assert type(doubled) is type(tree)
    assert trees.leaves(doubled) == [2, 4]


@pytest.mark.parametrize("tree", CONTAINERS, ids=lambda tree: type(tree).__name__)
def test_packing_the_leaves_of_a_structure_gives_it_back(tree):
    assert trees.pack_like(tree, trees.leaves(tree)) == tree


def test_leaves_come_in_order_from_any_depth():
    assert trees.leaves([1, {"a": (2, 3), "b": []}, 4]) == [1, 2, 3, 4]


def test_none_is_a_leaf():
    tree = {"a": None, "b": 1}
    assert trees.leaves(tree) == [None, 1]
    assert trees.map_structure(lambda leaf: leaf is None, tree) == {"a": True, "b": False}


def test_a_single_leaf_is_a_structure():
    assert trees.map_structure(lambda x, y: x + y, 1, 2) == 3
    assert trees.pack_like(0, [5]) == 5


def test_named_elements_are_matched_by_name():
    first, second = {"a": 1, "b": 2}, {"b": 20, "a": 10}
    assert trees.map_structure(lambda x, y: x + y, first, second) == {"a": 11, "b": 22}


def test_the_first_structure_gives_the_containers():
    assert trees.map_structure(lambda x, y: x + y, Point(1, 2), {"x": 3, "y": 4}) == Point(4, 6)


@pytest.mark.parametrize(
    "other", [{"a": 1}, {"a": {"b": 1}, "c": 2}, {"a": 1, "b": [2]}, [1, 2], 1]
)
def test_structures_of_other_forms_are_refused(other):
    with pytest.raises(errors.StructureError, match="different forms"):
        trees.map_structure(lambda x, y: x, {"a": 1, "b": 2}, other)


def test_the_error_tells_where_structures_differ():
    with pytest.raises(errors.StructureError, match=r"structure 1 at \.a\[1\]"):
        trees.map_structure(lambda x, y: x, {"a": [1, 2]}, {"a": [1, (2, 3)]})


@pytest.mark.parametrize("leaves", [[1], [1, 2, 3]])
def test_packing_needs_as_many_leaves(leaves):
    with pytest.raises(errors.StructureError, match="expected 2, got"):
        trees.pack_like({"a": 0, "b": 0}, leaves)
