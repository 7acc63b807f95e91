"""The laws of processes: one error for each that can be broken."""

from __future__ import annotations

from tensorflow_federated.core import errors


class TemplateError(errors.FederatedError, TypeError, known_as="TypeError"):
    """A process cannot be made of these computations; the root of the errors of this package.

    Fails: `AggregationProcess(initialize_fn, next_fn)` with a `next_fn` that breaks a law of
    aggregation; the class that is raised names the law.
    Mended: see that class. All of them are also a `TypeError`.
    """


class TemplateNotComputationError(TemplateError, known_as="TypeError"):
    """A process is made of computations, and something else was given.

    Fails: `IterativeProcess(lambda: 0, next_fn)`.
    Mended: decorate the function with `@tff.federated_computation` or
    `@tff.tensorflow.computation`.
    """


class TemplateInitFnParamNotEmptyError(TemplateError):
    """The first state is made of nothing, but `initialize_fn` takes an argument.

    Fails: `IterativeProcess(initialize_fn, next_fn)` where `initialize_fn` is `(int32 -> int32)`.
    Mended: a computation without parameters, `( -> int32)`.
    """


class TemplateNextFnNumArgsError(TemplateError):
    """`next_fn` has not the number of parameters that this kind of process needs.

    Fails: `AggregationProcess(initialize_fn, next_fn)` where `next_fn` takes the state alone.
    Mended: `next_fn` takes the state and the clients' values.
    """


class TemplateStateNotAssignableError(TemplateError):
    """A state that one computation gives is not one that the next computation takes.

    Fails: `IterativeProcess(initialize_fn, next_fn)` where `initialize_fn` gives an int32 and
    `next_fn` takes a float32.
    Mended: use one type for the state everywhere.
    """


class TemplateNotMeasuredProcessOutputError(TemplateError):
    """`next_fn` of a measured process returns something else than a `MeasuredProcessOutput`.

    Fails: `return state, result, measurements`.
    Mended: `return tff.templates.MeasuredProcessOutput(state, result, measurements)`.
    """


class AggregationNotFederatedError(TemplateError):
    """An aggregation process takes or gives a value without placement.

    Fails: an `initialize_fn` of the type `( -> int32)`.
    Mended: `( -> int32@SERVER)`, with `tff.federated_value(0, tff.SERVER)`.
    """


class AggregationPlacementError(TemplateError):
    """An aggregation process brings values from the clients to the server, and this one does not.

    Fails: a `next_fn` that returns its `{int32}@CLIENTS` argument as the result.
    Mended: return `tff.federated_sum(value)`.
    """


class EstimateNotAssignableError(TemplateError):
    """What an estimation process reports is not what the mapped function takes.

    Fails: `process.map(fn)` where `process.report` gives a float32 and `fn` takes an int32.
    Mended: a function of the reported type.
    """
