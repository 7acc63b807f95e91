"""How the model of a learning process is made again: what `to_keras` and `predict` need."""

from __future__ import annotations

import functools
import weakref
from typing import Any, TypeVar

from tensorflow_federated.core import errors
from tensorflow_federated.learning import descriptions
from tensorflow_federated.learning.models.functional import FunctionalModel

_Thing = TypeVar("_Thing")

_sources: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()


def remember(thing: _Thing, source: Any) -> _Thing:
    """Notes what something was made of.

    Args:
      thing: initial weights, or a process.
      source: a function that makes a model, or a functional model.

    Returns:
      The thing.
    """
    if isinstance(source, functools.partial):
        # Algorithms train a functional model as one with variables.
        source = next((each for each in source.args if isinstance(each, FunctionalModel)), source)
    _sources[thing] = source
    return thing


def pass_on(thing: Any, other: Any) -> None:
    """Notes that something was made of what another thing was made of, if that is known."""
    if thing in _sources:
        _sources[other] = _sources[thing]


def source_of(process: Any, user: str) -> Any:
    """The function that makes the model of a process, or its functional model.

    Args:
      process: a learning process.
      user: the name of the function that needs it.

    Raises:
      TypeMismatchError: if it is no learning process.
      ModelValueError: if it was put together without a model.
    """
    if not hasattr(process, "get_model_weights"):
        raise errors.TypeMismatchError(
            f"`{user}` needs a learning process.",
            problems=[f"process: got {descriptions.described(process)}"],
            fix="give what a builder of `tff.learning.algorithms` returned.",
        )
    if process not in _sources:
        raise errors.ModelValueError(
            f"`{user}` does not know the model of this process.",
            problems=["process: its initial weights are those of no model"],
            fix="build the process with `tff.learning.algorithms`; or make the model yourself and "
            "call `process.get_model_weights(state).assign_weights_to(model)`.",
        )
    return _sources[process]
