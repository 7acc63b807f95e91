"""The mistakes that users make most, each told in four parts with the user's own line."""

from __future__ import annotations

import collections
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tensorflow_federated as tff
from tensorflow_federated.core import errors

FLOATS = tff.FederatedType(np.float32, tff.CLIENTS)
INTS = tff.FederatedType(np.int32, tff.CLIENTS)
BATCHES = tff.FederatedType(tff.SequenceType((np.float32, [None])), tff.CLIENTS)
MODEL = collections.OrderedDict(
    layers=collections.OrderedDict(
        kernel=tff.TensorType(np.float32, [3, 2]), bias=tff.TensorType(np.float32, [2])
    ),
    rounds=np.int32,
)
OTHER_MODEL = collections.OrderedDict(
    layers=collections.OrderedDict(
        kernel=tff.TensorType(np.float32, [3, 2]), bias=tff.TensorType(np.float64, [2])
    ),
    rounds=np.int32,
)


@tff.jax.computation(np.float32)
def half(x: Any) -> Any:
    return x / 2


@tff.jax.computation(MODEL)
def same_model(model: Any) -> Any:
    return model


@tff.federated_computation(FLOATS, FLOATS)
def weighted_mean(values: Any, weights: Any) -> Any:
    return tff.federated_mean(values, weights)


@tff.federated_computation(tff.FederatedType(MODEL, tff.SERVER))
def keep(state: Any) -> Any:
    return state


@tff.federated_computation(BATCHES)
def collect(batches: Any) -> Any:
    return batches


def _forgotten_return() -> None:
    @tff.federated_computation(INTS)
    def total(values: Any) -> Any:
        tff.federated_sum(values)


def _forgotten_return_in_jax() -> None:
    @tff.jax.computation(np.int32)
    def size(x: Any) -> Any:
        abs(x)


def _python_if() -> None:
    @tff.federated_computation(np.bool_)
    def choose(is_large: Any) -> Any:
        return 1 if is_large else 2


def _python_if_in_jax() -> None:
    @tff.jax.computation(np.int32)
    def absolute(x: Any) -> Any:
        return x if x > 0 else -x


def _value_of_another_computation() -> None:
    kept: list[Any] = []

    @tff.federated_computation(INTS)
    def first(values: Any) -> Any:
        kept.append(values)
        return values

    @tff.federated_computation(INTS)
    def second(values: Any) -> Any:
        return tff.federated_sum(kept[0])


def _traced(fn: Callable[..., Any], *types: Any) -> Callable[[], Any]:
    return lambda: tff.federated_computation(fn, *types)


MISTAKES: dict[str, Callable[[], Any]] = {
    "forgotten return": _forgotten_return,
    "forgotten return in JAX": _forgotten_return_in_jax,
    "Python if on a value": _python_if,
    "Python if in JAX": _python_if_in_jax,
    "number added to a federated value": _traced(lambda x: x + 1, INTS),
    "map of a function of another type": _traced(lambda x: tff.federated_map(half, x), INTS),
    "map of a function of another structure": _traced(
        lambda x: tff.federated_map(same_model, x), tff.FederatedType(OTHER_MODEL, tff.CLIENTS)
    ),
    "broadcast of a client value": _traced(tff.federated_broadcast, INTS),
    "sum of strings": _traced(tff.federated_sum, tff.FederatedType(np.str_, tff.CLIENTS)),
    "too few arguments": lambda: weighted_mean([1.0]),
    "too many arguments": lambda: weighted_mean([1.0], [1.0], [1.0]),
    "wrong name of an argument": lambda: weighted_mean(value=[1.0], weights=[1.0]),
    "wrong name of an operator's argument": _traced(
        lambda x: tff.federated_mean(x, weigth=x),  # type: ignore[call-arg]
        FLOATS,
    ),
    "unplaced argument": _traced(tff.federated_sum, np.int32),
    "unplaced argument without types": lambda: tff.federated_computation(
        lambda values: tff.federated_sum(values)
    )([1, 2]),
    "ragged clients": lambda: collect([[[1.0, 2.0], [[3.0], [4.0, 5.0]]]]),
    "ragged tensor": lambda: keep(
        {"layers": {"kernel": [[1.0, 2.0], [3.0], [4.0, 5.0]], "bias": [0.0, 0.0]}, "rounds": 1}
    ),
    "value of another computation": _value_of_another_computation,
    "function that returns a Python object": _traced(lambda x: {1, 2}, INTS),
    "JAX function that returns a Python object": lambda: tff.jax.computation(
        lambda x: {1, 2}, np.int32
    ),
    "shapes and dtypes deep in a structure": lambda: keep(
        {
            "layers": {"kernel": np.zeros([3, 3], np.float32), "bias": np.zeros([2])},
            "rounds": 1.5,
        }
    ),
    "names deep in a structure": lambda: keep(
        {
            "layers": {"kernal": np.zeros([3, 2], np.float32), "bias": np.zeros([2], np.float32)},
            "rounds": 1,
        }
    ),
    "structure of another size": lambda: keep(
        {"layers": {"kernel": np.zeros([3, 2], np.float32)}, "rounds": 1}
    ),
    "call inside of a computation with another structure": _traced(
        lambda model: same_model(model), OTHER_MODEL
    ),
    "call without data": lambda: collect(),
    "call with None": lambda: collect(None),
    "call with one value for all clients": lambda: weighted_mean(1.0, [1.0]),
    "clients that disagree in number": lambda: weighted_mean([1.0, 2.0], [1.0]),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistake_is_told_in_four_parts(mistake: str, golden: Any):
    with pytest.raises(errors.FederatedError) as caught:
        MISTAKES[mistake]()
    error = caught.value
    golden.check(mistake, f"{type(error).__qualname__}: {error}")
    assert error.problems, "what is wrong is not told"
    assert error.signature, "the signature is not told"
    assert error.where is not None
    assert error.where.startswith("test_mistakes.py:")
    assert error.fix, "what to write instead is not told"


def test_missing_extra_is_told_with_what_to_install(run_python: Callable[..., str], golden: Any):
    told = run_python(
        """
        import sys

        import tensorflow_federated as tff

        sys.modules["tensorflow"] = None

        def build():
            return tff.tensorflow.computation(lambda: 1)

        try:
            build()
        except ImportError as error:
            print(f"{type(error).__qualname__}: {error}")
        """
    )
    golden.check("no TensorFlow installed", told.rstrip())
