"""The nodes of a program: types, notation, content hash."""

from __future__ import annotations

import collections

import numpy as np
import pytest

from tensorflow_federated.core import errors, ir
from tensorflow_federated.core.local_computations import PORTABLE, LocalComputation
from tensorflow_federated.core.placements import CLIENTS, SERVER
from tensorflow_federated.core.types import FederatedType, FunctionType, StructType, TensorType

INT = TensorType(np.int32)
PAIR = StructType([("a", INT), (None, TensorType(np.bool_))])


def identity(name: str = "x") -> ir.Lambda:
    return ir.Lambda(name, INT, ir.Reference(name, INT))


def local(name: str = "double") -> ir.Local:
    return ir.Local(LocalComputation(PORTABLE, lambda x: x + x, FunctionType(INT, INT), name))


NODES = {
    "x": ir.Reference("x", INT),
    "p.a": ir.Selection(ir.Reference("p", PAIR), index=0),
    "p[1]": ir.Selection(ir.Reference("p", PAIR), index=1),
    "<a=x,y>": ir.Struct((("a", ir.Reference("x", INT)), (None, ir.Reference("y", INT)))),
    "(x -> x)": identity(),
    "(x -> x)(3)": ir.Call(identity(), ir.Literal(np.int32(3), INT)),
    "( -> 3)": ir.Lambda(None, None, ir.Literal(np.int32(3), INT)),
    "(let y=3 in y)": ir.Block((("y", ir.Literal(np.int32(3), INT)),), ir.Reference("y", INT)),
    "federated_sum": ir.Intrinsic(
        "federated_sum", FunctionType(FederatedType(INT, CLIENTS), FederatedType(INT, SERVER))
    ),
    "CLIENTS": ir.Placement(CLIENTS),
    "comp#double": local(),
    "data:1": ir.Data("data:1", INT),
}


@pytest.mark.parametrize("text", NODES)
def test_notation(text):
    assert str(NODES[text]) == text


@pytest.mark.parametrize("text", NODES)
def test_rebuilding_with_its_own_children_changes_nothing(text):
    node = NODES[text]
    rebuilt = node.with_children(list(node.children()))
    assert str(rebuilt) == text
    assert rebuilt.type_signature == node.type_signature
    assert rebuilt.content_hash == node.content_hash


def test_content_hash_tells_programs_apart():
    hashes = {node.content_hash for node in NODES.values()}
    assert len(hashes) == len(NODES)


def test_content_hash_tells_constants_apart():
    assert ir.Literal(np.int32(1), INT).content_hash != ir.Literal(np.int32(2), INT).content_hash


def test_struct_remembers_its_container():
    node = ir.Struct((("a", ir.Reference("x", INT)),), collections.OrderedDict)
    assert node.type_signature.python_container is collections.OrderedDict


def test_selecting_from_a_spelt_out_struct_gives_the_element():
    struct = ir.Struct(((None, ir.Reference("x", INT)), (None, ir.Reference("y", INT))))
    assert str(ir.select(struct, 1)) == "y"


@pytest.mark.parametrize(
    ("build", "error"),
    [
        (lambda: ir.Call(identity()), errors.ArgumentError),
        (
            lambda: ir.Call(ir.Lambda(None, None, ir.Reference("x", INT)), ir.Reference("x", INT)),
            errors.ArgumentError,
        ),
        (
            lambda: ir.Call(identity(), ir.Literal(np.float32(1), TensorType(np.float32))),
            errors.TypeMismatchError,
        ),
        (lambda: ir.Call(ir.Reference("x", INT)), errors.TypeMismatchError),
        (lambda: ir.Selection(ir.Reference("x", INT), index=0), errors.TypeMismatchError),
        (lambda: ir.Selection(ir.Reference("p", PAIR), index=2), errors.StructureError),
    ],
)
def test_ill_typed_nodes_cannot_be_built(build, error):
    with pytest.raises(error):
        build()


def test_unknown_intrinsic_is_refused():
    with pytest.raises(errors.ArgumentError, match="did you mean 'federated_map'"):
        ir.Intrinsic("federated_mapp", FunctionType(INT, INT))
