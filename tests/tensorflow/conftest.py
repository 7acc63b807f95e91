"""The computations of these tests run on every engine."""

from __future__ import annotations

import pytest

from tensorflow_federated.core import contexts as context_stack
from tensorflow_federated.execution import contexts

ENGINES = {
    "local": contexts.create_local_context,
    "reference": contexts.create_reference_context,
}


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest):
    """Makes an engine the one that runs computations."""
    with context_stack.install(ENGINES[request.param](seed=0)) as context:
        yield context
