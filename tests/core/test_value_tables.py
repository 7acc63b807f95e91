"""What notebooks show of values, types and computations."""

from __future__ import annotations

import collections
from typing import NamedTuple
from xml.etree import ElementTree

import ml_dtypes
import numpy as np
import pytest

import tensorflow_federated as tff
from tensorflow_federated.core import value_tables


class Weights(NamedTuple):
    kernel: object
    bias: object


def rows(page: str) -> list[tuple[str, ...]]:
    """The texts of the cells of a table; parsing it shows that it is well formed."""
    table = ElementTree.fromstring(page)
    return [tuple("".join(cell.itertext()) for cell in row) for row in table.iter("tr")]


@pytest.mark.parametrize(
    ("value", "kind", "summary"),
    [
        (3, "int", "3"),
        (True, "bool", "True"),
        (None, "NoneType", "None"),
        ("text", "str", "'text'"),
        (b"bytes", "bytes", "b'bytes'"),
        (np.float32(0.5), "float32", "0.5"),
        (np.float32([0, 1, 5]), "float32[3]", "min 0  mean 2  max 5"),
        (np.float32([np.nan, 1]), "float32[2]", "min 1  mean 1  max 1  1 NaN"),
        (np.float32([np.nan]), "float32[1]", "all NaN"),
        (np.array([1, 2], ml_dtypes.bfloat16), "bfloat16[2]", "min 1  mean 1.5  max 2"),
        (np.array([True, False, True]), "bool[3]", "2 of 3 true"),
        (np.complex64([1, 3j]), "complex64[2]", "mean 0.5+1.5j"),
        (np.zeros([0, 2]), "float64[0,2]", "0 elements"),
        (np.array([b"a", b"bc"], object), "str[2]", "2 elements"),
        (object(), "object", ""),
    ],
)
def test_single_value(value, kind, summary):
    assert rows(value_tables.to_html(value)) == [("", kind, summary)]


def test_infinite_numbers_have_no_mean():
    [(_, _, summary)] = rows(value_tables.to_html(np.float32([-np.inf, np.inf])))
    assert summary == "min -inf  mean nan  max inf"


def test_structure_has_a_row_for_each_element():
    value = collections.OrderedDict(weights=Weights(np.zeros([2]), 1), rounds=[3])
    assert rows(value_tables.to_html(value)) == [
        ("", "OrderedDict", "2 elements"),
        ("weights", "Weights", "2 elements"),
        ("kernel", "float64[2]", "min 0  mean 0  max 0"),
        ("bias", "int", "1"),
        ("rounds", "list", "1 element"),
        ("[0]", "int", "3"),
    ]


def test_long_structure_is_cut():
    shown = rows(value_tables.to_html(list(range(1000))))
    assert len(shown) == 52
    assert shown[-1] == ("...", "", "950 more")


def test_long_text_is_cut():
    [(_, _, summary)] = rows(value_tables.to_html("x" * 1000))
    assert len(summary) == 60


def test_names_and_texts_are_escaped():
    page = value_tables.to_html({"<b>": "<script>alert(1)</script>"})
    assert "<b>" not in page
    assert "<script>" not in page
    assert rows(page)[1] == ("<b>", "str", "'<script>alert(1)</script>'")


def test_tensors_of_both_frameworks_are_read():
    jnp = pytest.importorskip("jax.numpy")
    tf = pytest.importorskip("tensorflow")
    for tensor in (jnp.arange(3), tf.range(3), tf.Variable([0, 1, 2])):
        assert rows(value_tables.to_html(tensor)) == [("", "int32[3]", "min 0  mean 1  max 2")]


@pytest.mark.parametrize(
    "value",
    [
        tff.learning.models.ModelWeights([np.zeros([2])], []),
        tff.learning.templates.LearningAlgorithmState(np.zeros([2]), (), (), (), ()),
        tff.learning.templates.LearningProcessOutput(np.zeros([2]), {}),
        tff.templates.MeasuredProcessOutput(np.zeros([2]), 1, ()),
    ],
    ids=lambda value: type(value).__name__,
)
def test_states_and_outputs_show_themselves(value):
    kinds = [kind for _, kind, _ in rows(value._repr_html_())]
    assert kinds[0] == type(value).__name__
    assert "float64[2]" in kinds


def test_type_shows_its_formatted_form():
    shown = tff.to_type(
        [("<b>", np.int32), ("x", tff.FederatedType((np.float32, [2]), tff.CLIENTS))]
    )
    element = ElementTree.fromstring(shown._repr_html_())
    assert "".join(element.itertext()) == shown.formatted_representation()
    assert "<b>" not in shown._repr_html_()


def test_computation_shows_name_and_type():
    @tff.jax.computation(np.float32)
    def half(x):
        return x / 2

    page = "".join(ElementTree.fromstring(half._repr_html_()).itertext())
    assert "computation half" in page
    assert "(float32 -> float32)" in page
    assert "tff.explain" in page


def test_polymorphic_computation_shows_its_name():
    @tff.jax.computation
    def half(x):
        return x / 2

    page = "".join(ElementTree.fromstring(half._repr_html_()).itertext())
    assert "polymorphic computation half" in page


def test_process_shows_the_types_of_its_computations():
    process = tff.aggregators.SumFactory().create(tff.to_type(np.int32))
    page = ElementTree.fromstring(f"<div>{process._repr_html_()}</div>")
    text = "".join(page.itertext())
    assert "AggregationProcess.initialize" in text
    assert process.next.type_signature.formatted_representation() in text


@pytest.mark.parametrize(
    "value",
    [
        tff.learning.models.ModelWeights([np.zeros([64, 10])], [np.zeros([1000])]),
        tff.learning.templates.LearningAlgorithmState(np.zeros([900]), (), (), (), ()),
        tff.learning.templates.LearningProcessOutput(np.zeros([30, 30]), {}),
        tff.templates.MeasuredProcessOutput(np.zeros([900]), 1, ()),
    ],
    ids=lambda value: type(value).__name__,
)
def test_states_and_outputs_are_short_at_a_prompt(value):
    assert len(repr(value).splitlines()) < 10


def test_short_state_is_written_out():
    state = tff.learning.models.ModelWeights([np.float32([1, 2])], [])
    assert repr(state) == (
        "ModelWeights(trainable=[array([1., 2.], dtype=float32)], non_trainable=[])"
    )
