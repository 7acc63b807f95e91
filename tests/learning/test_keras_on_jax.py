"""Keras on JAX does what Keras on TensorFlow does; see `keras_on_jax`, which runs in a process."""

from __future__ import annotations

import ast
import importlib.util
import os
import pathlib
import pickle
import re
import subprocess
import sys

import pytest

FILE = pathlib.Path(__file__).parent / "keras_on_jax.py"
TESTS = sorted(
    node.name
    for node in ast.walk(ast.parse(FILE.read_text(encoding="utf-8")))
    if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
)


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """What a run of the file with Keras on JAX says, in short and at length."""
    spec = importlib.util.spec_from_file_location("keras_on_tensorflow", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    path = tmp_path_factory.mktemp("results") / "tensorflow.pickle"
    path.write_bytes(pickle.dumps(module.results()))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-rA", "-p", "no:cacheprovider", str(FILE)],
        cwd=FILE.parent.parent.parent,
        env={**os.environ, "KERAS_BACKEND": "jax", "RESULTS_ON_TENSORFLOW": str(path)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    return re.sub(r"(?s).*short test summary info", "", done.stdout), done.stdout + done.stderr


@pytest.mark.parametrize("name", TESTS)
def test_on_jax(name: str, outcomes: tuple[str, str]):
    summary, said = outcomes
    found = re.findall(rf"^(\w+) \S+::{name}(?:\[.*\])?(?: - .*)?$", summary, re.MULTILINE)
    assert found, said
    assert set(found) == {"PASSED"}, said


def test_specs_and_datasets_of_tensorflow_are_read_on_jax(run_python):
    printed = run_python(
        """
        import os
        os.environ["KERAS_BACKEND"] = "jax"
        import keras
        import numpy as np
        import tensorflow as tf
        import tensorflow_federated as tff

        def model_fn():
            dense = keras.layers.Dense(1, kernel_initializer="zeros")
            return tff.learning.models.from_keras_model(
                keras.Sequential([keras.Input((1,)), dense]),
                loss=keras.losses.MeanSquaredError(),
                input_spec=(tf.TensorSpec([None, 1]), tf.TensorSpec([None, 1])),
            )

        sgd = tff.learning.optimizers.build_sgdm(learning_rate=0.5)
        process = tff.learning.algorithms.build_weighted_fed_avg(model_fn, sgd)
        x = np.ones([3, 1], np.float32)
        data = tf.data.Dataset.from_tensor_slices((x, x)).batch(3)
        state, _ = process.next(process.initialize(), [data])
        print(process.get_model_weights(state).trainable)
        """
    )
    assert printed == "[array([[1.]], dtype=float32), array([1.], dtype=float32)]\n"
