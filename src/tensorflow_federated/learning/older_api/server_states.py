"""The state of the server as processes had it until 2022."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs
import numpy as np

from tensorflow_federated.core import errors, trees
from tensorflow_federated.learning.models.model_weights import ModelWeights


@attrs.frozen(eq=False)
class ServerState:
    """The state of the server between rounds.

    Attributes:
      model: the weights of the model, a `tff.learning.models.ModelWeights`.
      optimizer_state: the state of the server's optimizer.
      delta_aggregate_state: the state of the aggregation of updates.
      model_broadcast_state: the state of the broadcast.
    """

    model: Any
    optimizer_state: Any
    delta_aggregate_state: Any
    model_broadcast_state: Any


@errors.boundary
def state_with_new_model_weights(
    server_state: ServerState,
    trainable_weights: Sequence[np.ndarray],
    non_trainable_weights: Sequence[np.ndarray],
) -> ServerState:
    """Puts other weights into a state.

    Args:
      server_state: a state of an older process.
      trainable_weights: arrays of the shapes and dtypes of the trainable weights, in their order.
      non_trainable_weights: likewise for the other weights.

    Returns:
      The state with these weights, and everything else as it was.

    Raises:
      TypeMismatchError: if the arrays are not of the form of the weights.

    Examples:
      >>> import numpy as np
      >>> from tensorflow_federated.learning.models.model_weights import ModelWeights
      >>> state = ServerState(ModelWeights([np.zeros(2)], []), (), (), ())
      >>> state_with_new_model_weights(state, [np.ones(2)], []).model.trainable
      [array([1., 1.])]
    """
    if not isinstance(server_state, ServerState):
        raise errors.TypeMismatchError(
            "this is no state of an older process.",
            problems=[f"server_state: got {errors.describe_object(server_state)}"],
            fix="for processes of `tff.learning.algorithms` call "
            "`process.set_model_weights(state, weights)`.",
        )
    weights = server_state.model
    changed = ModelWeights(
        _checked("trainable_weights", weights.trainable, trainable_weights),
        _checked("non_trainable_weights", weights.non_trainable, non_trainable_weights),
    )
    return attrs.evolve(server_state, model=changed)


def _checked(argument: str, old: Any, new: Any) -> Any:
    before, after = trees.leaves(old), trees.leaves(new)
    problems = [
        f"{argument}[{index}]: expected {_form(one)}, got {_form(other)}"
        for index, (one, other) in enumerate(zip(before, after, strict=False))
        if _form(one) != _form(other)
    ]
    if len(before) != len(after):
        problems.append(f"{argument}: expected {len(before)} arrays, got {len(after)}")
    if problems:
        raise errors.TypeMismatchError(
            "the weights are not of the form of the model's.",
            problems=problems,
            fix="give arrays of the shapes and dtypes of `server_state.model`, in its order.",
        )
    return trees.pack_like(old, after)


def _form(value: Any) -> str:
    array = np.asarray(value)
    return f"{array.dtype}{list(array.shape)}"
