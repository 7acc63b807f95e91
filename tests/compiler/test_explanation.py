"""`tff.explain`: what it tells of programs, and how it is shown."""

from __future__ import annotations

import collections
import contextlib
import io
import re
from collections.abc import Callable
from xml.etree import ElementTree

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

import tensorflow_federated as tff
from tensorflow_federated.core import computations, ir, local_intrinsics

WEIGHTS = collections.OrderedDict(kernel=(np.float32, [2]), bias=np.float32)
BATCHES = tff.SequenceType(
    collections.OrderedDict(x=(np.float32, [None, 2]), y=(np.float32, [None]))
)
FLOAT_CLIENTS = tff.FederatedType(np.float32, tff.CLIENTS)
FLOAT_SERVER = tff.FederatedType(np.float32, tff.SERVER)


@tff.jax.computation(np.float32, np.float32)
def subtract(x, y):
    return x - y


@tff.jax.computation(np.float32, np.float32)
def add(x, y):
    return x + y


@tff.jax.computation(np.float32)
def double(x):
    return 2 * x


@tff.federated_computation(FLOAT_SERVER, FLOAT_CLIENTS)
def mean_deviation(expected, readings):
    deviations = tff.federated_map(subtract, (readings, tff.federated_broadcast(expected)))
    return tff.federated_mean(deviations)


@tff.federated_computation(FLOAT_CLIENTS)
def fold(readings):
    return tff.federated_aggregate(readings, 0.0, add, add, double)


@tff.jax.computation(WEIGHTS, BATCHES.element)
def train_on_batch(weights, batch):
    residual = batch["x"] @ weights["kernel"] + weights["bias"] - batch["y"]
    return collections.OrderedDict(
        kernel=weights["kernel"] - 0.1 * batch["x"].T @ residual,
        bias=weights["bias"] - 0.1 * residual.sum(),
    )


@tff.jax.computation(np.float32, BATCHES.element)
def count_examples(count, batch):
    return count + batch["y"].shape[0]


@tff.federated_computation(WEIGHTS, BATCHES)
def train(weights, batches):
    trained = tff.sequence_reduce(batches, weights, train_on_batch)
    return trained, tff.sequence_reduce(batches, 0.0, count_examples)


@tff.federated_computation(
    tff.FederatedType(WEIGHTS, tff.SERVER), tff.FederatedType(BATCHES, tff.CLIENTS)
)
def federated_averaging(weights, data):
    at_clients = tff.federated_broadcast(weights)
    trained, examples = tff.federated_map(train, (at_clients, data))
    return tff.federated_mean(trained, examples)


@tff.jax.computation((np.float32, [4, 2]), np.int32)
def row(table, key):
    return table[key]


@tff.federated_computation(tff.SequenceType((np.float32, [2])))
def total(rows):
    return tff.sequence_sum(rows)


@tff.federated_computation(
    tff.FederatedType((np.float32, [4, 2]), tff.SERVER),
    tff.FederatedType((np.int32, [3]), tff.CLIENTS),
)
def select_and_aggregate(table, keys):
    number_of_rows = tff.federated_value(np.int32(4), tff.SERVER)
    rows = tff.federated_select(keys, number_of_rows, table, row)
    average = tff.federated_mean(tff.federated_map(total, rows))
    return average, tff.federated_secure_sum_bitwidth(keys, 2), tff.federated_max(keys)


PROGRAMS = {
    "the mean of what the clients make of a broadcast": mean_deviation,
    "a fold": fold,
    "federated averaging": federated_averaging,
    "a selection, a secure sum and a maximum": select_and_aggregate,
    "a local computation": double,
}


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture(autouse=True)
def colourful(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")


def in_terminal(action: Callable[[], object]) -> str:
    """What an action prints to a terminal, and then returns if it is a text."""
    stream = Terminal()
    with contextlib.redirect_stdout(stream):
        returned = action()
    return stream.getvalue() + (returned if isinstance(returned, str) else "")


def uncoloured(text: str) -> str:
    return re.sub(r"\x1b\[[\d;]*m", "", text)


@pytest.mark.parametrize("name", PROGRAMS)
def test_text(name, golden):
    golden.check(name, str(tff.explain(PROGRAMS[name])))


@pytest.mark.parametrize("name", PROGRAMS)
def test_explaining_twice_gives_the_same(name):
    first, second = tff.explain(PROGRAMS[name]), tff.explain(PROGRAMS[name])
    assert str(first) == str(second)
    assert first._repr_html_() == second._repr_html_()


def test_parts_are_in_the_text():
    explanation = tff.explain(mean_deviation)
    assert explanation.name == "mean_deviation"
    assert explanation.type_signature == mean_deviation.type_signature
    assert explanation.written in str(explanation)
    assert explanation.plan in str(explanation)
    names = [name for name, _ in explanation.passes]
    assert "write means as sums" in names
    assert explanation.passes[0][1] in str(explanation)


def test_pass_that_changes_nothing_says_so():
    explanation = tff.explain(fold)
    changed = [
        after != before
        for (_, before), (_, after) in zip(explanation.passes, explanation.passes[1:], strict=False)
    ]
    assert not all(changed)
    assert str(explanation).count("no change") == changed.count(False)


def test_transfers_name_type_and_size():
    explanation = tff.explain(federated_averaging)
    [received] = explanation.sent_to_clients
    assert str(received.type_signature) == "<kernel=float32[2],bias=float32>"
    assert received.size_in_bytes == 12
    assert received.aggregation is None
    [sent] = explanation.sent_by_clients
    assert sent.size_in_bytes == 16
    assert sent.aggregation == "a sum, in plain text, for federated_weighted_mean"


def test_secure_protocol_is_told_to_be_simulated():
    explanation = tff.explain(select_and_aggregate)
    told = [sent.aggregation for sent in explanation.sent_by_clients]
    assert (
        "federated_secure_sum_bitwidth, a secure protocol that is simulated in plain text" in told
    )


def test_value_to_select_from_is_told_to_be_sent_as_a_whole():
    explanation = tff.explain(select_and_aggregate)
    [sent] = explanation.sent_to_clients
    assert sent.size_in_bytes == 32
    assert "federated_select: a simulation sends all" in explanation.plan


def test_size_that_the_type_does_not_say_is_not_guessed():
    @tff.federated_computation(tff.FederatedType((np.float32, [None]), tff.SERVER), FLOAT_CLIENTS)
    def count(x, y):
        size = tff.jax.computation(lambda x, y: y + x.shape[0], (np.float32, [None]), np.float32)
        return tff.federated_sum(tff.federated_map(size, (tff.federated_broadcast(x), y)))

    [sent] = tff.explain(count).sent_to_clients
    assert sent.size_in_bytes is None
    assert "bytes not known before the call" in tff.explain(count).plan


def test_result_that_every_client_has_is_sent():
    @tff.federated_computation(FLOAT_SERVER)
    def send(x):
        return tff.federated_broadcast(x)

    [sent] = tff.explain(send).sent_to_clients
    assert sent.size_in_bytes == 4
    assert "sent to every client" in tff.explain(send).plan


def test_argument_that_every_client_has_is_not_sent():
    @tff.federated_computation(tff.FederatedType(WEIGHTS, tff.CLIENTS, True), FLOAT_CLIENTS)
    def shift(weights, readings):
        bias = tff.federated_map(tff.jax.computation(lambda w: w["bias"], WEIGHTS), weights)
        return tff.federated_sum(tff.federated_map(add, (bias, readings))), weights

    assert tff.explain(shift).sent_to_clients == ()


def test_local_computation_says_its_back_end():
    assert "double, a local computation of jax" in str(tff.explain(double))
    assert "comp#double:jax" in tff.explain(double).written
    assert tff.explain(double).sent_by_clients == ()


def test_program_that_only_passes_its_argument_on():
    @tff.federated_computation(FLOAT_CLIENTS)
    def same(x):
        return x

    assert "nothing leaves" in tff.explain(same).plan


def test_functional_parameter_is_given_at_the_call(golden):
    @tff.federated_computation(tff.FunctionType(np.float32, np.float32), np.float32)
    def apply(function, x):
        return function(x)

    golden.check("functional parameter", str(tff.explain(apply)))


def test_program_with_an_unbound_name_says_so():
    number = tff.to_type(np.int32)
    program = ir.Lambda("x", number, ir.Reference("y", number))
    explanation = tff.explain(computations.ConcreteComputation(program, "open"))
    assert explanation.plan == "There is no plan: the program does not say what y is."


def test_program_that_cannot_run_says_why(golden):
    @tff.federated_computation
    def draw():
        return local_intrinsics.random_key()

    golden.check("no plan", tff.explain(draw).plan)


def test_text_has_no_colour_in_a_terminal():
    assert "\x1b" not in in_terminal(lambda: str(tff.explain(fold)))


def test_prompt_shows_colour_in_a_terminal():
    shown = in_terminal(lambda: repr(tff.explain(fold)))
    assert "\x1b[" in shown
    assert uncoloured(shown) == str(tff.explain(fold))


def test_prompt_shows_plain_text_elsewhere():
    assert repr(tff.explain(fold)) == str(tff.explain(fold))


def test_show_prints_colour_to_a_terminal():
    shown = in_terminal(lambda: tff.explain(fold).show())
    assert "\x1b[" in shown
    assert uncoloured(shown) == f"{tff.explain(fold)}\n"


def test_show_prints_plain_text_to_a_file():
    file = io.StringIO()
    assert in_terminal(lambda: tff.explain(fold).show(file)) == ""
    assert file.getvalue() == f"{tff.explain(fold)}\n"


def test_no_color_is_respected(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    assert in_terminal(lambda: repr(tff.explain(fold))) == str(tff.explain(fold))


def test_what_leaves_a_client_stands_out():
    shown = in_terminal(lambda: repr(tff.explain(mean_deviation)))
    [leaving] = [line for line in shown.splitlines() if "sends  " in line]
    assert "\x1b[1;31m" in leaving


def test_ipython_terminal_shows_the_text():
    class Printer:
        def __init__(self):
            self.shown = ""

        def text(self, text):
            self.shown += text

    printer = Printer()
    tff.explain(fold)._repr_pretty_(printer, False)
    assert printer.shown == str(tff.explain(fold))


@pytest.mark.parametrize("name", PROGRAMS)
def test_html_has_a_section_for_each_part(name):
    explanation = tff.explain(PROGRAMS[name])
    page = ElementTree.fromstring(f"<div>{explanation._repr_html_()}</div>")
    titles = ["".join(title.itertext()) for title in page.iter("summary")]
    assert titles[1] == "As written"
    assert titles[-1] == "Plan"
    assert len(titles) == 3 + len(explanation.passes)
    assert explanation.plan in ["".join(each.itertext()) for each in page.iter("pre")]


def test_html_loads_and_runs_nothing():
    page = tff.explain(federated_averaging)._repr_html_()
    assert set(re.findall(r"<(\w+)", page)) == {"details", "summary", "b", "pre", "span"}
    assert set(re.findall(r'(\w+)="', page)) == {"open", "style"}


def test_html_escapes_names():
    @tff.federated_computation(tff.FederatedType([("<script>", np.float32)], tff.CLIENTS))
    def total(x):
        return tff.federated_sum(x)

    page = tff.explain(total)._repr_html_()
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["map", "combine", "broadcast", "sum", "mean", "max", "fold", "apply"]),
        st.integers(0, 9),
    ),
    max_size=8,
)


@hypothesis.given(STEPS)
@hypothesis.settings(max_examples=50)
def test_any_program_is_explained(steps):
    def program(start, data):
        at_server, at_clients = [start], [data]
        for operation, index in steps:
            server = at_server[index % len(at_server)]
            client = at_clients[index % len(at_clients)]
            match operation:
                case "map":
                    at_clients.append(tff.federated_map(double, client))
                case "combine":
                    at_clients.append(tff.federated_map(add, (client, at_clients[-1])))
                case "broadcast":
                    at_clients.append(tff.federated_broadcast(server))
                case "sum":
                    at_server.append(tff.federated_sum(client))
                case "mean":
                    at_server.append(tff.federated_mean(client))
                case "max":
                    at_server.append(tff.federated_max(client))
                case "fold":
                    at_server.append(tff.federated_aggregate(client, 0.0, add, add, double))
                case _:
                    at_server.append(tff.federated_map(double, server))
        return at_server, at_clients

    computation = tff.federated_computation(program, FLOAT_SERVER, FLOAT_CLIENTS)
    explanation = tff.explain(computation)
    assert "There is no plan" not in explanation.plan
    ElementTree.fromstring(f"<div>{explanation._repr_html_()}</div>")
    # Each aggregation of the program that its result depends on is told; identities may be joined.
    asked = sum(operation in ("sum", "mean", "max", "fold") for operation, _ in steps)
    assert len(explanation.sent_by_clients) == asked


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("polymorphic", lambda: tff.jax.computation(lambda x: x)),
        ("Python function", lambda: subtract.__init__),
        ("number", lambda: 3),
        ("process", lambda: tff.aggregators.SumFactory().create(tff.to_type(np.int32))),
    ],
)
def test_only_computations_of_known_types_are_explained(name, make, golden):
    with pytest.raises(TypeError) as caught:
        tff.explain(make())
    golden.check(name, str(caught.value))
