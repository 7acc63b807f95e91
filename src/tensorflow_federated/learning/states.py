"""States of learning processes in files."""

from __future__ import annotations

import os
from typing import Any

from tensorflow_federated.core import errors
from tensorflow_federated.core.computations import Computation
from tensorflow_federated.core.types import FederatedType
from tensorflow_federated.learning import descriptions, sealed_files

_KIND = "a saved state"


def save(state: Any, path: str | os.PathLike[str]) -> None:
    """Writes a state into a file; see `LearningAlgorithmState.save`."""
    sealed_files.write(sealed_files.checked_path(path, "state.save"), _KIND, state)


@errors.boundary
def load_state(path: str | os.PathLike[str], *, process: Any = None) -> Any:
    """Reads the state of a learning process that `state.save(path)` wrote.

    Args:
      path: the file.
      process: the learning process that is to go on with the state; if it is given, the state is
        checked to be one of this process.

    Returns:
      The state, equal to the saved one; its arrays are those of NumPy.

    Raises:
      SavedFileError: if no such file is there, it was damaged, or the state is none of `process`;
        the message names what differs.
      TypeMismatchError: if `process` is no process.

    Examples:
      >>> import tempfile
      >>> import jax
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> model = tff.learning.models.FunctionalModel(
      ...     initial_weights=([np.zeros([1, 1], np.float32)], []),
      ...     predict_on_batch_fn=jax.jit(lambda weights, x, training: x @ weights[0][0]),
      ...     loss_fn=lambda output, label, sample_weight=None: ((output - label) ** 2).mean(),
      ...     input_spec=(
      ...         tff.TensorType(np.float32, [None, 1]),
      ...         tff.TensorType(np.float32, [None, 1]),
      ...     ),
      ... )
      >>> sgd = tff.learning.optimizers.build_sgdm(learning_rate=0.5)
      >>> process = tff.learning.algorithms.build_weighted_fed_avg(model, sgd)
      >>> client_data = [[(np.float32([[1.0]]), np.float32([[3.0]]))]]
      >>> state, _ = process.next(process.initialize(), client_data)
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     state.save(f"{folder}/round_1.state")
      ...     loaded = tff.learning.load_state(f"{folder}/round_1.state", process=process)
      >>> process.get_model_weights(loaded).trainable
      [array([[3.]], dtype=float32)]
    """
    checked = sealed_files.checked_path(path, "tff.learning.load_state")
    state, found = sealed_files.read(checked, _KIND)
    if process is not None:
        expected = _state_type(process)
        try:
            expected.check_assignable_from(found)
        except errors.TypeNotAssignableError as error:
            raise errors.SavedFileError(
                "this state is none of the process.",
                problems=[f"file: {checked}", *error.problems],
                fix="build the process as it was built when the state was saved; to take over the "
                "weights alone, load without `process` and call "
                "`process.set_model_weights(process.initialize(), state.global_model_weights)`.",
            ) from None
    return state


def _state_type(process: Any) -> Any:
    initialize = getattr(process, "initialize", None)
    if not isinstance(initialize, Computation):
        raise errors.TypeMismatchError(
            "`tff.learning.load_state` needs a process.",
            problems=[f"process: got {descriptions.described(process)}"],
            fix="give the learning process that is to go on with the state.",
        )
    result = initialize.type_signature.result
    return result.member if isinstance(result, FederatedType) else result
