"""The laws of learning processes and their parts: one error for each that can be broken."""

from __future__ import annotations

from tensorflow_federated.core import errors as core_errors
from tensorflow_federated.templates import errors


class TemplatePlacementError(errors.TemplateError, core_errors.PlacementError):
    """A part of a learning process takes or gives a value at the wrong place.

    Fails: a `DistributionProcess` whose result is at the server.
    Mended: `tff.federated_broadcast(value)`.
    """


class ClientDataTypeError(errors.TemplateError):
    """The clients' data is no sequence, nor a structure of sequences.

    Fails: a client work whose `next_fn` takes `{float32}@CLIENTS` as its data.
    Mended: `{float32*}@CLIENTS`, with `tff.SequenceType`.
    """


class ClientResultTypeError(errors.TemplateError):
    """The result of a client work is no `ClientResult`.

    Fails: `result=tff.federated_zip((update, weight))`.
    Mended: `result=tff.federated_zip(tff.learning.templates.ClientResult(update, weight))`.
    """


class FinalizerResultTypeError(errors.TemplateError):
    """The result of a finalizer is not of the type of the model weights that it takes.

    Fails: a finalizer that returns the update as its result.
    Mended: return the weights after the update.
    """


class GetHparamsTypeError(errors.TemplateError):
    """The computation that reads hyperparameters does not take the state.

    Fails: `get_hparams_fn` of the type `(float32 -> ...)` for a state of the type int32.
    Mended: take the type that `initialize_fn` gives, without its placement.
    """


class SetHparamsTypeError(errors.TemplateError):
    """The computation that sets hyperparameters does not turn a state into a state.

    Fails: `set_hparams_fn` of the type `(state -> state)`.
    Mended: `(<state,hparams> -> state)`.
    """


class LearningProcessPlacementError(TemplatePlacementError):
    """A learning process takes or gives a value at the wrong place.

    Fails: a `next_fn` whose second parameter is at the server.
    Mended: the clients' data, `tff.FederatedType(tff.SequenceType(...), tff.CLIENTS)`.
    """


class LearningProcessOutputError(errors.TemplateError):
    """`next_fn` of a learning process returns something else than a `LearningProcessOutput`.

    Fails: `return state, metrics`.
    Mended: `return tff.learning.templates.LearningProcessOutput(state, metrics)`.
    """


class GetModelWeightsTypeSignatureError(errors.TemplateError):
    """The computation that reads the model weights does not take the state.

    Fails: `get_model_weights` that takes the weights alone.
    Mended: take the type that `initialize_fn` gives, without its placement.
    """


class SetModelWeightsTypeSignatureError(errors.TemplateError):
    """The computation that sets the model weights does not turn a state into a state.

    Fails: `set_model_weights` of the type `(weights -> state)`.
    Mended: `(<state,weights> -> state)`.
    """


class ModelWeightsTypeError(errors.TemplateError):
    """A type that should be one of model weights is something else.

    Fails: `build_apply_optimizer_finalizer(optimizer, tff.to_type(np.float32))`.
    Mended: `tff.learning.models.weights_type_from_model(model_fn)`.
    """


class CompositionError(errors.TemplateError):
    """Parts of a learning process do not fit together.

    Fails: `compose_learning_process` with a distributor that was built for other weights.
    Mended: build all parts for the types of the same model.
    """
