"""What is told of a structure whose elements are not those that are expected."""

from __future__ import annotations

import numpy as np
import pytest

import tensorflow_federated as tff
from tensorflow_federated.core import errors

MODEL = {"kernel": np.float32, "bias": np.float32}


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (
            {"kernal": 1.0, "bias": 1.0},
            "missing `kernel`; `kernal` is not in the type: did you mean `kernel`?",
        ),
        ({"kernel": 1.0}, "missing `bias`"),
        ({"kernel": 1.0, "bias": 1.0, "scale": 1.0}, "`scale` is not in the type"),
        (
            {"state": {"kernel": 1.0, "bias": 1.0}, "metrics": {}},
            "missing `kernel`, `bias`; its element `state` has them",
        ),
        ([1.0, 2.0, 3.0], "expected 2 elements, got 3"),
        (
            {str(index): 1.0 for index in range(9)},
            "missing `kernel`, `bias`; `0`, `1`, `2`, `3`, `4`, and 4 more are not in the type",
        ),
    ],
)
def test_only_what_differs_is_told(given, told):
    model_of = tff.federated_computation(lambda model, rounds: model, MODEL, np.int32)
    with pytest.raises(errors.TypeMismatchError) as caught:
        model_of(given, 1)
    assert caught.value.problems == (f"argument.model: {told}",)
