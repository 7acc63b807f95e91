"""`tff.structure`: structs and the functions on them."""

from __future__ import annotations

import collections
import copy
import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tensorflow_federated.core import errors, structure, types
from tensorflow_federated.core.structure import Struct

from .example_containers import Attrs, Data, Point

MIXED: Struct[Any] = Struct([("a", 1), (None, 2), ("c", 3)])
NESTED: Struct[Any] = Struct([("a", 1), ("b", Struct([(None, 2), (None, 3)]))])


def _trees() -> st.SearchStrategy[Struct[Any]]:
    def structs(elements: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        names = st.none() | st.sampled_from(["a", "b", "c"])
        pairs = st.lists(
            st.tuples(names, elements), max_size=3, unique_by=lambda pair: pair[0] or object()
        )
        return pairs.map(Struct)

    leaves: st.SearchStrategy[Any] = st.integers() | st.text(max_size=2) | st.none()
    return structs(st.recursive(leaves, structs, max_leaves=8))


def test_elements_by_name_and_position():
    assert (MIXED.a, MIXED["c"], MIXED[1], MIXED[-1], MIXED[0:2]) == (1, 3, 2, 3, (1, 2))


def test_length_iteration_and_membership():
    assert len(MIXED) == 3
    assert list(MIXED) == [1, 2, 3]
    assert 3 in MIXED
    assert "a" not in MIXED


def test_names_are_listed_by_dir():
    assert dir(MIXED) == ["a", "c"]


def test_print():
    assert str(MIXED) == "<a=1,2,c=3>"
    assert repr(MIXED) == "Struct([('a', 1), (None, 2), ('c', 3)])"


def test_equality_compares_names_and_elements():
    assert Struct([("a", 1), (None, 2), ("c", 3)]) == MIXED
    assert Struct([("a", 1), (None, 2), ("d", 3)]) != MIXED
    assert Struct.unnamed(1) != (1,)


def test_equal_structs_have_equal_hashes():
    assert hash(Struct([("a", 1), (None, 2), ("c", 3)])) == hash(MIXED)


def test_equality_is_decided_even_with_a_shared_array():
    array = np.array([1, 2])
    assert Struct.unnamed(array) == Struct.unnamed(array)


def test_constructors_by_keyword():
    assert str(Struct.unnamed(1, 2)) == "<1,2>"
    assert str(Struct.named(x=1, y=2)) == "<x=1,y=2>"


def test_name_twice_is_an_error():
    with pytest.raises(errors.StructureError, match="`a` is there twice"):
        Struct([("a", 1), ("a", 2)])


def test_reserved_name_is_an_error():
    with pytest.raises(errors.StructureError, match="reserved"):
        Struct([("_asdict", 1)])


@pytest.mark.parametrize("elements", [[("a", 1), 2], [(3, 1)], {"a": 1}, None], ids=repr)
def test_built_from_pairs_only(elements: Any):
    with pytest.raises(errors.ArgumentError):
        Struct(elements)


def test_missing_name_lists_the_names_and_the_nearest():
    struct: Struct[Any] = Struct.named(weights=1, bias=2)
    with pytest.raises(errors.ElementNameError) as caught:
        _ = struct.weight
    assert caught.value.problems == ("names: weights, bias",)
    assert caught.value.fix == "did you mean `weights`?"


def test_missing_name_is_an_attribute_error():
    assert not hasattr(MIXED, "zz")


def test_missing_position_is_an_index_error():
    with pytest.raises(IndexError, match="no element 3"):
        _ = MIXED[3]


def test_cannot_be_changed():
    with pytest.raises(AttributeError, match="cannot be changed"):
        MIXED.a = 3
    with pytest.raises(AttributeError, match="cannot be changed"):
        del MIXED.a


@given(_trees())
def test_copies_are_equal(tree: Struct[Any]):
    assert copy.deepcopy(tree) == tree
    assert copy.copy(tree) == tree
    assert pickle.loads(pickle.dumps(tree)) == tree


def test_elements_and_names():
    pairs = [("a", 1), (None, 2), ("c", 3)]
    assert structure.to_elements(MIXED) == pairs
    assert list(structure.iter_elements(MIXED)) == pairs
    assert structure.name_list(MIXED) == ["a", "c"]
    assert structure.name_list_with_nones(MIXED) == ["a", None, "c"]
    assert structure.name_to_index_map(MIXED) == {"a": 0, "c": 2}
    assert structure.has_field(MIXED, "a")
    assert not structure.has_field(MIXED, "q")


@pytest.mark.parametrize(
    "function",
    [
        structure.to_elements,
        structure.iter_elements,
        structure.name_list,
        structure.name_list_with_nones,
        structure.name_to_index_map,
        structure.to_odict,
        structure.to_odict_or_tuple,
    ],
)
def test_functions_on_structs_refuse_other_objects(function: Any):
    with pytest.raises(errors.TypeMismatchError, match="from_container"):
        function([1])


def test_functions_work_on_struct_types():
    struct_type = types.StructType([("a", np.int32), np.float32])
    assert structure.name_list(struct_type) == ["a"]
    assert [str(leaf) for leaf in structure.flatten(struct_type)] == ["int32", "float32"]


def test_flatten_and_pack():
    assert structure.flatten(NESTED) == [1, 2, 3]
    assert str(structure.pack_sequence_as(NESTED, [7, 8, 9])) == "<a=7,b=<8,9>>"


@given(_trees())
def test_pack_is_the_inverse_of_flatten(tree: Struct[Any]):
    assert structure.pack_sequence_as(tree, structure.flatten(tree)) == tree


def test_pack_of_a_leaf():
    assert structure.pack_sequence_as(3, [1]) == 1


@pytest.mark.parametrize(
    ("leaves", "error"),
    [([1, 2], errors.ElementIndexError), ([1, 2, 3, 4], errors.StructureError)],
)
def test_pack_needs_as_many_leaves(leaves: list[int], error: type[Exception]):
    with pytest.raises(error, match="3 leaves"):
        structure.pack_sequence_as(NESTED, leaves)


def test_pack_fills_structs_only():
    with pytest.raises(errors.TypeMismatchError, match="not into Python containers"):
        structure.pack_sequence_as(Struct.unnamed([1, 2]), [3, 4])


def test_flatten_looks_into_containers():
    nested = Struct.named(a=[1, (2,)], b=collections.OrderedDict(z=3, y=Struct.unnamed(4)))
    assert structure.flatten(nested) == [1, 2, 4, 3]


def test_map_structure_of_containers_keeps_them():
    first = collections.OrderedDict(z=[1], y=(2, None))
    second = {"y": (20, 5), "z": [10]}
    assert structure.map_structure(lambda x, y: (x, y), first, second) == (
        collections.OrderedDict(z=[(1, 10)], y=((2, 20), (None, 5)))
    )


def test_lists_and_tuples_are_different_structures():
    assert not structure.is_same_structure(Struct.unnamed((1, 2)), Struct.unnamed([1, 2]))


def test_a_struct_is_its_own_container():
    type_signature = types.to_type([np.int32])
    assert structure.from_container(type_signature) is type_signature


@pytest.mark.parametrize("container", [Struct.named(a=1), {"a": 1}])
def test_update_of_an_unknown_name_is_a_key_error(container: Any):
    with pytest.raises(KeyError) as caught:
        structure.update_struct(container, b=2)
    assert type(caught.value).__name__ == "KeyError"


def test_map_structure():
    assert str(structure.map_structure(lambda x, y: x + y, MIXED, MIXED)) == "<a=2,4,c=6>"
    assert structure.map_structure(lambda x: -x, 3) == -3


def test_map_structure_refuses_different_structures():
    with pytest.raises(errors.TypeMismatchError) as caught:
        structure.map_structure(lambda x, y: x, MIXED, Struct.unnamed(1))
    assert caught.value.problems == ("structures[0]: <a=1,2,c=3>", "structures[1]: <1>")


def test_map_structure_needs_a_structure():
    with pytest.raises(ValueError, match="at least one"):
        structure.map_structure(lambda: 1)


@given(_trees())
def test_mapping_keeps_the_structure(tree: Struct[Any]):
    assert structure.is_same_structure(tree, structure.map_structure(repr, tree))


def test_same_structure_ignores_leaves():
    assert structure.is_same_structure(MIXED, Struct([("a", 9), (None, 8), ("c", 7)]))
    assert not structure.is_same_structure(MIXED, Struct.unnamed(1, 2, 3))
    assert not structure.is_same_structure(Struct.unnamed(1), Struct.unnamed(Struct.unnamed(1)))


@pytest.mark.parametrize(("a", "b"), [([1], [1, 2]), ({"a": 1}, {"b": 1}), ([1], 1), ({}, [])])
def test_same_structure_looks_into_containers(a: object, b: object):
    assert not structure.is_same_structure(Struct.unnamed(a), Struct.unnamed(b))
    assert structure.is_same_structure(Struct.unnamed(a), Struct.unnamed(a))


@pytest.mark.parametrize(
    ("container", "expected"),
    [
        ((1, [2]), "<1,[2]>"),
        ([1, [2]], "<1,[2]>"),
        ({"b": 1, "a": [2]}, "<b=1,a=[2]>"),
        (Point(1, 2), "<x=1,y=2>"),
        (Attrs(1, 2), "<x=1,y=2>"),
        (Data(1, 2), "<x=1,y=2>"),
        (MIXED, "<a=1,2,c=3>"),
    ],
)
def test_from_container(container: object, expected: str):
    assert str(structure.from_container(container)) == expected


def test_from_container_recursive():
    value = collections.OrderedDict(b=1, a=(1, {"z": Point(3, 4)}), s="text")
    converted = structure.from_container(value, recursive=True)
    assert str(converted) == "<b=1,a=<1,<z=<x=3,y=4>>>,s=text>"


def test_from_container_refuses_a_leaf():
    with pytest.raises(errors.TypeMismatchError, match="no container"):
        structure.from_container(3)


def test_to_odict():
    assert structure.to_odict(Struct.named(x=1, y=2)) == collections.OrderedDict(x=1, y=2)
    nested: Struct[Any] = Struct.named(a=Struct.named(b=1))
    assert structure.to_odict(nested)["a"] == Struct.named(b=1)
    assert structure.to_odict(nested, recursive=True) == {"a": {"b": 1}}


def test_to_odict_needs_names():
    with pytest.raises(errors.StructureError, match="unnamed"):
        structure.to_odict(MIXED)
    with pytest.raises(errors.StructureError, match="unnamed"):
        structure.to_odict(Struct.named(a=Struct.unnamed(1)), recursive=True)


def test_to_odict_or_tuple():
    value: Struct[Any] = Struct.unnamed(1, Struct.named(a=2))
    assert structure.to_odict_or_tuple(value) == (1, {"a": 2})
    assert structure.to_odict_or_tuple(value, recursive=False) == (1, Struct.named(a=2))
    assert structure.to_odict_or_tuple(Struct([])) == ()


def test_to_odict_or_tuple_refuses_a_mixture():
    with pytest.raises(errors.StructureError, match="named and unnamed"):
        structure.to_odict_or_tuple(MIXED)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Struct.named(x=1, y=2), Struct.named(x=5, y=2)),
        ({"x": 1, "y": 2}, {"x": 5, "y": 2}),
        (collections.OrderedDict(x=1, y=2), collections.OrderedDict(x=5, y=2)),
        (collections.defaultdict(int, x=1, y=2), collections.defaultdict(int, x=5, y=2)),
        (Point(1, 2), Point(5, 2)),
        (Attrs(1, 2), Attrs(5, 2)),
        (Data(1, 2), Data(5, 2)),
    ],
)
def test_update_struct(value: Any, expected: Any):
    updated = structure.update_struct(value, x=5)
    assert updated == expected
    assert type(updated) is type(value)


def test_update_struct_keeps_unnamed_elements():
    assert str(structure.update_struct(MIXED, c=9)) == "<a=1,2,c=9>"


def test_update_struct_needs_known_names():
    with pytest.raises(KeyError, match="unknown: q"):
        structure.update_struct({"x": 1}, q=1)


def test_update_struct_needs_names():
    with pytest.raises(errors.TypeMismatchError, match="no named elements"):
        structure.update_struct([1], q=1)
