"""Saves models in folders, and loads them."""

from __future__ import annotations

import importlib.util
import os
import pathlib
from typing import Any

from tensorflow_federated.core import errors, types
from tensorflow_federated.core.types import StructType
from tensorflow_federated.learning import descriptions, sealed_files
from tensorflow_federated.learning.models.functional import FunctionalModel
from tensorflow_federated.learning.models.variable import VariableModel

_FILE = "model.tff"
_VARIABLE = "a saved `VariableModel`"
_FUNCTIONAL = "a saved `FunctionalModel`"


@errors.boundary
def save(model: VariableModel, path: str | os.PathLike[str], input_type: Any = None) -> None:
    """Saves a model: its methods as graphs of TensorFlow, and what its variables hold now.

    The folder holds one file, `model.tff`, which is replaced whole or not at all. No code is in it,
    and the code that made the model is not needed to load it.

    Args:
      model: a model; a `FunctionalModel` is saved by `save_functional_model`.
      path: the folder; made if it is not there.
      input_type: the type of the batches that the loaded model is to read; that of the model's
        `input_spec` if None.

    Raises:
      ModelError: if it is no model, or `input_type` is none of a batch.
      WireError: if the model does more than compute, as reading files or calling Python.

    Examples:
      >>> import tempfile
      >>> import numpy as np
      >>> import tensorflow as tf
      >>> import tensorflow_federated as tff
      >>> dense = tf.keras.layers.Dense(1, kernel_initializer="ones")
      >>> model = tff.learning.models.from_keras_model(
      ...     tf.keras.Sequential([tf.keras.Input((2,)), dense]),
      ...     loss=tf.keras.losses.MeanSquaredError(),
      ...     input_spec=(tf.TensorSpec([None, 2]), tf.TensorSpec([None, 1])),
      ... )
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     tff.learning.models.save(model, folder)
      ...     loaded = tff.learning.models.load(folder)
      >>> loaded.predict_on_batch(np.float32([[1.0, 2.0]]), training=False).numpy()
      array([[3.]], dtype=float32)

    Differs from TFF: a file of our own instead of a SavedModel, with the gradients of the loss and
    of the predictions in it.
    """
    if not isinstance(model, VariableModel):
        raise errors.ModelError(
            "`tff.learning.models.save` saves models with variables.",
            problems=[f"model: got {descriptions.described(model)}"],
            fix="call `tff.learning.models.save_functional_model`."
            if isinstance(model, FunctionalModel)
            else "give a `tff.learning.models.VariableModel`, not the function that makes it.",
        )
    folder = sealed_files.checked_path(path, "tff.learning.models.save")
    from tensorflow_federated.learning.models import saved_variables

    batch_type = types.to_type(model.input_spec if input_type is None else input_type)
    if not isinstance(batch_type, StructType):
        raise errors.ModelError(
            "`tff.learning.models.save` needs the type of a batch.",
            problems=[f"input_type: expected a pair of features and labels, got {batch_type}"],
            fix="leave `input_type` out: that of the model is used.",
        )
    content = saved_variables.to_content(model, batch_type)
    sealed_files.write(folder / _FILE, _VARIABLE, content)


@errors.boundary
def load(path: str | os.PathLike[str]) -> VariableModel:
    """Loads a model that `tff.learning.models.save` saved.

    Each call makes new variables, so `lambda: tff.learning.models.load(path)` is a function that a
    federated algorithm takes.

    Args:
      path: the folder.

    Returns:
      The model. It trains, evaluates, predicts and counts as the saved one did; its variables start
      with what those held.

    Raises:
      SavedFileError: if no such model is there, or its file was damaged.
      MissingExtraError: if TensorFlow is not installed.

    Differs from TFF: a SavedModel, as TFF wrote them, is not read. There is no Python in one, but
    TensorFlow runs all operations in its graphs, also those that read and write files. The graphs
    in `model.tff` may only compute, and that is checked before they run.
    """
    folder = sealed_files.checked_path(path, "tff.learning.models.load")
    _check_tensorflow("`tff.learning.models.load`")
    content = _read(folder, _VARIABLE)
    from tensorflow_federated.learning.models import loaded_model

    return loaded_model.LoadedModel(content)


@errors.boundary
def save_functional_model(functional_model: FunctionalModel, path: str | os.PathLike[str]) -> None:
    """Saves a functional model: its functions as graphs of TensorFlow or as StableHLO, its weights.

    Args:
      functional_model: the model, of TensorFlow or of JAX.
      path: the folder; made if it is not there.

    Raises:
      ModelError: if it is no functional model.
      WireError: if a function does more than compute; or, in JAX, branches in Python on the size
        of the batch.

    Examples:
      >>> import tempfile
      >>> import jax
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> model = tff.learning.models.FunctionalModel(
      ...     initial_weights=([np.ones([2, 1], np.float32)], []),
      ...     predict_on_batch_fn=jax.jit(lambda weights, x, training: x @ weights[0][0]),
      ...     loss_fn=lambda output, label, sample_weight=None: ((output - label) ** 2).mean(),
      ...     input_spec=(
      ...         tff.TensorType(np.float32, [None, 2]),
      ...         tff.TensorType(np.float32, [None, 1]),
      ...     ),
      ... )
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     tff.learning.models.save_functional_model(model, folder)
      ...     loaded = tff.learning.models.load_functional_model(folder)
      >>> loaded.predict_on_batch(loaded.initial_weights, np.float32([[1.0, 2.0]]))
      Array([[3.]], dtype=float32)

    Differs from TFF: models of JAX are saved too, and metrics are.
    """
    if not isinstance(functional_model, FunctionalModel):
        raise errors.ModelError(
            "`tff.learning.models.save_functional_model` saves functional models.",
            problems=[f"functional_model: got {descriptions.described(functional_model)}"],
            fix="call `tff.learning.models.save`."
            if isinstance(functional_model, VariableModel)
            else "give a `tff.learning.models.FunctionalModel`.",
        )
    user = "tff.learning.models.save_functional_model"
    folder = sealed_files.checked_path(path, user)
    content = _functional_form(functional_model.framework).to_content(functional_model)
    content["framework"] = functional_model.framework
    sealed_files.write(folder / _FILE, _FUNCTIONAL, content)


@errors.boundary
def load_functional_model(path: str | os.PathLike[str]) -> FunctionalModel:
    """Loads a model that `tff.learning.models.save_functional_model` saved.

    Args:
      path: the folder.

    Returns:
      The model, of the framework of the saved one.

    Raises:
      SavedFileError: if no such model is there, or its file was damaged.
      MissingExtraError: if its framework is not installed.

    Differs from TFF: the model has its metrics. Like there, its loss takes no weights of examples.
    """
    user = "tff.learning.models.load_functional_model"
    folder = sealed_files.checked_path(path, user)
    content = _read(folder, _FUNCTIONAL)
    framework = bytes(content["framework"]).decode()
    return _functional_form(framework).from_content(content)


def _read(folder: pathlib.Path, kind: str) -> Any:
    """What is saved in a folder; a folder that TFF wrote is told apart."""
    if (folder / "saved_model.pb").exists() and not (folder / _FILE).exists():
        raise errors.SavedFileError(
            f"this is not {kind} that can be read.",
            problems=[f"folder: {folder}", "inside: a SavedModel of TensorFlow, as TFF wrote them"],
            fix="make the model again, take the weights of the old one, "
            "`old = tf.saved_model.load(path)`, with `tff.learning.models.ModelWeights("
            "old.tff_trainable_variables, old.tff_non_trainable_variables)` and its "
            "`assign_weights_to`, and save the new one.",
        )
    content, _ = sealed_files.read(folder / _FILE, kind)
    return content


def _functional_form(framework: str) -> Any:
    if framework == "jax":
        from tensorflow_federated.learning.models import saved_jax_functions

        return saved_jax_functions
    _check_tensorflow("a functional model of TensorFlow")
    from tensorflow_federated.learning.models import saved_functions

    return saved_functions


def _check_tensorflow(user: str) -> None:
    if importlib.util.find_spec("tensorflow") is None:
        raise errors.missing_extra("tensorflow", user)
