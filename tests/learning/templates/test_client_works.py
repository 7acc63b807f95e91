"""`tff.learning.templates.ClientWorkProcess`."""

from __future__ import annotations

import numpy as np
import pytest

import tensorflow_federated as tff

ClientWorkProcess = tff.learning.templates.ClientWorkProcess


def test_a_process_of_ones_own_is_accepted(parts):
    def next_fn(state, weights, data):
        del data
        return parts.output(state, parts.client_result(weights.trainable), state)

    process = ClientWorkProcess(
        parts.zero,
        tff.federated_computation(next_fn, parts.state, parts.client_weights, parts.data),
    )
    weights = tff.learning.models.ModelWeights(2.0, ())
    output = process.next(0, [weights, weights], [[1.0], []])
    assert output.result == [tff.learning.templates.ClientResult(2.0, 1.0)] * 2


def test_the_data_may_be_a_structure_of_sequences(parts):
    def next_fn(state, weights, data):
        del data
        return parts.output(state, parts.client_result(weights.trainable), state)

    sequence = tff.SequenceType(np.float32)
    data = tff.FederatedType((sequence, sequence), tff.CLIENTS)
    next_computation = tff.federated_computation(next_fn, parts.state, parts.client_weights, data)
    process = ClientWorkProcess(parts.zero, next_computation)
    assert process.next is next_computation


def test_without_computations_there_are_no_hyperparameters(parts):
    # Source: TFF 0.87.
    def next_fn(state, weights, data):
        del data
        return parts.output(state, parts.client_result(weights.trainable), state)

    process = ClientWorkProcess(
        parts.zero,
        tff.federated_computation(next_fn, parts.state, parts.client_weights, parts.data),
    )
    assert str(process.get_hparams.type_signature) == "(int32 -> <>)"
    assert str(process.set_hparams.type_signature) == "(<state=int32,hparams=<>> -> int32)"
    assert process.get_hparams(3) == {}
    assert process.set_hparams(3, {}) == 3


def test_each_law_has_its_error(parts, golden):
    output, result = parts.output, parts.client_result
    weights, data = parts.client_weights, parts.data

    def good(s, w, d):
        del d
        return output(s, result(w.trainable), s)

    def one():
        return tff.federated_value(1.0, tff.CLIENTS)

    broken = {
        "the weights are at the server": (
            lambda s, w, d: output(s, result(one()), s),
            parts.server_weights,
            data,
        ),
        "the data is at the server": (
            good,
            weights,
            tff.FederatedType(tff.SequenceType(np.float32), tff.SERVER),
        ),
        "the data is no sequence": (good, weights, parts.client_number),
        "the result is no client result": (lambda s, w, d: output(s, w, s), weights, data),
        "the result is a tuple": (
            lambda s, w, d: output(s, tff.federated_zip((w.trainable, one())), s),
            weights,
            data,
        ),
        "the result is at the server": (lambda s, w, d: output(s, s, s), weights, data),
        "the measurements are at the clients": (
            lambda s, w, d: output(s, result(w.trainable), one()),
            weights,
            data,
        ),
        "there is no data": (lambda s, w: output(s, result(w.trainable), s), weights),
    }
    for name, (fn, *types) in broken.items():
        next_fn = tff.federated_computation(fn, parts.state, *types)
        with pytest.raises(TypeError) as raised:
            ClientWorkProcess(parts.zero, next_fn)
        golden.check(name, str(raised.value))
