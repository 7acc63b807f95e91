"""`tff.learning.metrics.SecureSumFactory` and `secure_sum_then_finalize`."""

from __future__ import annotations

import collections
from typing import Any

import numpy as np
import pytest

import tensorflow_federated as tff

metrics: Any = tff.learning.metrics
OD = collections.OrderedDict
UNFINALIZED_TYPE = tff.to_type(OD(a=[np.float32, np.float32], b=np.int32))
UNFINALIZED = [OD(a=[1.0, 2.0], b=3), OD(a=[4.0, 3.0], b=5)]
ESTIMATED = "None/default_estimation_process/float32"
FINALIZERS = OD(a=lambda x: x[0] / x[1], b=lambda x: x)


def measured(measurements: Any) -> list[Any]:
    names = ("upper_clipped_count", "lower_clipped_count", "upper_threshold", "lower_threshold")
    return [pytest.approx(measurements[f"secure_{name}"], rel=1e-6) for name in names]


@pytest.fixture(scope="module")
def tuned() -> Any:
    return metrics.SecureSumFactory().create(UNFINALIZED_TYPE)


@pytest.mark.usefixtures("engine")
def test_estimated_ranges_follow_the_clients(tuned):
    # Source: TFF 0.87, in its test context.
    state = tuned.initialize()
    assert float(state[ESTIMATED][0].current_estimate) == 50.0
    found = []
    for unfinalized in (UNFINALIZED, UNFINALIZED, [OD(a=[500.0, 1000.0], b=2_000_000)] * 3):
        output = tuned.next(state, unfinalized)
        state = output.state
        found.append(
            (
                [pytest.approx(x, rel=1e-6) for x in output.result["a"]],
                int(output.result["b"]),
                measured(output.measurements[ESTIMATED]),
                pytest.approx(state[ESTIMATED][0].current_estimate, rel=1e-6),
            )
        )
    assert found == [
        ([5.0, 5.0], 8, [0, 0, 100.0, -100.0], 47.56147),
        ([5.0, 5.0], 8, [0, 0, 95.12294, -95.12294], 45.241867),
        ([271.45120, 271.45120], 3145725, [3, 0, 90.483734, -90.483734], 116.98233),
    ]


@pytest.mark.usefixtures("engine")
def test_fixed_ranges_clip():
    # Source: TFF 0.87, in its test context.
    ranges = OD(b=(0, 4), a=[None, (0.0, 1.0)])
    aggregate = metrics.secure_sum_then_finalize(FINALIZERS, UNFINALIZED_TYPE, ranges)
    result = aggregate(UNFINALIZED)
    assert {key: measured(each) for key, each in result["secure_sum_measurements"].items()} == {
        "0.0/1048575.0/float32": [0, 0, 1048575.0, 0.0],
        "0.0/1.0/float32": [2, 0, 1.0, 0.0],
        "0/4/int32": [1, 0, 4, 0],
    }
    assert float(result["a"]) == pytest.approx(2.4999976)
    assert int(result["b"]) == 7


@pytest.mark.usefixtures("engine")
def test_default_ranges_clip_at_both_ends():
    # Source: TFF 0.87, in its test context.
    aggregate = metrics.secure_sum_then_finalize(FINALIZERS, UNFINALIZED_TYPE)
    result = aggregate([OD(a=[-3.0, 2e9], b=-3), OD(a=[0.5, 0.25], b=2**30)])
    assert {key: measured(each) for key, each in result["secure_sum_measurements"].items()} == {
        "0.0/1048575.0/float32": [1, 1, 1048575.0, 0.0],
        "0/1048575/int32": [1, 1, 1048575, 0],
    }
    assert float(result["a"]) == pytest.approx(4.7683704e-07, rel=1e-4)
    assert int(result["b"]) == 1048575


def test_sums_of_floating_numbers_are_rounded():
    # Source: TFF 0.87, in its test context, bit for bit.
    unfinalized_type = tff.to_type(OD(loss=[np.float32, np.float32]))
    aggregate = metrics.secure_sum_then_finalize(OD(loss=lambda x: x), unfinalized_type)
    result = aggregate([OD(loss=[float(i), 2.0 * i]) for i in range(1, 40)])
    assert [float(x) for x in result["loss"]] == [779.999267578125, 1559.99853515625]


def test_groups_come_in_the_order_of_sorted_names():
    # Source: TFF 0.87.
    unfinalized_type = tff.to_type(
        OD(z=np.int32, c=[np.float32, np.float64], a=np.int64, b=np.float32)
    )
    ranges = OD(z=(1, 5), b=(0.5, 1.5), c=[(0.0, 1.0), None])
    process = metrics.SecureSumFactory(ranges).create(unfinalized_type)
    state_type: Any = process.initialize.type_signature.result.member
    assert [name for name, _ in state_type.items()] == [
        "0/1048575/int64",
        "0.5/1.5/float32",
        "0.0/1.0/float32",
        "None/default_estimation_process/float64",
        "1/5/int32",
    ]
    output = process.next(process.initialize(), [OD(z=2, c=[0.5, 0.25], a=7, b=1.0)])
    assert list(output.result) == ["z", "c", "a", "b"]
    assert output.result["z"] == 2
    assert output.result["a"] == 7
    assert [float(x) for x in (*output.result["c"], output.result["b"])] == pytest.approx(
        [0.5, 0.25, 1.0]
    )


def test_default_ranges_may_be_given_as_they_are(tuned):
    ranges = metrics.create_default_secure_sum_quantization_ranges(UNFINALIZED_TYPE)
    process = metrics.SecureSumFactory(ranges).create(UNFINALIZED_TYPE)
    assert process.next.type_signature == tuned.next.type_signature


def test_small_integers_are_summed_in_ranges_of_their_own():
    factory = metrics.SecureSumFactory(OD(a=(0, 100)))
    process = factory.create(tff.to_type(OD(a=np.uint8)))
    output = process.next(process.initialize(), [OD(a=np.uint8(20)), OD(a=np.uint8(200))])
    assert output.result["a"] == np.uint8(120)


def test_tuples_and_no_metrics():
    pairs = metrics.SecureSumFactory().create(tff.to_type(OD(f=(np.int32, np.int32))))
    assert pairs.next(pairs.initialize(), [OD(f=(1, 2)), OD(f=(3, 4))]).result == OD(f=(4, 6))
    nothing = metrics.secure_sum_then_finalize(OD(), tff.to_type(OD()))
    assert nothing([OD()]) == OD(secure_sum_measurements=OD())


def wrong_range(**ranges: Any) -> Any:
    return lambda: metrics.SecureSumFactory(OD(ranges)).create(UNFINALIZED_TYPE)


def estimation() -> Any:
    return tff.aggregators.PrivateQuantileEstimationProcess.no_noise(
        initial_estimate=1.0, target_quantile=0.5, learning_rate=1.0
    )


WRONG = {
    "ranges are a list": (lambda: metrics.SecureSumFactory([1]), TypeError),
    "ranges are a dict": (
        lambda: metrics.secure_sum_then_finalize(FINALIZERS, None, {"b": (1, 2)}),
        TypeError,
    ),
    "three bounds": (wrong_range(b=(1, 2, 3)), ValueError),
    "a list of bounds": (wrong_range(b=[1, 2]), TypeError),
    "bounds of two kinds": (wrong_range(b=(1, 2.0)), TypeError),
    "bounds of the other kind": (wrong_range(a=[(0, 1), None], b=(0.0, 1.0)), TypeError),
    "bounds are text": (wrong_range(b=("a", "b")), TypeError),
    "upper bound first": (wrong_range(b=(5, 1)), ValueError),
    "one range too many": (wrong_range(a=[(0.0, 1.0)] * 3, c=(1, 2)), ValueError),
    "a range for several": (wrong_range(a=OD(x=(0.0, 1.0))), TypeError),
    "estimated by two processes": (
        wrong_range(a=[(None, estimation()), (None, estimation())]),
        ValueError,
    ),
    "the default range of small integers": (
        lambda: metrics.SecureSumFactory().create(tff.to_type(OD(a=np.uint8, b=np.int16))),
        ValueError,
    ),
    "estimated in one round": (
        lambda: metrics.secure_sum_then_finalize(
            FINALIZERS,
            UNFINALIZED_TYPE,
            metrics.create_default_secure_sum_quantization_ranges(UNFINALIZED_TYPE),
        ),
        TypeError,
    ),
    "strings": (lambda: metrics.SecureSumFactory().create(tff.to_type(OD(a=np.str_))), Exception),
    "no struct": (lambda: metrics.SecureSumFactory().create(tff.to_type(np.int32)), TypeError),
    "names differ": (
        lambda: metrics.secure_sum_then_finalize(OD(a=abs), UNFINALIZED_TYPE),
        ValueError,
    ),
    "metrics without names": (
        lambda: metrics.secure_sum_then_finalize(lambda u: u["b"], UNFINALIZED_TYPE),
        TypeError,
    ),
}


@pytest.mark.parametrize(("make", "builtin"), WRONG.values(), ids=WRONG)
def test_what_cannot_be_summed_securely(make, builtin, golden, request):
    with pytest.raises(builtin) as caught:
        make()
    golden.check(request.node.name, str(caught.value))
