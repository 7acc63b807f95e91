"""Calls the function that makes a model, and notes every variable that it makes.

Importing this module imports TensorFlow.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tensorflow_federated.core import callsites, errors, trees
from tensorflow_federated.learning.models import frameworks
from tensorflow_federated.learning.models.functional import FunctionalModel
from tensorflow_federated.learning.models.model_weights import ModelWeights
from tensorflow_federated.learning.models.variable import VariableModel

ModelFn = Callable[[], VariableModel]


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


def check_model_fn(model_fn: Any) -> None:
    """Checks that something can be called to make models.

    Args:
      model_fn: what a user gave as the function that makes the model.

    Raises:
      ModelError: if it is a model, or cannot be called without arguments.
    """
    fix = "give a function that builds a new model and returns it, `def model_fn(): ...`."
    if isinstance(model_fn, VariableModel) or frameworks.is_keras_model(model_fn):
        raise errors.ModelError(
            "`model_fn` is a model, not a function that makes one.",
            problems=[f"model_fn: got {_described(model_fn)}"],
            signature="( -> VariableModel)",
            fix=fix,
        )
    if not callable(model_fn):
        raise errors.ModelError(
            "`model_fn` is not a function.",
            problems=[f"model_fn: got {model_fn!r:.100}"],
            signature="( -> VariableModel)",
            fix=fix,
        )
    abstract: frozenset[str] = getattr(model_fn, "__abstractmethods__", frozenset())
    if abstract:
        missing = ", ".join(f"`{name}`" for name in sorted(abstract))
        raise errors.ModelError(
            f"the class `{model_fn.__name__}` is not a whole model.",
            problems=[f"missing: {missing}"],
            signature="( -> VariableModel)",
            fix="define in the class what is missing.",
        )
    try:
        inspect.signature(model_fn).bind()
    except TypeError as error:
        raise errors.ModelError(
            "`model_fn` cannot be called without arguments.",
            problems=[f"model_fn: {error}"],
            signature="( -> VariableModel)",
            fix="bind its arguments first: `lambda: model_fn(...)`.",
        ) from error
    except ValueError:
        # Some built-in callables have no signature; calling it will tell.
        return


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
    _check_is_model(model, model_fn)
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


def _check_is_model(model: Any, model_fn: ModelFn) -> None:
    if isinstance(model, VariableModel):
        return
    if frameworks.is_keras_model(model) or frameworks.is_legacy_keras(model):
        fix = (
            "wrap the Keras model: `return tff.learning.models.from_keras_model(keras_model, ...)`."
        )
    elif isinstance(model, FunctionalModel):
        fix = "give the functional model itself, and no function that returns it."
    elif model is None:
        fix = "end `model_fn` with `return` and the model."
    else:
        fix = "return a `tff.learning.models.VariableModel`."
    raise errors.ModelError(
        "`model_fn` does not return a model.",
        problems=[f"returned: expected a `VariableModel`, got {_described(model)}"],
        signature="( -> VariableModel)",
        where=callsites.line_of(model_fn),
        fix=fix,
    )


def _described(value: Any) -> str:
    return "None" if value is None else f"an object of the class `{type(value).__name__}`"


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
    if foreign:
        raise errors.ModelValueError(
            "`model_fn` uses a model, or metrics, that were made before it was called.",
            problems=[
                f"variable: {variable.name.partition(':')[0]!r} of shape {list(variable.shape)}"
                for variable in foreign[:5]
            ]
            + ([f"and {len(foreign) - 5} more"] if len(foreign) > 5 else []),
            where=callsites.line_of(model_fn),
            fix="make the model, its losses and its metrics inside `model_fn`: every call has to "
            "return new ones.",
        )
