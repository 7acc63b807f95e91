"""`tff.learning.templates.FinalizerProcess`, and the laws of hyperparameters."""

from __future__ import annotations

import numpy as np
import pytest

import tensorflow_federated as tff

FinalizerProcess = tff.learning.templates.FinalizerProcess


@pytest.fixture
def keep(parts):
    """A finalizer that keeps the weights."""
    return tff.federated_computation(
        lambda s, w, u: parts.output(s, w, s),
        parts.state,
        parts.server_weights,
        parts.server_number,
    )


def test_hyperparameters_of_ones_own_are_used(parts, keep):
    process = FinalizerProcess(
        parts.zero,
        keep,
        get_hparams_fn=tff.tensorflow.computation(lambda s: {"doubled": 2 * s}, np.int32),
        set_hparams_fn=tff.tensorflow.computation(
            lambda s, h: s + h["doubled"], np.int32, {"doubled": np.int32}
        ),
    )
    assert process.get_hparams(4) == {"doubled": 8}
    assert process.set_hparams(4, {"doubled": 1}) == 5


def test_each_law_has_its_error(parts, golden):
    output = parts.output
    weights, update = parts.server_weights, parts.server_number
    broken = {
        "the weights are at the clients": (
            lambda s, w, u: output(s, s, s),
            parts.client_weights,
            update,
        ),
        "the update is at the clients": (
            lambda s, w, u: output(s, w, s),
            weights,
            parts.client_number,
        ),
        "the result is the update": (lambda s, w, u: output(s, u, s), weights, update),
        "the result is at the clients": (
            lambda s, w, u: output(s, tff.federated_broadcast(w), s),
            weights,
            update,
        ),
        "there is no update": (lambda s, w: output(s, w, s), weights),
    }
    for name, (fn, *types) in broken.items():
        next_fn = tff.federated_computation(fn, parts.state, *types)
        with pytest.raises(TypeError) as raised:
            FinalizerProcess(parts.zero, next_fn)
        golden.check(name, str(raised.value))


def test_each_law_of_hyperparameters_has_its_error(parts, keep, golden):
    local = tff.tensorflow.computation
    broken = {
        "get takes another state": {"get_hparams_fn": local(lambda s: s, np.float32)},
        "get takes nothing": {"get_hparams_fn": local(lambda: 1)},
        "get is no computation": {"get_hparams_fn": "get"},
        "set takes another state": {"set_hparams_fn": local(lambda s, h: 1, np.float32, np.int32)},
        "set takes the state alone": {"set_hparams_fn": local(lambda s: s, np.int32)},
        "set gives no state": {"set_hparams_fn": local(lambda s, h: 1.0, np.int32, np.int32)},
    }
    for name, arguments in broken.items():
        with pytest.raises(TypeError) as raised:
            FinalizerProcess(parts.zero, keep, **arguments)
        golden.check(name, str(raised.value))
