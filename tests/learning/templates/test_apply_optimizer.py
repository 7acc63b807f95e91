"""`tff.learning.templates.build_apply_optimizer_finalizer`."""

from __future__ import annotations

import collections

import numpy as np
import pytest
import tensorflow as tf

import tensorflow_federated as tff

build = tff.learning.templates.build_apply_optimizer_finalizer
build_sgdm = tff.learning.optimizers.build_sgdm
Weights = tff.learning.models.ModelWeights


def test_it_steps_against_the_update(parts):
    process = build(build_sgdm(0.1), parts.weights_type)
    output = process.next(process.initialize(), Weights(1.0, ()), -2.0)
    assert output.result.trainable == pytest.approx(1.2)
    assert isinstance(output.result, Weights)
    assert output.measurements == {"update_non_finite": 0}


def test_it_keeps_the_velocity():
    weights_type = tff.StructWithPythonType(
        [("trainable", [np.float32]), ("non_trainable", [np.int32])], Weights
    )
    process = build(build_sgdm(1.0, momentum=0.5), weights_type)
    state, weights = process.initialize(), Weights([0.0], [7])
    for _ in range(2):
        output = process.next(state, weights, [1.0])
        state, weights = output.state, output.result
    assert weights == Weights([-2.5], [7])
    assert state["accumulator"] == [1.5]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_an_update_that_is_not_finite_is_rejected(bad):
    weights_type = tff.StructWithPythonType(
        [("trainable", [np.float32, np.float32]), ("non_trainable", [])], Weights
    )
    process = build(build_sgdm(1.0, momentum=0.5), weights_type)
    state = process.initialize()
    output = process.next(state, Weights([1.0, 2.0], []), [1.0, bad])
    assert output.result == Weights([1.0, 2.0], [])
    assert output.state == state
    assert output.measurements == {"update_non_finite": 1}


@pytest.mark.parametrize(("update", "expected"), [(-2.0, 1.2), (2.0, 1.0)])
def test_what_is_rejected_can_be_chosen(parts, update, expected):
    # Source: TFF 0.87.
    process = build(
        build_sgdm(0.1),
        parts.weights_type,
        lambda state, update: (
            update > 0,
            collections.OrderedDict(big=tf.cast(update > 0, "int32")),
        ),
    )
    output = process.next(process.initialize(), Weights(1.0, ()), update)
    assert output.result.trainable == pytest.approx(expected)
    assert output.measurements == {"big": int(update > 0)}


def test_nothing_need_be_rejected_or_measured(parts):
    process = build(build_sgdm(0.1), parts.weights_type, lambda state, update: (False, None))
    output = process.next(process.initialize(), Weights(1.0, ()), np.inf)
    assert output.result.trainable == -np.inf
    assert output.measurements == {}


def test_an_optimizer_written_in_tensorflow_is_accepted():
    class Signed(tff.learning.optimizers.Optimizer):
        def initialize(self, specs):
            return tf.nest.map_structure(lambda spec: tf.zeros(spec.shape, spec.dtype), specs)

        def next(self, state, weights, gradients):
            return state, tf.nest.map_structure(lambda w, g: w - tf.sign(g), weights, gradients)

    weights_type = tff.StructWithPythonType(
        [("trainable", [np.float32]), ("non_trainable", [])], Weights
    )
    process = build(Signed(), weights_type)
    output = process.next(process.initialize(), Weights([1.0], []), [0.3])
    assert output.result.trainable == [0.0]
    assert output.measurements == {"update_non_finite": 0}


def test_hyperparameters_can_be_replaced(parts):
    process = build(build_sgdm(0.1, 0.5), parts.weights_type)
    state = process.initialize()
    hparams = process.get_hparams(state)
    assert hparams == {"learning_rate": np.float32(0.1), "momentum": 0.5}
    replaced = process.set_hparams(state, {"learning_rate": 0.75, "momentum": 0.25})
    assert replaced == {"learning_rate": 0.75, "momentum": 0.25, "accumulator": 0.0}


@pytest.mark.parametrize(
    ("name", "optimizer"),
    [
        ("a number", 3),
        ("a function", test_it_keeps_the_velocity),
        ("the builder", build_sgdm),
        ("a class", tff.learning.optimizers.Optimizer),
    ],
)
def test_what_is_no_optimizer_is_refused(parts, name, optimizer, golden):
    with pytest.raises(TypeError, match="needs an optimizer") as raised:
        build(optimizer, parts.weights_type)
    golden.check(name, str(raised.value))


@pytest.mark.parametrize(
    "weights_type",
    [
        3,
        tff.to_type(np.float32),
        tff.to_type([np.float32, np.float32]),
        tff.to_type({"trainable": tff.FederatedType(np.float32, tff.SERVER), "non_trainable": ()}),
    ],
)
def test_what_is_no_type_of_weights_is_refused(weights_type):
    with pytest.raises(TypeError, match=r"expected <trainable=\.\.\.,non_trainable=\.\.\.>"):
        build(build_sgdm(0.1), weights_type)
