"""`tff.learning.optimizers.from_optax`."""

from __future__ import annotations

import collections

import jax.numpy as jnp
import numpy as np
import optax
import pytest

import tensorflow_federated as tff

OPTIMIZERS = tff.learning.optimizers
from_optax = OPTIMIZERS.from_optax
WEIGHTS_TYPE = tff.StructWithPythonType(
    [
        ("trainable", collections.OrderedDict(a=(np.float32, [2]), b=[(np.float32, [2, 3])])),
        ("non_trainable", []),
    ],
    tff.learning.models.ModelWeights,
)

TRANSFORMATIONS = {
    "sgd": lambda: optax.sgd(0.1, momentum=0.9, nesterov=True),
    "adam": lambda: optax.adam(0.1),
    "adamw on a schedule": lambda: optax.adamw(optax.cosine_decay_schedule(0.1, 4)),
    "adafactor": lambda: optax.adafactor(0.1, min_dim_size_to_factor=2),
    "clipped lamb": lambda: optax.chain(optax.clip_by_global_norm(1.0), optax.lamb(0.1)),
    "injected": lambda: optax.inject_hyperparams(optax.rmsprop)(0.1, momentum=0.5),
    "accumulating": lambda: optax.MultiSteps(optax.sgd(0.1), 2).gradient_transformation(),
}


def start():
    return collections.OrderedDict(
        a=np.float32([1.0, -2.0]), b=[np.arange(6, dtype=np.float32).reshape(2, 3)]
    )


def gradient_at(weights):
    return collections.OrderedDict(a=0.5 * weights["a"], b=[weights["b"][0] - 1.0])


def arrays(weights):
    return [np.asarray(weights["a"]), np.asarray(weights["b"][0])]


QUICK = ("sgd", "adam", "injected")


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name in QUICK else pytest.mark.slow)
        for name in TRANSFORMATIONS
    ],
)
def test_the_server_steps_as_optax_does(name):
    process = tff.learning.templates.build_apply_optimizer_finalizer(
        TRANSFORMATIONS[name](), WEIGHTS_TYPE
    )
    transformation, weights = TRANSFORMATIONS[name](), start()
    expected, expected_state = start(), transformation.init(start())
    state = process.initialize()
    for _ in range(4):
        output = process.next(
            state, tff.learning.models.ModelWeights(weights, []), gradient_at(weights)
        )
        state, weights = output.state, output.result.trainable
        updates, expected_state = transformation.update(
            gradient_at(expected), expected_state, expected
        )
        expected = optax.apply_updates(expected, updates)
        for ours, theirs in zip(arrays(weights), arrays(expected), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


def test_the_state_keeps_the_named_tuples_of_optax():
    process = tff.learning.templates.build_apply_optimizer_finalizer(optax.adam(0.1), WEIGHTS_TYPE)
    state = process.initialize()
    assert isinstance(state[0], optax.ScaleByAdamState)
    assert isinstance(state[1], optax.EmptyState)
    assert str(process.initialize.type_signature.result.member[0]) == (
        "<count=int32,mu=<a=float32[2],b=<float32[2,3]>>,nu=<a=float32[2],b=<float32[2,3]>>>"
    )


def test_weights_of_64_bits_keep_them():
    process = tff.learning.templates.build_apply_optimizer_finalizer(
        optax.adam(0.1),
        tff.StructWithPythonType(
            [("trainable", [(np.float64, [2])]), ("non_trainable", [])],
            tff.learning.models.ModelWeights,
        ),
    )
    assert str(process.initialize.type_signature.result.member[0]) == (
        "<count=int32,mu=<float64[2]>,nu=<float64[2]>>"
    )


def test_the_numbers_are_those_of_the_optimizer_here():
    ours, theirs = OPTIMIZERS.build_adam(0.1, epsilon=1e-8), from_optax(optax.adam(0.1))
    weights = [jnp.asarray([1.0, -3.0]), jnp.asarray([1.0, -3.0])]
    states = [ours.initialize(weights[0]), theirs.initialize(weights[1])]
    for _ in range(5):
        for index, optimizer in enumerate((ours, theirs)):
            states[index], weights[index] = optimizer.next(
                states[index], weights[index], 0.5 * weights[index]
            )
    np.testing.assert_allclose(weights[0], weights[1], rtol=1e-5)


def injected():
    return from_optax(optax.inject_hyperparams(optax.sgd)(learning_rate=0.1, momentum=0.5))


def test_injected_hyperparameters_are_read():
    optimizer = injected()
    hparams = optimizer.get_hparams(optimizer.initialize(np.float32([1.0])))
    np.testing.assert_allclose([hparams["learning_rate"], hparams["momentum"]], [0.1, 0.5])


def test_injected_hyperparameters_are_replaced():
    optimizer, weights = injected(), np.float32([1.0])
    state = optimizer.initialize(weights)
    state = optimizer.set_hparams(state, collections.OrderedDict(learning_rate=0.5))
    _, stepped = optimizer.next(state, weights, np.float32([1.0]))
    np.testing.assert_allclose(stepped, [0.5])


def test_a_hyperparameter_with_a_schedule_is_none():
    optimizer = from_optax(
        optax.inject_hyperparams(optax.sgd)(learning_rate=lambda count: 0.1, momentum=0.5)
    )
    state = optimizer.initialize(np.float32([1.0]))
    assert list(optimizer.get_hparams(state)) == ["momentum"]


def test_without_injection_there_are_no_hyperparameters():
    optimizer = from_optax(optax.adam(0.1))
    state = optimizer.initialize(np.float32([1.0]))
    assert optimizer.get_hparams(state) == collections.OrderedDict()


def test_hyperparameters_pass_through_a_process():
    process = tff.learning.templates.build_apply_optimizer_finalizer(injected(), WEIGHTS_TYPE)
    state = process.initialize()
    hparams = process.get_hparams(state)
    hparams["learning_rate"] = 0.25
    assert process.get_hparams(process.set_hparams(state, hparams))["learning_rate"] == 0.25


def test_a_weight_without_gradient_stays():
    optimizer = from_optax(optax.sgd(0.5))
    weights = [np.float32(1.0), np.float32(2.0)]
    _, stepped = optimizer.next(optimizer.initialize(weights), weights, [None, np.float32(1.0)])
    np.testing.assert_allclose(stepped, [1.0, 1.5])


def test_gradients_of_another_form_are_refused():
    optimizer = from_optax(optax.sgd(0.5))
    weights = [np.float32([1.0])]
    with pytest.raises(ValueError, match="do not match"):
        optimizer.next(optimizer.initialize(weights), weights, [np.float32([1.0, 2.0])])


def test_something_else_is_refused(golden):
    with pytest.raises(TypeError, match="needs a transformation") as raised:
        from_optax(0.1)
    golden.check("something else", str(raised.value))
