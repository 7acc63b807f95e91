"""Programs as bytes and back: every kind of node, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

import tensorflow_federated as tff
from tensorflow_federated.compiler import wire
from tensorflow_federated.core import byte_format, errors, ir, placements
from tensorflow_federated.core.byte_format import Limits, Writer
from tensorflow_federated.core.local_computations import PORTABLE, LocalComputation

INT, FLOAT = tff.TensorType(np.int32), tff.TensorType(np.float32)
X = ir.Reference("x", INT)
AT_SERVER = tff.FederatedType(np.int32, tff.SERVER)


class NoBackends:
    """A codec where there are no back ends: the function is the bytes."""

    def encode(self, computation):
        return computation.function

    def decode(self, backend, data, type_signature, name, limits):
        return data


def round_trip(node, **limits):
    data = wire.encode(node, "fn", NoBackends())
    return wire.decode(data, NoBackends(), Limits(**limits))[0]


def function_of_int(result):
    return ir.Lambda("x", INT, result)


def literal(value):
    return ir.Literal(value, tff.TensorType(dtype_of(value), np.shape(value)))


def dtype_of(value):
    dtype = np.asarray(value).dtype
    return np.str_ if dtype.kind in "OSU" else dtype


IDENTITY = function_of_int(X)
LOCAL = ir.Local(LocalComputation("test", b"bytes", tff.FunctionType(INT, FLOAT), "half"))
PORTABLE_LOCAL = ir.Local(
    LocalComputation(PORTABLE, lambda x: x + 1, tff.FunctionType(INT, INT), "increment")
)

PROGRAMS = {
    "a reference": IDENTITY,
    "no parameter": ir.Lambda(None, None, literal(np.int32(3))),
    "a structure": function_of_int(ir.Struct([("a", X), (None, X)])),
    "an empty structure": function_of_int(ir.Struct([])),
    "a container": function_of_int(ir.Struct([("a", X)], dict)),
    "a selection by position": ir.Lambda(
        "p", [INT, FLOAT], ir.Selection(ir.Reference("p", [INT, FLOAT]), index=1)
    ),
    "a selection by name": ir.Lambda(
        "p", [("a", INT)], ir.Selection(ir.Reference("p", [("a", INT)]), name="a")
    ),
    "a call": function_of_int(ir.Call(IDENTITY, X)),
    "a call without argument": function_of_int(ir.Call(ir.Lambda(None, None, X))),
    "a block": function_of_int(ir.Block([("y", X), ("z", ir.Reference("y", INT))], X)),
    "an intrinsic": ir.Lambda(
        "s",
        AT_SERVER,
        ir.call_intrinsic(
            "federated_broadcast",
            ir.Reference("s", AT_SERVER),
            tff.FederatedType(np.int32, tff.CLIENTS, all_equal=True),
        ),
    ),
    "a placement": ir.Lambda(None, None, ir.Placement(placements.CLIENTS)),
    "data": ir.Lambda(None, None, ir.Data("table:clients", tff.SequenceType(INT))),
    "a local computation": LOCAL,
    "a portable computation": PORTABLE_LOCAL,
    "a local computation that is called": function_of_int(ir.Call(LOCAL, X)),
    "a function as a parameter": ir.Lambda(
        "f",
        tff.FunctionType(INT, INT),
        ir.Call(ir.Reference("f", tff.FunctionType(INT, INT)), literal(np.int32(1))),
    ),
    "a number": function_of_int(literal(np.float64(0.1))),
    "a string": function_of_int(literal("a\0")),
    "an array": function_of_int(literal(np.arange(6, dtype=np.uint8).reshape(2, 3))),
    "an array of strings": function_of_int(literal(np.array(["a", "bc\0", ""], object))),
    "booleans": function_of_int(literal(np.array([True, False]))),
    "an array without elements": function_of_int(literal(np.zeros([0, 3], np.complex64))),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_kind_of_node_comes_back(name):
    program = PROGRAMS[name]
    loaded = round_trip(program)
    assert type(loaded) is type(program)
    assert str(loaded) == str(program)
    assert loaded.type_signature == program.type_signature


def test_a_literal_comes_back_to_the_bit():
    value = np.array([0.1, np.nan, -0.0, np.inf])
    loaded = round_trip(function_of_int(literal(value)))
    assert loaded.result.value.tobytes() == value.tobytes()
    assert loaded.result.value.dtype == value.dtype


def test_the_name_of_a_computation_comes_back():
    data = wire.encode(IDENTITY, "identité", NoBackends())
    assert wire.decode(data, NoBackends())[1] == "identité"


def test_the_same_program_gives_the_same_bytes():
    program = PROGRAMS["a local computation that is called"]
    first = wire.encode(program, "fn", NoBackends())
    assert wire.encode(program, "fn", NoBackends()) == first
    assert wire.encode(round_trip(program), "fn", NoBackends()) == first


def test_a_local_computation_that_is_shared_is_written_once():
    big = LocalComputation("test", bytes(10_000), tff.FunctionType(INT, INT), "big")
    calls = ir.Call(ir.Local(big), ir.Call(ir.Local(big), X))
    loaded = round_trip(function_of_int(calls))
    assert len(wire.encode(function_of_int(calls), "fn", NoBackends())) < 11_000
    call = loaded.result
    assert call.function.computation is call.argument.function.computation


def test_a_shared_node_is_written_once():
    part = ir.Struct([(f"name_{i}", X) for i in range(100)])
    once = len(wire.encode(function_of_int(part), "fn", NoBackends()))
    twice = len(wire.encode(function_of_int(ir.Struct([part, part])), "fn", NoBackends()))
    assert twice < once + 50


def payload(write_nodes, types=(INT,), write_locals=lambda writer: writer.unsigned(0)):
    """The bytes of a program whose nodes are written by hand."""
    writer = Writer()
    writer.text("fn")
    table = wire.type_encoding.TypeTable()
    for each in types:
        table.position(each)
    table.write(writer)
    write_locals(writer)
    write_nodes(writer)
    return byte_format.seal(byte_format.COMPUTATION, writer.data)


def fields(*values):
    """Writes numbers and texts, one after the other."""

    def write(writer):
        for value in values:
            writer.text(value) if isinstance(value, str) else writer.unsigned(value)

    return write


REFERENCE, SELECTION, STRUCT, CALL, LAMBDA, BLOCK, INTRINSIC, PLACEMENT, LITERAL = range(9)
LOCAL_NODE = 10

HOSTILE = {
    "no nodes": payload(fields(0)),
    "a kind of node that does not exist": payload(fields(1, 11)),
    "a count beyond the end": payload(fields(2**60)),
    "a node that comes later": payload(fields(1, CALL, 0, 1)),
    "a type that does not exist": payload(fields(1, REFERENCE, "x", 5)),
    "no function": payload(fields(1, REFERENCE, "x", 0)),
    "a name that is not bound": payload(fields(2, REFERENCE, "x", 0, LAMBDA, 0, 0)),
    "a number that is called": payload(fields(2, REFERENCE, "x", 0, CALL, 0, 0)),
    "an element of no structure": payload(fields(2, REFERENCE, "x", 0, SELECTION, 0, 0)),
    "an intrinsic that does not exist": payload(
        fields(1, INTRINSIC, "federated_eval_python", 1), [tff.FunctionType(INT, INT)]
    ),
    "an intrinsic that is no function": payload(fields(1, INTRINSIC, "federated_sum", 0)),
    "a placement that does not exist": payload(fields(1, PLACEMENT, "moon")),
    "a constant of another type": payload(fields(1, LITERAL, 0, "float32", 0, 4, 0, 0, 0, 0)),
    "a constant longer than the bytes": payload(fields(1, LITERAL, 0, "int32", 1, 2**40, 8)),
    "a local computation that does not exist": payload(fields(1, LOCAL_NODE, 0)),
    "a portable operation that does not exist": payload(
        fields(1, LOCAL_NODE, 0),
        [tff.FunctionType(INT, INT)],
        lambda writer: [
            writer.unsigned(1),
            writer.text(PORTABLE),
            writer.text("fn"),
            writer.unsigned(1),
            writer.blob(b"\x01\x04eval"),
        ],
    ),
    "bytes after the end": payload(fields(2, REFERENCE, "x", 0, LAMBDA, 1, "x", 0, 0, 7)),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_no_program_is_refused(name, golden):
    with pytest.raises(errors.WireError) as caught:
        wire.decode(HOSTILE[name], NoBackends())
    golden.check(name, str(caught.value))


def test_deep_programs_are_refused_before_they_overflow_the_stack():
    def nested(writer):
        writer.unsigned(50_001)
        fields(REFERENCE, "x", 0)(writer)
        for position in range(50_000):
            fields(BLOCK, 0, position)(writer)

    with pytest.raises(errors.WireError, match="the depth of a program is 121"):
        wire.decode(payload(nested), NoBackends())


def test_programs_that_double_at_each_step_are_refused():
    def doubling(writer):
        writer.unsigned(101)
        fields(REFERENCE, "x", 0)(writer)
        for position in range(100):
            fields(BLOCK, 1, "y", position, position)(writer)

    with pytest.raises(errors.WireError, match="the size of a program"):
        wire.decode(payload(doubling), NoBackends())


def test_a_limit_can_be_raised():
    program = PROGRAMS["a block"]
    with pytest.raises(errors.WireError, match="limit `depth`"):
        round_trip(program, depth=2)
    assert str(round_trip(program, depth=10)) == str(program)
