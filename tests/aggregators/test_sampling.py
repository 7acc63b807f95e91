"""Samples of the clients' values."""

from __future__ import annotations

import collections
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tensorflow_federated as tff
from tensorflow_federated.core import contexts as context_stack
from tensorflow_federated.execution import contexts

AGG = tff.aggregators
OD = collections.OrderedDict
Factory = AGG.UnweightedReservoirSamplingFactory


@pytest.fixture(scope="module")
def process() -> Any:
    return Factory(5).create(tff.to_type(np.int32))


def drawn(process: Any, engine: str, seed: int) -> list[int]:
    with context_stack.install(getattr(contexts, f"create_{engine}_context")(seed=seed)):
        return process.next(process.initialize(), list(range(40))).result.tolist()


def test_the_sample_follows_from_the_seed_on_every_engine(process):
    sample = drawn(process, "local", 7)
    assert len(set(sample)) == 5
    assert sample == sorted(sample)
    assert sample == drawn(process, "local", 7) == drawn(process, "reference", 7)
    assert sample != drawn(process, "local", 8)


def test_no_client_gives_an_empty_sample(process):
    output = process.next(process.initialize(), [])
    assert output.result.tolist() == []
    assert output.result.dtype == np.int32


# Source: TFF 0.87.
TYPES = {
    "numbers": (
        np.int32,
        "(<unused_state=<>@SERVER,value={int32}@CLIENTS> -> "
        "<state=<>@SERVER,result=int32[?]@SERVER,measurements=int64@SERVER>)",
    ),
    "structures": (
        OD(a=np.float32, b=(np.str_, [1]), c=[(np.int64, [2])]),
        "(<unused_state=<>@SERVER,value={<a=float32,b=str[1],c=<int64[2]>>}@CLIENTS> -> "
        "<state=<>@SERVER,result=<a=float32[?],b=str[?,1],c=<int64[?,2]>>@SERVER,"
        "measurements=<a=int64,b=int64,c=<int64>>@SERVER>)",
    ),
}


@pytest.mark.parametrize(("value_type", "signature"), TYPES.values(), ids=TYPES)
def test_types_are_those_of_tff(value_type, signature):
    process = Factory(2).create(tff.to_type(value_type))
    assert process.next.type_signature.compact_representation() == signature
    assert not process.is_weighted


def test_rows_are_of_the_same_client_and_non_finite_leaves_are_counted(engine):
    # Source: TFF 0.87.
    process = Factory(5).create(tff.to_type(OD(a=(np.float32, [2]), b=np.str_, c=np.float16)))
    clients = [
        OD(a=[1.0, math.nan], b="x", c=1.0),
        OD(a=[math.inf, 0.0], b="yy", c=math.nan),
        OD(a=[2.0, 3.0], b="", c=2.0),
    ]
    output = process.next(process.initialize(), clients)
    assert output.measurements == OD(a=2, b=0, c=1)
    assert output.result["b"].tolist() == [b"x", b"yy", b""]
    np.testing.assert_array_equal(output.result["a"], [client["a"] for client in clients])


def test_the_metadata_tell_the_numbers_that_were_drawn(engine):
    process = Factory(2, return_sampling_metadata=True).create(tff.to_type(OD(a=np.int32)))
    assert process.next.type_signature.result[1].compact_representation() == (
        "<random_seed=int64[2],random_values=int32[?],samples=<a=int32[?]>>@SERVER"
    )
    output = process.next(process.initialize(), [OD(a=1), OD(a=2), OD(a=3)])
    assert len(output.result["random_values"]) == len(output.result["samples"]["a"]) == 2


def build_sample(value_type: Any, *arguments: Any) -> Any:
    @tff.federated_computation(tff.FederatedType(value_type, tff.CLIENTS))
    def sample(values):
        return AGG.federated_sample(values, *arguments)

    return sample


def test_federated_sample_takes_all_of_few_clients(engine):
    sample = build_sample(OD(a=np.str_, b=(np.int32, [2])))
    result = sample([OD(a="x", b=[1, 2]), OD(a="y", b=[3, 4])])
    assert (
        str(sample.type_signature)
        == "({<a=str,b=int32[2]>}@CLIENTS -> <a=str[?],b=int32[?,2]>@SERVER)"
    )
    assert result["a"].tolist() == [b"x", b"y"]
    assert result["b"].tolist() == [[1, 2], [3, 4]]


def test_federated_sample_takes_no_more_than_it_may():
    assert len(build_sample(np.int32, 3)(list(range(10)))) == 3
    assert len(build_sample(np.int32, 0)([1, 2])) == 0


WRONG: dict[str, Any] = {
    "no clients": (lambda: Factory(0), ValueError),
    "half a client": (lambda: Factory(1.5), TypeError),
    "metadata": (lambda: Factory(1, "yes"), TypeError),
    "unknown shape": (lambda: Factory(1).create(tff.TensorType(np.int32, [None])), TypeError),
    "sequence": (
        lambda: Factory(1).create(tff.to_type(OD(a=tff.SequenceType(np.int32)))),
        TypeError,
    ),
    "no container": (lambda: Factory(1).create(tff.StructType([("a", np.int32)])), TypeError),
    "server": (
        lambda: tff.federated_computation(
            AGG.federated_sample, tff.FederatedType(np.int32, tff.SERVER)
        ),
        TypeError,
    ),
    "fewer than none": (lambda: build_sample(np.int32, -1), ValueError),
}


@pytest.mark.parametrize(("make", "builtin"), WRONG.values(), ids=WRONG)
def test_mistakes(make, builtin, golden, request):
    with pytest.raises(builtin) as caught:
        make()
    golden.check(request.node.name, str(caught.value))


def test_without_tensorflow_the_error_says_what_to_install(run_python: Callable[..., str]):
    printed = run_python(
        """
        import sys
        sys.modules["tensorflow"] = None
        import numpy as np
        import tensorflow_federated as tff
        try:
            tff.aggregators.UnweightedReservoirSamplingFactory(1).create(tff.to_type(np.int32))
        except ImportError as error:
            print(error)
        """
    )
    assert 'pip install "tff-ng[tensorflow]"' in printed
