"""Noise of the clients, under secure sums."""

from __future__ import annotations

import collections
import math
from typing import Any

import numpy as np
import pytest

import tensorflow_federated as tff
from tensorflow_federated.aggregators import distributed_privacy
from tensorflow_federated.core import contexts as context_stack
from tensorflow_federated.execution import contexts

build: Any = tff.learning.ddp_secure_aggregator
OD = collections.OrderedDict
SIX = tff.TensorType(np.float32, [6])
VALUES = [np.arange(6, dtype=np.float32) / 600] * 3


@pytest.fixture(scope="module", params=["hd", pytest.param("dft", marks=pytest.mark.slow)])
def without_noise(request: pytest.FixtureRequest) -> Any:
    process = build(0.0, 10, zeroing=False, rotation_type=request.param).create(SIX)
    return request.param, process, process.next(process.initialize(), VALUES)


# Source: TFF 0.87; the scale, and the bounds of the norms.
NUMBERS = {"hd": (381152.9, 107826, 38121.93, 8), "dft": (330088.1, 80869, 33014.562, 6)}
AFTER_A_ROUND = {"hd": (369888.12, 107825, 38121.816), "dft": (320332.53, 80869, 33014.465)}


def test_the_numbers_of_the_mechanism_are_those_of_tff(without_noise):
    name, process, output = without_noise
    scale, l1_norm, l2_norm, size = NUMBERS[name]
    noised = process.initialize()[0][0]["inner_agg"]
    query_state = noised["inner_agg_process"].query_state
    assert noised["scale_factor"] == pytest.approx(scale, rel=1e-6)
    assert query_state.l1_norm_bound == l1_norm
    assert query_state.l2_norm_bound == pytest.approx(l2_norm, rel=1e-6)
    assert output.measurements["mean_value"]["padded_dim"] == size


@pytest.mark.slow
def test_the_clipping_norm_and_all_that_depends_on_it_adapt_as_in_tff(without_noise):
    name, _, _ = without_noise
    process = build(0.0, 10, zeroing=False, rotation_type=name).create(SIX)
    large = [np.arange(6, dtype=np.float32) / 60] * 3
    output = process.next(process.initialize(), large)
    noised = output.state[0][0]["inner_agg"]
    scale, l1_norm, l2_norm = AFTER_A_ROUND[name]
    query_state = noised["inner_agg_process"].query_state
    assert noised["prior_norm_bound"] == pytest.approx(0.103045456, rel=1e-6)
    assert noised["scale_factor"] == pytest.approx(scale, rel=1e-6)
    assert query_state.l1_norm_bound == l1_norm
    assert query_state.l2_norm_bound == pytest.approx(l2_norm, rel=1e-6)
    assert not noised["inner_agg_process"].is_init_state


def test_without_noise_the_mean_is_right_up_to_rounding(without_noise):
    _, _, output = without_noise
    # Each client rounds by less than one step; the rotation keeps norms.
    step = math.sqrt(8) / output.measurements["mean_value"]["scale_factor"]
    assert np.linalg.norm(output.result - VALUES[0]) < step + 1e-7


def test_what_leaves_the_clients_is_added_up_securely(without_noise):
    _, process, _ = without_noise
    tff.test.assert_contains_secure_aggregation(process.next)
    tff.test.assert_not_contains_unsecure_aggregation(process.next)


def test_the_types_are_those_of_tff(golden):
    for zeroing in (False, True):
        process = build(0.0, 10, zeroing=zeroing).create(SIX)
        golden.check(f"zeroing {zeroing}", process.next.type_signature.formatted_representation())


def test_the_noise_of_all_clients_has_the_scale_that_is_asked_for():
    clients, dimension = 20, 4096
    process = build(0.5, clients, zeroing=False).create(tff.TensorType(np.float32, [dimension]))
    zeros = [np.zeros(dimension, np.float32)] * clients
    output = process.next(process.initialize(), zeros)
    noise = output.result * clients
    multiplier = (0.5**-2 - (2 * 0.05 * clients) ** -2) ** -0.5
    expected = multiplier * 0.1
    # The standard deviation is estimated to one in sqrt(2 n); rounding of zeros adds nothing.
    assert noise.std() == pytest.approx(expected, rel=5 / math.sqrt(2 * dimension))
    assert abs(noise.mean()) < 5 * expected / math.sqrt(dimension)
    measured = output.measurements["mean_value"]
    in_steps = multiplier * 0.1 / math.sqrt(clients) * measured["scale_factor"]
    assert measured["scaled_local_stddev"] == pytest.approx(in_steps, rel=1e-5)


@pytest.mark.slow
def test_noise_follows_from_the_seed_and_is_new_in_every_round():
    process = build(0.2, 4, zeroing=False).create(tff.TensorType(np.float32, [8]))
    zeros = [np.zeros(8, np.float32)] * 4

    def two_rounds(seed: int) -> list[np.ndarray]:
        with context_stack.install(contexts.create_local_context(seed=seed)):
            first = process.next(process.initialize(), zeros)
            return [first.result, process.next(first.state, zeros).result]

    first, again, other = two_rounds(1), two_rounds(1), two_rounds(2)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first[0], first[1])
    assert not np.array_equal(first[0], other[0])


@pytest.mark.parametrize("stddev", [0.0, 0.7, 4.0, 1000.0])
def test_skellam_noise_has_the_moments_of_its_law(stddev):
    # Source: all even cumulants of a Skellam law are its variance, all odd ones zero.
    from tensorflow_federated.tensorflow import skellam

    count = 100_000
    draw = skellam.build_draw(tff.TensorType(np.int64, [2]), tff.to_type(np.float32), count)
    noise = np.asarray(draw(np.int64([3, 4]), np.float32(stddev)), np.float64)
    variance = stddev**2
    assert abs(noise.mean()) <= 5 * stddev / math.sqrt(count)
    assert noise.var() == pytest.approx(
        variance, rel=5 * math.sqrt((2 + 1 / max(variance, 1e-9)) / count)
    )
    if 0 < stddev < 10:
        kurtosis = (noise**4).mean() / noise.var() ** 2 - 3
        assert kurtosis == pytest.approx(1 / variance, abs=0.2 + 0.2 / variance)


def test_coarse_rounding_is_warned_of():
    factory = build(0.0, 16, bits=4, zeroing=False)
    with pytest.warns(UserWarning, match="rounded coarsely"):
        factory.create(tff.TensorType(np.float32, [1]))


def test_a_fixed_norm_gives_a_scale_that_fills_the_bits():
    # Source: arXiv:2102.06387, section 4.4, solved for the scale.
    mechanism = distributed_privacy.Mechanism(noise_multiplier=0.3, clients=10, bits=12)
    scale, state = mechanism.numbers(np.float64(2.0), size=64)
    deviations = 3.8905918864131
    variance = (2.0 * 10) ** 2 / 64 + 0.3**2 * 2.0**2 + 10 / (4 * scale**2)
    assert 2 * deviations * math.sqrt(variance) * scale == pytest.approx(2**12, rel=1e-5)
    assert state.local_stddev == pytest.approx(0.3 * 2.0 / math.sqrt(10) * scale, rel=1e-5)
    assert state.l2_norm_bound == pytest.approx(2.0 * scale + 8, rel=1e-3)


WRONG: dict[str, Any] = {
    "negative noise": (lambda: build(-1.0, 10), ValueError),
    "noise is text": (lambda: build("a", 10), TypeError),
    "half a client": (lambda: build(0.1, 10.5), TypeError),
    "no clients": (lambda: build(0.1, 0), ValueError),
    "too many bits": (lambda: build(0.1, 10, 23), ValueError),
    "no bits": (lambda: build(0.1, 10, 0), ValueError),
    "too few bits": (lambda: build(0.1, 10, 3), ValueError),
    "too few clients": (lambda: build(1.0, 10), ValueError),
    "rotation": (lambda: build(0.1, 10, rotation_type="x"), ValueError),
    "no rotation": (lambda: build(0.1, 10, rotation_type=None), TypeError),
    "integers": (lambda: build(0.1, 10).create(tff.TensorType(np.int32, [3])), TypeError),
    "mixed": (
        lambda: build(0.1, 10).create(tff.to_type(OD(a=np.float32, b=np.float64))),
        TypeError,
    ),
}


@pytest.mark.parametrize(("make", "builtin"), WRONG.values(), ids=WRONG)
def test_mistakes(make, builtin, golden, request):
    with pytest.raises(builtin) as caught:
        make()
    golden.check(request.node.name, str(caught.value))
