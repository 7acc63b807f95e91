"""`tff.type_at_clients` and `tff.type_at_server`."""

from __future__ import annotations

import numpy as np
import pytest

import tensorflow_federated as tff


def test_at_clients():
    assert tff.type_at_clients(np.float32) == tff.FederatedType(np.float32, tff.CLIENTS)


def test_at_clients_with_the_same_value():
    built = tff.type_at_clients((np.float32, np.int32), all_equal=True)
    assert built == tff.FederatedType((np.float32, np.int32), tff.CLIENTS, all_equal=True)


def test_at_server():
    assert tff.type_at_server(np.float32) == tff.FederatedType(np.float32, tff.SERVER)


@pytest.mark.parametrize("build", [tff.type_at_clients, tff.type_at_server])
def test_what_holds_a_federated_type_has_no_place(build):
    with pytest.raises(ValueError, match="federated type"):
        build(tff.FederatedType(np.int32, tff.SERVER))
