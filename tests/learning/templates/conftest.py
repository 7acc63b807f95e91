"""Small parts from which the tests build processes, good and bad."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

import tensorflow_federated as tff


@pytest.fixture(scope="session")
def parts() -> SimpleNamespace:
    """A state, a type of weights and of data, and what is made of them."""
    weights_type = tff.StructWithPythonType(
        [("trainable", np.float32), ("non_trainable", ())], tff.learning.models.ModelWeights
    )

    def client_result(update, weight=1.0):
        return tff.federated_zip(
            tff.learning.templates.ClientResult(update, tff.federated_value(weight, tff.CLIENTS))
        )

    return SimpleNamespace(
        zero=tff.federated_computation(lambda: tff.federated_value(0, tff.SERVER)),
        state=tff.FederatedType(np.int32, tff.SERVER),
        weights_type=weights_type,
        server_weights=tff.FederatedType(weights_type, tff.SERVER),
        client_weights=tff.FederatedType(weights_type, tff.CLIENTS),
        data=tff.FederatedType(tff.SequenceType(np.float32), tff.CLIENTS),
        server_number=tff.FederatedType(np.float32, tff.SERVER),
        client_number=tff.FederatedType(np.float32, tff.CLIENTS),
        output=tff.templates.MeasuredProcessOutput,
        client_result=client_result,
    )
