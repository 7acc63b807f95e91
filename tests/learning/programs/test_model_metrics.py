"""A part of metrics is moved to the top, and all else stays."""

from __future__ import annotations

import collections

import pytest

import tensorflow_federated as tff

extract = tff.learning.programs.extract_and_rewrap_metrics


# Source: TFF 0.87.
@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (("a", "b"), {"a": {"d": 2}, "model_metrics": {"x": 1}}),
        (("a",), {"model_metrics": {"b": {"x": 1}, "d": 2}}),
        (("a", "d"), {"a": {"b": {"x": 1}}, "model_metrics": 2}),
    ],
)
def test_a_part_is_moved_to_the_top(path, expected):
    metrics = {"a": {"b": {"x": 1}, "d": 2}}
    assert extract(metrics, path=path) == expected
    assert metrics == {"a": {"b": {"x": 1}, "d": 2}}


def test_containers_and_orders_stay():
    metrics = collections.OrderedDict(b=1, a=collections.OrderedDict(y=2, x=3))
    moved = extract(metrics, path=["a", "y"])
    assert moved == collections.OrderedDict(b=1, a=collections.OrderedDict(x=3), model_metrics=2)
    assert type(moved["a"]) is collections.OrderedDict


@pytest.mark.parametrize(
    ("name", "path", "builtin"),
    [
        ("missing", ("a", "c"), KeyError),
        ("missing at the top", ("c",), KeyError),
        ("behind a leaf", ("a", "b", "c"), KeyError),
        ("nothing", (), ValueError),
    ],
)
def test_a_mistake_says_what_is_there(name, path, builtin, golden):
    with pytest.raises(builtin) as caught:
        extract({"a": {"b": 1}}, path=path)
    golden.check(name, str(caught.value))
