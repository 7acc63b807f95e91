"""Checks of the functions that make models, and of what they make."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from tensorflow_federated.core import callsites, errors
from tensorflow_federated.learning.models import frameworks
from tensorflow_federated.learning.models.functional import FunctionalModel
from tensorflow_federated.learning.models.variable import VariableModel

ModelFn = Callable[[], VariableModel]


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


def check_is_model(model: Any, model_fn: ModelFn) -> None:
    """Checks that what a model function returned is a model.

    Args:
      model: what it returned.
      model_fn: the function.

    Raises:
      ModelError: if it is no `VariableModel`.
    """
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


def check_made_anew(foreign: list[str], model_fn: ModelFn) -> None:
    """Checks that a model was made in the call of its function.

    Args:
      foreign: its variables that were not, described.
      model_fn: the function that was called.

    Raises:
      ModelValueError: if there are any.
    """
    if not foreign:
        return
    raise errors.ModelValueError(
        "`model_fn` uses a model, or metrics, that were made before it was called.",
        problems=[f"variable: {each}" for each in foreign[:5]]
        + ([f"and {len(foreign) - 5} more"] if len(foreign) > 5 else []),
        where=callsites.line_of(model_fn),
        fix="make the model, its losses and its metrics inside `model_fn`: every call has to "
        "return new ones.",
    )
