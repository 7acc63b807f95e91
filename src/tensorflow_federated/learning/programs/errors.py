"""What goes wrong in programs that train and evaluate models."""

from __future__ import annotations

from tensorflow_federated.core import errors


class MetricsPathError(errors.FederatedError, KeyError, known_as="KeyError"):
    """Metrics have not the part that a program releases as those of the model.

    Fails: `tff.learning.programs.extract_and_rewrap_metrics({"train": 1}, path=["eval"])`.
    Mended: `path=["train"]`.
    """


class EmptyPathError(errors.FederatedError, ValueError, known_as="ValueError"):
    """A path in metrics names nothing.

    Fails: `tff.learning.programs.extract_and_rewrap_metrics({"train": 1}, path=[])`.
    Mended: `path=["train"]`.
    """


class TrainingArgumentError(errors.FederatedError, ValueError, known_as="ValueError"):
    """A model cannot be trained, or evaluated, with these arguments.

    Fails: `await tff.learning.programs.train_model(evaluation_periodicity=0, ...)`.
    Mended: `evaluation_periodicity=1`, to evaluate the model of every round.
    """


class DiscardedRoundError(errors.FederatedError, RuntimeError):
    """A round was discarded so often that there is no sense in trying it again.

    Fails: `await tff.learning.programs.train_model(should_discard_round=lambda output: True, ...)`.
    Mended: discard a round only where another attempt can succeed; or raise
    `max_discards_per_round`.
    """


class ProgramOutputError(errors.FederatedError, RuntimeError):
    """The state of a program could not be saved, or a result could not be released.

    What went wrong is the cause of this error. The program ends at that round; called again with
    the same program state manager it goes on behind the last round whose state was saved.

    Fails: a program state manager whose disk is full.
    Mended: make room, and call `train_model` again.
    """


class EvaluationError(errors.FederatedError, RuntimeError):
    """Evaluations that ran beside the training failed.

    What went wrong in the first one is the cause of this error; the message names all. The training
    is not stopped by it, and its states are saved.

    Fails: an evaluation whose clients' data has another type than the training's.
    Mended: correct it, and call `train_model` again: it takes up the evaluations that did not end.
    """
