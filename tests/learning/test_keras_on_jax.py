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


def inner_tests() -> dict[str, bool]:
    """The names of its tests, and whether they are slow."""
    return {
        node.name: any(ast.unparse(each) == "pytest.mark.slow" for each in node.decorator_list)
        for node in ast.walk(ast.parse(FILE.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


def run(kind: str, cases: str, folder: pathlib.Path) -> tuple[dict[str, set[str]], str]:
    """Runs tests of the file with Keras on JAX.

    Args:
      kind: the marker of those that run.
      cases: the name of the list of cases whose results on TensorFlow they need.
      folder: where these results are left.

    Returns:
      The outcomes of each test, by its name; and all that was said.
    """
    spec = importlib.util.spec_from_file_location("keras_on_tensorflow", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    path = folder / "tensorflow.pickle"
    path.write_bytes(
        pickle.dumps({case: module.result_of(*case) for case in getattr(module, cases)})
    )
    options = ["-q", "-rA", "-p", "no:cacheprovider", "-m", kind]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, str(FILE)],
        cwd=FILE.parent.parent.parent,
        env={**os.environ, "KERAS_BACKEND": "jax", "RESULTS_ON_TENSORFLOW": str(path)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    summary = re.sub(r"(?s).*short test summary info", "", done.stdout)
    found: dict[str, set[str]] = {}
    for outcome, name in re.findall(r"^(\w+) \S+::(\w+)", summary, re.MULTILINE):
        found.setdefault(name, set()).add(outcome)
    return found, done.stdout + done.stderr


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, set[str]], str]:
    return run("not slow", "FAST_CASES", tmp_path_factory.mktemp("results"))


@pytest.mark.parametrize(
    "name", sorted(name for name, is_slow in inner_tests().items() if not is_slow)
)
def test_on_jax(name: str, outcomes: tuple[dict[str, set[str]], str]):
    found, said = outcomes
    assert found.get(name) == {"PASSED"}, said


@pytest.mark.slow
def test_slow_ones_on_jax(tmp_path: pathlib.Path):
    found, said = run("slow", "SLOW_CASES", tmp_path)
    assert set(found) > {name for name, is_slow in inner_tests().items() if is_slow}, said
    assert set().union(*found.values()) == {"PASSED"}, said


@pytest.mark.slow
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
