"""Every exception of the package, and the one place where their messages are built.

A message has four parts, in this order: what went wrong (all problems at once), the signature that
was broken, the user's own line, and what to write instead::

    PlacementError: `federated_mean` cannot be applied to this argument.
      argument[1]: expected {U}@CLIENTS, got float32@SERVER
      signature:   (<{T}@CLIENTS,{U}@CLIENTS> -> T@SERVER)
      where:       train.py:12 in `next_fn`
      fix:         place the weights at CLIENTS, one per client.

There is one class per broken law. Each is also a subclass of the built-in exception that TFF raised
there, so that `except TypeError` in an existing program keeps working.
"""

from __future__ import annotations

import difflib
import functools
import inspect
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import ParamSpec, TypeVar

from tensorflow_federated.core import callsites

_P = ParamSpec("_P")
_R = TypeVar("_R")

# Columns between the start of a label (`where:`) and its text, as wide as `argument[1]: `.
_LABEL_WIDTH = 13
_LONGEST_SIGNATURE = 400


class FederatedError(Exception):
    """The root of all errors that this package raises on purpose.

    A class with `known_as` shows that name as its `__name__`: programs written for TFF look at
    `type(error).__name__`, where TFF raised a built-in class. Its `__qualname__`, which a traceback
    prints, is the name of the law.

    Attributes:
      summary: One sentence: what cannot be done.
      problems: Each thing that is wrong, as `label: text`.
      signature: The signature that was broken, in type notation; None where there is none. The
        message shortens a long one.
      where: The user's line, `file.py:line in `function``; None if no user code is on the stack.
      fix: What to write instead; None where nothing general can be said.
    """

    def __init_subclass__(cls, *, known_as: str | None = None, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        if known_as is not None:
            cls.__name__ = known_as

    def __init__(
        self,
        summary: str,
        *,
        problems: Sequence[str] = (),
        signature: object | None = None,
        where: str | None = None,
        fix: str | None = None,
    ) -> None:
        """Builds the error.

        Args:
          summary: One sentence: what cannot be done.
          problems: Each thing that is wrong, as `label: text`.
          signature: A string or a type, printed with `str`.
          where: The user's line; found on the call stack if None.
          fix: What to write instead.
        """
        super().__init__(summary)
        self.summary: str = summary
        self.problems: tuple[str, ...] = tuple(problems)
        self.signature: str | None = None if signature is None else str(signature)
        self.where: str | None = callsites.find_user_line() if where is None else where
        self.fix: str | None = fix

    def __str__(self) -> str:
        lines = [self.summary]
        lines.extend(_indented(problem, 4) for problem in self.problems)
        for label, text in (
            ("signature:", self.signature),
            ("where:", self.where),
            ("fix:", self.fix),
        ):
            if text:
                shown = _shortened(text) if label == "signature:" else text
                lines.append(_indented(f"{label:<{_LABEL_WIDTH}}{shown}", 2 + _LABEL_WIDTH))
        return "\n".join(lines)


def _shortened(signature: str) -> str:
    """A signature without its middle, if it is that of a whole learning process."""
    if len(signature) <= _LONGEST_SIGNATURE:
        return signature
    half = _LONGEST_SIGNATURE // 2
    return f"{signature[:half]} ... {signature[-half:]}"


def _indented(text: str, continuation: int) -> str:
    """Indents the first line by two columns and the others by `continuation`."""
    return "  " + text.replace("\n", "\n" + " " * continuation)


class TypeMismatchError(FederatedError, TypeError, known_as="TypeError"):
    """A value or a type is not of the type that is expected there.

    Fails, for 2.5 is no int32::

        @tff.tensorflow.computation(np.int32)
        def double(x):
            return 2 * x


        double(2.5)

    Mended: `double(2)`.
    """


class TypeNotAssignableError(TypeMismatchError):
    """A value of one type is used where another type, not assignable from it, is expected.

    Fails: `tff.TensorType(np.int32, [3]).check_assignable_from(tff.TensorType(np.int32, [None]))`.
    Mended: the expected type may be the more general one, `tff.TensorType(np.int32, [None])`.
    """


class TypesNotEquivalentError(TypeMismatchError):
    """Two types are not equivalent: values of one are not exactly the values of the other.

    Fails: `tff.to_type(np.int32).check_equivalent_to(tff.to_type(np.int64))`.
    Mended: give both the same dtype. Python containers may differ.
    """


class TypesNotIdenticalError(TypeMismatchError):
    """Two types are not identical: they differ, be it in a Python container only.

    Fails: `tff.to_type([np.int32]).check_identical_to(tff.to_type((np.int32,)))`.
    Mended: build both from a list, or use `check_equivalent_to`.
    """


class UnexpectedTypeError(TypeMismatchError):
    """A type of one kind was given where another kind (function, struct, ...) is needed.

    Fails: `tff.sequence_sum(tff.to_type(np.int32))` traced over a tensor.
    Mended: give a value of type `int32*`.
    """


class ToTypeError(FederatedError, TypeError, known_as="TypeError"):
    """An object cannot be read as a type.

    Fails: `tff.to_type(3)`, for 3 is a value.
    Mended: `tff.to_type(np.int32)`.
    """


class PlacementError(FederatedError, TypeError, known_as="TypeError"):
    """A value has the wrong placement, or none, for what is done with it.

    Fails, for the sum is at the server already::

        @tff.federated_computation(tff.FederatedType(np.int32, tff.SERVER))
        def total(x):
            return tff.federated_sum(x)

    Mended: declare the parameter at `tff.CLIENTS`.
    """


class ArgumentError(FederatedError, TypeError, known_as="TypeError"):
    """A computation or an intrinsic got the wrong number or the wrong names of arguments.

    Fails: `add(1)` where `add` has the type `(<x=int32,y=int32> -> int32)`.
    Mended: `add(1, 2)` or `add(x=1, y=2)`.
    """


class StructureError(FederatedError, ValueError, known_as="ValueError"):
    """A struct is malformed, or has not the names or the length that an operation needs.

    Fails: `tff.StructType([('a', np.int32), ('a', np.int32)])`, for `a` is there twice.
    Mended: `tff.StructType([('a', np.int32), ('b', np.int32)])`.
    """


class ElementNameError(FederatedError, KeyError, AttributeError, known_as="AttributeError"):
    """A struct or a struct type has no element of that name.

    Fails: `tff.structure.Struct.named(a=1).b`.
    Mended: `tff.structure.Struct.named(a=1).a`.
    """


class ElementIndexError(FederatedError, IndexError, known_as="IndexError"):
    """A struct or a struct type has no element at that position.

    Fails: `tff.structure.Struct.named(a=1)[1]`.
    Mended: `tff.structure.Struct.named(a=1)[0]`.
    """


class SumIncompatibleError(FederatedError, TypeError):
    """Values of this type cannot be summed.

    Fails: `tff.federated_sum(names)` where `names` is `{str}@CLIENTS`.
    Mended: sum numbers, or collect the strings with `tff.federated_aggregate`.
    """


class MeanIncompatibleError(FederatedError, TypeError, known_as="TypeError"):
    """Values of this type cannot be averaged.

    Fails: `tff.federated_mean(counts)` where `counts` is `{int32}@CLIENTS`.
    Mended: map them to float32 first, with `tff.federated_map`.
    """


class InvalidNonAllEqualValueError(FederatedError, TypeError):
    """A value at the clients is not given as its type says: as one value, or as a list of values.

    Fails: `f([1, 2])` where `f` has the type `(int32@CLIENTS -> int32@SERVER)`, for all clients
    have one value.
    Mended: `f(1)`, or declare the parameter as `{int32}@CLIENTS`.

    Fails: `g(1)` where `g` has the type `({int32}@CLIENTS -> int32@SERVER)`, for each client has a
    value of its own.
    Mended: `g([1])` for one client, `g([1, 1, 1])` for three.
    """


class CardinalityError(FederatedError, ValueError, known_as="ValueError"):
    """The arguments of one call disagree about the number of clients.

    Fails: `f([1, 2, 3], [1.0, 2.0])` where both parameters are placed at CLIENTS.
    Mended: give every client one value in each argument.
    """


class TracingError(FederatedError, ValueError, known_as="ValueError"):
    """The Python function of a computation cannot be traced.

    Fails, for a computation must return a value::

        @tff.federated_computation
        def nothing():
            pass

    Mended: `return tff.federated_value(0, tff.SERVER)`.
    """


class ModelError(FederatedError, TypeError, known_as="TypeError"):
    """A model function, a model, a loss or a metric is not of the kind that is needed.

    Fails: `tff.learning.algorithms.build_weighted_fed_avg(keras_model, ...)`.
    Mended: give a function without arguments that builds and returns a new `tff.learning` model.
    """


class ModelValueError(FederatedError, ValueError, known_as="ValueError"):
    """A model is of the right kind, but cannot be used as it is.

    Fails: `from_keras_model(keras_model, loss, input_spec=spec)` where `spec` has one element.
    Mended: give the spec of a batch: the features and the labels.
    """


class OptimizerError(FederatedError, ValueError, known_as="ValueError"):
    """An optimizer was given a hyperparameter, weights or gradients that it cannot use.

    Fails: `tff.learning.optimizers.build_sgdm(learning_rate=-1.0)`.
    Mended: `tff.learning.optimizers.build_sgdm(learning_rate=0.1)`.
    """


class DatasetError(FederatedError, ValueError, known_as="ValueError"):
    """Data of clients cannot be used: no such client, a wrong element, a damaged file.

    Fails: `client_data.create_tf_dataset_for_client('nobody')`.
    Mended: use one of `client_data.client_ids`.
    """


class DownloadError(FederatedError, OSError):
    """A file could not be fetched, or what came is not what was asked for; nothing is left behind.

    Fails: `tff.simulation.datasets.emnist.load_data()` without a network.
    Mended: put the file where the message says.
    """


class ClientError(FederatedError, RuntimeError):
    """The work of one client failed while a computation ran.

    Fails: a client's dataset that holds a string where the model reads a number.
    Mended: the message names the client; look at its data, or leave it out of the cohort.

    Attributes:
      client_index: The position of the client in the cohort, from 0.
      client_id: The client's name, where it has one.
      stage: What was being done, for example `local step`.
      round_number: The number of the round, where there are rounds.
    """

    def __init__(
        self,
        summary: str,
        *,
        client_index: int | None = None,
        client_id: str | None = None,
        stage: str | None = None,
        round_number: int | None = None,
        problems: Sequence[str] = (),
        signature: object | None = None,
        where: str | None = None,
        fix: str | None = None,
    ) -> None:
        """Builds the error; see `FederatedError` for the arguments that are not listed here.

        Args:
          summary: One sentence: what cannot be done.
          client_index: The position of the client in the cohort, from 0.
          client_id: The client's name, where it has one.
          stage: What was being done, for example `local step`.
          round_number: The number of the round, where there are rounds.
          problems: As in `FederatedError`.
          signature: As in `FederatedError`.
          where: As in `FederatedError`.
          fix: As in `FederatedError`.
        """
        place: list[str] = []
        if client_index is not None:
            named = "" if client_id is None else f" ({client_id!r})"
            place.append(f"{'client:':<{_LABEL_WIDTH}}{client_index}{named}")
        elif client_id is not None:
            place.append(f"{'client:':<{_LABEL_WIDTH}}{client_id!r}")
        if stage is not None:
            place.append(f"{'stage:':<{_LABEL_WIDTH}}{stage}")
        if round_number is not None:
            place.append(f"{'round:':<{_LABEL_WIDTH}}{round_number}")
        super().__init__(
            summary, problems=(*place, *problems), signature=signature, where=where, fix=fix
        )
        self.client_index: int | None = client_index
        self.client_id: str | None = client_id
        self.stage: str | None = stage
        self.round_number: int | None = round_number


class BackendError(FederatedError, LookupError):
    """A local computation belongs to a back end that nothing has registered.

    Fails: a program with a computation of the back end `torch`, which no module makes known.
    Mended: import the module that registers the back end before the program runs.
    """


class MissingExtraError(FederatedError, ImportError):
    """Something needs an optional dependency that is not installed.

    Fails: `tff.tensorflow.computation(...)` on a machine without TensorFlow.
    Mended: `pip install "tff-ng[tensorflow]"`.
    """


class RemovedNameError(FederatedError, AttributeError):
    """A name does not exist, was removed, or is misspelt.

    Fails: `tff.federated_averge`.
    Mended: the message names the nearest, or the one that replaces it.
    """


def missing_extra(extra: str, what: str) -> MissingExtraError:
    """Returns the error to raise where an optional dependency is missing.

    Args:
      extra: The name of the extra, for example `tensorflow`.
      what: What needs it, for example `` `tff.tensorflow.computation` ``.

    Returns:
      The error, not raised yet.

    Examples:
      >>> print(missing_extra("tensorflow", "`tff.tensorflow.computation`").fix)
      pip install "tff-ng[tensorflow]"
    """
    return MissingExtraError(
        f"{what} needs the extra `{extra}`, which is not installed.",
        fix=f'pip install "tff-ng[{extra}]"',
    )


def suggest_name(name: str, candidates: Iterable[str]) -> str | None:
    """Returns the candidate that `name` was probably meant to be, or None.

    Args:
      name: A name that does not exist.
      candidates: The names that do.

    Returns:
      The nearest candidate, or None if none is near.

    Examples:
      >>> suggest_name("federated_averge", ["federated_sum", "federated_average"])
      'federated_average'
      >>> suggest_name("zebra", ["federated_sum"]) is None
      True
    """
    matches = difflib.get_close_matches(name, sorted(candidates), n=1)
    return matches[0] if matches else None


def unknown_name(owner: str, name: str, candidates: Iterable[str]) -> RemovedNameError:
    """Returns the error to raise where a name does not exist.

    Args:
      owner: What has no such name, for example `tff.learning`.
      name: The name that was asked for.
      candidates: The names that exist.

    Returns:
      The error, not raised yet; it proposes the nearest name if there is one.

    Examples:
      >>> print(unknown_name("tff", "to_tipe", ["to_type", "CLIENTS"]).fix)
      did you mean `tff.to_type`?
    """
    nearest = suggest_name(name, candidates)
    return RemovedNameError(
        f"`{owner}` has no attribute `{name}`.",
        fix=None if nearest is None else f"did you mean `{owner}.{nearest}`?",
    )


def boundary(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Decorates a public entry point: its errors show the user's frames, not ours.

    A `FederatedError` that passes through keeps the frames of user code; all frames inside this
    package and inside the tensor frameworks are dropped from its traceback. Arguments that do not
    fit the parameters of the function are an `ArgumentError`. Other exceptions pass as they are.
    With the environment variable `TFF_FULL_TRACEBACKS=1` nothing is dropped.

    Args:
      function: The entry point.

    Returns:
      A function with the same signature and name.
    """

    @functools.wraps(function)
    def entry_point(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        try:
            try:
                return function(*args, **kwargs)
            except TypeError as error:
                if _was_entered(error):
                    raise
                raise _call_error(function, kwargs, error) from None
        except FederatedError as error:
            # A framework that called this reads the traceback; the outermost boundary cuts it.
            is_inner = callsites.is_framework_frame(sys._getframe(1))  # pyright: ignore[reportPrivateUsage]
            if not is_inner and os.environ.get("TFF_FULL_TRACEBACKS") != "1":
                error.__traceback__ = _without_internal_frames(error.__traceback__)
            raise

    return entry_point


def _was_entered(error: TypeError) -> bool:
    """Whether a function that was called, and failed, had begun: its frame is on the traceback."""
    own_frame = error.__traceback__
    return own_frame is None or own_frame.tb_next is not None


def _call_error(
    function: Callable[..., object], keywords: Iterable[str], error: TypeError
) -> ArgumentError:
    """The error for a call whose arguments Python could not bind to the parameters."""
    name = function.__name__
    signature = inspect.signature(function)
    names = list(signature.parameters)
    fixes: list[str] = []
    for keyword in keywords:
        nearest = None if keyword in names else suggest_name(keyword, names)
        if nearest is not None:
            fixes.append(f"write `{nearest}` for `{keyword}`")
    empty = inspect.Parameter.empty
    parameters = [each.replace(annotation=empty) for each in signature.parameters.values()]
    shown = signature.replace(parameters=parameters, return_annotation=empty)
    return ArgumentError(
        f"`{name}` cannot be called with these arguments.",
        problems=[f"arguments: {str(error).partition('() ')[2] or error}"],
        signature=f"{name}{shown}",
        fix=f"{'; '.join(fixes)}." if fixes else "give the arguments that the signature names.",
    )


def _without_internal_frames(traceback: TracebackType | None) -> TracebackType | None:
    """Returns the traceback with the frames of user code only."""
    kept: list[TracebackType] = []
    step = traceback
    while step is not None:
        if callsites.is_user_frame(step.tb_frame):
            kept.append(step)
        step = step.tb_next
    result: TracebackType | None = None
    for step in reversed(kept):
        result = TracebackType(result, step.tb_frame, step.tb_lasti, step.tb_lineno)
    return result
