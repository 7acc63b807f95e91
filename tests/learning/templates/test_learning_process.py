"""`tff.learning.templates.LearningProcess`."""

from __future__ import annotations

import collections

import numpy as np
import pytest

import tensorflow_federated as tff

LearningProcess = tff.learning.templates.LearningProcess
Output = tff.learning.templates.LearningProcessOutput

get_weights = tff.tensorflow.computation(lambda s: s, np.int32)
set_weights = tff.tensorflow.computation(lambda s, w: w, np.int32, np.int32)


@pytest.fixture
def keep(parts):
    """A `next` that keeps the state and reports it."""
    return tff.federated_computation(lambda s, d: Output(s, s), parts.state, parts.data)


def test_it_gives_state_and_metrics(parts, keep):
    process = LearningProcess(parts.zero, keep, get_weights, set_weights)
    output = process.next(process.set_model_weights(process.initialize(), 5), [[1.0]])
    assert isinstance(output, Output)
    assert output == (5, 5)
    assert process.get_model_weights(output.state) == 5


def test_without_computations_there_are_no_hyperparameters(parts, keep):
    # Source: TFF 0.87.
    process = LearningProcess(parts.zero, keep, get_weights, set_weights)
    assert str(process.get_hparams.type_signature) == "(int32 -> <>)"
    assert str(process.set_hparams.type_signature) == "(<state=int32,hparams=<>> -> int32)"


def test_each_law_of_next_has_its_error(parts, golden):
    data = parts.data
    broken = {
        "the data is at the server": (lambda s, d: Output(s, s), parts.state),
        "the data is no sequence": (lambda s, d: Output(s, s), parts.client_number),
        "the result is a tuple": (lambda s, d: (s, s), data),
        "the result is a dict": (
            lambda s, d: collections.OrderedDict(state=s, metrics=s),
            data,
        ),
        "the metrics are at the clients": (
            lambda s, d: Output(s, tff.federated_broadcast(s)),
            data,
        ),
        "there is a third argument": (lambda s, d, e: Output(s, s), data, data),
    }
    for name, (fn, *types) in broken.items():
        next_fn = tff.federated_computation(fn, parts.state, *types)
        with pytest.raises(TypeError) as raised:
            LearningProcess(parts.zero, next_fn, get_weights, set_weights)
        golden.check(name, str(raised.value))


def test_each_law_of_the_weights_has_its_error(parts, keep, golden):
    local = tff.tensorflow.computation
    broken = {
        "get takes another state": (local(lambda s: s, np.float32), set_weights),
        "set takes another state": (
            get_weights,
            local(lambda s, w: w, np.float32, np.int32),
        ),
        "set gives no state": (get_weights, local(lambda s, w: 1.0, np.int32, np.int32)),
        "set takes the state alone": (get_weights, get_weights),
        "get is no computation": ("get", set_weights),
    }
    for name, computations in broken.items():
        with pytest.raises(TypeError) as raised:
            LearningProcess(parts.zero, keep, *computations)
        golden.check(name, str(raised.value))
