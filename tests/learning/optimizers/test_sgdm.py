"""`tff.learning.optimizers.build_sgdm`."""

from __future__ import annotations

import collections
import math

import numpy as np
import pytest

import tensorflow_federated as tff

build_sgdm = tff.learning.optimizers.build_sgdm


@pytest.mark.parametrize(
    ("optimizer", "text"),
    [
        (build_sgdm(1.0), "build_sgdm(learning_rate=1.0)"),
        (
            build_sgdm(0.1, 0.9, nesterov=True),
            "build_sgdm(learning_rate=0.1, momentum=0.9, nesterov=True)",
        ),
        (
            tff.learning.optimizers.build_adamw(0.1),
            "build_adamw(learning_rate=0.1, beta_1=0.9, beta_2=0.999, epsilon=1e-07, "
            "weight_decay=0.004)",
        ),
    ],
)
def test_an_optimizer_is_shown_as_it_is_built(optimizer, text):
    assert repr(optimizer) == text


def floats(values):
    return np.array(values, np.float32)


# Weights after each of five steps, and the last accumulator. Source: TFF 0.87.
GRADIENT_DESCENT = [
    [2.559999942779541, -1.9900000095367432],
    [2.20770001411438, -1.9678000211715698],
    [1.9251940250396729, -1.9372509717941284],
    [1.698272705078125, -1.901281714439392],
    [1.515656590461731, -1.862101674079895],
]
DEFAULT = [
    [2.9560000896453857, -1.9989999532699585],
    [2.912877082824707, -1.9978779554367065],
    [2.8706130981445312, -1.9966378211975098],
    [2.829190731048584, -1.9952832460403442],
    [2.78859281539917, -1.9938180446624756],
]
MOMENTUM = [
    [2.559999942779541, -1.9900000095367432],
    [1.8116998672485352, -1.9588000774383545],
    [0.9346539378166199, -1.8891910314559937],
    [0.11505752801895142, -1.765663504600525],
    [-0.4926208257675171, -1.5813740491867065],
]


@pytest.mark.parametrize(
    ("optimizer", "expected"),
    [
        (build_sgdm(0.1), GRADIENT_DESCENT),
        (build_sgdm(), DEFAULT),
        (build_sgdm(0.1, momentum=0.9), MOMENTUM),
    ],
    ids=["gradient descent", "default", "momentum"],
)
def test_steps_are_those_of_tff(optimizer, expected, run_steps):
    np.testing.assert_allclose(run_steps(optimizer, np.asarray, 5), expected, rtol=1e-6)


def test_the_state_without_momentum_is_the_learning_rate():
    state = build_sgdm(0.1).initialize(floats([1.0]))
    assert state == collections.OrderedDict(learning_rate=0.1)


def test_the_state_with_momentum_holds_the_velocity():
    state = build_sgdm(0.1, momentum=0.9).initialize([floats([1.0, 2.0])])
    assert list(state) == ["learning_rate", "momentum", "accumulator"]
    np.testing.assert_array_equal(state["accumulator"][0], [0.0, 0.0])


@pytest.mark.parametrize("momentum", [None, 0, 0.0])
def test_no_momentum_is_gradient_descent(momentum):
    state = build_sgdm(0.1, momentum).initialize(floats([1.0]))
    assert list(state) == ["learning_rate"]


def test_it_initializes_from_tensor_types():
    state = build_sgdm(0.1, 0.5).initialize([tff.TensorType(np.float32, [2])])
    assert state["accumulator"][0].dtype == np.float32


def test_replaced_hyperparameters_are_used():
    # Source: TFF 0.87, the case `set_hparams`.
    optimizer = build_sgdm(0.1, 0.9)
    weights = floats([3.0, -2.0])
    hparams = collections.OrderedDict(learning_rate=0.5, momentum=0.1)
    state = optimizer.set_hparams(optimizer.initialize(weights), hparams)
    state, weights = optimizer.next(state, weights, floats([4.4, -0.1]))
    np.testing.assert_allclose(weights, [0.8, -1.95], rtol=1e-6)
    assert optimizer.get_hparams(state) == hparams


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("negative learning rate", (-1.0,)),
        ("infinite learning rate", (math.inf,)),
        ("nan learning rate", (math.nan,)),
        ("negative momentum", (0.1, -0.1)),
        ("large momentum", (0.1, 1.5)),
    ],
)
def test_hyperparameters_out_of_bounds_are_refused(name, arguments, golden):
    with pytest.raises(ValueError, match="cannot use this") as raised:
        build_sgdm(*arguments)
    golden.check(name, str(raised.value))


@pytest.mark.parametrize("learning_rate", ["fast", None, [0.1, 0.2], True])
def test_a_learning_rate_that_is_no_number_is_refused(learning_rate):
    with pytest.raises(TypeError, match="learning_rate: expected a finite number"):
        build_sgdm(learning_rate)


@pytest.mark.parametrize("learning_rate", [1, np.float32(0.5), np.float64(0.5), np.array(0.5)])
def test_a_learning_rate_may_be_any_number(learning_rate):
    state = build_sgdm(learning_rate).initialize(floats([1.0]))
    assert state["learning_rate"] == learning_rate


def test_a_mistake_shows_the_users_frame_only():
    with pytest.raises(ValueError, match="learning_rate") as caught:
        build_sgdm(learning_rate=-1.0)
    assert [entry.name for entry in caught.traceback] == [
        "test_a_mistake_shows_the_users_frame_only"
    ]
