"""Keras optimizers, given where an optimizer of this package is expected."""

from __future__ import annotations

import functools
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf

import tensorflow_federated as tff

WEIGHTS_TYPE = tff.StructWithPythonType(
    [("trainable", [tff.TensorType(np.float32, [2, 3])]), ("non_trainable", [])],
    tff.learning.models.ModelWeights,
)
NUM_STEPS = 6


def build(optimizer):
    """The finalizer that a Keras optimizer becomes, without the warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        return tff.learning.templates.build_apply_optimizer_finalizer(optimizer, WEIGHTS_TYPE)


def first_weights():
    return np.array([[3.0, -2.0, 0.5], [1.0, 4.0, -1.0]], np.float32)


def gradient_at(weights, step):
    return np.float32(0.3) * weights + np.float32(np.sin(step)) - np.float32(0.1)


def steps_of(optimizer):
    """The weights after each step of the optimizer that a Keras optimizer becomes."""
    process = build(optimizer)
    state, weights, trajectory = process.initialize(), first_weights(), []
    for step in range(NUM_STEPS):
        output = process.next(
            state,
            tff.learning.models.ModelWeights([weights], []),
            [gradient_at(weights, step)],
        )
        state, weights = output.state, output.result.trainable[0]
        trajectory.append(weights)
    return trajectory


def steps_of_keras(optimizer):
    variable = keras.Variable(first_weights())
    return _steps_on(optimizer, variable)


def _steps_on(optimizer, variable):
    trajectory = []
    for step in range(NUM_STEPS):
        gradient = tf.constant(gradient_at(np.array(variable), step))
        optimizer.apply_gradients([(gradient, variable)])
        trajectory.append(np.array(variable))
    return trajectory


SCHEDULES = {
    "exponential": lambda: keras.optimizers.schedules.ExponentialDecay(0.1, 2, 0.5),
    "staircase": lambda: keras.optimizers.schedules.ExponentialDecay(0.1, 2, 0.5, staircase=True),
    "inverse time": lambda: keras.optimizers.schedules.InverseTimeDecay(0.1, 2, 0.5),
    "piecewise": lambda: keras.optimizers.schedules.PiecewiseConstantDecay([1, 3], [0.5, 0.2, 0.1]),
    "polynomial": lambda: keras.optimizers.schedules.PolynomialDecay(0.1, 4, 0.01, power=2.0),
    "cycle": lambda: keras.optimizers.schedules.PolynomialDecay(0.1, 2, 0.01, cycle=True),
    "cosine": lambda: keras.optimizers.schedules.CosineDecay(0.1, 4, alpha=0.1),
    "warmup": lambda: keras.optimizers.schedules.CosineDecay(
        0.01, 3, warmup_target=0.2, warmup_steps=2
    ),
}

OPTIMIZERS = {
    "sgd": lambda: keras.optimizers.SGD(0.1),
    "momentum": lambda: keras.optimizers.SGD(0.1, momentum=0.9),
    "nesterov": lambda: keras.optimizers.SGD(0.1, momentum=0.9, nesterov=True),
    "adam": lambda: keras.optimizers.Adam(0.1, beta_1=0.8, beta_2=0.95, epsilon=1e-3),
    "adam with decay": lambda: keras.optimizers.Adam(0.1, weight_decay=0.1),
    "adamw": lambda: keras.optimizers.AdamW(0.1, weight_decay=0.2),
    "adagrad": lambda: keras.optimizers.Adagrad(0.1, initial_accumulator_value=0.3, epsilon=0.1),
    "rmsprop": lambda: keras.optimizers.RMSprop(0.1, rho=0.8, epsilon=0.01),
    "rmsprop with momentum": lambda: keras.optimizers.RMSprop(0.1, momentum=0.5),
    "rmsprop centered": lambda: keras.optimizers.RMSprop(0.1, centered=True, momentum=0.5),
    "adafactor": lambda: keras.optimizers.Adafactor(0.5),
    "adafactor, no relative step": lambda: keras.optimizers.Adafactor(2.0, relative_step=False),
    "adafactor on a schedule": lambda: keras.optimizers.Adafactor(SCHEDULES["exponential"]()),
    "rmsprop on a schedule": lambda: keras.optimizers.RMSprop(
        SCHEDULES["exponential"](), momentum=0.5
    ),
    **{
        f"sgd on {name}": lambda schedule=schedule: keras.optimizers.SGD(schedule())
        for name, schedule in SCHEDULES.items()
    },
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_steps_are_those_of_keras(name):
    np.testing.assert_allclose(
        steps_of(OPTIMIZERS[name]), steps_of_keras(OPTIMIZERS[name]()), rtol=2e-5, atol=2e-6
    )


@pytest.mark.parametrize(
    "optimizer",
    [
        keras.optimizers.SGD,
        functools.partial(keras.optimizers.SGD, learning_rate=0.01),
        lambda: keras.optimizers.SGD(),
        keras.optimizers.SGD(),
    ],
    ids=["class", "partial", "lambda", "instance"],
)
def test_every_way_to_give_one_is_understood(optimizer):
    state_type = build(optimizer).initialize.type_signature.result.member
    assert str(state_type) == "<learning_rate=float32>"


CALLS = {
    "SGD": lambda: keras.optimizers.SGD(0.02),
    "SGD with momentum": lambda: keras.optimizers.SGD(0.02, 0.9, nesterov=True),
    "Adam": lambda: keras.optimizers.Adam(),
    "Adam with weight decay": lambda: keras.optimizers.Adam(weight_decay=0.01),
    "Adagrad": lambda: keras.optimizers.Adagrad(),
    "RMSprop": lambda: keras.optimizers.RMSprop(centered=True),
    "Adafactor": lambda: keras.optimizers.Adafactor(),
    "schedule": lambda: keras.optimizers.Adam(SCHEDULES["exponential"]()),
}


@pytest.mark.parametrize("name", CALLS)
def test_one_warning_names_the_call_of_today(name, golden):
    with pytest.warns(FutureWarning) as caught:
        tff.learning.templates.build_apply_optimizer_finalizer(CALLS[name], WEIGHTS_TYPE)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    golden.check(name, str(caught[0].message))


def dense_model():
    spec = (tf.TensorSpec([None, 2], tf.float32), tf.TensorSpec([None, 1], tf.float32))
    return tff.learning.models.from_keras_model(
        keras.Sequential([keras.Input([2]), keras.layers.Dense(1, kernel_initializer="zeros")]),
        loss=keras.losses.MeanSquaredError(),
        input_spec=spec,
    )


@pytest.fixture(scope="module")
def averaging():
    """Federated averaging with Keras optimizers on both sides, and its warnings."""
    with pytest.warns(FutureWarning) as caught:
        process = tff.learning.algorithms.build_weighted_fed_avg(
            dense_model,
            client_optimizer_fn=lambda: keras.optimizers.SGD(0.02),
            server_optimizer_fn=lambda: keras.optimizers.SGD(1.0),
        )
    return process, [str(warning.message) for warning in caught]


def test_federated_averaging_warns_once_for_each_optimizer(averaging):
    _, messages = averaging
    calls = [message.rpartition("write ")[2] for message in messages]
    assert calls == [
        "`client_optimizer_fn=tff.learning.optimizers.build_sgdm(learning_rate=0.02)`.",
        "`server_optimizer_fn=tff.learning.optimizers.build_sgdm(learning_rate=1.0)`.",
    ]


def test_federated_averaging_trains_with_them(averaging):
    process, _ = averaging
    data = (np.float32([[1.0, 0.0]]), np.float32([[1.0]]))
    output = process.next(process.initialize(), [tf.data.Dataset.from_tensors(data)])
    kernel = process.get_model_weights(output.state).trainable[0]
    np.testing.assert_allclose(kernel, [[0.04], [0.0]], rtol=1e-6)


def of_keras_2(module, name, **config):
    """An optimizer as `tf_keras` has them: classes of this module with these configurations."""
    base = type("Optimizer", (), {"__module__": "tf_keras.src.optimizers.optimizer"})
    members = {"__module__": f"tf_keras.src.optimizers.{module}", "iterations": 0}
    optimizer = type(name, (base,), members)()
    optimizer.get_config = lambda: {"name": name, **config}
    return optimizer


# Source: `get_config` of tf_keras 2.21; the steps were compared with those of tf_keras.
OF_KERAS_2 = {
    "SGD": of_keras_2(
        "sgd",
        "SGD",
        weight_decay=None,
        clipnorm=None,
        use_ema=False,
        ema_momentum=0.99,
        jit_compile=True,
        is_legacy_optimizer=False,
        learning_rate=np.float32(0.02),
        momentum=0.0,
        nesterov=False,
    ),
    "RMSprop": of_keras_2(
        "rmsprop",
        "RMSprop",
        learning_rate=0.001,
        rho=0.9,
        momentum=0.0,
        epsilon=1e-7,
        centered=False,
    ),
    "legacy RMSprop": of_keras_2(
        "legacy.rmsprop",
        "RMSprop",
        learning_rate=0.001,
        decay=0.0,
        rho=0.9,
        momentum=0.0,
        epsilon=1e-7,
        centered=False,
    ),
    "legacy Adam": of_keras_2(
        "legacy.adam",
        "Adam",
        learning_rate=0.001,
        decay=0.0,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-7,
        amsgrad=False,
    ),
}


@pytest.mark.parametrize("name", OF_KERAS_2)
def test_optimizers_of_keras_2_are_read_too(name, golden):
    with pytest.warns(FutureWarning) as caught:
        tff.learning.templates.build_apply_optimizer_finalizer(OF_KERAS_2[name], WEIGHTS_TYPE)
    golden.check(f"{name} of Keras 2", str(caught[0].message).partition("; ")[2])


class Slowed(keras.optimizers.SGD):
    """A Keras optimizer of the user's own."""


class Warming(keras.optimizers.schedules.LearningRateSchedule):
    """A schedule of the user's own."""

    def __call__(self, step):
        return 0.1


def trained():
    optimizer = keras.optimizers.SGD(0.1)
    optimizer.apply_gradients([(tf.constant(1.0), keras.Variable(1.0))])
    return optimizer


MISTAKES = {
    "another class": lambda: keras.optimizers.Nadam(0.1),
    "a class of the user's": lambda: Slowed(0.1),
    "amsgrad and clipping": lambda: keras.optimizers.Adam(0.1, amsgrad=True, clipnorm=1.0),
    "weight decay without Adam": lambda: keras.optimizers.SGD(0.1, weight_decay=0.1),
    "average of weights": lambda: keras.optimizers.SGD(0.1, use_ema=True),
    "gradient accumulation": lambda: keras.optimizers.SGD(0.1, gradient_accumulation_steps=2),
    "a schedule with momentum": lambda: keras.optimizers.SGD(SCHEDULES["exponential"](), 0.9),
    "a schedule that is not known": lambda: keras.optimizers.SGD(
        keras.optimizers.schedules.CosineDecayRestarts(0.1, 2)
    ),
    "one that was used": trained,
    "a schedule without configuration": lambda: keras.optimizers.SGD(Warming()),
    "a decay of Keras 2": lambda: of_keras_2(
        "legacy.gradient_descent", "SGD", learning_rate=0.1, decay=0.5, momentum=0.0, nesterov=False
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_what_has_no_counterpart_is_refused(name, golden):
    with pytest.raises(TypeError, match="cannot use this Keras optimizer") as raised:
        build(MISTAKES[name])
    golden.check(name, str(raised.value))


OTHERS = {
    "a number": 0.1,
    "a function that fails": lambda: 1 / 0,
    "a function of an optimizer": lambda: tff.learning.optimizers.build_sgdm(),
    "a function with arguments": tff.learning.optimizers.build_adam,
    "a function of something else": lambda: 3,
}


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_no_optimizer_is_refused(name, golden):
    with pytest.raises(TypeError, match="needs an optimizer") as raised:
        build(OTHERS[name])
    golden.check(name, str(raised.value))
