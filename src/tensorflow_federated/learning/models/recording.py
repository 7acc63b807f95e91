"""Calls the function that makes a model, and notes every variable that it makes.

Importing this module imports TensorFlow.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tensorflow_federated.core import callsites, errors, trees
from tensorflow_federated.learning.models import frameworks, model_fns
from tensorflow_federated.learning.models.model_fns import ModelFn
from tensorflow_federated.learning.models.model_weights import ModelWeights
from tensorflow_federated.learning.models.variable import VariableModel


@dataclasses.dataclass(frozen=True)
class RecordedModel:
    """A model, just made, and its variables.

    Attributes:
      model: the model.
      weights: its weights, in the structures in which it lists them.
      trainable: the trainable variables, flat, in order.
      non_trainable: likewise the non-trainable ones that are weights.
      local: the variables behind the metrics.
      hidden: what else the constructor made: states of random generators, unlisted counters.
      local_values: the values that the local variables start with.
      hidden_values: the values that the hidden variables start with.
    """

    model: VariableModel
    weights: ModelWeights
    trainable: tuple[tf.Variable, ...]
    non_trainable: tuple[tf.Variable, ...]
    local: tuple[tf.Variable, ...]
    hidden: tuple[tf.Variable, ...]
    local_values: tuple[np.ndarray, ...]
    hidden_values: tuple[np.ndarray, ...]


def record(model_fn: ModelFn) -> RecordedModel:
    """Makes a model and notes its variables.

    Args:
      model_fn: makes the model.

    Returns:
      The model and its variables.

    Raises:
      ModelError: if what it makes is no `VariableModel`, or lists what is no variable.
      ModelValueError: if the model uses variables that were made elsewhere.
    """
    created: list[tf.Variable] = []

    def create(next_creator: Callable[..., tf.Variable], **options: Any) -> tf.Variable:
        variable = next_creator(**options)
        created.append(variable)
        return variable

    with tf.init_scope(), tf.variable_creator_scope(create):
        model = model_fn()
    model_fns.check_is_model(model, model_fn)
    trainable = _listed(model, "trainable_variables", model_fn)
    non_trainable = _listed(model, "non_trainable_variables", model_fn)
    local = _listed(model, "local_variables", model_fn)
    listed = [*trainable, *non_trainable, *local]
    _check_made_here(listed, created, model_fn)
    known = {id(variable) for variable in listed if not frameworks.is_seed_state(variable)}
    made = {id(variable): variable for variable in [*created, *listed]}
    hidden = tuple(variable for key, variable in made.items() if key not in known)
    return RecordedModel(
        model,
        ModelWeights.from_model(model),
        tuple(v for v in trainable if not frameworks.is_seed_state(v)),
        tuple(v for v in non_trainable if not frameworks.is_seed_state(v)),
        tuple(v for v in local if not frameworks.is_seed_state(v)),
        hidden,
        tuple(_value(v) for v in local if not frameworks.is_seed_state(v)),
        tuple(_value(v) for v in hidden),
    )


def _value(variable: tf.Variable) -> np.ndarray:
    # A variable may share its memory with the array that it gives.
    return np.array(variable.numpy())


def _listed(model: VariableModel, name: str, model_fn: ModelFn) -> list[tf.Variable]:
    """The variables of a model under one name, flat."""
    variables = trees.leaves(getattr(model, name))
    problems = [
        f"{name}: got {variable!r:.80}"
        for variable in variables
        if not isinstance(variable, tf.Variable) and not frameworks.is_keras_variable(variable)
    ]
    if problems:
        raise errors.ModelError(
            f"the model lists what is no variable under `{name}`.",
            problems=problems,
            where=callsites.line_of(model_fn),
            fix=f"let `{name}` be a structure of `tf.Variable`s, mostly a list.",
        )
    return [frameworks.to_framework_variable(variable) for variable in variables]


def _check_made_here(
    listed: Sequence[tf.Variable], created: Sequence[tf.Variable], model_fn: ModelFn
) -> None:
    """Checks that no variable of the model is older than the call that was to make the model."""
    made = {id(variable) for variable in created}
    # What a saved model is loaded into passes by the scope that notes variables.
    foreign = [
        variable
        for variable in listed
        if id(variable) not in made and type(variable).__name__ != "UninitializedVariable"
    ]
    model_fns.check_made_anew(
        [f"{v.name.partition(':')[0]!r} of shape {list(v.shape)}" for v in foreign], model_fn
    )
