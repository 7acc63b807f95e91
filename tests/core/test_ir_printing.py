"""Programs in print: on one line, with line breaks, and drawn as trees."""

from __future__ import annotations

import numpy as np
import pytest

from tensorflow_federated.core import ir
from tensorflow_federated.core.placements import CLIENTS
from tensorflow_federated.core.types import StructType, TensorType

INT = TensorType(np.int32)
X = ir.Reference("x", INT)
IDENTITY = ir.Lambda("x", INT, X)
PAIR = ir.Struct((("a", X), (None, X)))
BLOCK = ir.Block((("y", ir.Call(IDENTITY, X)), ("z", PAIR)), ir.Struct(((None, X), (None, X))))

# Text and trees are those that TFF 0.87 prints for the same programs.
PROGRAMS = {
    "reference": X,
    "selection by name": ir.Selection(ir.Reference("p", StructType([("a", INT)])), index=0),
    "selection by position": ir.Selection(ir.Reference("p", StructType([INT, INT])), index=1),
    "struct": PAIR,
    "empty struct": ir.Struct(()),
    "struct in a struct": ir.Struct((("a", ir.Struct(((None, X), (None, PAIR)))), ("f", IDENTITY))),
    "call": ir.Call(IDENTITY, X),
    "call without argument": ir.Call(ir.Lambda(None, None, X)),
    "call of the result of a call": ir.Call(ir.Call(ir.Lambda("x", INT, IDENTITY), X), X),
    "lambda": IDENTITY,
    "block": BLOCK,
    "selection from a block": ir.Selection(BLOCK, index=0),
    "lambda with a block": ir.Lambda("x", INT, BLOCK),
    "placement": ir.Placement(CLIENTS),
    "literal": ir.Literal(np.array([1, 2, 3], np.int32), TensorType(np.int32, [3])),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_program(name, golden):
    program = PROGRAMS[name]
    golden.check(
        name,
        "\n\n".join(
            [
                program.compact_representation(),
                program.formatted_representation(),
                program.structural_representation(),
            ]
        ),
    )


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_formatted_form_differs_in_white_space_only(name):
    program = PROGRAMS[name]
    compact = program.compact_representation()
    assert "".join(program.formatted_representation().split()) == "".join(compact.split())
    assert str(program) == compact
