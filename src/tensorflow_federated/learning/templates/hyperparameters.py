"""What the processes of learning have in common: hyperparameters that live in their state."""

from __future__ import annotations

import collections
from typing import Any

from tensorflow_federated.core import tracing
from tensorflow_federated.core.computations import Computation
from tensorflow_federated.core.types import Type
from tensorflow_federated.learning.templates import errors, laws
from tensorflow_federated.templates import iterative_process


class HasHyperparameters:
    """A process whose hyperparameters can be read from a state, and replaced in it."""

    _get_hparams_fn: Computation
    _set_hparams_fn: Computation

    def _use_hparams(
        self,
        state_type: Type,
        get_hparams_fn: Computation | None,
        set_hparams_fn: Computation | None,
    ) -> None:
        """Checks and keeps the two computations.

        Args:
          state_type: the type of the state, without placement.
          get_hparams_fn: of the type ``(S -> H)``; by default there are no hyperparameters.
          set_hparams_fn: of the type ``(<S,H> -> S)``; by default the state stays as it is.

        Raises:
          TemplateNotComputationError: if one of the two is no computation.
          GetHparamsTypeError: if the first does not take the state.
          SetHparamsTypeError: if the second does not turn a state into a state.
        """
        if get_hparams_fn is None:
            get_hparams_fn = _no_hparams(state_type)
        iterative_process.check_computation("get_hparams_fn", get_hparams_fn)
        laws.check_getter(get_hparams_fn, state_type, "get_hparams_fn", errors.GetHparamsTypeError)
        if set_hparams_fn is None:
            set_hparams_fn = _unchanged(state_type, get_hparams_fn.type_signature.result)
        iterative_process.check_computation("set_hparams_fn", set_hparams_fn)
        laws.check_setter(set_hparams_fn, state_type, "hparams", errors.SetHparamsTypeError)
        self._get_hparams_fn = get_hparams_fn
        self._set_hparams_fn = set_hparams_fn

    @property
    def get_hparams(self) -> Computation:
        """The computation that reads the hyperparameters out of a state, ``(S -> H)``."""
        return self._get_hparams_fn

    @property
    def set_hparams(self) -> Computation:
        """The computation that replaces the hyperparameters in a state, ``(<S,H> -> S)``."""
        return self._set_hparams_fn


def _no_hparams(state_type: Type) -> Computation:
    def get_none(state: Any) -> Any:
        del state
        return collections.OrderedDict()

    return tracing.federated_computation(get_none, state_type)


def _unchanged(state_type: Type, hparams_type: Type) -> Computation:
    def keep_state(state: Any, hparams: Any) -> Any:
        del hparams
        return state

    return tracing.federated_computation(keep_state, state_type, hparams_type)
