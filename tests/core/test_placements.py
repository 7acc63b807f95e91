"""The two placements."""

from __future__ import annotations

import copy
import pickle

import pytest

from tensorflow_federated.core import errors, placements


def test_print_and_repr():
    assert str(placements.CLIENTS) == "CLIENTS"
    assert repr(placements.SERVER) == "PlacementLiteral('server')"


def test_all_equal_is_the_default_only_at_the_server():
    assert placements.SERVER.default_all_equal
    assert not placements.CLIENTS.default_all_equal


def test_equal_by_uri():
    other = placements.PlacementLiteral("CLIENTS", "clients", False, "Another text.")
    assert other == placements.CLIENTS
    assert hash(other) == hash(placements.CLIENTS)


def test_placements_differ():
    assert placements.CLIENTS != placements.SERVER


def test_a_string_is_no_placement():
    assert placements.CLIENTS != "clients"


def test_cannot_be_changed():
    with pytest.raises(AttributeError, match="cannot be changed"):
        placements.CLIENTS.name = "SERVER"


@pytest.mark.parametrize("placement", [placements.CLIENTS, placements.SERVER])
def test_copies_are_equal(placement: placements.PlacementLiteral):
    assert pickle.loads(pickle.dumps(placement)) == placement
    assert copy.deepcopy(placement) == placement


def test_found_by_uri():
    assert placements.uri_to_placement_literal("server") is placements.SERVER


def test_unknown_uri_lists_the_known_ones():
    with pytest.raises(errors.PlacementError, match="use one of 'clients', 'server'"):
        placements.uri_to_placement_literal("edge")
