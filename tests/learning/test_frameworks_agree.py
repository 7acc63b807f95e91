"""The same network trains alike in Keras on TensorFlow and on JAX, in TensorFlow, and in JAX."""

from __future__ import annotations

import importlib.util
import json
import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

FILE = pathlib.Path(__file__).parent / "framework_models.py"


@pytest.fixture(scope="module")
def programs() -> Any:
    spec = importlib.util.spec_from_file_location("framework_models", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
@pytest.mark.parametrize("network", ["mlp", "cnn"])
def test_losses_of_ten_rounds_and_of_an_evaluation_agree(
    network: str, programs: Any, run_python: Callable[..., str]
):
    makers = (
        programs.of_keras,
        programs.of_tensorflow,
        programs.of_tensorflow_variables,
        programs.of_jax,
    )
    found = [programs.losses(make(network), network) for make in makers]
    found.append(json.loads(run_python(FILE.read_text(encoding="utf-8"), network)))
    first = found[0]
    assert len(first) == programs.ROUNDS + 1
    assert first[-1] < 0.5 * first[0]
    for other in found[1:]:
        np.testing.assert_allclose(other, first, atol=1e-4, rtol=0)
